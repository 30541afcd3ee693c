//! Sending (310) and pulling (11).

use std::time::Duration;

use bytes::Bytes;
use wire::remoting::code::{RequestCode, ResponseCode};

use crate::connection::{Answer, Connection, Pending};
use crate::error::Error;
use crate::request::Request;

/// Bit of a pull's `sysFlag`: the broker may hold the pull until a message comes.
const PULL_MAY_SUSPEND: i32 = 2;

/// Bit of a pull's `sysFlag`: the subscription travels in the pull.
const PULL_HAS_SUBSCRIPTION: i32 = 4;

/// What a long poll may take beyond the time the broker was asked to hold it.
const PULL_GRACE: Duration = Duration::from_secs(5);

/// A message to send.
#[derive(Debug, Clone, Copy)]
pub struct Send<'a> {
    pub producer_group: &'a str,
    pub topic: &'a str,
    pub queue_id: u32,
    /// Queues of the topic, if this send creates it.
    pub default_queues: u32,
    /// `name 0x01 value 0x02 …`, as the protocol has it.
    pub properties: &'a str,
    pub body: &'a [u8],
    /// When it was made, unix milliseconds.
    pub born_ms: i64,
}

/// Where a message was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub msg_id: String,
    pub queue_id: i64,
    pub queue_offset: i64,
}

impl Sent {
    /// Reads the answer to a send. Only success counts: codes 10 to 12 mean stored, but not as durable as asked.
    pub fn of(answer: Answer) -> Result<Self, Error> {
        let answer = answer.success()?;
        let msg_id = answer.field("msgId").ok_or_else(|| Error::Malformed("field msgId is absent".into()))?.to_owned();
        Ok(Self { msg_id, queue_id: answer.number("queueId")?, queue_offset: answer.number("queueOffset")? })
    }
}

/// What to pull.
#[derive(Debug, Clone, Copy)]
pub struct Pull<'a> {
    pub consumer_group: &'a str,
    pub topic: &'a str,
    pub queue_id: u32,
    pub offset: i64,
    pub max_messages: u32,
    /// Tags, or `*`.
    pub subscription: &'a str,
    /// How long the broker may hold the pull; zero answers at once.
    pub suspend: Duration,
}

/// The answer to a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Found, not found (19), nothing matched (20), offset moved (21).
    pub code: ResponseCode,
    pub next_offset: i64,
    pub min_offset: i64,
    pub max_offset: i64,
    /// Stored records, back to back.
    pub records: Bytes,
}

impl Send<'_> {
    fn request(&self) -> Request<'_> {
        Request::new(RequestCode::SEND_MESSAGE_V2)
            .field("a", self.producer_group)
            .field("b", self.topic)
            .field("c", "TBW102")
            .field("d", self.default_queues)
            .field("e", self.queue_id)
            .field("f", 0)
            .field("g", self.born_ms)
            .field("h", 0)
            .field("i", self.properties)
            .field("j", 0)
            .field("k", false)
            .field("m", false)
            .body(self.body)
    }
}

impl<'a> Pull<'a> {
    /// The request, for callers with a connection of another kind.
    #[must_use]
    pub fn request(&self) -> Request<'a> {
        self.request_of("TAG")
    }

    /// The request for a subscription of another kind than tags, such as `SQL92`.
    #[must_use]
    pub fn request_of(&self, kind: &'a str) -> Request<'a> {
        let suspend = if self.suspend.is_zero() { 0 } else { PULL_MAY_SUSPEND };
        Request::new(RequestCode::PULL_MESSAGE)
            .field("consumerGroup", self.consumer_group)
            .field("topic", self.topic)
            .field("queueId", self.queue_id)
            .field("queueOffset", self.offset)
            .field("maxMsgNums", self.max_messages)
            .field("sysFlag", suspend | PULL_HAS_SUBSCRIPTION)
            .field("commitOffset", 0)
            .field("suspendTimeoutMillis", i64::try_from(self.suspend.as_millis()).unwrap_or(i64::MAX))
            .field("subscription", self.subscription)
            .field("subVersion", 0)
            .field("expressionType", kind)
    }
}

impl Connection {
    /// Sends one message and waits for the answer.
    pub async fn send(&self, message: &Send<'_>) -> Result<Sent, Error> {
        Sent::of(self.call(&message.request()).await?)
    }

    /// Sends one message; the answer is awaited by the caller and read by [`Sent::of`].
    pub async fn begin_send(&self, message: &Send<'_>) -> Result<Pending, Error> {
        self.begin(&message.request()).await
    }

    /// Sends one message without an answer.
    pub async fn send_one_way(&self, message: &Send<'_>) -> Result<(), Error> {
        self.one_way(&message.request()).await
    }

    /// Pulls once. An empty answer is a success with its code in [`Pulled::code`].
    pub async fn pull(&self, pull: &Pull<'_>) -> Result<Pulled, Error> {
        let answer = self.call_within(&pull.request(), pull.suspend + PULL_GRACE).await?;
        let empty =
            [ResponseCode::PULL_NOT_FOUND, ResponseCode::PULL_RETRY_IMMEDIATELY, ResponseCode::PULL_OFFSET_MOVED];
        let code = answer.code;
        let answer = if empty.contains(&code) { answer } else { answer.success()? };
        Ok(Pulled {
            code,
            next_offset: answer.number("nextBeginOffset")?,
            min_offset: answer.number("minOffset")?,
            max_offset: answer.number("maxOffset")?,
            records: answer.body,
        })
    }
}
