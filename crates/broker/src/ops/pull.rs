//! Pulling: which messages of a queue a consumer gets next, or why none (semantics.md section 6).
//!
//! [`Broker::plan_pull`] decides, mostly from index units alone (`ops/select`); [`Broker::read_planned`] copies the stored
//! bytes. Holding a fruitless pull until something arrives is the caller's part, with `machines.arrivals`.

use std::sync::Arc;

use model::{GroupConfig, GroupName, QueueId, QueueOffset};
use store::{QueueSlot, Read, ReadError, Unit};

use crate::broker::Broker;
use crate::ops::select::{Room, Scan, Selected};
use crate::state::clients::ConnectionId;
use crate::state::topics::Topic;
use crate::state::traffic::{Filtered, Taken};
use crate::subscription::{self, Subscription};

/// A pull as a consumer asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub queue_id: i32,
    pub offset: i64,
    pub max_messages: usize,
    /// Stop before the answer grows beyond this; the first message always fits.
    pub max_bytes: usize,
    pub filter: Filter<'a>,
    /// A consumer offset committed along with the pull.
    pub commit: Option<i64>,
}

/// What the consumer wants.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// As the member on this connection said in heartbeats, at least in this version.
    Subscribed { by: ConnectionId, version: i64 },
    /// As given here.
    Given { expression: &'a str, kind: Option<&'a str> },
}

/// Why an answer holds messages or none; the names of the reference, which clients log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Found,
    NoMatchedMessage,
    NoMessageInQueue,
    OffsetOverflowOne,
    OffsetOverflowBadly,
    OffsetTooSmall,
    OffsetReset,
}

/// What to answer.
#[derive(Debug)]
pub struct Plan {
    pub status: Status,
    /// Where to pull next.
    pub next: QueueOffset,
    pub min: QueueOffset,
    pub max: QueueOffset,
    pub topic_sys_flag: u32,
    pub group_sys_flag: u32,
    pub queue: QueueSlot,
    pub queue_id: QueueId,
    pub subscription: Arc<Subscription>,
    /// What was dropped on the way.
    filtered: Filtered,
    /// A held pull was woken for messages that its filter dropped: it may be held on.
    woken_in_vain: bool,
    /// Where to count what is taken and dropped. `None`: nothing is, or the group exists by pulling only.
    taken: Option<Arc<Taken>>,
}

impl Plan {
    /// Nothing is there yet: the pull may be held until a message arrives.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        match self.status {
            Status::OffsetOverflowOne => true,
            Status::NoMessageInQueue => self.next == QueueOffset::ZERO,
            Status::NoMatchedMessage => self.woken_in_vain,
            Status::Found | Status::OffsetOverflowBadly | Status::OffsetTooSmall | Status::OffsetReset => false,
        }
    }
}

/// Why a pull is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("subscription group [{0}] does not exist: create it with mqadmin updateSubGroup")]
    GroupNotFound(String),
    #[error("subscription group no permission, {0}: consuming is disabled, enable it with mqadmin updateSubGroup")]
    GroupDisabled(String),
    #[error("the consumer group[{0}] can not consume by broadcast way")]
    BroadcastDisabled(String),
    #[error("topic[{0}] not exist, apply first please!")]
    TopicNotFound(String),
    #[error("the topic[{0}] pulling message is forbidden: give it permission 6 with mqadmin updateTopicPerm")]
    NotReadable(String),
    #[error("queueId[{queue}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{queues}]")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
    #[error("the consumer's group info not exist: send a heartbeat first")]
    GroupNotOnline,
    #[error("the consumer's subscription not exist: group {group} does not subscribe to {topic}")]
    NotSubscribed { group: String, topic: String },
    #[error("the consumer's subscription not latest: send a heartbeat first")]
    SubscriptionNotLatest,
    #[error("parse the consumer's subscription failed: {0}")]
    Subscription(#[from] subscription::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A held pull that is woken looks at everything since its offset again: so many dropped messages are few enough to go on
/// waiting. With more, the answer moves the client's offset past them.
const DROPPED_WHILE_HELD_MAX: u64 = 64;

/// Messages in one answer at most, whatever the client asks for.
const MESSAGES_MAX: usize = 1_024;

impl Broker {
    /// Decides the answer. `units` is filled with what to send; the caller clears it. With [`Read::Nowait`] a plan that
    /// needs the disk fails with [`ReadError::WouldBlock`]. `first_pass` is false when a held pull is looked at again.
    pub fn plan_pull(
        &self,
        request: &Request<'_>,
        first_pass: bool,
        mode: Read,
        units: &mut Vec<Unit>,
    ) -> Result<Plan, Error> {
        let group = self.group_for_consuming(request.group)?;
        if !group.consume_enable {
            return Err(Error::GroupDisabled(request.group.to_owned()));
        }
        let Some(topic) = self.machines.topics.get(request.topic) else {
            return Err(Error::TopicNotFound(request.topic.to_owned()));
        };
        if !topic.config.readable() {
            return Err(Error::NotReadable(request.topic.to_owned()));
        }
        let queues = topic.config.read_queues;
        let no_such_queue = || Error::NoSuchQueue { topic: request.topic.to_owned(), queue: request.queue_id, queues };
        let queue = u32::try_from(request.queue_id).ok().filter(|id| *id < queues).ok_or_else(no_such_queue)?;
        let slot = topic.slot(&self.log, QueueId(queue)).ok_or_else(no_such_queue)?;
        let subscription = self.subscription_for(request, &group)?;

        let bounds = self.log.bounds(slot);
        let plan = |status, next| Plan {
            status,
            next,
            min: bounds.min,
            max: bounds.max,
            topic_sys_flag: topic.config.sys_flag,
            group_sys_flag: group.sys_flag,
            queue: slot,
            queue_id: QueueId(queue),
            subscription: Arc::clone(&subscription),
            filtered: Filtered::default(),
            woken_in_vain: false,
            taken: None,
        };
        let key = (topic.id, QueueId(queue));
        if first_pass {
            if let Some(reset) = self.machines.offsets.lock().take_reset(request.group, key) {
                return Ok(plan(Status::OffsetReset, reset));
            }
            if let Some(commit) = request.commit.and_then(QueueOffset::from_wire) {
                self.machines.offsets.lock().note(request.group, key, commit.min(bounds.max));
            }
        }
        let offset = QueueOffset::from_wire(request.offset).unwrap_or(QueueOffset::ZERO);
        if bounds.max == QueueOffset::ZERO {
            return Ok(plan(Status::NoMessageInQueue, QueueOffset::ZERO));
        }
        if request.offset < 0 || offset < bounds.min {
            return Ok(plan(Status::OffsetTooSmall, bounds.min));
        }
        if offset >= bounds.max {
            let badly = offset > bounds.max;
            let status = if badly { Status::OffsetOverflowBadly } else { Status::OffsetOverflowOne };
            return Ok(plan(status, bounds.max));
        }
        let mut room = Room::new(request.max_messages.clamp(1, MESSAGES_MAX), request.max_bytes);
        let scan = Scan { subscription: &subscription, slot, from: offset, mode };
        let Selected { next, filtered } = self.select(&scan, &mut room, units, |_| {})?;
        let counts = !units.is_empty() || filtered.examined > 0;
        let taken = if counts { self.taken_by(&topic, request.group) } else { None };
        if units.is_empty() {
            let few = next.0 - offset.0 <= DROPPED_WHILE_HELD_MAX;
            let woken_in_vain = !first_pass && next == bounds.max && few;
            return Ok(Plan { filtered, taken, woken_in_vain, ..plan(Status::NoMatchedMessage, next) });
        }
        Ok(Plan { filtered, taken, ..plan(Status::Found, next) })
    }

    /// Appends the stored bytes of the plan's units to `out`. On an error `out` is as before.
    pub fn read_planned(&self, plan: &Plan, units: &[Unit], mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if units.is_empty() {
            self.counters.pulls_missed.add(1);
            if let Some(taken) = &plan.taken {
                taken.filters.count(plan.filtered);
            }
            return Ok(());
        }
        let before = out.len();
        if let Err(error) = self.log.read_units(units, mode, out) {
            out.truncate(before);
            return Err(error);
        }
        let (messages, bytes) = (units.len() as u64, (out.len() - before) as u64);
        self.counters.pulls_found.add(1);
        self.counters.messages_out.add(messages);
        self.counters.bytes_out.add(bytes);
        if let Some(taken) = &plan.taken {
            taken.count(plan.queue_id, plan.next, messages, bytes);
            taken.filters.count(plan.filtered);
        }
        Ok(())
    }

    /// Where to count what `group` takes. Only groups that exist count: anybody may pull under any name.
    pub(crate) fn taken_by(&self, topic: &Topic, group: &str) -> Option<Arc<Taken>> {
        let queues = topic.config.read_queues;
        topic.traffic.taken_by(group, queues).or_else(|| {
            let group = self.machines.groups.get(group)?;
            Some(topic.traffic.begin_taken_by(&group.config.name, queues))
        })
    }

    fn subscription_for(&self, request: &Request<'_>, group: &GroupConfig) -> Result<Arc<Subscription>, Error> {
        match request.filter {
            Filter::Given { expression, kind } => {
                Ok(self.subscription_given(request.group, request.topic, expression, kind)?)
            }
            Filter::Subscribed { by, version } => {
                let online = self.clients.subscription_of_member(by, request.group, request.topic);
                let online = online.ok_or(Error::GroupNotOnline)?;
                if online.broadcasting && !group.consume_broadcast_enable {
                    return Err(Error::BroadcastDisabled(request.group.to_owned()));
                }
                let Some(known) = online.subscription else {
                    return Err(Error::NotSubscribed {
                        group: request.group.to_owned(),
                        topic: request.topic.to_owned(),
                    });
                };
                if known.version < version { Err(Error::SubscriptionNotLatest) } else { Ok(known) }
            }
        }
    }

    /// The configuration of a group that consumes: its own, or the default one where groups come into being by use.
    pub(crate) fn group_for_consuming(&self, name: &str) -> Result<GroupConfig, Error> {
        if let Some(group) = self.machines.groups.get(name) {
            return Ok(group.config.clone());
        }
        if !self.settings.auto_create_groups {
            return Err(Error::GroupNotFound(name.to_owned()));
        }
        match GroupName::new(name) {
            Ok(name) => Ok(GroupConfig::new(name)),
            Err(_) => Err(Error::GroupNotFound(name.to_owned())),
        }
    }
}
