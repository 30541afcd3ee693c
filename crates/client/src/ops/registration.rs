//! A broker at an external name server (103, 104), and all brokers one knows (106).

use std::collections::BTreeMap;

use serde::Deserialize;
use wire::remoting::code::RequestCode;
use wire::remoting::json::dialect::{Limits, to_standard};

use crate::connection::{Answer, Connection};
use crate::error::Error;
use crate::ops::BrokerData;
use crate::request::Request;

/// Who registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub cluster: String,
    pub broker_name: String,
    /// `host:port` that clients dial.
    pub broker_address: String,
    /// `host:port` of the replication port; other brokers may ask for it.
    pub ha_address: String,
    /// 0 is the master.
    pub broker_id: u64,
}

/// The brokers a name server knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInfo {
    /// By broker name.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Broker names by cluster.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

impl Registration {
    fn request(&self, code: RequestCode) -> Request<'_> {
        Request::new(code)
            .field("brokerName", self.broker_name.as_str())
            .field("brokerAddr", self.broker_address.as_str())
            .field("clusterName", self.cluster.as_str())
            .field("brokerId", self.broker_id.to_string())
    }
}

impl Connection {
    /// Registers with every topic in `body` (a `RegisterBrokerBody`) and refreshes the lease. `body_crc32` is the
    /// CRC-32 of the body without its highest bit, or 0 to have nothing compared.
    pub async fn register_broker(
        &self,
        registration: &Registration,
        body: &[u8],
        body_crc32: u32,
    ) -> Result<Answer, Error> {
        let request = registration
            .request(RequestCode::REGISTER_BROKER)
            .field("haServerAddr", registration.ha_address.as_str())
            .field("enableActingMaster", false)
            .field("compressed", false)
            .field("bodyCrc32", body_crc32)
            .body(body);
        self.call(&request).await?.success()
    }

    /// Takes the broker out of the routes.
    pub async fn unregister_broker(&self, registration: &Registration) -> Result<(), Error> {
        self.call(&registration.request(RequestCode::UNREGISTER_BROKER)).await?.success().map(drop)
    }

    /// Asks a name server for its brokers.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, Error> {
        let answer = self.call(&Request::new(RequestCode::GET_BROKER_CLUSTER_INFO)).await?.success()?;
        let malformed = |error: &dyn std::fmt::Display| Error::Malformed(error.to_string());
        let json = to_standard(&answer.body, Limits::USUAL).map_err(|error| malformed(&error))?;
        serde_json::from_str(&json).map_err(|error| malformed(&error))
    }
}
