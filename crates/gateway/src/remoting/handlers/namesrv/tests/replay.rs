//! The recordings.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::*;

/// Where recordings lie: beside the checkout.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/remoting");

/// Requests whose recorded answer is not ours: folder, name, recorded code, our code, and why.
const DIFFERENT: &[(&str, &str, i32, i32, &str)] = &[
    ("broker-5.3.3", "010-103-during-start", 1, 0, "compressed but marked as plain: Java fails, we recognise it"),
    ("broker-5.3.3", "011-103-during-data", 1, 0, "the same"),
    ("java-5.3.3-raw", "028-103-register-single-topic-first", 0, 1, "Java overlooks the topic when the version is 0"),
    ("server-5.5.0-raw", "028-103-register-single-topic-first", 0, 1, "the same"),
];

struct Exchange {
    name: String,
    request: Vec<u8>,
    response: Vec<u8>,
}

/// The exchanges of a folder with the name server, in the order of the recording.
fn exchanges(folder: &Path) -> Vec<Exchange> {
    let index = std::fs::read_to_string(folder.join("index.jsonl")).unwrap_or_else(|error| {
        panic!("no recordings at {}: {error}; they lie in shared/golden beside the checkout", folder.display())
    });
    let read = |file: &str| std::fs::read(folder.join(file)).expect("a file of the index");
    let mut exchanges = Vec::new();
    for line in index.lines() {
        let line: Json = serde_json::from_str(line).expect("a line of the index");
        let file = line["file"].as_str().unwrap_or_default();
        let Some(name) = file.strip_suffix(".request.bin") else { continue };
        if line["server"] == "namesrv" && line["answered"] != false {
            let response = read(&format!("{name}.response.bin"));
            exchanges.push(Exchange { name: name.to_owned(), request: read(file), response });
        }
    }
    exchanges
}

/// Brings the table into the state that the recorded answer shows.
fn arrange(world: &World, request: &Header<'_>, answer: &Header<'_>, body: &[u8]) {
    let field = |name: &str| request.field(name).map(|value| value.to_cow().into_owned()).unwrap_or_default();
    match request.request_code() {
        RequestCode::GET_ROUTEINFO_BY_TOPIC if answer.code == 0 => {
            let route = TopicRouteData::read(body).expect("a route");
            let data = &route.queue_datas[0];
            let topics = [TopicEntry {
                name: &field("topic"),
                read_queues: data.read_queue_nums.unsigned_abs(),
                write_queues: data.write_queue_nums.unsigned_abs(),
                perm: data.perm.unsigned_abs(),
                sys_flag: data.topic_sys_flag.unsigned_abs(),
            }];
            world.namesrv.write().delete_topic(&field("topic"), None);
            world.register(DataVersion::default(), &topics);
        }
        RequestCode::GET_ROUTEINFO_BY_TOPIC => world.namesrv.write().delete_topic(&field("topic"), None),
        RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER | RequestCode::GET_TOPICS_BY_CLUSTER => {
            let list: Json = serde_json::from_slice(body).expect("a list");
            let names: Vec<&str> =
                list["topicList"].as_array().expect("names").iter().filter_map(Json::as_str).collect();
            let known: Vec<String> = world.namesrv.read().topics().map(ToString::to_string).collect();
            if !names.is_empty() {
                known.iter().for_each(|name| world.namesrv.write().delete_topic(name, None));
                world.register(DataVersion::default(), &names.iter().map(|name| topic(name)).collect::<Vec<_>>());
            }
        }
        RequestCode::WIPE_WRITE_PERM_OF_BROKER | RequestCode::ADD_WRITE_PERM_OF_BROKER => {
            let count = answer.field("wipeTopicCount").or(answer.field("addTopicCount")).expect("a count").to_cow();
            let names: Vec<String> = (0..count.parse().expect("a number")).map(|i: u32| format!("topic{i}")).collect();
            let known: Vec<String> = world.namesrv.read().topics().map(ToString::to_string).collect();
            known.iter().for_each(|name| world.namesrv.write().delete_topic(name, None));
            world.register(DataVersion::default(), &names.iter().map(|name| topic(name)).collect::<Vec<_>>());
        }
        RequestCode::QUERY_DATA_VERSION if body.is_empty() => {
            world.namesrv.write().connection_lost(Link(1));
        }
        RequestCode::QUERY_DATA_VERSION => {
            let version: Json = serde_json::from_slice(body).expect("a version");
            let number = |name: &str| version[name].as_i64().expect("a number");
            let version = DataVersion {
                state_version: number("stateVersion"),
                timestamp: number("timestamp"),
                counter: number("counter"),
            };
            world.register(version, &[]);
        }
        RequestCode::GET_KV_CONFIG => {
            if let Some(value) = answer.field("value") {
                world.put(&field("namespace"), &field("key"), &value.to_cow());
            }
        }
        // The ghost broker of the raw requests was not there when these were asked.
        RequestCode::GET_BROKER_CLUSTER_INFO | RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS => {
            world.namesrv.write().connection_lost(Link(1));
            world.register(DataVersion::default(), &[]);
        }
        RequestCode::REGISTER_BROKER => {
            // A changed topic follows a full registration, which is not always in the recording.
            if field("brokerName") == "broker-a" && world.namesrv.read().brokers(Viewer::Other).next().is_none() {
                world.register(DataVersion::default(), &[]);
            }
            match body.is_empty() {
                true => world.apply(&namesrv::plan_delete(namesrv::ORDER_TOPIC_CONFIG, "GoldenOrder")),
                false => world.put(namesrv::ORDER_TOPIC_CONFIG, "GoldenOrder", "broker-a:2"),
            }
        }
        _ => {}
    }
}

/// The body with its lists of names as sets: the reference writes them in no order.
fn comparable(body: &[u8]) -> (Json, BTreeSet<String>) {
    if body.is_empty() {
        return (Json::Null, BTreeSet::new());
    }
    let Ok(mut json) = serde_json::from_slice::<Json>(body) else {
        return (Json::String(String::from_utf8_lossy(body).into_owned()), BTreeSet::new());
    };
    let names = json.as_object_mut().and_then(|object| object.remove("topicList"));
    let names = names.iter().filter_map(Json::as_array).flatten().map(ToString::to_string).collect();
    (json, names)
}

fn fields(header: &Header<'_>) -> BTreeSet<(String, String)> {
    header.fields().map(|(name, value)| (name.to_cow().into_owned(), value.to_cow().into_owned())).collect()
}

fn replay(folder: &str) -> usize {
    let world = World::default();
    world.register(DataVersion::default(), &[]);
    let exchanges = exchanges(&Path::new(RECORDINGS).join(folder));
    for exchange in &exchanges {
        let what = format!("{folder}/{}", exchange.name);
        let request = next_frame(&exchange.request).expect("a frame").expect("whole");
        let asked = Header::parse(&request).expect("a header");
        let response = next_frame(&exchange.response).expect("a frame").expect("whole");
        let recorded = Header::parse(&response).expect("a header");
        arrange(&world, &asked, &recorded, response.body);

        let mut bytes = Vec::new();
        match world.ask(&asked, request.body) {
            Some(Ok(answer)) => answer.response(asked.opaque).write(response.encoding, &mut bytes),
            Some(Err(refusal)) => {
                Response::new(asked.opaque, refusal.code).remark(refusal.remark).write(response.encoding, &mut bytes);
            }
            None => {
                assert_eq!(recorded.response_code(), ResponseCode::REQUEST_CODE_NOT_SUPPORTED, "{what}");
                continue;
            }
        }

        let ours = next_frame(&bytes).expect("a frame").expect("whole");
        let answered = Header::parse(&ours).expect("a header");
        if let Some((.., theirs, own, why)) =
            DIFFERENT.iter().find(|(of, name, ..)| *of == folder && exchange.name == *name)
        {
            assert_eq!((recorded.code, answered.code), (*theirs, *own), "{what}: {why}");
            continue;
        }
        assert_eq!(answered.code, recorded.code, "{what}: {:?}", answered.remark());
        assert_eq!(answered.opaque, recorded.opaque, "{what}");
        assert_eq!(fields(&answered), fields(&recorded), "{what}");
        match asked.request_code() {
            // Ours has other settings: what counts is that each line is one.
            RequestCode::GET_NAMESRV_CONFIG => {
                let text = std::str::from_utf8(ours.body).expect("text");
                assert!(text.lines().all(|line| line.contains('=')), "{what}: {text}");
            }
            // With one broker everything has one order: the very bytes.
            RequestCode::GET_ROUTEINFO_BY_TOPIC | RequestCode::GET_BROKER_CLUSTER_INFO => {
                let text = |body| String::from_utf8_lossy(body).into_owned();
                assert_eq!(text(ours.body), text(response.body), "{what}");
            }
            _ => assert_eq!(comparable(ours.body), comparable(response.body), "{what}"),
        }
    }
    exchanges.len()
}

#[test]
fn brokers_get_the_recorded_answers() {
    assert_eq!(replay("broker-5.3.3"), 17);
    assert_eq!(replay("broker-5.5.0"), 7);
}

#[test]
fn every_code_gets_the_recorded_answer() {
    assert_eq!(replay("java-5.3.3-raw"), 32);
    assert_eq!(replay("server-5.5.0-raw"), 32);
}

#[test]
fn clients_and_tools_get_the_recorded_answers() {
    let folders = [
        "go-2.1.2",
        "java-4.9.8",
        "java-5.3.3",
        "java-5.3.3-acl",
        "java-5.3.3-binary",
        "java-alibaba-3.5.8",
        "mqadmin-5.3.3",
        "node-ali-ons-3.12.0",
        "proxy-5.3.3",
        "python-0.4.4-cpp",
    ];
    for folder in folders {
        assert!(replay(folder) > 0, "{folder} has no request for the name server");
    }
}
