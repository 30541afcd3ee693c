//! What cannot be taken is refused in the answer, with a code clients act on; the cases are those recorded from the reference
//! (grpc.md sections 7.2 and 10.1).

use prost_types::{Duration, Timestamp};
use wire::grpc::v2::receive_message_response::Content;
use wire::grpc::v2::{
    Code, EndTransactionRequest, EndTransactionResponse, FilterExpression, Message, MessageType,
    QueryAssignmentRequest, QueryAssignmentResponse, QueryRouteRequest, QueryRouteResponse, RecallMessageRequest,
    RecallMessageResponse, ReceiveMessageRequest, SystemProperties,
};

use crate::client::{Client, named};
use crate::host::Host;
use crate::messages::{message, receive, send};

#[tokio::test]
async fn a_send_is_refused_for_what_is_wrong_with_it() {
    let host = Host::start();
    for (topic, kind) in [("orders", "NORMAL"), ("steps", "FIFO"), ("later", "DELAY")] {
        host.topic(topic, kind);
    }
    let mut client = Client::plain(host.address, "client@1").await;
    let plain = || message("orders", "01AB", "hello");
    let with = |change: &dyn Fn(&mut SystemProperties)| {
        let mut message = plain();
        change(message.system_properties.as_mut().expect("set above"));
        message
    };
    let property = |name: &str, value: &str| {
        let mut message = plain();
        message.user_properties.insert(name.to_owned(), value.to_owned());
        message
    };
    let many = |count: usize, value: &str| {
        let mut message = plain();
        message.user_properties = (0..count).map(|index| (format!("p{index:03}"), value.to_owned())).collect();
        message
    };
    let to = |topic: &str, change: &dyn Fn(&mut SystemProperties)| Message { topic: named(topic), ..with(change) };
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let cases: Vec<(&str, Message, Code)> = vec![
        ("nothing wrong", plain(), Code::Ok),
        ("blank topic", message(" ", "01", "x"), Code::IllegalTopic),
        ("bad characters", message("bad topic$", "01", "x"), Code::IllegalTopic),
        ("system topic", message("TBW102", "01", "x"), Code::IllegalTopic),
        ("no body", message("orders", "01", ""), Code::MessageBodyEmpty),
        ("too large a body", message("orders", "01", &"x".repeat(4 * 1024 * 1024 + 1)), Code::MessageBodyTooLarge),
        ("no id", message("orders", "", "x"), Code::IllegalMessageId),
        ("blank id", message("orders", " ", "x"), Code::IllegalMessageId),
        ("bar in the tag", with(&|system| system.tag = Some("a|b".into())), Code::IllegalMessageTag),
        ("blank tag", with(&|system| system.tag = Some(" ".into())), Code::IllegalMessageTag),
        ("empty tag", with(&|system| system.tag = Some(String::new())), Code::Ok),
        ("blank key", with(&|system| system.keys = vec![" ".into()]), Code::IllegalMessageKey),
        ("reserved property", property("KEYS", "x"), Code::IllegalMessagePropertyKey),
        ("control character", property("a", "\u{1}"), Code::IllegalMessagePropertyKey),
        ("128 properties", many(128, "x"), Code::Ok),
        ("129 properties", many(129, "x"), Code::MessagePropertiesTooLarge),
        ("16 KiB of properties", many(128, &"x".repeat(124)), Code::Ok),
        ("more than 16 KiB", many(128, &"x".repeat(125)), Code::MessagePropertiesTooLarge),
        ("long tag", with(&|system| system.tag = Some("x".repeat(16_385))), Code::MessagePropertiesTooLarge),
        (
            "group to a plain topic",
            with(&|s| s.message_group = Some("g".into())),
            Code::MessagePropertyConflictWithType,
        ),
        ("plain to an ordered topic", to("steps", &|_| {}), Code::MessagePropertyConflictWithType),
        ("63 bytes of group", to("steps", &|s| s.message_group = Some("g".repeat(63))), Code::Ok),
        ("64 bytes of group", to("steps", &|s| s.message_group = Some("g".repeat(64))), Code::IllegalMessageGroup),
        ("blank group", to("steps", &|s| s.message_group = Some(" ".into())), Code::IllegalMessageGroup),
        ("time in the past", to("later", &|s| s.delivery_timestamp = at(1_000)), Code::Ok),
        ("time too far", to("later", &|s| s.delivery_timestamp = at(32_503_680_000)), Code::IllegalDeliveryTime),
        ("plain to a delay topic", to("later", &|_| {}), Code::MessagePropertyConflictWithType),
        (
            "transaction to a plain topic",
            with(&|system| system.set_message_type(MessageType::Transaction)),
            Code::MessagePropertyConflictWithType,
        ),
        (
            "transaction left alone too long",
            with(&|system| {
                system.set_message_type(MessageType::Transaction);
                system.orphaned_transaction_recovery_duration = Some(Duration { seconds: 3_601, nanos: 0 });
            }),
            Code::BadRequest,
        ),
    ];
    for (what, message, code) in cases {
        let answer = send(&mut client, vec![message]).await;
        let status = answer.status.expect("always there");
        assert_eq!(status.code(), code, "{what}: {status:?}");
        assert!(!status.message.is_empty(), "{what}");
        assert_eq!(answer.entries.len(), usize::from(code == Code::Ok), "{what}");
    }
    assert_eq!(send(&mut client, vec![]).await.status.expect("always there").code(), Code::MessageCorrupted);
    let two = vec![plain(), message("steps", "02", "x")];
    assert_eq!(send(&mut client, two).await.status.expect("always there").code(), Code::MessageCorrupted);
}

#[tokio::test]
async fn a_receive_is_refused_for_what_is_wrong_with_it() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::plain(host.address, "client@1").await;
    let plain = || receive("billing", "orders");
    let invisible = |seconds| ReceiveMessageRequest {
        invisible_duration: Some(Duration { seconds, nanos: 0 }),
        ..receive("billing", "orders")
    };
    let filter = FilterExpression { r#type: 2, expression: "a >".into() };
    let cases = [
        ("unknown topic", receive("billing", "nowhere"), None, Code::TopicNotFound),
        ("bad group", receive("bad group$", "orders"), None, Code::IllegalConsumerGroup),
        ("system group", receive("CID_RMQ_SYS_x", "orders"), None, Code::IllegalConsumerGroup),
        ("9 s invisible", invisible(9), None, Code::IllegalInvisibleTime),
        ("13 h invisible", invisible(13 * 3_600), None, Code::IllegalInvisibleTime),
        (
            "no invisible time",
            ReceiveMessageRequest { invisible_duration: None, ..plain() },
            None,
            Code::IllegalInvisibleTime,
        ),
        (
            "bad filter",
            ReceiveMessageRequest { filter_expression: Some(filter), ..plain() },
            None,
            Code::IllegalFilterExpression,
        ),
        ("no time to wait", plain(), Some("1S"), Code::BadRequest),
    ];
    for (what, request, timeout, code) in cases {
        client.timeout = timeout;
        let contents = client.receive(&request).await;
        let [Content::Status(status), Content::DeliveryTimestamp(_)] = &contents[..] else {
            panic!("{what}: {contents:?}")
        };
        assert_eq!(status.code(), code, "{what}: {status:?}");
    }
}

#[tokio::test]
async fn whoever_does_not_say_who_it_is_may_ask_for_routes_only() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::plain(host.address, "").await;
    let route = QueryRouteRequest { topic: named("orders"), endpoints: None };
    let answer: QueryRouteResponse = client.unary("QueryRoute", &route).await.expect("an answer");
    assert_eq!((answer.status.expect("always there").code(), answer.message_queues.len()), (Code::Ok, 2));
    let answer = send(&mut client, vec![message("orders", "01", "x")]).await;
    assert_eq!(answer.status.expect("always there").code(), Code::ClientIdRequired);
}

#[tokio::test]
async fn other_calls_are_refused_in_their_answers() {
    let host = Host::start();
    let mut client = Client::plain(host.address, "client@1").await;
    let route = QueryRouteRequest { topic: named("nowhere"), endpoints: None };
    let answer: QueryRouteResponse = client.unary("QueryRoute", &route).await.expect("an answer");
    assert_eq!(answer.status.expect("always there").code(), Code::TopicNotFound);
    let asked = QueryAssignmentRequest { topic: named("nowhere"), group: named("billing"), endpoints: None };
    let answer: QueryAssignmentResponse = client.unary("QueryAssignment", &asked).await.expect("an answer");
    assert_eq!(answer.status.expect("always there").code(), Code::TopicNotFound);
    for id in ["", "junk", "000000000000000000000000000000FF"] {
        let mut end = EndTransactionRequest { topic: named("orders"), transaction_id: id.into(), ..Default::default() };
        end.set_resolution(wire::grpc::v2::TransactionResolution::Commit);
        let answer: EndTransactionResponse = client.unary("EndTransaction", &end).await.expect("an answer");
        assert_eq!(answer.status.expect("always there").code(), Code::InvalidTransactionId, "{id}");
    }
    host.topic("later", "DELAY");
    let recall = RecallMessageRequest { topic: named("later"), recall_handle: "junk".into() };
    let answer: RecallMessageResponse = client.unary("RecallMessage", &recall).await.expect("an answer");
    assert_eq!(answer.status.expect("always there").code(), Code::BadRequest);
}
