//! Queue locks of ordered consumption: 41 and 42.

use serde::{Deserialize, Serialize};

use super::bodies;
use super::queue::MessageQueue;

/// Lock or unlock these queues for a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LockBatchRequest {
    pub client_id: String,
    pub consumer_group: String,
    pub mq_set: Vec<MessageQueue>,
    /// Do not forward to the other brokers of the name.
    pub only_this_broker: bool,
}

/// The answer to 41: what the client holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockBatchResponse {
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}

bodies! {
    to_standard: LockBatchRequest, LockBatchResponse;
}
