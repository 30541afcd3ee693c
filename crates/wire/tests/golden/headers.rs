//! Fields: rewritten, read into the operation's struct, written from it.

use std::collections::BTreeMap;

use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::header::pull::{PullAnswer, PullHeader};
use wire::remoting::header::send::{SendAnswer, SendHeader};
use wire::remoting::header::{client, group, message, namesrv, offset, stats, topic};
use wire::remoting::reply::{Request, Response, Value, pull, send};

use crate::{Recorded, recorded};

type FieldMap = BTreeMap<String, String>;

fn fields(header: &Header<'_>) -> FieldMap {
    header.fields().map(|(name, value)| (name.raw().to_owned(), value.to_cow().into_owned())).collect()
}

/// What `write` appends, read back.
fn read_back(encoding: Encoding, write: impl FnOnce(Encoding, &mut Vec<u8>)) -> (FieldMap, Option<String>, Vec<u8>) {
    let mut out = Vec::new();
    write(encoding, &mut out);
    let frame = next_frame(&out).unwrap().unwrap();
    assert_eq!(frame.len, out.len());
    let header = Header::parse(&frame).unwrap();
    let remark = header.remark().map(|remark| remark.to_cow().into_owned());
    (fields(&header), remark, frame.body.to_vec())
}

#[test]
fn every_frame_written_again_reads_the_same() {
    for recorded in recorded() {
        let frame = recorded.frame();
        let header = Header::parse(&frame).unwrap();
        let remark = header.remark().map(|remark| remark.to_cow().into_owned());
        let pairs: Vec<(&str, Value<'_>)> =
            header.fields().map(|(name, value)| (name.raw(), Value::from(value.to_cow()))).collect();

        let (read, read_remark, body) = read_back(frame.encoding, |encoding, out| {
            if header.is_response() {
                let mut response = Response::new(header.opaque, ResponseCode(header.code)).body(frame.body);
                if let Some(remark) = &remark {
                    response = response.remark(remark.as_str());
                }
                response.fields(pairs).write(encoding, out);
            } else {
                Request::new(header.opaque, RequestCode(header.code))
                    .fields(pairs)
                    .body(frame.body)
                    .write(encoding, out);
            }
        });

        assert_eq!(read, fields(&header), "{}", recorded.name());
        assert_eq!(body, frame.body, "{}", recorded.name());
        if header.is_response() {
            assert_eq!(read_remark, remark, "{}", recorded.name());
        }
    }
}

/// Reads the recorded fields with `$decode` and checks that what it writes is what was there.
macro_rules! check {
    ($header:expr, $name:expr, $type:ty) => {{
        match <$type>::decode($header) {
            Ok(decoded) => {
                for (field, value) in decoded.fields() {
                    let text = match value {
                        Value::Text(text) => text.into_owned(),
                        Value::Number(number) => number.to_string(),
                        Value::Bool(value) => value.to_string(),
                    };
                    let there = $header.field(field).unwrap_or_else(|| panic!("{}: no field {field}", $name));
                    let there = there.to_cow();
                    // Some clients write booleans as 0 and 1.
                    let same = there == text || (text == "false" && there == "0");
                    assert!(same, "{}: {field} is {text}, was {there}", $name);
                }
                true
            }
            Err(_) => false,
        }
    }};
}

/// Whether the request's fields could be read; `None` for an operation without a struct.
fn request(header: &Header<'_>, name: &str) -> Option<bool> {
    let read = match header.code {
        10 | 310 | 320 | 324 | 325 => SendHeader::decode(header).is_ok(),
        11 | 361 => PullHeader::decode(header).is_ok(),
        12 => check!(header, name, message::QueryMessage<'_>),
        14 => check!(header, name, offset::QueryConsumerOffset<'_>),
        15 => check!(header, name, offset::UpdateConsumerOffset<'_>),
        17 => check!(header, name, topic::UpdateTopic<'_>),
        21 => check!(header, name, topic::GetAllTopicConfig<'_>),
        29 => check!(header, name, offset::SearchOffsetByTimestamp<'_>),
        30 => check!(header, name, offset::GetMaxOffset<'_>),
        31 => check!(header, name, offset::GetMinOffset<'_>),
        32 => check!(header, name, offset::GetEarliestMsgStoretime<'_>),
        33 => check!(header, name, message::ViewMessage<'_>),
        35 => check!(header, name, client::UnregisterClient<'_>),
        36 => check!(header, name, message::SendBack<'_>),
        38 => check!(header, name, client::GetConsumerList<'_>),
        40 => check!(header, name, client::NotifyConsumerIdsChanged<'_>),
        100 => check!(header, name, namesrv::PutKvConfig<'_>),
        101 => check!(header, name, namesrv::GetKvConfig<'_>),
        102 => check!(header, name, namesrv::DeleteKvConfig<'_>),
        103 => check!(header, name, namesrv::RegisterBroker<'_>),
        104 => check!(header, name, namesrv::UnregisterBroker<'_>),
        105 => check!(header, name, namesrv::GetRoute<'_>),
        201 => check!(header, name, group::GetAllSubscriptionGroups<'_>),
        202 => check!(header, name, topic::GetTopicStats<'_>),
        203 => check!(header, name, client::GetConsumerConnections<'_>),
        204 => check!(header, name, client::GetProducerConnections<'_>),
        205 => check!(header, name, namesrv::WipeWritePerm<'_>),
        207 => check!(header, name, group::DeleteSubscriptionGroup<'_>),
        208 => check!(header, name, stats::GetConsumeStats<'_>),
        215 => check!(header, name, topic::DeleteTopic<'_>),
        216 => check!(header, name, namesrv::DeleteTopicInNamesrv<'_>),
        217 => check!(header, name, namesrv::RegisterTopicInNamesrv<'_>),
        219 => check!(header, name, namesrv::GetKvList<'_>),
        220 => check!(header, name, offset::ResetClientOffset<'_>),
        221 | 223 => check!(header, name, offset::GetClientStatus<'_>),
        222 => check!(header, name, offset::ResetOffset<'_>),
        224 => check!(header, name, namesrv::GetTopicsByCluster<'_>),
        300 => check!(header, name, topic::QueryTopicConsumeByWho<'_>),
        303 => check!(header, name, stats::QueryConsumeTimeSpan<'_>),
        307 => check!(header, name, client::GetConsumerRunningInfo<'_>),
        309 => check!(header, name, client::ConsumeMessageDirectly<'_>),
        315 => check!(header, name, stats::ViewBrokerStats<'_>),
        317 => check!(header, name, stats::GetBrokerConsumeStats),
        321 => check!(header, name, message::QueryConsumeQueue<'_>),
        322 => check!(header, name, namesrv::QueryDataVersion<'_>),
        326 => check!(header, name, message::PushReply<'_>),
        327 => check!(header, name, namesrv::AddWritePerm<'_>),
        343 => check!(header, name, group::QueryTopicsByConsumer<'_>),
        345 => check!(header, name, group::QuerySubscriptionByConsumer<'_>),
        351 => check!(header, name, topic::GetTopicConfig<'_>),
        352 => check!(header, name, group::GetSubscriptionGroup<'_>),
        901 => check!(header, name, namesrv::GetBrokerMemberGroup<'_>),
        904 => check!(header, name, namesrv::BrokerHeartbeat<'_>),
        _ => return None,
    };
    Some(read)
}

/// Steps of the recordings whose requests lack or break a field on purpose.
fn is_broken_on_purpose(recorded: &Recorded) -> bool {
    recorded
        .path
        .parent()
        .is_some_and(|folder| folder.ends_with("java-5.3.3-raw") || folder.ends_with("server-5.5.0-raw"))
}

#[test]
fn the_fields_of_every_request_are_read() {
    let (mut read, mut refused) = (0, Vec::new());
    for recorded in recorded().iter().filter(|recorded| recorded.is_request()) {
        let frame = recorded.frame();
        let header = Header::parse(&frame).unwrap();
        match request(&header, &recorded.name()) {
            Some(true) => read += 1,
            Some(false) if is_broken_on_purpose(recorded) => {}
            Some(false) => refused.push(recorded.name()),
            None => {}
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(read > 600, "only {read} requests with fields");
}

#[test]
fn the_fields_of_every_answer_are_read() {
    let mut read = 0;
    for recorded in recorded().iter().filter(|recorded| recorded.is_success()) {
        let (frame, name) = (recorded.frame(), recorded.name());
        let header = Header::parse(&frame).unwrap();
        let taken = match recorded.request_code() {
            10 | 310 | 320 | 324 | 325 => check!(&header, name, SendAnswer<'_>),
            11 | 361 => check!(&header, name, PullAnswer),
            12 => check!(&header, name, message::QueryMessageAnswer),
            14 | 29 | 30 | 31 => check!(&header, name, offset::OffsetAnswer),
            32 => check!(&header, name, offset::TimestampAnswer),
            21 => check!(&header, name, topic::GetAllTopicConfigAnswer),
            201 => check!(&header, name, group::GetAllSubscriptionGroupsAnswer),
            101 => check!(&header, name, namesrv::GetKvConfigAnswer<'_>),
            103 => check!(&header, name, namesrv::RegisterBrokerAnswer<'_>),
            205 => check!(&header, name, namesrv::WipeWritePermAnswer),
            327 => check!(&header, name, namesrv::AddWritePermAnswer),
            322 => check!(&header, name, namesrv::QueryDataVersionAnswer),
            _ => continue,
        };
        assert!(taken, "{name}");
        read += 1;
    }
    assert!(read > 250, "only {read} answers with fields");
}

#[test]
fn our_send_answers_have_the_recorded_fields() {
    let broker = send::SendAnswers::new("127.0.0.1:10911".parse().unwrap(), "DefaultRegion", true);
    let mut compared = 0;
    for recorded in recorded().iter().filter(|recorded| recorded.is_answer()) {
        // A reply that could not be pushed is stored all the same.
        let (sends, replies) = ([10, 310, 320], [324, 325]);
        let code = recorded.request_code();
        if !(sends.contains(&code) && recorded.is_success() || replies.contains(&code)) {
            continue;
        }
        let (frame, name) = (recorded.frame(), recorded.name());
        let header = Header::parse(&frame).unwrap();
        let answer = SendAnswer::decode(&header).unwrap();
        let log_offsets: Vec<i64> =
            answer.msg_id.split(',').map(|id| i64::from_str_radix(&id[16..], 16).unwrap()).collect();
        let told = header.remark().map(|remark| remark.to_cow().into_owned());
        let stored = send::Stored {
            queue_id: answer.queue_id,
            queue_offset: answer.queue_offset,
            log_offsets: &log_offsets,
            transaction_id: answer.transaction_id.as_deref(),
            recall_handle: answer.recall_handle.as_deref(),
            remark: told.as_deref(),
        };
        for encoding in [Encoding::Json, Encoding::Binary] {
            let (written, remark, body) = read_back(encoding, |encoding, out| {
                broker.stored(encoding, header.opaque, header.response_code(), &stored, out);
            });
            let mut expected = fields(&header);
            // Inner batches are not answered by this writer.
            expected.remove("batchUniqId");
            assert_eq!(written, expected, "{name}");
            assert_eq!((&remark, body.len()), (&told, 0), "{name}");
        }
        compared += 1;
    }
    assert!(compared > 60, "only {compared} answers");
}

#[test]
fn our_pull_answers_have_the_recorded_fields_and_body() {
    let mut compared = 0;
    for recorded in recorded().iter().filter(|recorded| recorded.is_answer()) {
        let (frame, name) = (recorded.frame(), recorded.name());
        let header = Header::parse(&frame).unwrap();
        if !matches!(recorded.request_code(), 11 | 361) || !matches!(header.code, 0 | 19 | 20 | 21) {
            continue;
        }
        let answer = PullAnswer::decode(&header).unwrap();
        let remark = header.remark().map(|remark| remark.to_cow().into_owned());
        let ours = pull::PullAnswer {
            code: header.response_code(),
            remark: remark.as_deref(),
            next_begin_offset: answer.next_begin_offset,
            min_offset: answer.min_offset,
            max_offset: answer.max_offset,
            suggest_which_broker_id: answer.suggest_which_broker_id,
            topic_sys_flag: answer.topic_sys_flag.unwrap(),
            group_sys_flag: answer.group_sys_flag.unwrap(),
        };
        let (written, written_remark, body) = read_back(frame.encoding, |encoding, out| {
            let mark = pull::begin_pull(encoding, header.opaque, &ours, out);
            out.extend_from_slice(frame.body);
            mark.finish(out);
        });
        assert_eq!(written, fields(&header), "{name}");
        assert_eq!(written_remark, remark, "{name}");
        assert_eq!(body, frame.body, "{name}");
        compared += 1;
    }
    assert!(compared > 40, "only {compared} answers");
}
