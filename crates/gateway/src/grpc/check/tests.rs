//! Names and types; what a whole call is refused for stands in tests/grpc/refusals.rs.

use super::*;

#[test]
fn reserved_names_are_sorted_so_that_they_are_found() {
    assert!(RESERVED.is_sorted());
    assert!(is_reserved("KEYS") && is_reserved("__SHARDINGKEY") && !is_reserved("colour"));
}

#[test]
fn a_message_is_what_it_asks_for() {
    let of = |change: &dyn Fn(&mut SystemProperties)| {
        let mut system = SystemProperties::default();
        change(&mut system);
        type_of(&system)
    };
    assert_eq!(of(&|_| {}), MessageType::Normal);
    assert_eq!(of(&|system| system.message_group = Some(String::new())), MessageType::Normal);
    assert_eq!(of(&|system| system.message_group = Some("g".into())), MessageType::Fifo);
    assert_eq!(of(&|system| system.priority = Some(-1)), MessageType::Normal);
    assert_eq!(of(&|system| system.priority = Some(0)), MessageType::Priority);
    assert_eq!(
        of(&|system| {
            system.message_group = Some("g".into());
            system.delivery_timestamp = Some(prost_types::Timestamp::default());
        }),
        MessageType::Delay
    );
    assert_eq!(of(&|system| system.set_message_type(MessageType::Fifo)), MessageType::Normal);
}

#[test]
fn a_topic_takes_what_its_attribute_says() {
    let topic = |kind: Option<&str>| TopicConfig {
        attributes: kind.map(|kind| ("message.type".to_owned(), kind.to_owned())).into_iter().collect(),
        ..TopicConfig::new(TopicName::trusted("t"), 1)
    };
    assert_eq!(accepted(&topic(None)), [MessageType::Normal]);
    assert_eq!(accepted(&topic(Some("MIXED"))).len(), 4);
    assert_eq!(accepted(&topic(Some("UNSPECIFIED"))), []);
    let system = SystemProperties::default();
    let refusal = fits(&topic(Some("FIFO")), &system).expect_err("another type");
    assert_eq!(refusal.code, Code::MessagePropertyConflictWithType);
    let letters = TopicConfig::new(TopicName::trusted("%DLQ%g"), 1);
    assert_eq!(fits(&TopicConfig { attributes: topic(Some("FIFO")).attributes, ..letters }, &system), Ok(()));
}
