//! Topics (17) and presence (34, 35).

use serde_json::json;
use wire::remoting::code::RequestCode;

use crate::connection::{Answer, Connection};
use crate::error::Error;
use crate::request::Request;

/// Read and write.
const PERM_RW: i32 = 6;

impl Connection {
    /// Creates the topic on this broker, or sets its number of queues.
    pub async fn create_topic(&self, topic: &str, queues: u32) -> Result<(), Error> {
        let request = Request::new(RequestCode::UPDATE_AND_CREATE_TOPIC)
            .field("topic", topic)
            .field("defaultTopic", "TBW102")
            .field("readQueueNums", queues)
            .field("writeQueueNums", queues)
            .field("perm", PERM_RW)
            .field("topicFilterType", "SINGLE_TAG")
            .field("topicSysFlag", 0)
            .field("order", false);
        self.call(&request).await?.success().map(drop)
    }

    /// Tells the broker that this client is here and produces for `producer_groups`.
    pub async fn heartbeat(&self, client_id: &str, producer_groups: &[&str]) -> Result<Answer, Error> {
        let producers: Vec<_> = producer_groups.iter().map(|group| json!({ "groupName": group })).collect();
        let body = json!({
            "clientID": client_id,
            "consumerDataSet": [],
            "heartbeatFingerprint": 0,
            "producerDataSet": producers,
            "withoutSub": false,
        });
        self.heartbeat_body(body.to_string().as_bytes()).await
    }

    /// Sends a heartbeat whose `HeartbeatData` the caller has written, for consumers with subscriptions.
    pub async fn heartbeat_body(&self, body: &[u8]) -> Result<Answer, Error> {
        self.call(&Request::new(RequestCode::HEART_BEAT).body(body)).await?.success()
    }

    /// Takes the client out of a group at once instead of after two minutes.
    pub async fn unregister(
        &self,
        client_id: &str,
        producer_group: Option<&str>,
        consumer_group: Option<&str>,
    ) -> Result<(), Error> {
        let mut request = Request::new(RequestCode::UNREGISTER_CLIENT).field("clientID", client_id);
        for (name, group) in [("producerGroup", producer_group), ("consumerGroup", consumer_group)] {
            if let Some(group) = group {
                request = request.field(name, group);
            }
        }
        self.call(&request).await?.success().map(drop)
    }
}
