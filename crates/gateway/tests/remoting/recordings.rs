//! Requests composed for a real broker (5.5.0), played in their order through the handlers. Those of tools get answers of
//! the recorded code, with the recorded fields, and bodies with the recorded members.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::next_frame;
use wire::remoting::json;

use crate::host::{Asked, Host};

/// Where recordings lie: beside the checkout.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/remoting/server-5.5.0-raw");

/// Whose answers are compared. The others only bring the broker into the state of the recording.
const COMPARED: &[RequestCode] = &[
    RequestCode::UPDATE_AND_CREATE_TOPIC,
    RequestCode::UPDATE_AND_CREATE_TOPIC_LIST,
    RequestCode::DELETE_TOPIC_IN_BROKER,
    RequestCode::GET_ALL_TOPIC_CONFIG,
    RequestCode::GET_TOPIC_CONFIG,
    RequestCode::GET_TOPIC_STATS_INFO,
    RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
    RequestCode::QUERY_CONSUME_QUEUE,
    RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
    RequestCode::DELETE_SUBSCRIPTIONGROUP,
    RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
    RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG,
    RequestCode::QUERY_TOPIC_CONSUME_BY_WHO,
    RequestCode::QUERY_TOPICS_BY_CONSUMER,
    RequestCode::GET_CONSUME_STATS,
    RequestCode::GET_BROKER_CONSUME_STATS,
    RequestCode::QUERY_CONSUME_TIME_SPAN,
    RequestCode::INVOKE_BROKER_TO_RESET_OFFSET,
    RequestCode::CLONE_GROUP_OFFSET,
    RequestCode::GET_CONSUMER_CONNECTION_LIST,
    RequestCode::GET_PRODUCER_CONNECTION_LIST,
    RequestCode::GET_ALL_PRODUCER_INFO,
    RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER,
    RequestCode::GET_CONSUMER_RUNNING_INFO,
    RequestCode::SEND_REPLY_MESSAGE,
    RequestCode::SEND_REPLY_MESSAGE_V2,
    RequestCode::CONSUME_MESSAGE_DIRECTLY,
    RequestCode::VIEW_BROKER_STATS_DATA,
    RequestCode::GET_BROKER_RUNTIME_INFO,
    RequestCode::GET_BROKER_CONFIG,
    RequestCode::UPDATE_BROKER_CONFIG,
    RequestCode::GET_BROKER_HA_STATUS,
    RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE,
    RequestCode::CLEAN_UNUSED_TOPIC,
    RequestCode::DELETE_EXPIRED_COMMITLOG,
];

/// Requests whose recorded code is not ours: name, recorded code, our code, and why.
const DIFFERENT: &[(&str, i32, i32, &str)] = &[
    ("040-17-create-topic-batchcq", 0, 1, "we have one kind of queue"),
    ("129-25-update-config-no-auto-group", 0, 16, "configuration is read at start"),
    ("135-25-update-config-auto-group", 0, 16, "the same"),
    ("154-25-update-config", 0, 16, "the same"),
    ("156-25-update-config-empty", 0, 16, "the same"),
    ("157-25-update-config-bad-value", 0, 16, "the same; Java takes what it cannot read as done"),
    ("180-321-consume-queue-absent", 0, 17, "tools print an empty page for it"),
    ("181-306-clean-expired-cq", 1, 0, "a null pointer in Java right after its start"),
];

/// Refused when it was recorded, because 25 had forbidden that groups come into being by use.
const SKIPPED: [&str; 2] = ["131-15-commit-unknown-group", "134-200050-pop-unknown-group"];

/// Whose bodies are compared by value, but for times, rates and addresses.
const SAME_VALUES: &[RequestCode] = &[
    RequestCode::GET_TOPIC_CONFIG,
    RequestCode::GET_TOPIC_STATS_INFO,
    RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG,
    RequestCode::QUERY_TOPIC_CONSUME_BY_WHO,
    RequestCode::QUERY_TOPICS_BY_CONSUMER,
    RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER,
    RequestCode::GET_CONSUMER_CONNECTION_LIST,
    RequestCode::GET_PRODUCER_CONNECTION_LIST,
    RequestCode::GET_BROKER_HA_STATUS,
];

/// Members that differ from run to run.
const VARIES: &[&str] = &["lastUpdateTimestamp", "topicPutTps", "clientAddr", "masterCommitLogMaxOffset"];

/// Members of recorded bodies that ours need not have, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("groupRetryPolicy", "retries follow the delay levels; Java's default says just that"),
    ("consumeTimeStampStr", "made of consumeTimeStamp by a getter, read by nobody"),
    ("minTimeStampStr", "the same"),
    ("maxTimeStampStr", "the same"),
    ("filterData", "the text \"null\""),
];

struct Exchange {
    name: String,
    request: Vec<u8>,
    response: Option<Vec<u8>>,
}

/// The exchanges with the broker, in the order of the recording.
fn exchanges() -> Vec<Exchange> {
    let folder = Path::new(RECORDINGS);
    let index = std::fs::read_to_string(folder.join("index.jsonl")).unwrap_or_else(|error| {
        panic!("no recordings at {}: {error}; they lie in shared/golden beside the checkout", folder.display())
    });
    let mut exchanges = Vec::new();
    for line in index.lines() {
        let line: Json = serde_json::from_str(line).expect("a line of the index");
        let Some(name) = line["file"].as_str().and_then(|file| file.strip_suffix(".request.bin")) else { continue };
        if line["server"] == "broker" && line["dir"] == "c2s" {
            let request = std::fs::read(folder.join(format!("{name}.request.bin"))).expect("a file of the index");
            let response = std::fs::read(folder.join(format!("{name}.response.bin"))).ok();
            exchanges.push(Exchange { name: name.to_owned(), request, response });
        }
    }
    exchanges
}

/// The members of a body: paths of names, where the entries of a table count as one.
fn members(body: &Json, path: &str, out: &mut BTreeSet<String>) {
    match body {
        Json::Object(object) => {
            // The keys of tables are data: names of topics and groups, queues.
            let table = object.keys().any(|key| !key.chars().all(|c| c.is_ascii_alphanumeric()))
                || path.ends_with("Table")
                || path.ends_with(".data")
                || path.ends_with("consumeStatsList");
            for (key, value) in object {
                if table {
                    members(value, &format!("{path}.*"), out);
                } else if LEFT_OUT.iter().all(|(name, _)| name != key) {
                    out.insert(format!("{path}.{key}"));
                    members(value, &format!("{path}.{key}"), out);
                }
            }
        }
        Json::Array(array) => array.iter().for_each(|value| members(value, path, out)),
        _ => {}
    }
}

fn members_of(body: &[u8]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    if let Ok(body) = json::read::<Json>(body) {
        members(&body, "", &mut out);
    }
    out
}

/// The body without what varies or is left out.
fn values_of(body: &[u8]) -> Json {
    fn strip(body: &mut Json) {
        match body {
            Json::Object(object) => {
                object.retain(|key, _| !VARIES.contains(&&**key) && LEFT_OUT.iter().all(|(name, _)| name != key));
                object.values_mut().for_each(strip);
            }
            Json::Array(array) => array.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut body = json::read(body).unwrap_or_default();
    strip(&mut body);
    body
}

fn field_names(header: &Header<'_>) -> BTreeSet<String> {
    header.fields().map(|(name, _)| name.to_cow().into_owned()).collect()
}

#[test]
fn tools_get_the_recorded_answers() {
    let host = Host::start();
    let peer = host.peer(1);
    let (mut compared, mut wrong) = (BTreeSet::new(), Vec::new());
    for exchange in exchanges() {
        let what = &exchange.name;
        if SKIPPED.contains(&&**what) {
            continue;
        }
        let request = next_frame(&exchange.request).expect("a frame").expect("whole");
        let code = Header::parse(&request).expect("a header").request_code();
        let answer = host.ask(&peer, &exchange.request);
        if !COMPARED.contains(&code) {
            continue;
        }
        let Asked::Answered(answer) = answer else { panic!("{what}: no answer") };
        let recorded = exchange.response.expect("tools are answered");
        let (ours, theirs) = (next_frame(&answer), next_frame(&recorded));
        let (ours, theirs) = (ours.expect("a frame").expect("whole"), theirs.expect("a frame").expect("whole"));
        let (our, their) = (Header::parse(&ours).expect("a header"), Header::parse(&theirs).expect("a header"));
        assert_eq!(our.opaque, their.opaque, "{what}");
        compared.insert(code);
        let remark = our.remark().map(|remark| remark.to_cow().into_owned());
        let codes = (their.code, our.code);
        match DIFFERENT.iter().find(|(name, ..)| name == what) {
            Some(&(_, recorded, own, why)) if codes != (recorded, own) => {
                wrong.push(format!("{what}: {codes:?}: {why}"))
            }
            Some(_) => continue,
            None if our.code != their.code => wrong.push(format!("{what}: {codes:?}: {remark:?}")),
            None => {}
        }
        if field_names(&our) != field_names(&their) {
            wrong.push(format!("{what}: fields {:?}, recorded {:?}", field_names(&our), field_names(&their)));
        }
        // The table of 28 and the settings of 26 are a choice of ours: the tool's keys are checked with the tool.
        if code != RequestCode::GET_BROKER_RUNTIME_INFO && our.response_code() == ResponseCode::SUCCESS {
            let (ours, theirs) = (members_of(ours.body), members_of(theirs.body));
            let differ: Vec<_> = ours.symmetric_difference(&theirs).collect();
            if !differ.is_empty() {
                wrong.push(format!("{what}: members {differ:?}"));
            }
        }
        if SAME_VALUES.contains(&code) && our.response_code() == ResponseCode::SUCCESS {
            let (ours, theirs) = (values_of(ours.body), values_of(theirs.body));
            if ours != theirs {
                wrong.push(format!("{what}: body {ours}, recorded {theirs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for code in COMPARED {
        assert!(compared.contains(code), "{code}: no recording is compared");
    }
}
