//! The body of a registration: our topics as brokers of the Java family write them.

use std::sync::Arc;

use broker::state::topics::Topic;
use model::config::TopicFilterType;
use model::{Timestamp, TopicConfig};
use wire::remoting::body::kv::DataVersion;
use wire::remoting::body::register::RegisterBrokerBody;
use wire::remoting::body::topic::{self, TopicConfigWrapper};

/// The body for these topics. We have no static topics, so their version is that of the start.
pub(super) fn of(version: DataVersion, started: Timestamp, topics: &[Arc<Topic>]) -> Vec<u8> {
    let body = RegisterBrokerBody {
        filter_server_list: Vec::new(),
        topic_config_serialize_wrapper: TopicConfigWrapper {
            data_version: version,
            mapping_data_version: Some(DataVersion { timestamp: started.0, ..DataVersion::default() }),
            topic_config_table: topics
                .iter()
                .map(|topic| (topic.config.name.to_string(), entry(&topic.config)))
                .collect(),
            ..TopicConfigWrapper::default()
        },
    };
    body.to_json()
}

/// What `bodyCrc32` says: Java drops the sign.
pub(super) fn checksum(body: &[u8]) -> u32 {
    crc32fast::hash(body) & 0x7FFF_FFFF
}

fn entry(config: &TopicConfig) -> topic::TopicConfig {
    let signed = |number: u32| i32::try_from(number).expect("queues, permissions and flags are small");
    topic::TopicConfig {
        attributes: config.attributes.clone(),
        order: config.order,
        perm: signed(config.perm),
        read_queue_nums: signed(config.read_queues),
        topic_filter_type: match config.filter_type {
            TopicFilterType::SingleTag => "SINGLE_TAG",
            TopicFilterType::MultiTag => "MULTI_TAG",
        }
        .to_owned(),
        topic_name: config.name.to_string(),
        topic_sys_flag: signed(config.sys_flag),
        write_queue_nums: signed(config.write_queues),
    }
}
