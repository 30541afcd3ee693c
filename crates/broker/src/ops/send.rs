//! Sending: one message, or the messages of a client batch.
//!
//! Checks and property changes as semantics.md sections 3, 9 and 11 have them. The plan is pure; staging encodes the record
//! outside the log's lock. An unknown topic that may be created is answered with [`Error::NeedsTopic`]: the caller
//! creates it, waits until that is applied, and sends again.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::name::NameError;
use model::properties::{self, key};
use model::record::message::{self, EncodeError, NewMessage, sys_flag};
use model::tag::tag_hash;
use model::{LogOffset, Millis, QueueId, Timestamp, TopicConfig, TopicName, config::perm};
use store::{Staged, key_hash};

use crate::broker::Broker;
use crate::ops::timed::{When, Wish};
use crate::state::topics::{Topic, is_closed_to_producers};

/// A send as a producer asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub topic: &'a str,
    /// Template for a topic that does not exist yet, and the queues the producer would like.
    pub default_topic: &'a str,
    pub default_queues: u32,
    /// Negative: the broker chooses.
    pub queue_id: i32,
    pub sys_flag: i32,
    pub flag: i32,
    pub born_timestamp: Timestamp,
    pub born_host: SocketAddr,
    /// The properties string.
    pub properties: &'a [u8],
    pub reconsume_times: i32,
    /// How often the producer, itself a consumer, wants the message retried.
    pub max_reconsume_times: Option<i32>,
    pub body: &'a [u8],
}

/// A message of a client batch.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    pub flag: i32,
    pub properties: &'a [u8],
    pub body: &'a [u8],
}

/// What was staged; its entries are numbered when the append has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// First message entry in the staged append. A delayed message is followed by a system record.
    pub entry: usize,
    /// Messages, at consecutive entries.
    pub count: usize,
    pub queue_id: QueueId,
    /// Answer only when the message is durable by its topic's rule; else when it is written.
    pub wait_durable: bool,
    pub unique_key: UniqueKey,
    /// The exact time of a message that can be recalled.
    pub due: Option<Timestamp>,
    /// Its producer waits for a reply.
    pub asks: bool,
}

/// The unique key of a sent message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueKey {
    /// In the request's properties.
    Given { start: usize, end: usize },
    /// Made here.
    Made([u8; 32]),
    /// Each message of a batch has its own.
    OfBatch,
}

/// Why a send is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("topic[{0}] not exist, apply first please!")]
    TopicNotFound(String),
    /// Not for the client: create it and try again.
    #[error("topic {} must be created first", .0.name)]
    NeedsTopic(Box<TopicConfig>),
    #[error("{max} topics exist and no more are created by sending: create topic {topic} with mqadmin updateTopic")]
    TooManyTopics { topic: String, max: usize },
    #[error("the topic[{0}] is conflict with system topic: only the broker writes it")]
    Closed(String),
    #[error("the topic[{0}] is not writable: give it permission 6 with mqadmin updateTopicPerm")]
    NotWritable(String),
    #[error("request queueId[{queue}] is illegal: topic {topic} has {queues} queues")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
    #[error("subscription group not exist, {0}: start its consumers first")]
    GroupNotFound(String),
    #[error("message without a body")]
    NoBody,
    #[error("the message is illegal: body of {len} bytes exceeds the limit of {max} bytes")]
    BodyTooLarge { len: usize, max: usize },
    #[error("the message is illegal: {0}")]
    Encode(#[from] EncodeError),
    #[error("a batch {0}")]
    BadBatch(&'static str),
    #[error(
        "a transaction message must name its producer group: set the property PGROUP, or send it with a transaction producer"
    )]
    NoProducerGroup,
    #[error(
        "{max} half messages wait for commit or rollback and no more are taken: see that producers of group {group} answer checks"
    )]
    TooManyHalves { group: String, max: usize },
    #[error("the message is illegal: {name} is {value:?}, which is not a number")]
    NotANumber { name: &'static str, value: String },
    #[error("the message is illegal: a delay of {} ms exceeds the limit of {} ms; see delay.max", .delay.0, .max.0)]
    TooFar { delay: Millis, max: Millis },
    #[error("the message is illegal: the message it takes back is due already")]
    RecallTooLate,
    #[error(
        "timed messages that wait take half of the disk: no more are taken until some are delivered; see storage.max_bytes"
    )]
    TimersFull,
    #[error("please go away: the broker is shutting down")]
    Draining,
}

/// The properties the broker acts on, found in one pass.
#[derive(Default)]
struct Known<'a> {
    unique_key: Option<&'a [u8]>,
    tags: Option<&'a [u8]>,
    keys: Option<&'a [u8]>,
    wish: Wish<'a>,
    wait: bool,
    transaction: bool,
    /// It names a client that waits for a reply.
    asks: bool,
    /// Values of ours that a resent message carries already, or a receipt handle: they are left out and written anew.
    stale: bool,
}

impl<'a> Known<'a> {
    fn read(properties: &'a [u8]) -> Known<'a> {
        let mut known = Known { wait: true, ..Known::default() };
        for (name, value) in properties::iter(properties) {
            match name {
                b"UNIQ_KEY" => known.unique_key = Some(value),
                b"TAGS" => known.tags = Some(value),
                b"KEYS" => known.keys = Some(value),
                b"WAIT" => known.wait = value != b"false",
                b"TRAN_MSG" => known.transaction = value.eq_ignore_ascii_case(b"true"),
                b"REPLY_TO_CLIENT" => known.asks = true,
                b"MSG_REGION" | b"TRACE_ON" | b"CLUSTER" | b"POP_CK" => known.stale = true,
                _ => {
                    known.wish.note(name, value);
                }
            }
        }
        known
    }

    fn tag_hash(&self) -> i32 {
        self.tags.and_then(|tags| std::str::from_utf8(tags).ok()).map_or(0, tag_hash)
    }
}

/// Where a message goes.
struct Destination {
    topic: Arc<Topic>,
    queue: QueueId,
    when: When,
}

impl Broker {
    /// Checks and stages one message. Synchronous: no wait, no lock.
    pub fn begin_send(&self, request: &Request<'_>, now: Timestamp, staged: &mut Staged) -> Result<Ticket, Error> {
        if self.is_draining() {
            return Err(Error::Draining);
        }
        let topic = self.topic_for_send(request)?;
        let queue = self.queue_for_send(&topic, request.queue_id)?;
        self.check_body(request.body)?;
        let known = Known::read(request.properties);
        let mut when = self.when(&known.wish, &topic, now)?;
        // A consumer that gives a committed message back sends it with all its properties.
        let sent_back = request.reconsume_times > 0 && matches!(when, When::Level(_));
        if known.transaction && !sent_back {
            when = When::Committed { check_at: self.check_half(request.properties, now)? };
        }
        if matches!(when, When::At(_)) && self.timers_full.load(Ordering::Relaxed) {
            return Err(Error::TimersFull);
        }
        let destination = self.destination(topic, queue, when, request, now)?;
        let made = if known.unique_key.is_none() { Some(self.unique_keys.next()) } else { None };
        let entry = self.stage(request, &known, made.as_ref(), &destination, now, staged)?;
        let unique_key = match (known.unique_key, made) {
            (Some(given), _) => range_in(request.properties, given),
            (None, Some(made)) => UniqueKey::Made(made),
            (None, None) => unreachable!("a key is made when none is given"),
        };
        let wait_durable = match destination.when {
            // The producer says commit as soon as it has the answer: by then the half message must be known.
            When::Committed { .. } => !self.settings.flush_async,
            When::Now | When::Level(_) | When::At(_) | When::Recall { .. } => destination.topic.durable && known.wait,
        };
        let due = match destination.when {
            When::At(due) if !destination.topic.config.name.is_retry() => Some(due),
            When::At(_) | When::Now | When::Level(_) | When::Recall { .. } | When::Committed { .. } => None,
        };
        // What a consumer gives back names the client that asked it, not the one that sends.
        let asks = known.asks && request.reconsume_times == 0;
        Ok(Ticket { entry, count: 1, queue_id: queue, wait_durable, unique_key, due, asks })
    }

    /// Checks and stages a client batch; `request.body` is the whole batch, `request.properties` belong to every message.
    pub fn begin_send_batch<'a>(
        &self,
        request: &Request<'_>,
        messages: impl Iterator<Item = Result<Inner<'a>, &'static str>>,
        now: Timestamp,
        staged: &mut Staged,
    ) -> Result<Ticket, Error> {
        if self.is_draining() {
            return Err(Error::Draining);
        }
        let topic = self.topic_for_send(request)?;
        if topic.config.name.is_retry() {
            return Err(Error::BadBatch("cannot go to a retry topic"));
        }
        let queue = self.queue_for_send(&topic, request.queue_id)?;
        self.check_body(request.body)?;
        let shared = Known::read(request.properties);
        let first = staged.len();
        let destination = Destination { topic, queue, when: When::Now };
        let mut joined = Vec::new();
        for message in messages {
            let result = message.map_err(Error::BadBatch).and_then(|inner| {
                joined.clear();
                joined.extend_from_slice(inner.properties);
                end_properties(&mut joined);
                joined.extend_from_slice(request.properties);
                let known = Known::read(&joined);
                if known.wish.is_any() || known.transaction {
                    return Err(Error::BadBatch("cannot hold delayed or transaction messages"));
                }
                let made = if known.unique_key.is_none() { Some(self.unique_keys.next()) } else { None };
                let each = Request { flag: inner.flag, body: inner.body, properties: &joined, ..*request };
                self.stage(&each, &known, made.as_ref(), &destination, now, staged)
            });
            if let Err(error) = result {
                staged.truncate(first);
                return Err(error);
            }
        }
        let count = staged.len() - first;
        if count == 0 {
            return Err(Error::NoBody);
        }
        let wait_durable = destination.topic.durable && shared.wait;
        let unique_key = UniqueKey::OfBatch;
        Ok(Ticket { entry: first, count, queue_id: queue, wait_durable, unique_key, due: None, asks: false })
    }

    fn topic_for_send(&self, request: &Request<'_>) -> Result<Arc<Topic>, Error> {
        let topic = match self.machines.topics.get(request.topic) {
            Some(topic) => topic,
            None => return Err(self.missing_topic(request)),
        };
        if is_closed_to_producers(request.topic) {
            return Err(Error::Closed(request.topic.to_owned()));
        }
        if !topic.config.writable() {
            return Err(Error::NotWritable(request.topic.to_owned()));
        }
        Ok(topic)
    }

    /// What to say of a topic that does not exist: create it by the template's rule, or refuse.
    fn missing_topic(&self, request: &Request<'_>) -> Error {
        let name = match TopicName::new(request.topic) {
            Ok(name) => name,
            Err(error) => return error.into(),
        };
        if is_closed_to_producers(request.topic) {
            return Error::Closed(request.topic.to_owned());
        }
        if name.is_retry() {
            return Error::NeedsTopic(Box::new(TopicConfig::new(name, 1)));
        }
        let template = self.machines.topics.get(request.default_topic);
        let Some(template) =
            template.filter(|template| self.settings.auto_create_topics && template.config.perm & perm::INHERIT != 0)
        else {
            return Error::TopicNotFound(request.topic.to_owned());
        };
        let max = self.settings.auto_created_topics_max;
        if self.machines.topics.len() >= max {
            return Error::TooManyTopics { topic: request.topic.to_owned(), max };
        }
        let queues = request.default_queues.clamp(1, template.config.write_queues.max(1));
        let config = TopicConfig {
            perm: template.config.perm & !perm::INHERIT,
            filter_type: template.config.filter_type,
            ..TopicConfig::new(name, queues)
        };
        Error::NeedsTopic(Box::new(config))
    }

    fn queue_for_send(&self, topic: &Topic, queue: i32) -> Result<QueueId, Error> {
        let queues = topic.queues();
        match u32::try_from(queue) {
            Ok(queue) if queue < queues => Ok(QueueId(queue)),
            Err(_) if topic.config.write_queues > 0 => {
                let next = self.next_queue.fetch_add(1, Ordering::Relaxed);
                Ok(QueueId(next % topic.config.write_queues))
            }
            _ => Err(Error::NoSuchQueue { topic: topic.config.name.to_string(), queue, queues }),
        }
    }

    fn check_body(&self, body: &[u8]) -> Result<(), Error> {
        let max = self.settings.message_bytes_max;
        match body.len() {
            0 => Err(Error::NoBody),
            len if len > max => Err(Error::BodyTooLarge { len, max }),
            _ => Ok(()),
        }
    }

    /// The topic itself, or the dead-letter topic for a retry beyond its limit, at once.
    fn destination(
        &self,
        topic: Arc<Topic>,
        queue: QueueId,
        when: When,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Destination, Error> {
        let Some(group) = topic.config.name.retry_group() else { return Ok(Destination { topic, queue, when }) };
        let Some(known) = self.machines.groups.get(group.as_str()) else {
            return Err(Error::GroupNotFound(group.to_string()));
        };
        let limit = request.max_reconsume_times.unwrap_or(known.config.retry_max);
        let orderly = self.queue_locks.lock().any(group.as_str(), now);
        if request.reconsume_times <= limit && !orderly {
            return Ok(Destination { topic, queue, when });
        }
        let dead = self.dead_letter_topic(&group)?;
        self.counters.messages_to_dead_letter.add(1);
        Ok(Destination { topic: dead, queue: QueueId(0), when: When::Now })
    }

    /// The dead-letter topic of a group, which may have to be created.
    pub(crate) fn dead_letter_topic(&self, group: &model::GroupName) -> Result<Arc<Topic>, Error> {
        let name = TopicName::dead_letter_of(group);
        self.machines.topics.get(name.as_str()).ok_or_else(|| Error::NeedsTopic(Box::new(TopicConfig::new(name, 1))))
    }

    fn stage(
        &self,
        request: &Request<'_>,
        known: &Known<'_>,
        made: Option<&[u8; 32]>,
        to: &Destination,
        now: Timestamp,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let multi_tag = if to.topic.multi_tag() { sys_flag::MULTI_TAGS } else { 0 };
        let message = NewMessage {
            topic: to.topic.config.name.as_str(),
            queue_id: to.queue,
            flag: request.flag,
            sys_flag: request.sys_flag | multi_tag,
            born_timestamp: request.born_timestamp,
            born_host: request.born_host,
            store_host: self.settings.store_host,
            reconsume_times: request.reconsume_times,
            prepared_offset: LogOffset::ZERO,
            body: request.body,
        };
        let stored_properties = |out: &mut Vec<u8>| {
            if known.stale || known.wish.is_overruled() {
                let ours = |name: &[u8]| {
                    matches!(name, b"MSG_REGION" | b"TRACE_ON" | b"CLUSTER" | b"POP_CK")
                        || known.wish.is_overruled() && Wish::is_exact(name)
                };
                properties::copy_without(out, request.properties, ours);
            } else {
                out.extend_from_slice(request.properties);
                if request.properties.last().is_some_and(|last| *last != properties::VALUE_END) {
                    out.push(properties::VALUE_END);
                }
            }
            if let Some(made) = made {
                properties::push(out, key::UNIQ_KEY, std::str::from_utf8(made).expect("hex is ASCII"));
            }
            properties::push(out, key::MSG_REGION, &self.settings.region);
            properties::push(out, key::TRACE_ON, "true");
            properties::push(out, key::CLUSTER, &self.settings.cluster);
        };
        let unique = known.unique_key.or(made.map(|made| &made[..])).and_then(|key| std::str::from_utf8(key).ok());
        let keys = known.keys.and_then(|keys| std::str::from_utf8(keys).ok()).unwrap_or_default();
        let keys = unique.into_iter().chain(keys.split(' ').filter(|word| !word.is_empty()));
        let content = Content { message: &message, properties: &stored_properties, keys, tag_hash: known.tag_hash() };
        self.counters.messages_in.add(1);
        self.counters.bytes_in.add(request.body.len() as u64);
        self.stage_at(to.when, &to.topic, unique.unwrap_or_default(), content, now, staged)
    }

    /// Stages a record for its queue.
    pub(crate) fn stage_now<'k>(
        &self,
        topic: &Topic,
        content: Content<'_, impl Iterator<Item = &'k str>>,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let Content { message, properties, keys, tag_hash } = content;
        let slot = topic.slot(&self.log, message.queue_id).ok_or_else(|| Error::NoSuchQueue {
            topic: message.topic.to_owned(),
            queue: message.queue_id.0.cast_signed(),
            queues: topic.queues(),
        })?;
        let hashes = keys.map(|key| key_hash(topic.id, key));
        let before = staged.bytes_len();
        let encode = |out: &mut Vec<u8>| message::encode(out, message, properties);
        let entry = staged.message(slot, topic.durable, tag_hash, encode, hashes)?;
        topic.traffic.put.count(1, (staged.bytes_len() - before) as u64);
        Ok(entry)
    }
}

/// A record about to be staged: the message, what appends its properties, its index keys and its tag hash.
pub(crate) struct Content<'a, K> {
    pub message: &'a NewMessage<'a>,
    pub properties: &'a dyn Fn(&mut Vec<u8>),
    pub keys: K,
    pub tag_hash: i32,
}

/// Old clients leave out the last 0x02; what we append must not melt into their last value.
fn end_properties(properties: &mut Vec<u8>) {
    if properties.last().is_some_and(|last| *last != properties::VALUE_END) {
        properties.push(properties::VALUE_END);
    }
}

fn range_in(whole: &[u8], part: &[u8]) -> UniqueKey {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    let Range { start, end } = start..start + part.len();
    UniqueKey::Given { start, end }
}
