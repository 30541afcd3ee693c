//! What waits in a broker's timers, by topic: the answer to `GET_TIMER_METRICS`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies;
use super::kv::DataVersion;

/// Messages that wait for their time, by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TimerMetrics {
    pub data_version: DataVersion,
    pub timing_count: BTreeMap<String, TimerMetric>,
}

/// Messages of one topic that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TimerMetric {
    pub count: i64,
    /// When that was so, in milliseconds since 1970.
    pub time_stamp: i64,
}

bodies! {
    to_standard: TimerMetrics;
}
