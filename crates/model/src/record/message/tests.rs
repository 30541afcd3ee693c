//! The record against a commit log written by Apache RocketMQ 5.3.3.

use super::*;
use crate::properties;

const GOLDEN_LOG: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/store/commitlog/00000000000000000000");

fn new_message<'a>(topic: &'a str, body: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id: QueueId(2),
        flag: 7,
        sys_flag: 0,
        born_timestamp: Timestamp(11),
        born_host: "[::ffff:10.0.0.9]:5000".parse().expect("an address"),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        reconsume_times: 1,
        prepared_offset: LogOffset(5),
        body,
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads its golden file")]
fn records_of_the_reference_read_and_encode_to_the_same_bytes() {
    let log = std::fs::read(GOLDEN_LOG).expect("the golden store lies in shared/ beside the checkout");
    let (mut at, mut count) = (0, 0);
    while at < log.len() {
        let message = Message::parse(&log[at..]).unwrap_or_else(|| panic!("record at {at}"));
        assert_eq!(message.log_offset(), LogOffset(at as u64));
        let again = NewMessage {
            topic: message.topic(),
            queue_id: message.queue_id(),
            flag: message.flag(),
            sys_flag: message.sys_flag(),
            born_timestamp: message.born_timestamp(),
            born_host: message.born_host(),
            store_host: message.store_host(),
            reconsume_times: message.reconsume_times(),
            prepared_offset: message.prepared_offset(),
            body: message.body(),
        };
        let mut bytes = Vec::new();
        encode(&mut bytes, &again, |out| out.extend_from_slice(message.properties())).expect("it was stored once");
        number(&mut bytes, message.queue_offset(), message.log_offset(), message.store_timestamp());
        assert_eq!(bytes, message.bytes(), "record {count} at {at}");
        at += bytes.len();
        count += 1;
    }
    assert!(count > 30, "the golden store holds more than 30 records, read {count}");
}

#[test]
fn hosts_in_ipv6_clothes_are_stored_as_ipv4() {
    let mut bytes = Vec::new();
    encode(&mut bytes, &new_message("orders", b"hello"), |out| properties::push(out, "TAGS", "a")).expect("small");
    number(&mut bytes, QueueOffset(9), LogOffset(1_000), Timestamp(12));
    let message = Message::parse(&bytes).expect("just written");
    assert_eq!(message.sys_flag(), 0);
    assert_eq!(message.born_host(), "10.0.0.9:5000".parse().expect("an address"));
    assert_eq!((message.queue_offset(), message.store_timestamp()), (QueueOffset(9), Timestamp(12)));
    assert_eq!((message.topic(), message.body()), ("orders", &b"hello"[..]));
    assert_eq!(properties::find(message.properties(), "TAGS"), Some("a"));
}

#[test]
fn a_long_retry_topic_takes_version_2_and_ipv6_hosts_their_room() {
    let topic = format!("%RETRY%{}", "g".repeat(200));
    let mut message = new_message(&topic, b"");
    message.born_host = "[2001:db8::1]:1".parse().expect("an address");
    message.store_host = "[2001:db8::2]:2".parse().expect("an address");
    let mut bytes = Vec::new();
    encode(&mut bytes, &message, |_| {}).expect("small");
    let read = Message::parse(&bytes).expect("just written");
    assert_eq!(u32_at(&bytes, 4), Some(MAGIC_V2));
    assert_eq!((read.topic(), read.body()), (topic.as_str(), &b""[..]));
    assert_eq!((read.born_host(), read.store_host()), (message.born_host, message.store_host));
    assert_eq!((read.reconsume_times(), read.prepared_offset()), (1, LogOffset(5)));
}

#[test]
fn too_long_properties_leave_nothing_behind() {
    let mut bytes = vec![1, 2, 3];
    let result = encode(&mut bytes, &new_message("t", b""), |out| out.resize(out.len() + 40_000, b'x'));
    assert_eq!(result, Err(EncodeError::PropertiesTooLong { len: 40_000 }));
    assert_eq!(bytes, [1, 2, 3]);
}

#[test]
fn every_cut_of_a_record_is_damage_not_a_panic() {
    let mut bytes = Vec::new();
    encode(&mut bytes, &new_message("orders", b"hello"), |out| properties::push(out, "TAGS", "a")).expect("small");
    for cut in 0..bytes.len() {
        assert!(Message::parse(&bytes[..cut]).is_none());
    }
    for at in 0..bytes.len() {
        for value in [0, 0x7F, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let _ = Message::parse(&damaged);
        }
    }
}
