//! Numbers: consuming (208, 303, 317), counters (315), a look into a queue (321), replicas (907).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies;
use super::heartbeat::SubscriptionData;
use super::queue::{ByQueue, MessageQueue};

/// How far a group has come: the answer to 208.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeStats {
    /// Messages a second.
    pub consume_tps: f64,
    pub offset_table: ByQueue<OffsetWrapper>,
}

/// How far a group has come in one queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OffsetWrapper {
    /// The visible end.
    pub broker_offset: i64,
    pub consumer_offset: i64,
    /// Store time of the last consumed message, milliseconds since 1970; 0 without one.
    pub last_timestamp: i64,
    /// What has been handed out.
    pub pull_offset: i64,
}

/// How far all groups have come: the answer to 317.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeStatsList {
    pub broker_addr: String,
    /// Each entry has one group.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    pub total_diff: i64,
    pub total_inflight_diff: i64,
}

/// Store times of what a group has and has not consumed: the answer to 303.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeTimeSpans {
    pub consume_time_span_set: Vec<ConsumeTimeSpan>,
}

/// Times of one queue, milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeTimeSpan {
    pub consume_time_stamp: i64,
    /// How long the next message has waited, milliseconds.
    pub delay_time: i64,
    pub max_time_stamp: i64,
    pub message_queue: MessageQueue,
    pub min_time_stamp: i64,
}

/// One counter over three windows: the answer to 315.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerStats {
    pub stats_day: BrokerStatsItem,
    pub stats_hour: BrokerStatsItem,
    pub stats_minute: BrokerStatsItem,
}

/// One window of a counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokerStatsItem {
    /// Sum per call.
    pub avgpt: f64,
    pub sum: i64,
    /// Sum per second.
    pub tps: f64,
}

/// Units of a queue: the answer to 321.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeQueueData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_data: Option<String>,
    pub max_queue_index: i64,
    pub min_queue_index: i64,
    pub queue_data: Vec<ConsumeQueueUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
}

/// One unit of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeQueueUnit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_map: Option<String>,
    /// Whether the filter lets it pass.
    pub eval: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend_data_json: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Log offset.
    pub physic_offset: i64,
    /// Bytes of the record.
    pub physic_size: i32,
    /// Tag hash.
    pub tags_code: i64,
}

/// The replicas of a master, or how far one of them has come: the answer to 907.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HaStatus {
    pub ha_client_runtime_info: HaClient,
    /// One entry a replica.
    pub ha_connection_info: Vec<HaConnection>,
    pub in_sync_slave_nums: i32,
    pub master: bool,
    pub master_commit_log_max_offset: i64,
}

/// The replica's side; all 0 on a master.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HaClient {
    pub last_read_timestamp: i64,
    pub last_write_timestamp: i64,
    pub master_flush_offset: i64,
    pub max_offset: i64,
    pub transferred_byte_in_second: i64,
}

/// The master's side of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HaConnection {
    pub addr: String,
    pub diff: i64,
    pub in_sync: bool,
    pub slave_ack_offset: i64,
    pub transfer_from_where: i64,
    pub transferred_byte_in_second: i64,
}

bodies! {
    to_standard: ConsumeTimeSpans, BrokerStats, ConsumeQueueData, HaStatus;
    to_dialect: ConsumeStats, ConsumeStatsList;
}
