//! Where a topic lives (105).

use std::collections::BTreeMap;

use serde::Deserialize;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::json::dialect::{Limits, to_standard};

use crate::connection::Connection;
use crate::error::Error;
use crate::request::Request;

/// Broker id of a master.
const MASTER: u64 = 0;

/// Queues of a topic and the brokers that hold them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    pub queue_datas: Vec<QueueData>,
    pub broker_datas: Vec<BrokerData>,
}

/// What one broker has of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueData {
    pub broker_name: String,
    pub read_queue_nums: u32,
    pub write_queue_nums: u32,
    pub perm: i32,
}

/// The addresses of one broker name, by broker id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerData {
    pub broker_name: String,
    pub cluster: String,
    pub broker_addrs: BTreeMap<u64, String>,
}

impl Route {
    /// Reads a body in either JSON dialect.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let json = to_standard(body, Limits::USUAL).map_err(|error| Error::Malformed(error.to_string()))?;
        serde_json::from_str(&json).map_err(|error| Error::Malformed(error.to_string()))
    }

    /// Address of the master of this broker name.
    #[must_use]
    pub fn master(&self, broker_name: &str) -> Option<&str> {
        let broker = self.broker_datas.iter().find(|broker| broker.broker_name == broker_name)?;
        broker.broker_addrs.get(&MASTER).map(String::as_str)
    }
}

impl Connection {
    /// Asks a name server; `None` if it does not know the topic.
    pub async fn route(&self, topic: &str) -> Result<Option<Route>, Error> {
        let request = Request::new(RequestCode::GET_ROUTEINFO_BY_TOPIC)
            .field("topic", topic)
            .field("acceptStandardJsonOnly", true);
        let answer = self.call(&request).await?;
        if answer.code == ResponseCode::TOPIC_NOT_EXIST {
            return Ok(None);
        }
        Route::parse(&answer.success()?.body).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_of_a_route_say_the_same() {
        let standard = br#"{"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.1:10911","1":"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#;
        let old = String::from_utf8(standard.to_vec()).unwrap().replace(r#""0""#, "0").replace(r#""1""#, "1");

        let route = Route::parse(standard).unwrap();
        assert_eq!(Route::parse(old.as_bytes()).unwrap(), route);
        assert_eq!(route.master("broker-a"), Some("10.0.0.1:10911"));
        assert_eq!(route.master("broker-b"), None);
        assert_eq!(route.queue_datas[0].write_queue_nums, 4);
    }
}
