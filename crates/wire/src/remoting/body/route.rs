//! Where topics and brokers are: route (105), cluster info (106), member group (901).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bodies;
use crate::remoting::json::{self, JsonError, write};

/// The route of one topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicRouteData {
    pub broker_datas: Vec<BrokerData>,
    /// Filter servers by broker address; nobody has any today.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// Queues in order, `broker-a:4;broker-b:4`, for ordered topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    pub queue_datas: Vec<QueueData>,
    /// Of static topics, by broker name; passed on as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_queue_mapping_by_broker: Option<Value>,
}

impl TopicRouteData {
    /// The body with number keys bare: for requesters below version 401 that do not ask for
    /// standard JSON.
    pub fn to_dialect_json(&self) -> Vec<u8> {
        write::to_dialect(self)
    }

    /// The body in standard JSON.
    pub fn to_standard_json(&self) -> Vec<u8> {
        write::to_standard(self)
    }

    /// Reads either form.
    pub fn read(bytes: &[u8]) -> Result<TopicRouteData, JsonError> {
        json::read(bytes)
    }
}

/// The addresses of one broker name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerData {
    /// By broker id; 0 is the master. Go needs at least one.
    pub broker_addrs: BTreeMap<i64, String>,
    pub broker_name: String,
    pub cluster: String,
    pub enable_acting_master: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<String>,
}

/// The queues of one topic on one broker name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueueData {
    pub broker_name: String,
    /// Sum of 4 (read), 2 (write), 1 (inherit).
    pub perm: i32,
    pub read_queue_nums: i32,
    pub topic_sys_flag: i32,
    pub write_queue_nums: i32,
}

/// All brokers and clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterInfo {
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Broker names by cluster.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

/// The answer to 901.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerMemberGroupBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_member_group: Option<BrokerMemberGroup>,
}

/// The addresses of one broker name, as 901 has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerMemberGroup {
    pub broker_addrs: BTreeMap<i64, String>,
    pub broker_name: String,
    pub cluster: String,
}

bodies! {
    to_dialect: ClusterInfo, BrokerMemberGroupBody;
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: &str = r#"{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#;

    #[test]
    fn a_route_is_written_in_both_forms_and_read_from_both() {
        let standard = DIALECT.replace("{0:", "{\"0\":").replace(",1:", ",\"1\":");

        let route = TopicRouteData::read(DIALECT.as_bytes()).unwrap();

        assert_eq!(route, TopicRouteData::read(standard.as_bytes()).unwrap());
        assert_eq!(route.broker_datas[0].broker_addrs[&1], "10.0.0.2:10911");
        assert_eq!(String::from_utf8(route.to_dialect_json()).unwrap(), DIALECT);
        assert_eq!(String::from_utf8(route.to_standard_json()).unwrap(), standard);
    }
}
