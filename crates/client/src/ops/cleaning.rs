//! What nobody uses (our own 900001), and deleting it (215, 207).

use wire::remoting::body::unused::UnusedList;
use wire::remoting::code::RequestCode;

use crate::connection::Connection;
use crate::error::Error;
use crate::request::Request;

impl Connection {
    /// Topics and groups of this broker that were last used at least `millis` ago. Only Kerolox knows the code.
    pub async fn unused(&self, millis: i64) -> Result<UnusedList, Error> {
        let request = Request::new(RequestCode::KEROLOX_LIST_UNUSED).field("unusedForMillis", millis);
        let answer = self.call(&request).await?.success()?;
        UnusedList::read(&answer.body).map_err(|error| Error::Malformed(error.to_string()))
    }

    /// Deletes a topic of this broker with its messages.
    pub async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        let request = Request::new(RequestCode::DELETE_TOPIC_IN_BROKER).field("topic", topic);
        self.call(&request).await?.success().map(drop)
    }

    /// Deletes a consumer group of this broker with its offsets.
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        let request = Request::new(RequestCode::DELETE_SUBSCRIPTIONGROUP);
        let request = request.field("groupName", group).field("cleanOffset", true);
        self.call(&request).await?.success().map(drop)
    }
}
