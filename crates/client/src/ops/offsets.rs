//! Where a queue begins and ends (31, 30), and where a group stands in it (14, 15).

use wire::remoting::code::{RequestCode, ResponseCode};

use crate::connection::Connection;
use crate::error::Error;
use crate::request::Request;

/// A queue of the broker that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueRef<'a> {
    pub topic: &'a str,
    pub queue_id: u32,
}

impl<'a> QueueRef<'a> {
    fn request(self, code: RequestCode) -> Request<'a> {
        Request::new(code).field("topic", self.topic).field("queueId", self.queue_id)
    }
}

impl Connection {
    /// The offset the next message will get.
    pub async fn max_offset(&self, queue: QueueRef<'_>) -> Result<i64, Error> {
        self.call(&queue.request(RequestCode::GET_MAX_OFFSET)).await?.success()?.number("offset")
    }

    /// The offset of the oldest message kept.
    pub async fn min_offset(&self, queue: QueueRef<'_>) -> Result<i64, Error> {
        self.call(&queue.request(RequestCode::GET_MIN_OFFSET)).await?.success()?.number("offset")
    }

    /// The offset a group has committed; `None` if it never did.
    pub async fn committed_offset(&self, group: &str, queue: QueueRef<'_>) -> Result<Option<i64>, Error> {
        let request = queue.request(RequestCode::QUERY_CONSUMER_OFFSET).field("consumerGroup", group);
        let answer = self.call(&request).await?;
        if answer.code == ResponseCode::QUERY_NOT_FOUND {
            return Ok(None);
        }
        answer.success()?.number("offset").map(Some)
    }

    /// Commits and waits until the broker has it.
    pub async fn commit_offset(&self, group: &str, queue: QueueRef<'_>, offset: i64) -> Result<(), Error> {
        self.call(&commit(group, queue, offset)).await?.success().map(drop)
    }

    /// Commits as consumers do it every five seconds: without an answer.
    pub async fn commit_offset_one_way(&self, group: &str, queue: QueueRef<'_>, offset: i64) -> Result<(), Error> {
        self.one_way(&commit(group, queue, offset)).await
    }
}

fn commit<'a>(group: &'a str, queue: QueueRef<'a>, offset: i64) -> Request<'a> {
    queue.request(RequestCode::UPDATE_CONSUMER_OFFSET).field("consumerGroup", group).field("commitOffset", offset)
}
