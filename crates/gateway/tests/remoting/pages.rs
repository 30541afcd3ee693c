//! A list that is too long for one answer is refused; in pages it is told whole (21).

use std::collections::BTreeSet;

use model::{TopicConfig, TopicName};
use store::Staged;
use wire::remoting::body::topic::TopicConfigWrapper;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::next_frame;
use wire::remoting::reply::Request;

use crate::host::Host;

const TOPICS: usize = 24_000;

/// Topics made by one append.
const AT_ONCE: usize = 1_000;

#[test]
fn many_topics_are_told_in_pages() {
    let host = Host::start();
    let long = "a-name-as-long-as-people-give-to-topics-when-they-put-the-whole-organisation-into-it";
    let names: Vec<_> = (0..TOPICS).map(|number| format!("{long}-{number:06}")).collect();
    for part in names.chunks(AT_ONCE) {
        let mut staged = Staged::default();
        let topics = part.iter().map(|name| (TopicConfig::new(TopicName::trusted(name), 1), String::new()));
        host.gateway.broker.begin_change_topics(topics, &mut staged).expect("legal");
        host.gateway.broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    let peer = host.peer(1);
    let whole = host.answer(&peer, &Request::new(1, RequestCode::GET_ALL_TOPIC_CONFIG));
    let whole = next_frame(&whole).expect("a frame").expect("whole");
    let refused = Header::parse(&whole).expect("a header");
    assert_eq!(refused.response_code(), ResponseCode::SYSTEM_ERROR);
    assert!(refused.remark().is_some_and(|remark| remark.to_cow().contains("in pages")));

    let (mut told, mut version) = (BTreeSet::new(), String::new());
    loop {
        let request = Request::new(2, RequestCode::GET_ALL_TOPIC_CONFIG)
            .field("topicSeq", told.len().to_string())
            .field("dataVersion", version)
            .field("maxTopicNum", "1000");
        let page = host.answer(&peer, &request);
        let page = next_frame(&page).expect("a frame").expect("whole");
        let header = Header::parse(&page).expect("a header");
        let total: usize = header.field("totalTopicNum").expect("told").to_cow().parse().expect("a number");
        let body = TopicConfigWrapper::read(page.body).expect("topics");
        version = String::from_utf8(body.data_version.to_json()).expect("JSON is UTF-8");
        assert!(!body.topic_config_table.is_empty(), "{} of {total} told", told.len());
        told.extend(body.topic_config_table.into_keys());
        if told.len() >= total {
            break;
        }
    }
    assert!(names.iter().all(|name| told.contains(name)));
}
