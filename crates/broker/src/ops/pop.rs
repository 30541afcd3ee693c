//! Popping: a consumer takes messages for a while, without owning a queue (semantics.md section 13).
//!
//! [`Broker::plan_pop`] finds messages, [`Broker::read_popped`] copies their bytes, [`Broker::begin_pop`] reserves them and
//! stages the one record that says so. The order lets a pop that needs the disk go on elsewhere before anything is taken.
//! The answer leaves when that record is durable: what a consumer holds stays invisible whatever happens to the broker.
//! Popping in order is in [`ordered`], looking without taking in [`peek`], waiting for messages in [`poll`], what a turn has taken in [`turn`].

mod ordered;
mod peek;
pub mod poll;
pub mod turn;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::receipt_handle::{Origin, ReceiptHandle};
use model::record::message::{self, Message, NewMessage};
use model::record::pop::{Popped, RUN_MAX, Run};
use model::record::system::System;
use model::{GroupName, LogOffset, Millis, QueueId, QueueOffset, Timestamp, TopicName, properties};
use store::{QueueSlot, Read, ReadError, Staged, Unit};

use crate::broker::Broker;
use crate::ops::select::{Room, Scan, Selected};
use crate::state::inflight::INVISIBLE_MAX;
use crate::state::offsets::{Position, Queue};
use crate::state::polls::{Asks, PollKey};
use crate::state::topics::Topic;
use crate::state::traffic::Filtered;
use crate::subscription::{self, Subscription};
pub use peek::Seen;
use poll::Poll;
use turn::{Pops, Taken};

/// Every so many pops look at the retry topics first, so that retries come even while new messages never end (the reference
/// throws a die: 20 of 100).
const RETRY_FIRST_EVERY: u32 = 5;

/// The longest name of an attempt; clients send 36 characters. It stands in the record of each ordered pop.
const ATTEMPT_LEN_MAX: usize = 255;

/// A pop as a consumer asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    /// Negative: all queues.
    pub queue_id: i32,
    /// 1 to 32.
    pub max_messages: usize,
    /// Stop before the answer grows beyond this; the first message always fits.
    pub max_bytes: usize,
    /// Nobody else of the group sees the messages for this long.
    pub invisible: Millis,
    pub begin: Begin,
    pub expression: &'a str,
    pub kind: Option<&'a str>,
    /// In order: of each queue one batch at a time. The name of the attempt, by which a pop whose answer was lost gets its
    /// batch again; empty: it has none.
    pub order: Option<&'a str>,
}

/// Where a group without an offset begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The oldest message kept.
    Oldest,
    /// The newest message; the oldest one if the queue is young, so that nothing is missed between two questions.
    Newest,
}

/// Why a pop is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("subscription group [{0}] does not exist: create it with mqadmin updateSubGroup")]
    GroupNotFound(String),
    #[error("subscription group no permission, {0}: consuming is disabled, enable it with mqadmin updateSubGroup")]
    GroupDisabled(String),
    #[error("topic[{0}] not exist, apply first please!")]
    TopicNotFound(String),
    #[error("the topic[{0}] peeking message is forbidden: give it permission 6 with mqadmin updateTopicPerm")]
    NotReadable(String),
    #[error("queueId[{queue}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{queues}]")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
    #[error("pop message's num is greater than {RUN_MAX}: ask for 1 to {RUN_MAX}, not {0}")]
    Count(usize),
    #[error("attemptId has {0} bytes: name a pop with {ATTEMPT_LEN_MAX} at most")]
    Attempt(usize),
    #[error("too many messages are in flight: ack some, or wait until their invisible time ends")]
    TooManyInFlight,
    #[error("parse the consumer's subscription failed: {0}")]
    Subscription(#[from] subscription::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Other pops were faster: plan again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// What a pop has found. Nothing is taken before [`Broker::begin_pop`].
#[derive(Debug)]
pub struct Plan {
    pub popped_at: Timestamp,
    pub invisible: Millis,
    pub parts: Vec<Part>,
    /// Messages left for the group behind those found.
    pub rest: u64,
    /// A filter wanted nothing of all that could be looked at in one go; there is more.
    pub more: bool,
    /// In order, and the name of the attempt.
    order: Option<String>,
    group: GroupName,
    topic: Arc<Topic>,
    subscription: Arc<Subscription>,
}

/// Messages of one queue.
#[derive(Debug)]
pub struct Part {
    pub origin: Origin,
    pub queue: QueueId,
    /// The first offset looked at, and the one behind the last.
    pub start: QueueOffset,
    pub next: QueueOffset,
    /// Offsets found, each minus `start`.
    pub deltas: Vec<u16>,
    /// In order: how often each has been handed out before.
    pub counts: Vec<u32>,
    topic: Arc<Topic>,
    slot: QueueSlot,
    found: Position,
    units: Vec<Unit>,
    filtered: Filtered,
    in_order: Option<ordered::Taking>,
}

/// A queue to look at.
struct Candidate {
    origin: Origin,
    topic: Arc<Topic>,
    queue: QueueId,
    slot: QueueSlot,
    position: Position,
}

impl Part {
    /// The offsets found.
    pub fn offsets(&self) -> impl Iterator<Item = QueueOffset> {
        self.deltas.iter().map(|delta| self.start.plus(u64::from(*delta)))
    }

    fn key(&self) -> Queue {
        (self.topic.id, self.queue)
    }
}

impl Broker {
    /// Finds messages for a group. With [`Read::Nowait`] a plan that needs the disk fails with [`ReadError::WouldBlock`].
    /// `pops` is what the turn has taken already.
    pub fn plan_pop(&self, request: &Request<'_>, now: Timestamp, mode: Read, pops: &Pops) -> Result<Plan, Error> {
        let (group, topic) = self.check_pop(request.group, request.topic, request.queue_id)?;
        if !(1..=RUN_MAX).contains(&request.max_messages) {
            return Err(Error::Count(request.max_messages));
        }
        if let Some(len) = request.order.map(str::len).filter(|len| *len > ATTEMPT_LEN_MAX) {
            return Err(Error::Attempt(len));
        }
        let subscription = self.subscription_given(request.group, request.topic, request.expression, request.kind)?;
        if !self.machines.inflight.lock().has_room() {
            return Err(Error::TooManyInFlight);
        }
        let turn = self.next_pop.fetch_add(1, Ordering::Relaxed);
        let mut candidates = self.candidates(&group, &topic, request, turn);
        if turn.is_multiple_of(RETRY_FIRST_EVERY) {
            candidates.sort_by_key(|candidate| candidate.origin == Origin::Topic);
        }
        let mut offsets = self.machines.offsets.lock();
        for candidate in &mut candidates {
            let queue = (candidate.topic.id, candidate.queue);
            candidate.position = offsets.pop_position(request.group, queue, pops.holds(&group, queue));
        }
        drop(offsets);
        let mut plan = Plan {
            popped_at: now,
            invisible: request.invisible.min(INVISIBLE_MAX),
            parts: Vec::new(),
            rest: 0,
            more: false,
            order: request.order.map(str::to_owned),
            group,
            topic,
            subscription,
        };
        let mut room = Room::new(request.max_messages, request.max_bytes);
        for candidate in candidates {
            match request.order {
                None => self.look(request, candidate, mode, &mut plan, &mut room)?,
                Some(attempt) => self.look_in_order(request, attempt, candidate, (mode, pops), &mut plan, &mut room)?,
            }
        }
        Ok(plan)
    }

    /// The checks that all questions of popping consumers share.
    pub(crate) fn check_pop(&self, group: &str, topic: &str, queue: i32) -> Result<(GroupName, Arc<Topic>), Error> {
        let Ok(config) = self.group_for_consuming(group) else { return Err(Error::GroupNotFound(group.to_owned())) };
        if !config.consume_enable {
            return Err(Error::GroupDisabled(group.to_owned()));
        }
        let Some(known) = self.machines.topics.get(topic) else {
            return Err(Error::TopicNotFound(topic.to_owned()));
        };
        if !known.config.readable() {
            return Err(Error::NotReadable(topic.to_owned()));
        }
        let queues = known.config.read_queues;
        if u32::try_from(queue).is_ok_and(|queue| queue >= queues) {
            return Err(Error::NoSuchQueue { topic: topic.to_owned(), queue, queues });
        }
        Ok((config.name, known))
    }

    /// The queues a pop looks at: those of the topic from another one each time, then those of the group's retry topics.
    fn candidates(&self, group: &GroupName, topic: &Arc<Topic>, request: &Request<'_>, turn: u32) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let mut add = |origin, topic: &Arc<Topic>, queue| {
            if let Some(slot) = topic.slot(&self.log, queue) {
                let topic = Arc::clone(topic);
                candidates.push(Candidate { origin, topic, queue, slot, position: Position::Busy });
            }
        };
        match u32::try_from(request.queue_id) {
            Ok(queue) => add(Origin::Topic, topic, QueueId(queue)),
            Err(_) => {
                let queues = topic.config.read_queues;
                (0..queues).for_each(|index| add(Origin::Topic, topic, QueueId(turn.wrapping_add(index) % queues)));
            }
        }
        // In order a message stays in its queue until it is acked.
        let retries = self.pop_retry_topics(group, topic).filter(|_| request.order.is_none());
        for (origin, retry) in retries {
            (0..retry.config.read_queues).for_each(|queue| add(origin, &retry, QueueId(queue)));
        }
        candidates
    }

    /// The retry topics of a group for a topic that exist.
    pub(crate) fn pop_retry_topics(
        &self,
        group: &GroupName,
        topic: &Topic,
    ) -> impl Iterator<Item = (Origin, Arc<Topic>)> {
        let topic = topic.config.name.as_str();
        let v1 = (Origin::RetryV1, TopicName::pop_retry_of(group.as_str(), topic));
        let v2 = (Origin::RetryV2, TopicName::pop_retry_v2_of(group.as_str(), topic));
        [v1, v2].into_iter().filter_map(|(origin, name)| Some((origin, self.machines.topics.get(name.as_str())?)))
    }

    /// Where a pop of a queue begins. `None`: another turn is busy with it.
    fn begin_of(&self, candidate: &Candidate, begin: Begin) -> Option<QueueOffset> {
        let bounds = self.log.bounds(candidate.slot);
        match candidate.position {
            Position::Busy => None,
            Position::At(offset) => Some(offset.clamp(bounds.min, bounds.max)),
            Position::New => {
                let oldest = begin == Begin::Oldest
                    || candidate.origin != Origin::Topic
                    || bounds.min == QueueOffset::ZERO && self.first_message_is_recent(candidate.slot);
                let newest = QueueOffset(bounds.max.0.saturating_sub(1)).max(bounds.min);
                Some(if oldest { bounds.min } else { newest })
            }
        }
    }

    /// Adds what one queue has to the plan.
    fn look(
        &self,
        request: &Request<'_>,
        candidate: Candidate,
        mode: Read,
        plan: &mut Plan,
        room: &mut Room,
    ) -> Result<(), Error> {
        let Some(start) = self.begin_of(&candidate, request.begin) else { return Ok(()) };
        let end = self.log.bounds(candidate.slot).max;
        if candidate.position == Position::New && start >= end {
            // Whatever arrives before the group's next question is newer than its beginning.
            let queue = (candidate.topic.id, candidate.queue);
            self.machines.offsets.lock().skip(request.group, queue, Position::New, start);
        }
        if start >= end || room.is_full() || room.is_exhausted() {
            plan.rest += end.0.saturating_sub(start.0);
            plan.more |= start < end && room.is_exhausted();
            return Ok(());
        }
        let (mut units, mut deltas) = (Vec::new(), Vec::new());
        let scan = Scan { subscription: &plan.subscription, slot: candidate.slot, from: start, mode };
        let Selected { next, filtered } = self.select(&scan, room, &mut units, |delta| deltas.push(delta))?;
        plan.rest += end.0.saturating_sub(next.0);
        let Candidate { origin, topic, queue, slot, position: found } = candidate;
        if units.is_empty() {
            plan.more |= next < end;
            if filtered.examined > 0
                && let Some(taken) = self.taken_by(&topic, request.group)
            {
                taken.filters.count(filtered);
            }
            self.machines.offsets.lock().skip(request.group, (topic.id, queue), found, next);
        } else {
            let (counts, in_order) = (Vec::new(), None);
            plan.parts.push(Part {
                origin,
                queue,
                start,
                next,
                deltas,
                counts,
                topic,
                slot,
                found,
                units,
                filtered,
                in_order,
            });
        }
        Ok(())
    }

    /// Appends the records of the plan to `out`, part by part. Those of retry topics are told under the topic they came from,
    /// with their receipt handle, as clients expect. On an error `out` is as before.
    pub fn read_popped(&self, plan: &Plan, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let before = out.len();
        let read = plan.parts.iter().try_for_each(|part| match part.origin {
            Origin::Topic => self.log.read_units(&part.units, mode, out),
            Origin::RetryV1 | Origin::RetryV2 => self.read_retries(plan, part, mode, out),
        });
        if read.is_err() {
            out.truncate(before);
        }
        read
    }

    fn read_retries(&self, plan: &Plan, part: &Part, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let mut record = Vec::new();
        for (unit, offset) in part.units.iter().zip(part.offsets()) {
            record.clear();
            self.log.read(unit.at, unit.len, mode, &mut record)?;
            let handle = ReceiptHandle {
                start: part.start,
                popped_at: plan.popped_at,
                invisible: plan.invisible,
                ordered: false,
                origin: part.origin,
                broker_name: &self.settings.broker_name,
                queue: part.queue,
                offset,
            };
            push_retry(out, &record, plan.topic.config.name.as_str(), &handle.to_text());
        }
        Ok(())
    }

    /// Takes what the plan has found, and stages the record that says so: answer when it is durable. (In order, its record is
    /// staged at the end of the turn, with the acks.)
    pub fn begin_pop(&self, plan: &Plan, staged: &mut Staged, pops: &mut Pops) -> Result<(), Contended> {
        match &plan.order {
            None => self.take_unordered(plan, staged, pops)?,
            Some(attempt) => self.take_in_order(plan, attempt, pops)?,
        }
        self.stage_missing_group(&plan.group, staged);
        self.count_popped(plan);
        Ok(())
    }

    fn take_unordered(&self, plan: &Plan, staged: &mut Staged, pops: &mut Pops) -> Result<(), Contended> {
        let group = plan.group.as_str();
        let mut offsets = self.machines.offsets.lock();
        let before = pops.taken.len();
        for part in &plan.parts {
            let own = pops.holds(&plan.group, part.key());
            let Some(reserved) = offsets.reserve_pop(group, part.key(), part.found, part.next, own) else {
                for taken in pops.taken.drain(before..).rev() {
                    offsets.release_pop(group, &taken.reserved);
                }
                return Err(Contended);
            };
            let poll = plan.key();
            pops.taken.push(Taken { poll, slot: part.slot, next: part.next, reserved });
        }
        let version = offsets.pop_version();
        drop(offsets);
        let run = |part: &Part| Run {
            topic: part.topic.id,
            queue: part.queue,
            start: part.start,
            next: part.next,
            lowest: part.units.iter().map(|unit| unit.at).min().unwrap_or(LogOffset::ZERO),
            deltas: part.deltas.clone(),
        };
        let runs: Vec<_> = plan.parts.iter().map(run).collect();
        let (popped_at, invisible) = (plan.popped_at, plan.invisible);
        staged.system(&System::Popped(Popped { group: plan.group.clone(), version, popped_at, invisible, runs }));
        Ok(())
    }

    fn count_popped(&self, plan: &Plan) {
        for part in &plan.parts {
            let bytes = part.units.iter().map(|unit| u64::from(unit.len)).sum();
            let messages = part.units.len() as u64;
            self.counters.messages_out.add(messages);
            self.counters.bytes_out.add(bytes);
            if let Some(taken) = self.taken_by(&part.topic, plan.group.as_str()) {
                taken.count(part.queue, part.next, messages, bytes);
                taken.filters.count(part.filtered);
            }
        }
    }

    /// What to wait for when the plan has found nothing. `queue_id` is that of the request.
    #[must_use]
    pub fn poll_of(&self, plan: &Plan, queue_id: i32) -> Poll {
        self.poll(plan.key(), &plan.topic, queue_id, plan.subscription.interest(), plan.order.clone())
    }
}

impl Plan {
    /// Whether it is one in order.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.order.is_some()
    }

    fn key(&self) -> PollKey {
        PollKey { topic: self.topic.id, group: self.group.clone(), asks: Asks::Pop }
    }
}

/// Appends a record of a retry topic as one of `topic`.
fn push_retry(out: &mut Vec<u8>, record: &[u8], topic: &str, handle: &str) {
    let Some(message) = Message::parse(record) else { return out.extend_from_slice(record) };
    let told = NewMessage { topic, ..NewMessage::again(&message) };
    let with_handle = |out: &mut Vec<u8>| {
        properties::copy_without(out, message.properties(), |name| name == properties::key::POP_CK.as_bytes());
        properties::push(out, properties::key::POP_CK, handle);
    };
    match message::encode(out, &told, with_handle) {
        Ok(place) => {
            message::number(&mut out[place], message.queue_offset(), message.log_offset(), message.store_timestamp());
        }
        // Its properties leave no room for the handle: the client makes one itself.
        Err(_) => out.extend_from_slice(record),
    }
}
