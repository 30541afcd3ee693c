//! A consumer gives a message back: into its group's retry topic after a delay, or into the dead-letter topic
//! (code 36; semantics.md section 9).

use std::sync::Arc;

use model::properties::{self, key};
use model::record::message::{Message, NewMessage};
use model::tag::tag_hash;
use model::{GroupName, LogOffset, QueueId, Timestamp, TopicConfig, TopicName, message_id};
use store::{Read, ReadError, Staged};

use crate::broker::Broker;
use crate::ops::send::{self, Content};
use crate::state::topics::Topic;

/// A message a consumer could not handle.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    /// Where the message was read.
    pub at: LogOffset,
    /// Negative: to the dead-letter topic. 0: the broker chooses by the number of attempts.
    pub delay_level: i32,
    /// Deliveries after the first that the consumer wants, if its version says so.
    pub max_reconsume_times: Option<i32>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A record is staged: answer when it is durable.
    Staged,
    /// The group keeps no retry topic: the message is dropped, as configured.
    Dropped,
}

/// Why a message is not taken back. The client then sends it to the retry topic itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("subscription group not exist, {0}: start its consumers, or create it with mqadmin updateSubGroup")]
    GroupNotFound(String),
    #[error("look message by offset failed, {at}")]
    MessageNotFound { at: LogOffset },
    #[error("the topic[{0}] is not writable: give it permission 6 with mqadmin updateTopicPerm")]
    NotWritable(String),
    #[error(transparent)]
    Send(#[from] send::Error),
    #[error(transparent)]
    Read(ReadError),
}

/// Level of the first retry: 10 s in the default table.
const FIRST_RETRY_LEVEL: i32 = 3;

impl Broker {
    /// Stages the next attempt. With [`Read::Nowait`] a message that is no longer in memory fails with
    /// [`ReadError::WouldBlock`].
    pub fn begin_send_back(
        &self,
        request: Request<'_>,
        now: Timestamp,
        mode: Read,
        staged: &mut Staged,
    ) -> Result<Outcome, Error> {
        let Some(group) = self.machines.groups.get(request.group) else {
            return Err(Error::GroupNotFound(request.group.to_owned()));
        };
        let config = &group.config;
        if config.retry_queues == 0 {
            return Ok(Outcome::Dropped);
        }
        let mut bytes = Vec::new();
        self.view_message(request.at, mode, &mut bytes).map_err(|error| match error {
            ReadError::NotFound { at } => Error::MessageNotFound { at },
            other @ (ReadError::WouldBlock | ReadError::Damaged { .. } | ReadError::Io { .. }) => Error::Read(other),
        })?;
        let message = Message::parse(&bytes).expect("view_message answers a whole record");

        let limit = request.max_reconsume_times.unwrap_or(config.retry_max);
        let attempts = message.reconsume_times();
        let dead = attempts >= limit || request.delay_level < 0;
        let topic = if dead {
            self.dead_letter_topic(&config.name)?
        } else {
            self.retry_topic(&config.name, config.retry_queues)?
        };
        if !topic.config.writable() {
            return Err(Error::NotWritable(topic.config.name.to_string()));
        }
        let queue = QueueId(if dead {
            0
        } else {
            u32::try_from(now.0 % i64::from(topic.config.write_queues.max(1))).unwrap_or(0)
        });
        let again = NewMessage {
            topic: topic.config.name.as_str(),
            queue_id: queue,
            flag: message.flag(),
            sys_flag: message.sys_flag(),
            born_timestamp: message.born_timestamp(),
            born_host: message.born_host(),
            store_host: self.settings.store_host,
            reconsume_times: attempts.saturating_add(1),
            prepared_offset: LogOffset::ZERO,
            body: message.body(),
        };
        let given = message.properties();
        let origin_topic = properties::find(given, key::RETRY_TOPIC).unwrap_or(message.topic());
        let origin_id = match properties::find(given, key::ORIGIN_MESSAGE_ID) {
            Some(id) => id.to_owned(),
            None => message_id::offset_id(message.store_host(), request.at),
        };
        let stored_properties = |out: &mut Vec<u8>| {
            let anew = |name: &[u8]| {
                matches!(name, b"RETRY_TOPIC" | b"ORIGIN_MESSAGE_ID" | b"WAIT" | b"DELAY" | b"REAL_TOPIC" | b"REAL_QID")
            };
            properties::copy_without(out, given, anew);
            properties::push(out, key::RETRY_TOPIC, origin_topic);
            properties::push(out, key::ORIGIN_MESSAGE_ID, &origin_id);
            properties::push(out, key::WAIT, "false");
        };
        let hash = properties::find(given, key::TAGS).map_or(0, tag_hash);
        let keys = properties::index_keys(given);
        if dead {
            let content = Content { message: &again, properties: &stored_properties, keys, tag_hash: hash };
            self.stage_now(&topic, content, staged)?;
            self.counters.messages_to_dead_letter.add(1);
            return Ok(Outcome::Staged);
        }
        let wanted = match request.delay_level {
            0 => FIRST_RETRY_LEVEL.saturating_add(attempts),
            level => level,
        };
        let level = self.settings.clamp_level(wanted).max(1);
        let with_level = |out: &mut Vec<u8>| {
            stored_properties(out);
            properties::push(out, key::DELAY, &level.to_string());
        };
        let content = Content { message: &again, properties: &with_level, keys, tag_hash: hash };
        self.stage_delayed(level, &topic, content, now, staged)?;
        Ok(Outcome::Staged)
    }

    fn retry_topic(&self, group: &GroupName, queues: u32) -> Result<Arc<Topic>, send::Error> {
        let name = TopicName::retry_of(group);
        let missing = |name| send::Error::NeedsTopic(Box::new(TopicConfig::new(name, queues)));
        self.machines.topics.get(name.as_str()).ok_or_else(|| missing(name))
    }

    /// The topic a message that waits is for, if it exists.
    pub(crate) fn real_topic(&self, record: &[u8]) -> Option<Arc<Topic>> {
        self.machines.topics.get(properties::find(Message::parse(record)?.properties(), key::REAL_TOPIC)?)
    }

    /// Stages the message a timer stood for, at its real place, and answers its topic. `None`: its topic or queue is gone, it can
    /// go nowhere.
    pub(crate) fn stage_due(&self, record: &[u8], staged: &mut Staged) -> Result<Option<Arc<Topic>>, send::Error> {
        let Some(message) = Message::parse(record) else { return Ok(None) };
        let given = message.properties();
        let Some(topic) = self.real_topic(record) else { return Ok(None) };
        let queue: u32 = properties::find(given, key::REAL_QID).and_then(|id| id.parse().ok()).unwrap_or(0);
        if topic.queues() == 0 {
            return Ok(None);
        }
        // The topic may have shrunk since: order matters less than the message.
        let queue = QueueId(if queue < topic.queues() { queue } else { queue % topic.queues() });
        let due = NewMessage {
            topic: topic.config.name.as_str(),
            queue_id: queue,
            flag: message.flag(),
            sys_flag: message.sys_flag(),
            born_timestamp: message.born_timestamp(),
            born_host: message.born_host(),
            store_host: self.settings.store_host,
            reconsume_times: message.reconsume_times(),
            prepared_offset: message.prepared_offset(),
            body: message.body(),
        };
        let properties = |out: &mut Vec<u8>| out.extend_from_slice(given);
        let tag_hash = properties::find(given, key::TAGS).map_or(0, tag_hash);
        let content = Content { message: &due, properties: &properties, keys: properties::index_keys(given), tag_hash };
        self.stage_now(&topic, content, staged)?;
        Ok(Some(topic))
    }
}
