//! What is configured per topic and per consumer group. Kept as records in the log; the wire's JSON forms are in `wire`.

use std::collections::BTreeMap;

use crate::name::{GroupName, TopicName};

/// Permission bits of a topic (semantics.md section 2).
pub mod perm {
    pub const INHERIT: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const READ: u32 = 4;
    pub const ALL: u32 = 7;
}

/// How many tags a message of the topic carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicFilterType {
    #[default]
    SingleTag,
    MultiTag,
}

/// Configuration of a topic on this broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    pub name: TopicName,
    pub read_queues: u32,
    pub write_queues: u32,
    /// Sum of the bits in [`perm`].
    pub perm: u32,
    pub filter_type: TopicFilterType,
    /// 1 unit topic, 2 unit subscription.
    pub sys_flag: u32,
    pub order: bool,
    /// `queue.type`, `message.type`, `reserve.time`, ... and our `flush`.
    pub attributes: BTreeMap<String, String>,
}

impl TopicConfig {
    /// A readable and writable topic with `queues` queues.
    #[must_use]
    pub fn new(name: TopicName, queues: u32) -> TopicConfig {
        TopicConfig {
            name,
            read_queues: queues,
            write_queues: queues,
            perm: perm::READ | perm::WRITE,
            filter_type: TopicFilterType::SingleTag,
            sys_flag: 0,
            order: false,
            attributes: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn readable(&self) -> bool {
        self.perm & perm::READ != 0
    }

    #[must_use]
    pub fn writable(&self) -> bool {
        self.perm & perm::WRITE != 0
    }
}

/// Configuration of a consumer group; defaults as the reference has them (semantics.md section 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    pub name: GroupName,
    pub consume_enable: bool,
    pub consume_from_min_enable: bool,
    pub consume_broadcast_enable: bool,
    pub consume_message_orderly: bool,
    pub retry_queues: u32,
    /// Deliveries after the first before a message goes to the dead-letter topic.
    pub retry_max: i32,
    pub broker_id: i64,
    pub which_broker_when_consume_slowly: i64,
    pub notify_consumer_ids_changed: bool,
    pub sys_flag: u32,
    pub consume_timeout_minutes: u32,
    pub attributes: BTreeMap<String, String>,
}

impl GroupConfig {
    #[must_use]
    pub fn new(name: GroupName) -> GroupConfig {
        GroupConfig {
            name,
            consume_enable: true,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            consume_message_orderly: false,
            retry_queues: 1,
            retry_max: 16,
            broker_id: 0,
            which_broker_when_consume_slowly: 1,
            notify_consumer_ids_changed: true,
            sys_flag: 0,
            consume_timeout_minutes: 15,
            attributes: BTreeMap::new(),
        }
    }
}
