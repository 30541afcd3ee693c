//! Topics: configuration (18, 21, 351, 103) and statistics (202).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bodies;
use super::kv::DataVersion;
use super::queue::ByQueue;

/// How a topic is set up on one broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicConfig {
    pub attributes: BTreeMap<String, String>,
    pub order: bool,
    /// Sum of 4 (read), 2 (write), 1 (inherit).
    pub perm: i32,
    pub read_queue_nums: i32,
    /// `SINGLE_TAG` or `MULTI_TAG`.
    pub topic_filter_type: String,
    pub topic_name: String,
    pub topic_sys_flag: i32,
    pub write_queue_nums: i32,
}

/// Java's defaults, for members a peer leaves out.
impl Default for TopicConfig {
    fn default() -> Self {
        TopicConfig {
            attributes: BTreeMap::new(),
            order: false,
            perm: 6,
            read_queue_nums: 16,
            topic_filter_type: "SINGLE_TAG".to_owned(),
            topic_name: String::new(),
            topic_sys_flag: 0,
            write_queue_nums: 16,
        }
    }
}

/// 18: create or change these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CreateTopicList {
    pub topic_config_list: Vec<TopicConfig>,
}

/// All topics of a broker: the answer to 21, and inside a registration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicConfigWrapper {
    pub data_version: DataVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping_data_version: Option<DataVersion>,
    /// By topic name.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
    /// Of static topics, passed on as they came.
    pub topic_queue_mapping_detail_map: BTreeMap<String, Value>,
    /// Of static topics, passed on as they came.
    pub topic_queue_mapping_info_map: BTreeMap<String, Value>,
}

/// The answer to 202.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicStatsTable {
    pub offset_table: ByQueue<TopicOffset>,
    /// Messages a second.
    pub topic_put_tps: f64,
}

/// What one queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicOffset {
    /// Store time of the last message, milliseconds since 1970; 0 without one.
    pub last_update_timestamp: i64,
    pub max_offset: i64,
    pub min_offset: i64,
}

bodies! {
    to_standard: TopicConfig, CreateTopicList;
    to_dialect: TopicConfigWrapper, TopicStatsTable;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stats_table_has_objects_as_keys() {
        let json = r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:{"lastUpdateTimestamp":1700000000000,"maxOffset":5,"minOffset":0}},"topicPutTps":0.0}"#;
        let table = TopicStatsTable::read(json.as_bytes()).unwrap();
        assert_eq!(table.offset_table.0[0].0.topic, "T");
        assert_eq!(String::from_utf8(table.to_json()).unwrap(), json);
    }

    #[test]
    fn what_a_peer_leaves_out_is_javas_default() {
        let topic = TopicConfig::read(br#"{"topicName":"T","perm":"4","order":null}"#).unwrap();
        assert_eq!(topic, TopicConfig { topic_name: "T".to_owned(), perm: 4, ..TopicConfig::default() });
    }
}
