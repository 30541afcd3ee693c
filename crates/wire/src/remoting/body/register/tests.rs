//! The three forms, and what a hostile broker may try.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn push_block(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn compressed_form(mappings: bool) -> Vec<u8> {
    let mut out = Vec::new();
    push_block(r#"{"counter":3,"stateVersion":0,"timestamp":17}"#, &mut out);
    out.extend_from_slice(&2u32.to_be_bytes());
    push_block(r#"T 4 8 6 SINGLE_TAG {"message.type":"FIFO"}"#, &mut out);
    push_block("%RETRY%CG 1 1 6 SINGLE_TAG", &mut out);
    push_block(r#"["10.0.0.1:1"]"#, &mut out);
    if mappings {
        out.extend_from_slice(&1u32.to_be_bytes());
        push_block(r#"{"topic":"S","currIdMap":{0:0}}"#, &mut out);
    }
    out
}

#[test]
fn the_compressed_form_is_read_with_and_without_mappings() {
    let old = RegisterBrokerBody::read_any(&deflate(&compressed_form(false)), 399).unwrap();
    let new = RegisterBrokerBody::read_any(&deflate(&compressed_form(true)), 479).unwrap();

    let wrapper = &old.topic_config_serialize_wrapper;
    assert_eq!(wrapper.data_version.counter, 3);
    assert_eq!(old.filter_server_list, ["10.0.0.1:1"]);
    let topic = &wrapper.topic_config_table["T"];
    assert_eq!((topic.read_queue_nums, topic.write_queue_nums, topic.perm), (4, 8, 6));
    assert_eq!(topic.attributes["message.type"], "FIFO");
    assert_eq!(wrapper.topic_config_table["%RETRY%CG"].read_queue_nums, 1);

    assert_eq!(new.topic_config_serialize_wrapper.topic_config_table, wrapper.topic_config_table);
    let mapping = &new.topic_config_serialize_wrapper.topic_queue_mapping_info_map["S"];
    assert_eq!(mapping["currIdMap"]["0"], 0);
}

#[test]
fn every_cut_of_the_compressed_form_is_an_error() {
    let form = compressed_form(true);
    for end in 0..form.len() {
        let error = RegisterBrokerBody::read_any(&deflate(&form[..end]), 479).unwrap_err();
        assert!(matches!(error, RegisterError::Malformed(_)), "cut at {end}: {error}");
    }
    let whole = deflate(&form);
    let cut = RegisterBrokerBody::read_any(&whole[..whole.len() / 2], 479).unwrap_err();
    assert!(matches!(cut, RegisterError::Inflate(_)), "{cut}");
}

#[test]
fn a_bomb_is_refused_by_its_ratio() {
    let bomb = deflate(&vec![b' '; 1 << 20]);
    let error = RegisterBrokerBody::read_any(&bomb, 479).unwrap_err();
    assert!(matches!(error, RegisterError::TooLarge { .. }), "{error}");
}

#[test]
fn an_announced_count_costs_nothing_until_its_bytes_come() {
    let mut form = Vec::new();
    push_block("{}", &mut form);
    form.extend_from_slice(&u32::MAX.to_be_bytes());
    let error = RegisterBrokerBody::read_any(&deflate(&form), 479).unwrap_err();
    assert_eq!(error.to_string(), "compressed registration is malformed in its topics");
}

#[test]
fn an_old_broker_sends_its_topics_alone() {
    let topics = r#"{"dataVersion":{"counter":1,"timestamp":2},"topicConfigTable":{"T":{"topicName":"T","perm":6,"readQueueNums":2,"writeQueueNums":2}}}"#;
    let whole = format!("{{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{topics}}}");

    let alone = RegisterBrokerBody::read_any(topics.as_bytes(), 36).unwrap();

    assert_eq!(alone.topic_config_serialize_wrapper.topic_config_table["T"].read_queue_nums, 2);
    for version in [0, 37] {
        assert_eq!(RegisterBrokerBody::read_any(whole.as_bytes(), version).unwrap(), alone, "version {version}");
    }
}

#[test]
fn a_registration_may_have_very_many_topics() {
    let mut body = RegisterBrokerBody::default();
    for at in 0..20_000 {
        let topic = TopicConfig { topic_name: format!("T{at}"), ..TopicConfig::default() };
        body.topic_config_serialize_wrapper.topic_config_table.insert(topic.topic_name.clone(), topic);
    }
    assert_eq!(RegisterBrokerBody::read_any(&body.to_json(), 479).unwrap(), body);
}
