//! A reply (324, 325) reaches the client that asked (326), and its sender learns of both: where it is stored, and whether
//! it was taken.

use gateway::remoting::turn::Peer;
use model::{Millis, Timestamp};
use wire::remoting::body::heartbeat::{HeartbeatData, ProducerData};
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, Frame, next_frame};
use wire::remoting::header::message::PushReply;
use wire::remoting::reply::{Request, Response};

use crate::host::{Asked, Host, NOW};

/// A producer named `asks`, online.
fn requester(host: &Host) -> Peer {
    let peer = host.peer(2);
    let producer = ProducerData { group_name: "p".to_owned() };
    let data =
        HeartbeatData { client_id: "asks".to_owned(), producer_data_set: vec![producer], ..HeartbeatData::default() };
    host.answer(&peer, &Request::new(1, RequestCode::HEART_BEAT).body(data.to_json()));
    peer
}

/// A reply to `client`, as 325 spells it.
fn reply(properties: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    Request::new(77, RequestCode::SEND_REPLY_MESSAGE_V2)
        .field("a", "r")
        .field("b", "DefaultCluster_REPLY_TOPIC")
        .field("c", "TBW102")
        .field("d", "4")
        .field("e", "0")
        .field("f", "769")
        .field("g", "17")
        .field("h", "3")
        .field("i", properties)
        .body(&b"the answer"[..])
        .write(Encoding::Json, &mut frame);
    frame
}

const TO_ASKS: &str = "CORRELATION_ID\u{1}c-1\u{2}REPLY_TO_CLIENT\u{1}asks";

fn frame(bytes: &[u8]) -> Frame<'_> {
    next_frame(bytes).expect("a frame").expect("whole")
}

/// Has the requester answer the reply that was pushed to it.
fn take(requester: &Peer, code: ResponseCode) {
    let mail = requester.mailbox.take().frames;
    let opaque = Header::parse(&frame(&mail)).expect("a header").opaque;
    let mut bytes = Vec::new();
    Response::new(opaque, code).write(Encoding::Json, &mut bytes);
    let answer = frame(&bytes);
    requester.mailbox.answered(&Header::parse(&answer).expect("a header"), answer.body);
}

fn field(header: &Header<'_>, name: &str) -> String {
    header.field(name).unwrap_or_else(|| panic!("no field {name}")).to_cow().into_owned()
}

#[test]
fn a_reply_is_pushed_at_once_and_answered_when_it_is_taken() {
    let host = Host::start();
    let (responder, requester) = (host.peer(1), requester(&host));
    assert_eq!(host.ask(&responder, &reply(TO_ASKS)), Asked::Waits);
    let mail = requester.mailbox.take().frames;
    let pushed = frame(&mail);
    let header = Header::parse(&pushed).expect("a header");
    assert_eq!((header.request_code(), pushed.body), (RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT, &b"the answer"[..]));
    let fields = PushReply::decode(&header).expect("all fields");
    assert_eq!((fields.sys_flag, fields.flag, fields.born_timestamp), (769, 3, 17));
    assert_eq!((&*fields.producer_group, &*fields.topic), ("r", "DefaultCluster_REPLY_TOPIC"));
    assert_eq!((&*fields.born_host, &*fields.store_host), ("127.0.0.1:40000", "127.0.0.1:10911"));
    let ours = format!("MSG_REGION\u{1}DefaultRegion\u{2}TRACE_ON\u{1}true\u{2}PUSH_REPLY_TIME\u{1}{}\u{2}", NOW.0);
    assert_eq!(fields.properties.as_deref(), Some(&*format!("{TO_ASKS}\u{2}{ours}")));

    assert!(responder.mailbox.take().marks.is_empty(), "the requester has not answered yet");
    let mut bytes = Vec::new();
    Response::new(header.opaque, ResponseCode::SUCCESS).write(Encoding::Json, &mut bytes);
    let answer = frame(&bytes);
    requester.mailbox.answered(&Header::parse(&answer).expect("a header"), answer.body);
    let delivery = responder.mailbox.take();
    let told = frame(&delivery.held);
    let header = Header::parse(&told).expect("a header");
    assert_eq!((header.response_code(), header.opaque), (ResponseCode::SUCCESS, 77));
    assert_eq!(field(&header, "queueOffset"), "0");
    assert!(delivery.marks.iter().all(|mark| mark.durable && mark.len == delivery.held.len()));
    assert_eq!((delivery.marks.len(), delivery.finished), (1, 0));
}

#[test]
fn whoever_replies_learns_that_nobody_waits_and_where_the_reply_is_stored() {
    let host = Host::start();
    let responder = host.peer(1);
    for (properties, remark) in [
        ("REPLY_TO_CLIENT\u{1}asks", "push reply message fail, channel of <asks> not found."),
        ("", "reply message properties[REPLY_TO_CLIENT] is null: make a reply out of the request it answers"),
    ] {
        let Asked::Answered(answer) = host.ask(&responder, &reply(properties)) else { panic!("no answer") };
        let header = Header::parse(&frame(&answer)).expect("a header").clone();
        assert_eq!(header.response_code(), ResponseCode::SYSTEM_ERROR);
        assert!(header.remark().is_some_and(|text| text.is(remark)), "{:?}", header.remark());
        assert_eq!(field(&header, "msgId").len(), 32);
    }
}

#[test]
fn a_requester_that_refuses_or_is_silent_or_leaves_has_not_taken_the_reply() {
    let host = Host::start();
    let responder = host.peer(1);
    let ends: [&dyn Fn(&Peer); 3] = [
        &|requester| take(requester, ResponseCode::SYSTEM_ERROR),
        &|requester| requester.mailbox.expire_calls(NOW.after(Millis(10_000))),
        &|requester| requester.mailbox.close(),
    ];
    for end in ends {
        let requester = requester(&host);
        assert_eq!(host.ask(&responder, &reply(TO_ASKS)), Asked::Waits);
        end(&requester);
        let told = responder.mailbox.take().held;
        let code = Header::parse(&frame(&told)).expect("a header").response_code();
        assert_eq!(code, ResponseCode::SYSTEM_ERROR);
    }
}

#[test]
fn a_requester_that_does_not_read_gets_no_more_replies() {
    let host = Host::start();
    let (responder, requester) = (host.peer(1), requester(&host));
    requester.mailbox.note_unsent(4 * 1024 * 1024 + 1);
    let Asked::Answered(answer) = host.ask(&responder, &reply(TO_ASKS)) else { panic!("no answer") };
    let header = Header::parse(&frame(&answer)).expect("a header").clone();
    assert_eq!(header.response_code(), ResponseCode::SYSTEM_ERROR);
    requester.mailbox.expire_calls(Timestamp(i64::MAX));
    assert!(requester.mailbox.take().frames.is_empty());
}

#[test]
fn a_reply_is_checked_like_a_send() {
    let host = Host::start();
    let (responder, requester) = (host.peer(1), requester(&host));
    let mut frame_of_none = Vec::new();
    Request::new(5, RequestCode::SEND_REPLY_MESSAGE)
        .field("producerGroup", "r")
        .field("topic", "DefaultCluster_REPLY_TOPIC")
        .field("defaultTopic", "TBW102")
        .field("defaultTopicQueueNums", "4")
        .field("queueId", "9")
        .field("sysFlag", "0")
        .field("bornTimestamp", "1")
        .field("flag", "0")
        .field("properties", TO_ASKS)
        .body(&b"x"[..])
        .write(Encoding::Json, &mut frame_of_none);
    let Asked::Answered(answer) = host.ask(&responder, &frame_of_none) else { panic!("no answer") };
    let code = Header::parse(&frame(&answer)).expect("a header").response_code();
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(requester.mailbox.take().frames.is_empty());
}

#[test]
fn a_client_that_asks_before_its_first_heartbeat_gets_its_reply() {
    let host = Host::start();
    let (responder, requester) = (host.peer(1), host.peer(2));
    let ask = Request::new(5, RequestCode::SEND_MESSAGE_V2)
        .field("a", "p")
        .field("b", "t")
        .field("c", "TBW102")
        .field("d", "4")
        .field("e", "0")
        .field("f", "0")
        .field("g", "1")
        .field("h", "0")
        .field("i", TO_ASKS)
        .body(&b"the question"[..]);
    host.answer(&requester, &ask);
    // The consumer gives the request back: it is not the one that asks.
    host.answer(&responder, &ask.clone().field("j", "1"));
    assert_eq!(host.ask(&responder, &reply(TO_ASKS)), Asked::Waits);
    assert!(!requester.mailbox.take().frames.is_empty());
}
