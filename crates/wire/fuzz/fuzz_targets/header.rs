//! A frame and its header: the fast JSON parser never disagrees with the general one, and what is
//! read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::remoting::code::RequestCode;
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::header::pop::PopMessage;
use wire::remoting::header::pull::PullHeader;
use wire::remoting::header::send::SendHeader;
use wire::remoting::reply::Request;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(frame)) = next_frame(bytes) {
        assert!(frame.len <= bytes.len());
        let _ = Header::parse(&frame).map(|header| check(&header));
    }
    let _ = Header::parse_binary(bytes).map(|header| check(&header));
    match (Header::parse_json_fast(bytes), Header::parse_json_general(bytes)) {
        (Ok(None), _) => {}
        (fast, general) => assert_eq!(fast.map(|header| header.expect("not none")), general),
    }
});

fn check(header: &Header<'_>) {
    let _ = SendHeader::decode(header);
    let _ = PullHeader::decode(header);
    let _ = PopMessage::decode(header);
    let mut out = Vec::new();
    Request::new(header.opaque, RequestCode(header.code))
        .fields(header.fields().map(|(name, value)| (name.raw(), value.to_cow())))
        .write(Encoding::Json, &mut out);
    // Escapes may make a header too large to be written again; all others must read the same.
    let Ok(Some(frame)) = next_frame(&out) else { return };
    let again = Header::parse(&frame).expect("what we write can be read");
    assert!(again.fields().eq(header.fields()));
}
