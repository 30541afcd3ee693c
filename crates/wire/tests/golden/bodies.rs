//! Bodies: read into their structs, and what those write reads as the same JSON.

use serde_json::Value;
use wire::remoting::body::batch::Batch;
use wire::remoting::body::connection::{ConsumerConnection, ProducerConnection, ProducerTable};
use wire::remoting::body::group::{SubscriptionGroup, SubscriptionGroupWrapper};
use wire::remoting::body::heartbeat::{CheckClient, ConsumerIdList, HeartbeatData, QuerySubscription};
use wire::remoting::body::kv::{DataVersion, GroupList, KvTable, TopicList};
use wire::remoting::body::lock::{LockBatchRequest, LockBatchResponse};
use wire::remoting::body::offset::{ConsumerOffsets, ConsumerStatus, ResetOffsets};
use wire::remoting::body::register::RegisterBrokerBody;
use wire::remoting::body::route::{BrokerMemberGroupBody, ClusterInfo, TopicRouteData};
use wire::remoting::body::stats::{BrokerStats, ConsumeQueueData, ConsumeStats, ConsumeStatsList, ConsumeTimeSpans};
use wire::remoting::body::topic::{CreateTopicList, TopicConfig, TopicConfigWrapper, TopicStatsTable};
use wire::remoting::code::RequestCode;
use wire::remoting::command::Header;
use wire::remoting::frame::Encoding;
use wire::remoting::json::dialect::{Limits, to_standard};

use crate::recorded;

/// Members that can be made from the others, and those of 5.5.0 that a slave of ours would not need.
const DERIVED: [&str; 5] =
    ["consumeTimeStampStr", "maxTimeStampStr", "minTimeStampStr", "groupTopicMap", "pullOffsetTable"];

fn value(bytes: &[u8]) -> Value {
    let text = to_standard(bytes, Limits::REGISTRATION).unwrap();
    without_derived(serde_json::from_str(&text).unwrap())
}

fn without_derived(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| !DERIVED.contains(&name.as_str()));
            Value::Object(kept.map(|(name, member)| (name, without_derived(member))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_derived).collect()),
        plain => plain,
    }
}

/// Everything in `wanted` is in `found`, which may say more (defaults of members left out).
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| contains(found, wanted)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        // C++ and Go write numbers as strings, and C++ enums as ordinals.
        (Value::Number(found), Value::String(wanted)) => found.to_string() == *wanted,
        (Value::String(_), Value::Number(ordinal)) => ordinal.as_u64().is_some_and(|ordinal| ordinal < 6),
        (found, wanted) => found == wanted,
    }
}

/// Reads `bytes` and writes it again; `None` for an operation without a struct.
fn rewrite(code: RequestCode, is_request: bool, bytes: &[u8]) -> Option<Vec<u8>> {
    macro_rules! as_body {
        ($type:ty) => {
            <$type>::read(bytes).unwrap_or_else(|error| panic!("{code}: {error}")).to_json()
        };
    }
    let written = match (code, is_request) {
        (RequestCode::HEART_BEAT, true) => as_body!(HeartbeatData),
        (RequestCode::LOCK_BATCH_MQ | RequestCode::UNLOCK_BATCH_MQ, true) => as_body!(LockBatchRequest),
        (RequestCode::LOCK_BATCH_MQ, false) => as_body!(LockBatchResponse),
        (RequestCode::CHECK_CLIENT_CONFIG, true) => as_body!(CheckClient),
        (RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, true) => as_body!(CreateTopicList),
        (RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, true) => as_body!(SubscriptionGroup),
        (RequestCode::QUERY_DATA_VERSION, _) => as_body!(DataVersion),
        (RequestCode::RESET_CONSUMER_CLIENT_OFFSET, true) => as_body!(ResetOffsets),
        (_, true) => return None,
        (RequestCode::GET_ROUTEINFO_BY_TOPIC, false) => {
            let route = TopicRouteData::read(bytes).unwrap();
            assert_eq!(TopicRouteData::read(&route.to_standard_json()).unwrap(), route);
            route.to_dialect_json()
        }
        (RequestCode::GET_CONSUMER_LIST_BY_GROUP, _) => as_body!(ConsumerIdList),
        (RequestCode::GET_ALL_TOPIC_CONFIG, _) => as_body!(TopicConfigWrapper),
        (RequestCode::GET_TOPIC_CONFIG, _) => as_body!(TopicConfig),
        (RequestCode::GET_BROKER_RUNTIME_INFO | RequestCode::GET_KVLIST_BY_NAMESPACE, _) => as_body!(KvTable),
        (RequestCode::REGISTER_BROKER, _) => as_body!(KvTable),
        (RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, _) => as_body!(SubscriptionGroupWrapper),
        (RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, _) => as_body!(SubscriptionGroup),
        (RequestCode::GET_TOPIC_STATS_INFO, _) => as_body!(TopicStatsTable),
        (RequestCode::GET_CONSUMER_CONNECTION_LIST, _) => as_body!(ConsumerConnection),
        (RequestCode::GET_PRODUCER_CONNECTION_LIST, _) => as_body!(ProducerConnection),
        (RequestCode::GET_ALL_PRODUCER_INFO, _) => as_body!(ProducerTable),
        (RequestCode::GET_CONSUME_STATS, _) => as_body!(ConsumeStats),
        (RequestCode::GET_BROKER_CONSUME_STATS, _) => as_body!(ConsumeStatsList),
        (RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, _) => as_body!(GroupList),
        (
            RequestCode::QUERY_TOPICS_BY_CONSUMER
            | RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER
            | RequestCode::GET_TOPICS_BY_CLUSTER
            | RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS
            | RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
            _,
        ) => as_body!(TopicList),
        (RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER, _) => as_body!(QuerySubscription),
        (RequestCode::QUERY_CONSUME_TIME_SPAN, _) => as_body!(ConsumeTimeSpans),
        (RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, _) => as_body!(ResetOffsets),
        (RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT, _) => as_body!(ConsumerStatus),
        (RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, _) => as_body!(ConsumerStatus),
        (RequestCode::VIEW_BROKER_STATS_DATA, _) => as_body!(BrokerStats),
        (RequestCode::QUERY_CONSUME_QUEUE, _) => as_body!(ConsumeQueueData),
        (RequestCode::GET_ALL_CONSUMER_OFFSET, _) => as_body!(ConsumerOffsets),
        (RequestCode::GET_BROKER_CLUSTER_INFO, _) => as_body!(ClusterInfo),
        (RequestCode::GET_BROKER_MEMBER_GROUP, _) => as_body!(BrokerMemberGroupBody),
        _ => return None,
    };
    Some(written)
}

#[test]
fn every_body_is_read_and_written() {
    let mut compared = 0;
    for recorded in recorded() {
        let (frame, name) = (recorded.frame(), recorded.name());
        let code = RequestCode(recorded.request_code() as i32);
        if frame.body.is_empty() || (recorded.is_answer() && !recorded.is_success()) {
            continue;
        }
        let Some(written) = rewrite(code, recorded.is_request(), frame.body) else { continue };
        let (found, wanted) = (value(&written), value(frame.body));
        assert!(contains(&found, &wanted), "{name}\nread    {wanted}\nwritten {found}");
        compared += 1;
    }
    assert!(compared > 200, "only {compared} bodies");
}

#[test]
fn bodies_of_the_reference_are_written_byte_for_byte() {
    let same = [
        RequestCode::GET_CONSUME_STATS,
        RequestCode::GET_TOPIC_STATS_INFO,
        RequestCode::INVOKE_BROKER_TO_RESET_OFFSET,
        RequestCode::GET_TOPIC_CONFIG,
        RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG,
        RequestCode::QUERY_CONSUME_QUEUE,
        RequestCode::GET_CONSUMER_LIST_BY_GROUP,
    ];
    let mut compared = 0;
    for recorded in recorded().iter().filter(|recorded| recorded.is_success()) {
        let code = RequestCode(recorded.request_code() as i32);
        // 5.5.0 has members of its own.
        let is_533 = !recorded.name().contains("5.5.0");
        let body = recorded.frame().body;
        if body.is_empty() || !same.contains(&code) || !is_533 {
            continue;
        }
        let written = rewrite(code, false, body).unwrap();
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(body), "{}", recorded.name());
        compared += 1;
    }
    assert!(compared > 20, "only {compared} bodies");
}

#[test]
fn registrations_are_read_in_every_form() {
    let (mut json, mut compressed) = (0, 0);
    for recorded in recorded().iter().filter(|recorded| recorded.is_request() && recorded.request_code() == 103) {
        let (frame, name) = (recorded.frame(), recorded.name());
        let header = Header::parse(&frame).unwrap();
        if frame.body.is_empty() {
            continue;
        }
        let body =
            RegisterBrokerBody::read_any(frame.body, header.version).unwrap_or_else(|error| panic!("{name}: {error}"));
        let topics = &body.topic_config_serialize_wrapper.topic_config_table;
        assert!(name.contains("raw") || !topics.is_empty(), "{name}");
        if frame.body[0] == b'{' {
            json += 1;
            if header.version >= 37 {
                assert!(contains(&value(&body.to_json()), &value(frame.body)), "{name}");
            }
        } else {
            compressed += 1;
        }
    }
    assert!(json > 10 && compressed > 0, "{json} json, {compressed} compressed");
}

#[test]
fn batches_are_read() {
    let mut messages = 0;
    for recorded in recorded().iter().filter(|recorded| recorded.is_request() && recorded.request_code() == 320) {
        let frame = recorded.frame();
        assert!(matches!(frame.encoding, Encoding::Json | Encoding::Binary));
        for message in Batch::new(frame.body) {
            match message {
                Ok(_) => messages += 1,
                // A raw request breaks its batch on purpose.
                Err(error) => assert!(recorded.name().contains("raw"), "{}: {error}", recorded.name()),
            }
        }
    }
    assert!(messages > 10, "only {messages} messages");
}
