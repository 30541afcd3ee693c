//! What is written, compared with a literal in JSON and read back in both encodings.

use super::pull::{PullAnswer, begin_pull};
use super::send::{SendAnswers, Stored};
use super::*;
use crate::remoting::command::Header;
use crate::remoting::frame::next_frame;

/// The header text of the only frame in `bytes`.
fn json_of(bytes: &[u8]) -> String {
    let frame = next_frame(bytes).unwrap().unwrap();
    assert_eq!(frame.len, bytes.len());
    String::from_utf8(frame.header.to_vec()).unwrap()
}

fn fields_of(bytes: &[u8]) -> Vec<(String, String)> {
    let frame = next_frame(bytes).unwrap().unwrap();
    let header = Header::parse(&frame).unwrap();
    header.fields().map(|(key, value)| (key.to_cow().into_owned(), value.to_cow().into_owned())).collect()
}

/// The answers a test's broker gives.
fn answers() -> SendAnswers {
    SendAnswers::new("127.0.0.1:10911".parse().unwrap(), "DefaultRegion", true)
}

const STORED: Stored<'static> = Stored {
    queue_id: 0,
    queue_offset: 5,
    log_offsets: &[0x13968],
    transaction_id: Some("0100007F0100"),
    recall_handle: None,
    remark: None,
};

#[test]
fn a_send_answer_has_the_servers_bytes() {
    let mut out = Vec::new();
    answers().stored(Encoding::Json, 1, ResponseCode::SUCCESS, &STORED, &mut out);

    assert_eq!(
        json_of(&out),
        r#"{"code":0,"extFields":{"queueId":"0","transactionId":"0100007F0100","msgId":"7F00000100002A9F0000000000013968","TRACE_ON":"true","MSG_REGION":"DefaultRegion","queueOffset":"5"},"flag":1,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":479}"#
    );
}

#[test]
fn a_batch_answer_lists_the_ids_in_both_encodings() {
    let stored = Stored { log_offsets: &[1, 2], transaction_id: None, ..STORED };
    let (mut json, mut binary) = (Vec::new(), Vec::new());
    answers().stored(Encoding::Json, -1, ResponseCode::SUCCESS, &stored, &mut json);
    answers().stored(Encoding::Binary, -1, ResponseCode::SUCCESS, &stored, &mut binary);

    assert_eq!(fields_of(&json), fields_of(&binary));
    let ids = "7F00000100002A9F0000000000000001,7F00000100002A9F0000000000000002";
    assert!(fields_of(&json).contains(&("msgId".to_owned(), ids.to_owned())));
}

#[test]
fn a_message_id_of_an_ipv6_host_has_56_digits() {
    let answers = SendAnswers::new("[::1]:1".parse().unwrap(), "r", false);
    assert_eq!(answers.message_id(255), "00000000000000000000000000000001000000010000000000000".to_owned() + "0FF");
}

#[test]
fn a_pull_answer_has_the_servers_bytes_and_the_body_behind_it() {
    let answer = PullAnswer {
        code: ResponseCode::SUCCESS,
        remark: Some("FOUND"),
        next_begin_offset: 4,
        min_offset: 0,
        max_offset: 9,
        suggest_which_broker_id: 0,
        topic_sys_flag: 0,
        group_sys_flag: 0,
    };
    let mut out = b"earlier frame".to_vec();
    let mark = begin_pull(Encoding::Json, 21, &answer, &mut out);
    out.extend_from_slice(b"records");
    let len = mark.finish(&mut out);

    let bytes = &out[13..];
    assert_eq!(len, bytes.len());
    assert_eq!(
        json_of(bytes),
        r#"{"code":0,"extFields":{"suggestWhichBrokerId":"0","groupSysFlag":"0","nextBeginOffset":"4","maxOffset":"9","minOffset":"0","topicSysFlag":"0"},"flag":1,"language":"JAVA","opaque":21,"remark":"FOUND","serializeTypeCurrentRPC":"JSON","version":479}"#
    );
    assert_eq!(next_frame(bytes).unwrap().unwrap().body, b"records");

    let mut binary = Vec::new();
    begin_pull(Encoding::Binary, 21, &answer, &mut binary).finish(&mut binary);
    assert_eq!(fields_of(&binary), fields_of(bytes));
}

#[test]
fn an_answer_says_only_what_it_has() {
    let mut out = Vec::new();
    Response::new(-3, ResponseCode::TOPIC_NOT_EXIST)
        .remark("no \"T\"\n\u{1}中")
        .field("offset", i64::MIN)
        .write(Encoding::Json, &mut out);
    assert_eq!(
        json_of(&out),
        r#"{"code":17,"extFields":{"offset":"-9223372036854775808"},"flag":1,"language":"JAVA","opaque":-3,"remark":"no \"T\"\n\u0001中","serializeTypeCurrentRPC":"JSON","version":479}"#
    );

    out.clear();
    Response::new(0, ResponseCode::SUCCESS).write(Encoding::Json, &mut out);
    assert_eq!(
        json_of(&out),
        format!(
            r#"{{"code":0,"flag":1,"language":"JAVA","opaque":0,"serializeTypeCurrentRPC":"JSON","version":{VERSION}}}"#
        )
    );
}

#[test]
fn a_request_is_the_same_in_both_encodings() {
    let request = Request::new(7, RequestCode::NOTIFY_CONSUMER_IDS_CHANGED)
        .oneway()
        .field("consumerGroup", "CG\u{1}")
        .field("isForce", true)
        .body(&b"body"[..]);
    let (mut json, mut binary) = (Vec::new(), Vec::new());
    request.write(Encoding::Json, &mut json);
    request.write(Encoding::Binary, &mut binary);

    let (json, binary) = (next_frame(&json).unwrap().unwrap(), next_frame(&binary).unwrap().unwrap());
    assert_eq!((json.body, binary.body), (&b"body"[..], &b"body"[..]));
    let (json, mut binary) = (Header::parse(&json).unwrap(), Header::parse(&binary).unwrap());
    assert!(json.is_oneway() && !json.is_response());
    binary.encoding = Encoding::Json;
    assert_eq!(json, binary);
}
