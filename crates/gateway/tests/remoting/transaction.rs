//! A transaction frame by frame: what a producer is answered, and what it is asked.

use gateway::remoting::turn::Peer;
use model::message_id::log_offset_of;
use model::record::message::Message;
use model::{GroupName, Millis, Timestamp};
use store::Staged;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::reply::Request;

use crate::host::{Asked, Host, NOW};

const KEY: &str = "FD00000000000000000000000000000252B85FFD2B277B67535A0000";

/// Code, remark and the fields of this name of an answer or a question.
fn read<const N: usize>(frame: &[u8], names: [&str; N]) -> (ResponseCode, [String; N]) {
    let frame = next_frame(frame).expect("a frame").expect("whole");
    let header = Header::parse(&frame).expect("a header");
    let text = |name| header.field(name).and_then(|value| value.as_plain()).unwrap_or_default().to_owned();
    (header.response_code(), names.map(text))
}

/// Sends a half message; answers its log offset and queue offset.
fn send_half(host: &Host, peer: &Peer) -> (i64, String) {
    let properties = format!("TRAN_MSG\u{1}true\u{2}UNIQ_KEY\u{1}{KEY}\u{2}WAIT\u{1}true\u{2}PGROUP\u{1}billing\u{2}");
    let request = Request::new(1, RequestCode::SEND_MESSAGE_V2)
        .field("a", "billing")
        .field("b", "orders")
        .field("c", "TBW102")
        .field("d", 4)
        .field("e", 2)
        .field("f", 4)
        .field("g", NOW.0)
        .field("h", 0)
        .field("i", properties.as_str())
        .field("j", 0)
        .field("k", false)
        .field("m", false)
        .body(&b"paid"[..]);
    let answer = host.answer(peer, &request);
    let (code, [id, transaction, queue, offset]) = read(&answer, ["msgId", "transactionId", "queueId", "queueOffset"]);
    assert_eq!((code, &*transaction, &*queue), (ResponseCode::SUCCESS, KEY, "2"));
    (log_offset_of(&id).expect("an offset id").0.cast_signed(), offset)
}

fn end(host: &Host, peer: &Peer, half: (i64, &str), verdict: i32, group: &str) -> Option<ResponseCode> {
    let mut frame = Vec::new();
    Request::new(2, RequestCode::END_TRANSACTION)
        .field("producerGroup", group)
        .field("commitLogOffset", half.0)
        .field("tranStateTableOffset", half.1)
        .field("commitOrRollback", verdict)
        .field("fromTransactionCheck", false)
        .field("msgId", KEY)
        .write(Encoding::Json, &mut frame);
    match host.ask(peer, &frame) {
        Asked::Answered(answer) => Some(read(&answer, []).0),
        Asked::Waits => None,
    }
}

#[test]
fn a_producer_is_answered_as_by_the_reference_and_once_and_for_all() {
    let host = Host::start();
    let peer = host.peer(1);
    let (at, offset) = send_half(&host, &peer);
    let half = (at, offset.as_str());
    assert_eq!(end(&host, &peer, half, 0, "billing"), None, "unknown is never answered");
    let refused = Some(ResponseCode::SYSTEM_ERROR);
    assert_eq!(end(&host, &peer, (at + 1, &offset), 8, "billing"), refused);
    assert_eq!(end(&host, &peer, (at, "7"), 8, "billing"), refused);
    assert_eq!(end(&host, &peer, half, 8, "others"), refused);
    assert_eq!(end(&host, &peer, half, 5, "billing"), Some(ResponseCode::INVALID_PARAMETER));
    for _ in 0..2 {
        assert_eq!(end(&host, &peer, half, 8, "billing"), Some(ResponseCode::SUCCESS));
    }
    assert_eq!(end(&host, &peer, half, 12, "billing"), refused, "it was committed");
}

#[test]
fn a_question_to_a_producer_has_the_fields_of_the_reference() {
    let host = Host::start();
    let peer = host.peer(1);
    let (at, offset) = send_half(&host, &peer);
    let heartbeat = Request::new(3, RequestCode::HEART_BEAT)
        .body(&br#"{"clientID":"c","consumerDataSet":[],"producerDataSet":[{"groupName":"billing"}]}"#[..]);
    host.answer(&peer, &heartbeat);
    assert!(!host.gateway.broker.clients.producers(GroupName::trusted("billing").as_str()).is_empty());
    host.gateway.broker.check_halves(Timestamp(NOW.0).after(Millis(6_000)), &mut Staged::default());

    let question = peer.mailbox.take().frames;
    let names = ["topic", "commitLogOffset", "tranStateTableOffset", "msgId", "transactionId", "bname"];
    let (code, fields) = read(&question, names);
    assert_eq!(code.0, RequestCode::CHECK_TRANSACTION_STATE.0);
    assert_eq!(fields, ["RMQ_SYS_TRANS_HALF_TOPIC", &at.to_string(), &offset, KEY, KEY, "broker-a"].map(str::to_owned));
    let frame = next_frame(&question).expect("a frame").expect("whole");
    assert!(Header::parse(&frame).expect("a header").is_oneway());
    let message = Message::parse(frame.body).expect("a record");
    assert_eq!((message.topic(), message.queue_id().0, message.body()), ("orders", 2, &b"paid"[..]));
    assert_eq!(message.log_offset().0.cast_signed(), at);
}
