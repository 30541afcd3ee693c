//! Offsets in bodies: all of a broker (43), resets (220, 222), what a client has (221, 223).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies;
use super::kv::DataVersion;
use super::queue::{ByQueue, MessageQueue};

/// Consumer offsets of a broker, by `topic@group` and queue id: the answer to 43.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerOffsets {
    pub data_version: DataVersion,
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// Offsets a group shall take: the answer to 222, and the body of 220 to Java and Go clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResetOffsets {
    pub offset_table: ByQueue<i64>,
}

/// The body of 220 to C++ clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResetOffsetsForCpp {
    pub offset_table: Vec<QueueOffset>,
}

/// One queue and its offset, flat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueueOffset {
    pub broker_name: String,
    pub offset: i64,
    pub queue_id: i32,
    pub topic: String,
}

impl From<&ResetOffsets> for ResetOffsetsForCpp {
    fn from(offsets: &ResetOffsets) -> Self {
        let flat = |(queue, offset): &(MessageQueue, i64)| QueueOffset {
            broker_name: queue.broker_name.clone(),
            offset: *offset,
            queue_id: queue.queue_id,
            topic: queue.topic.clone(),
        };
        ResetOffsetsForCpp { offset_table: offsets.offset_table.0.iter().map(flat).collect() }
    }
}

/// Offsets clients have: of one in the answer to 221, by client id in that to 223.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerStatus {
    pub consumer_table: BTreeMap<String, ByQueue<i64>>,
    pub message_queue_table: ByQueue<i64>,
}

bodies! {
    to_standard: ResetOffsetsForCpp;
    to_dialect: ConsumerOffsets, ResetOffsets, ConsumerStatus;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_written_for_java_and_for_cpp() {
        let json = r#"{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:6,{"brokerName":"broker-a","queueId":0,"topic":"T"}:5}}"#;
        let offsets = ResetOffsets::read(json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(offsets.to_json()).unwrap(), json);

        let cpp = r#"{"offsetTable":[{"brokerName":"broker-a","offset":6,"queueId":1,"topic":"T"},{"brokerName":"broker-a","offset":5,"queueId":0,"topic":"T"}]}"#;
        assert_eq!(String::from_utf8(ResetOffsetsForCpp::from(&offsets).to_json()).unwrap(), cpp);
    }

    #[test]
    fn offsets_of_a_broker_have_number_keys() {
        let json = r#"{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":1},"offsetTable":{"T@CG":{0:7}}}"#;
        let offsets = ConsumerOffsets::read(json.as_bytes()).unwrap();
        assert_eq!(offsets.offset_table["T@CG"][&0], 7);
        assert_eq!(String::from_utf8(offsets.to_json()).unwrap(), json);
    }
}
