//! A message becomes a record and is told again as it was sent.

use model::record::message::{NewMessage, encode};
use model::{LogOffset, QueueId};

use super::*;

/// The record of a message whose properties string is `properties`.
fn record(properties: &[u8], sys_flag: i32, body: &[u8]) -> Vec<u8> {
    let message = NewMessage {
        topic: "orders",
        queue_id: QueueId(3),
        flag: 0,
        sys_flag,
        born_timestamp: Timestamp(1_000),
        born_host: "10.0.0.1:5000".parse().expect("an address"),
        store_host: "10.0.0.2:10911".parse().expect("an address"),
        reconsume_times: 2,
        prepared_offset: LogOffset::ZERO,
        body,
    };
    let mut bytes = Vec::new();
    encode(&mut bytes, &message, |out| out.extend_from_slice(properties)).expect("it fits");
    bytes
}

fn tell(bytes: &[u8]) -> Message {
    let record = record::Message::parse(bytes).expect("a record");
    told(&record, Bytes::copy_from_slice(record.body()), &Resource { name: "orders".into(), ..Resource::default() })
}

#[test]
fn what_a_client_sets_comes_back() {
    let system = SystemProperties {
        tag: Some("paid".into()),
        keys: vec!["k1".into(), "k2".into()],
        message_id: "01AB".into(),
        born_timestamp: Some(moment(Timestamp(1_795_563_260_093))),
        born_host: "laptop".into(),
        message_group: Some("order-7".into()),
        trace_context: Some("00-1-2".into()),
        ..SystemProperties::default()
    };
    let user_properties = [("colour".to_owned(), "red".to_owned())].into();
    let sent = Message { user_properties, system_properties: Some(system.clone()), ..Message::default() };
    let mut properties = Vec::new();
    push_properties(&sent, &system, "orders", &mut properties);
    let told = tell(&record(&properties, 0, b"hello"));

    let back = told.system_properties.expect("always there");
    assert_eq!((&back.tag, &back.keys, &back.message_id), (&system.tag, &system.keys, &system.message_id));
    assert_eq!((back.born_timestamp, &back.born_host), (system.born_timestamp, &system.born_host));
    assert_eq!((&back.message_group, &back.trace_context), (&system.message_group, &system.trace_context));
    assert_eq!((back.message_type(), back.delivery_attempt, back.queue_id), (MessageType::Fifo, Some(3), 3));
    assert_eq!(back.body_digest.expect("always there").checksum, "5D41402ABC4B2A76B9719D911017C592");
    assert_eq!(told.user_properties.get("colour").map(String::as_str), Some("red"));
    assert!(!told.user_properties.contains_key("UNIQ_KEY"));
}

#[test]
fn a_message_of_a_remoting_client_has_everything_clients_insist_on() {
    let told = tell(&record(b"TIMER_DELIVER_MS\x011795563264283\x02", 1, b"hello"));
    let system = told.system_properties.expect("always there");
    assert_eq!(system.message_id.len(), 32, "{}", system.message_id);
    assert_eq!((system.body_encoding(), system.message_type()), (Encoding::Gzip, MessageType::Delay));
    assert_eq!(system.born_timestamp, Some(moment(Timestamp(1_000))));
    assert_eq!((&*system.born_host, &*system.store_host), ("10.0.0.1:5000", "10.0.0.2:10911"));
    assert_eq!(system.delivery_timestamp, Some(moment(Timestamp(1_795_563_264_283))));
}

#[test]
fn a_half_message_belongs_to_the_producers_of_its_topic() {
    let mut system = SystemProperties {
        orphaned_transaction_recovery_duration: Some(Duration { seconds: 9, nanos: 500_000_000 }),
        ..SystemProperties::default()
    };
    system.set_message_type(MessageType::Transaction);
    let mut properties = Vec::new();
    push_properties(&Message::default(), &system, "orders", &mut properties);
    let find = |name| properties::find(&properties, name);
    assert_eq!((find("TRAN_MSG"), find("PGROUP")), (Some("true"), Some("orders")));
    assert_eq!(find("CHECK_IMMUNITY_TIME_IN_SECONDS"), Some("9"));
}

#[test]
fn moments_and_spans_are_exact_to_the_millisecond() {
    for millis in [0, 1, 999, 1_795_563_264_283, -1, -1_001] {
        assert_eq!(moment_of(&moment(Timestamp(millis))), Timestamp(millis));
    }
    for millis in [0, 1, 20_000, 43_200_001] {
        assert_eq!(millis_of(&span(Millis(millis))), Millis(millis));
    }
    assert_eq!(millis_of(&Duration { seconds: -5, nanos: 0 }), Millis(0));
    assert_eq!(moment_of(&Moment { seconds: i64::MAX, nanos: 0 }), Timestamp(i64::MAX));
}
