//! Popping and acking, for callers with a [`Pipeline`](crate::Pipeline) of their own.

use std::time::Duration;

use wire::remoting::code::RequestCode;

use crate::request::Request;

/// One pop, of all queues of a topic.
#[derive(Debug, Clone)]
pub struct Pop<'a> {
    pub consumer_group: &'a str,
    pub topic: &'a str,
    /// 1 to 32.
    pub max_messages: u32,
    /// Nobody else of the group sees the messages for this long.
    pub invisible: Duration,
    /// How long the broker may hold the pop; zero answers at once.
    pub poll: Duration,
    /// Milliseconds since 1970; 0: now.
    pub born_ms: u64,
    /// Of each queue one batch at a time.
    pub ordered: bool,
}

/// The ack of one message.
#[derive(Debug, Clone)]
pub struct Ack<'a> {
    pub consumer_group: &'a str,
    /// Where it was popped: a retry topic, if it came from one.
    pub topic: &'a str,
    pub queue_id: u32,
    pub offset: u64,
    /// The receipt handle.
    pub handle: &'a str,
}

impl<'a> Pop<'a> {
    #[must_use]
    pub fn request(&self) -> Request<'a> {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Request::new(RequestCode::POP_MESSAGE)
            .field("consumerGroup", self.consumer_group)
            .field("topic", self.topic)
            .field("queueId", -1)
            .field("maxMsgNums", self.max_messages)
            .field("invisibleTime", millis(self.invisible))
            .field("pollTime", millis(self.poll))
            .field("bornTime", i64::try_from(self.born_ms).unwrap_or(i64::MAX))
            .field("initMode", 0)
            .field("expType", "TAG")
            .field("exp", "*")
            .field("order", self.ordered)
    }
}

impl<'a> Ack<'a> {
    #[must_use]
    pub fn request(&self) -> Request<'a> {
        Request::new(RequestCode::ACK_MESSAGE)
            .field("consumerGroup", self.consumer_group)
            .field("topic", self.topic)
            .field("queueId", self.queue_id)
            .field("extraInfo", self.handle)
            .field("offset", i64::try_from(self.offset).unwrap_or(i64::MAX))
    }
}
