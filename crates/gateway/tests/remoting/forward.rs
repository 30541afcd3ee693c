//! A tool asks a client through the broker (307, 309, 223): the question arrives with its fields, and the answer comes back
//! as it was.

use gateway::remoting::turn::Peer;
use model::{Millis, Timestamp};
use wire::remoting::body::heartbeat::{ConsumerData, HeartbeatData};
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, Frame, next_frame};
use wire::remoting::reply::{Request, Response};

use crate::host::{Asked, Host, NOW};

const TOOL: u64 = 1;
const CLIENT: u64 = 2;

/// A consumer of group `g` named `c`, online.
fn online(host: &Host, id: u64, client_id: &str) -> Peer {
    let peer = host.peer(id);
    let consumer = ConsumerData { group_name: "g".to_owned(), ..ConsumerData::default() };
    let data = HeartbeatData {
        client_id: client_id.to_owned(),
        consumer_data_set: vec![consumer],
        ..HeartbeatData::default()
    };
    host.answer(&peer, &Request::new(1, RequestCode::HEART_BEAT).body(data.to_json()));
    // That its group has changed is not what is tested here.
    let _ = peer.mailbox.take();
    peer
}

fn ask(host: &Host, tool: &Peer, request: Request<'_>) {
    let mut frame = Vec::new();
    request.write(Encoding::Json, &mut frame);
    assert_eq!(host.ask(tool, &frame), Asked::Waits);
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    next_frame(bytes).expect("a frame").expect("whole")
}

/// Has the client answer its only question with `write`.
fn client_answers(client: &Peer, write: impl FnOnce(&Header<'_>) -> Response<'static>) {
    let mail = client.mailbox.take().frames;
    let question = frame(&mail);
    let header = Header::parse(&question).expect("a header");
    let mut bytes = Vec::new();
    write(&header).write(Encoding::Json, &mut bytes);
    let answer = frame(&bytes);
    client.mailbox.answered(&Header::parse(&answer).expect("a header"), answer.body);
}

fn running_info() -> Request<'static> {
    Request::new(77, RequestCode::GET_CONSUMER_RUNNING_INFO)
        .field("consumerGroup", "g")
        .field("clientId", "c")
        .field("jstackEnable", "true")
}

#[test]
fn a_question_reaches_the_client_and_its_answer_the_tool() {
    let host = Host::start();
    let (tool, client) = (host.peer(TOOL), online(&host, CLIENT, "c"));
    ask(&host, &tool, running_info());
    client_answers(&client, |question| {
        assert_eq!(question.request_code(), RequestCode::GET_CONSUMER_RUNNING_INFO);
        assert!(question.field("jstackEnable").is_some_and(|value| value.is("true")));
        Response::new(question.opaque, ResponseCode::SUCCESS)
            .remark("not set any response code")
            .field("f", "v")
            .body(&b"{any:bytes}"[..])
    });
    let mail = tool.mailbox.take().frames;
    let answer = frame(&mail);
    let header = Header::parse(&answer).expect("a header");
    assert_eq!((header.response_code(), header.opaque, answer.body), (ResponseCode::SUCCESS, 77, &b"{any:bytes}"[..]));
    assert!(header.remark().is_some_and(|remark| remark.is("not set any response code")));
    assert!(header.field("f").is_some_and(|value| value.is("v")));
}

#[test]
fn a_silent_client_is_answered_for_after_ten_seconds() {
    let host = Host::start();
    let (tool, client) = (host.peer(TOOL), online(&host, CLIENT, "c"));
    ask(&host, &tool, running_info());
    client.mailbox.expire_calls(NOW.after(Millis(9_999)));
    assert!(tool.mailbox.take().frames.is_empty());
    client.mailbox.expire_calls(NOW.after(Millis(10_000)));
    let mail = tool.mailbox.take().frames;
    let header_of = |bytes| Header::parse(&frame(bytes)).expect("a header").response_code();
    assert_eq!(header_of(&mail), ResponseCode::CONSUME_MSG_TIMEOUT);
}

#[test]
fn a_client_that_leaves_is_answered_for_at_once() {
    let host = Host::start();
    let (tool, client) = (host.peer(TOOL), online(&host, CLIENT, "c"));
    ask(&host, &tool, running_info());
    client.mailbox.close();
    assert!(!tool.mailbox.take().frames.is_empty());
}

#[test]
fn a_message_to_consume_comes_with_its_record_and_flags() {
    let host = Host::start();
    let (tool, client) = (host.peer(TOOL), online(&host, CLIENT, "c"));
    let send = Request::new(5, RequestCode::SEND_MESSAGE)
        .field("producerGroup", "p")
        .field("topic", "t")
        .field("defaultTopic", "TBW102")
        .field("defaultTopicQueueNums", "4")
        .field("queueId", "0")
        .field("sysFlag", "0")
        .field("bornTimestamp", "1")
        .field("flag", "0")
        .body(&b"hello"[..]);
    let sent = host.answer(&tool, &send);
    let sent = frame(&sent);
    let id = Header::parse(&sent).expect("a header").field("msgId").expect("sent").to_cow().into_owned();
    let directly = Request::new(78, RequestCode::CONSUME_MESSAGE_DIRECTLY)
        .field("consumerGroup", "g")
        .field("clientId", "c")
        .field("topic", "t")
        .field("brokerName", "as the tool says")
        .field("msgId", id);
    ask(&host, &tool, directly);
    let mail = client.mailbox.take().frames;
    let question = frame(&mail);
    let header = Header::parse(&question).expect("a header");
    let field = |name| header.field(name).map(|value| value.to_cow().into_owned());
    assert_eq!(field("brokerName").as_deref(), Some("broker-a"));
    assert_eq!(field("topicSysFlag").as_deref(), Some("0"));
    assert_eq!(field("groupSysFlag").as_deref(), Some("0"));
    let record = model::record::message::Message::parse(question.body).expect("a stored record");
    assert_eq!((record.topic(), record.body()), ("t", &b"hello"[..]));
}

#[test]
fn the_offsets_of_all_members_are_gathered() {
    let host = Host::start();
    let (tool, first, second) = (host.peer(TOOL), online(&host, CLIENT, "c1"), online(&host, CLIENT + 1, "c2"));
    let _ = first.mailbox.take();
    let status = Request::new(79, RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS)
        .field("topic", "t")
        .field("group", "g")
        .field("clientAddr", "");
    ask(&host, &tool, status);
    client_answers(&first, |question| {
        let body = br#"{"messageQueueTable":{{"brokerName":"broker-a","queueId":3,"topic":"t"}:2}}"#;
        Response::new(question.opaque, ResponseCode::SUCCESS).body(&body[..])
    });
    assert!(tool.mailbox.take().frames.is_empty(), "the second has not answered yet");
    second.mailbox.expire_calls(Timestamp(i64::MAX));
    let mail = tool.mailbox.take().frames;
    let answer = frame(&mail);
    assert_eq!(Header::parse(&answer).expect("a header").response_code(), ResponseCode::SUCCESS);
    let expected =
        r#"{"consumerTable":{"c1":{{"brokerName":"broker-a","queueId":3,"topic":"t"}:2}},"messageQueueTable":{}}"#;
    assert_eq!(String::from_utf8_lossy(answer.body), expected);
}
