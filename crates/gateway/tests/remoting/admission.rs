//! A disk that confirms too late: sends are refused at once, and nothing of them is stored; consuming goes on.

use gateway::remoting::turn::Peer;
use model::LogOffset;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::next_frame;
use wire::remoting::reply::Request;

use crate::host::Host;

fn code_of(answer: &[u8]) -> ResponseCode {
    let frame = next_frame(answer).expect("a frame").expect("whole");
    Header::parse(&frame).expect("a header").response_code()
}

fn send(host: &Host, peer: &Peer) -> ResponseCode {
    let request = Request::new(1, RequestCode::SEND_MESSAGE_V2)
        .field("a", "producers")
        .field("b", "orders")
        .field("c", "TBW102")
        .field("d", 1)
        .field("e", 0)
        .field("f", 0)
        .field("g", 1_700_000_000_000i64)
        .field("h", 0)
        .field("i", "")
        .field("j", 0)
        .field("k", false)
        .field("m", false)
        .body(&b"paid"[..]);
    code_of(&host.answer(peer, &request))
}

fn max_offset(host: &Host, peer: &Peer) -> String {
    let request = Request::new(2, RequestCode::GET_MAX_OFFSET).field("topic", "orders").field("queueId", 0);
    let answer = host.answer(peer, &request);
    let frame = next_frame(&answer).expect("a frame").expect("whole");
    let header = Header::parse(&frame).expect("a header");
    header.field("offset").and_then(|offset| offset.as_plain()).expect("an offset").to_owned()
}

#[test]
fn a_send_that_would_miss_its_deadline_is_refused_as_busy_and_consumers_notice_nothing() {
    let host = Host::start();
    let peer = host.peer(1);
    assert_eq!(send(&host, &peer), ResponseCode::SUCCESS);
    let end = host.gateway.broker.log().end();

    // As if an answer behind the end had been late.
    host.gateway.admission.missed(LogOffset(end.0 + 1));
    assert_eq!(send(&host, &peer), ResponseCode::SYSTEM_BUSY);
    assert_eq!(host.gateway.broker.log().end(), end, "nothing is stored of it");
    assert_eq!(max_offset(&host, &peer), "1");

    // Another record makes the log come past it.
    let create = Request::new(3, RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
        .body(&br#"{"groupName":"billing","consumeEnable":true,"retryQueueNums":1,"retryMaxTimes":16}"#[..]);
    assert_eq!(code_of(&host.answer(&peer, &create)), ResponseCode::SUCCESS);
    assert_eq!(send(&host, &peer), ResponseCode::SUCCESS);
    assert_eq!(max_offset(&host, &peer), "2");
}
