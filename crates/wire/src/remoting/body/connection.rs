//! Connections of a group: 203, 204, 328.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies;
use super::heartbeat::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};

/// One client's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Connection {
    pub client_addr: String,
    pub client_id: String,
    pub language: String,
    pub version: i32,
}

/// The answer to 203.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerConnection {
    pub connection_set: Vec<Connection>,
    #[serde(skip_serializing_if = "ConsumeFromWhere::is_unknown")]
    pub consume_from_where: ConsumeFromWhere,
    #[serde(skip_serializing_if = "ConsumeType::is_unknown")]
    pub consume_type: ConsumeType,
    #[serde(skip_serializing_if = "MessageModel::is_unknown")]
    pub message_model: MessageModel,
    /// By topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// The answer to 204.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProducerConnection {
    pub connection_set: Vec<Connection>,
}

/// The answer to 328: connections by producer group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProducerTable {
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// One producer's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProducerInfo {
    pub client_id: String,
    pub language: String,
    /// Last heartbeat, milliseconds since 1970.
    pub last_update_timestamp: i64,
    /// `/host:port`, as Java prints an address.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    pub version: i32,
}

bodies! {
    to_standard: ConsumerConnection, ProducerConnection, ProducerTable;
}
