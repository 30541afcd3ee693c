//! fastjson's dialect: what is rewritten is standard JSON, and rewriting that changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::remoting::body::heartbeat::HeartbeatData;
use wire::remoting::body::offset::ConsumerStatus;
use wire::remoting::body::route::TopicRouteData;
use wire::remoting::json::dialect::{Limits, to_standard};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = to_standard(bytes, Limits::USUAL) {
        serde_json::from_str::<serde_json::Value>(&text).expect("the result is standard json");
        assert_eq!(to_standard(text.as_bytes(), Limits::USUAL).as_ref(), Ok(&text));
    }
    if let Ok(heartbeat) = HeartbeatData::read(bytes) {
        assert_eq!(HeartbeatData::read(&heartbeat.to_json()).expect("what we write can be read"), heartbeat);
    }
    if let Ok(route) = TopicRouteData::read(bytes) {
        TopicRouteData::read(&route.to_dialect_json()).expect("what we write can be read");
        TopicRouteData::read(&route.to_standard_json()).expect("what we write can be read");
    }
    if let Ok(status) = ConsumerStatus::read(bytes) {
        ConsumerStatus::read(&status.to_json()).expect("what we write can be read");
    }
});
