//! Popping on the wire: the answers a recorded 5.3.3 broker gave, field by field (times aside).

use gateway::remoting::turn::{Pass, Peer};
use model::record::message::Message;
use model::{TopicConfig, TopicName};
use store::Staged;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::reply::Request;

use crate::host::{Asked, Host, NOW};

/// A broker with as many messages in queue 0 of topic `orders`.
fn with_messages(count: usize) -> (Host, Peer) {
    let host = Host::start();
    let peer = host.peer(1);
    let mut staged = Staged::default();
    host.gateway.broker.begin_create_topic(TopicConfig::new(TopicName::trusted("orders"), 1), &mut staged);
    host.gateway.broker.append_and_wait(&mut staged).expect("the disk has room");
    (0..count).for_each(|_| send(&host, &peer));
    (host, peer)
}

fn send(host: &Host, peer: &Peer) {
    let request = Request::new(1, RequestCode::SEND_MESSAGE)
        .field("producerGroup", "p")
        .field("topic", "orders")
        .field("defaultTopic", "TBW102")
        .field("defaultTopicQueueNums", "4")
        .field("queueId", "0")
        .field("sysFlag", "0")
        .field("bornTimestamp", NOW.0)
        .field("flag", "0")
        .body(&b"body"[..]);
    assert_eq!(code_of(&host.answer(peer, &request)), ResponseCode::SUCCESS);
}

fn code_of(answer: &[u8]) -> ResponseCode {
    let frame = next_frame(answer).expect("a frame").expect("whole");
    Header::parse(&frame).expect("a header").response_code()
}

/// The fields of an answer by name; absent ones are `-`.
fn fields<const N: usize>(answer: &[u8], names: [&str; N]) -> [String; N] {
    let frame = next_frame(answer).expect("a frame").expect("whole");
    let header = Header::parse(&frame).expect("a header");
    names.map(|name| header.field(name).map_or_else(|| "-".to_owned(), |value| value.to_cow().into_owned()))
}

fn pop(attempt: &'static str) -> Request<'static> {
    pop_waiting(attempt, 0)
}

fn pop_waiting(attempt: &'static str, poll_ms: i64) -> Request<'static> {
    Request::new(2, RequestCode::POP_MESSAGE)
        .field("consumerGroup", "g")
        .field("topic", "orders")
        .field("queueId", "0")
        .field("maxMsgNums", "2")
        .field("invisibleTime", "4000")
        .field("pollTime", poll_ms)
        .field("bornTime", NOW.0)
        .field("initMode", "0")
        .field("exp", "*")
        .field("order", "true")
        .field("attemptId", attempt)
}

fn about(code: RequestCode, offset: &'static str, handle: String) -> Request<'static> {
    Request::new(3, code)
        .field("consumerGroup", "g")
        .field("topic", "orders")
        .field("queueId", "0")
        .field("offset", offset)
        .field("extraInfo", handle)
}

const FOUND: [&str; 6] =
    ["startOffsetInfo", "msgOffsetInfo", "orderCountInfo", "restNum", "reviveQid", "invisibleTime"];

/// Recordings 237 to 242 of folder java-5.3.3-raw.
#[test]
fn an_ordered_pop_is_answered_as_recorded() {
    let (host, peer) = with_messages(3);
    let first = host.answer(&peer, &pop("attempt-1"));
    assert_eq!(code_of(&first), ResponseCode::SUCCESS);
    assert_eq!(fields(&first, FOUND), ["0 0 0", "0 0 0,1", "0 0 0", "1", "999", "4000"]);

    let blocked = host.answer(&peer, &pop("attempt-2"));
    assert_eq!(code_of(&blocked), ResponseCode::POLLING_TIMEOUT);
    assert_eq!(fields(&blocked, FOUND), ["", "", "", "0", "999", "4000"]);

    let same = host.answer(&peer, &pop("attempt-1"));
    assert_eq!(fields(&same, FOUND), ["0 0 0", "0 0 0,1", "0 0 0", "1", "999", "4000"]);

    let handle = |offset| format!("0 {} 4000 999 0 broker-a 0 {offset}", NOW.0);
    let ack = host.answer(&peer, &about(RequestCode::ACK_MESSAGE, "0", handle(0)));
    assert_eq!(code_of(&ack), ResponseCode::SUCCESS);
    let change = about(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, "1", handle(1)).field("invisibleTime", "0");
    let changed = host.answer(&peer, &change);
    let now = NOW.0.to_string();
    assert_eq!(fields(&changed, ["popTime", "invisibleTime", "reviveQid"]), [&*now, "0", "999"]);

    let again = host.answer(&peer, &pop("attempt-3"));
    assert_eq!(fields(&again, FOUND), ["0 0 1", "0 0 1,2", "0 qo0%1 1;0 0 0", "0", "999", "4000"]);
}

/// A handle of a message that is acked already changes nothing, and its answer has no time.
#[test]
fn a_late_change_of_an_ordered_message_is_answered_with_zeroes() {
    let (host, peer) = with_messages(1);
    host.answer(&peer, &pop("a"));
    let handle = || format!("0 {} 4000 999 0 broker-a 0 0", NOW.0);
    host.answer(&peer, &about(RequestCode::ACK_MESSAGE, "0", handle()));
    let change = about(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, "0", handle()).field("invisibleTime", "9");
    let changed = host.answer(&peer, &change);
    assert_eq!(code_of(&changed), ResponseCode::SUCCESS);
    assert_eq!(fields(&changed, ["popTime", "invisibleTime", "reviveQid"]), ["0", "0", "0"]);
}

fn peek() -> Request<'static> {
    Request::new(4, RequestCode::PEEK_MESSAGE)
        .field("consumerGroup", "g")
        .field("topic", "orders")
        .field("queueId", "-1")
        .field("maxMsgNums", "2")
}

#[test]
fn a_peek_takes_nothing() {
    let (host, peer) = with_messages(3);
    for _ in 0..2 {
        let seen = host.answer(&peer, &peek());
        assert_eq!(code_of(&seen), ResponseCode::SUCCESS);
        assert_eq!(fields(&seen, ["restNum", "popTime", "msgOffsetInfo"]), ["1", "0", "-"]);
        let frame = next_frame(&seen).expect("a frame").expect("whole");
        let first = Message::parse(frame.body).expect("a record");
        let second = Message::parse(&frame.body[first.bytes().len()..]).expect("another one");
        assert_eq!((first.queue_offset().0, second.queue_offset().0), (0, 1));
    }
    let popped = host.answer(&peer, &pop("a"));
    assert_eq!(fields(&popped, ["msgOffsetInfo"]), ["0 0 0,1"]);
    let (host, peer) = with_messages(0);
    assert_eq!(code_of(&host.answer(&peer, &peek())), ResponseCode::PULL_NOT_FOUND);
}

fn notification(poll_ms: i64) -> Request<'static> {
    Request::new(5, RequestCode::NOTIFICATION)
        .field("consumerGroup", "g")
        .field("topic", "orders")
        .field("queueId", "-1")
        .field("pollTime", poll_ms)
        .field("bornTime", NOW.0)
}

fn asked(host: &Host, peer: &Peer, request: &Request<'_>, pass: Pass) -> Asked {
    let mut frame = Vec::new();
    request.write(Encoding::Json, &mut frame);
    host.ask_in(peer, &frame, pass)
}

#[test]
fn a_notification_says_whether_there_is_something_or_waits_for_it() {
    let (host, peer) = with_messages(0);
    let names = ["hasMsg", "pollingFull"];
    assert_eq!(fields(&host.answer(&peer, &notification(0)), names), ["false", "false"]);
    assert_eq!(asked(&host, &peer, &notification(10_000), Pass::First), Asked::Waits);
    send(&host, &peer);
    assert_eq!(fields(&host.answer(&peer, &notification(10_000)), names), ["true", "false"]);
    host.answer(&peer, &pop("a"));
    let in_order = notification(0).field("order", "true");
    assert_eq!(fields(&host.answer(&peer, &in_order), names), ["false", "false"], "its batch is out");
}

#[test]
fn what_finds_nothing_and_cannot_be_held_is_told_so() {
    let (host, peer) = with_messages(0);
    let Asked::Answered(answer) = asked(&host, &peer, &pop_waiting("a", 10_000), Pass::Full) else {
        panic!("answered at once")
    };
    assert_eq!(code_of(&answer), ResponseCode::POLLING_FULL);
    let Asked::Answered(answer) = asked(&host, &peer, &notification(10_000), Pass::Full) else { panic!("at once") };
    assert_eq!(fields(&answer, ["hasMsg", "pollingFull"]), ["false", "true"]);
}
