//! Acking popped messages, one or many (codes 200051, 200151; semantics.md section 13).
//!
//! An ack that comes too late, twice, or for a message nobody has popped is accepted: there is nothing left to do.

use std::sync::Arc;

use model::{GroupName, QueueId, QueueOffset, Timestamp};
use store::QueueSlot;

use crate::broker::Broker;
use crate::ops::pop::turn::{Held, Pops};
use crate::state::inflight::Hold;
use crate::state::offsets::{Outcome as InOrder, Queue};
use crate::state::topics::Topic;

/// A message as its receipt handle names it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    /// Where it was popped: a retry topic, if it came from one.
    pub topic: &'a str,
    pub queue_id: i32,
    pub offset: i64,
    pub popped_at: Timestamp,
    /// Popped in order.
    pub ordered: bool,
}

/// What an ack does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer when the turn's append is durable.
    Staged,
    /// The message is not in flight by this delivery (any more): nothing to do.
    Late,
}

/// Why an ack is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("topic[{0}] not exist, apply first please!")]
    TopicNotFound(String),
    #[error("queueId[{queue}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{queues}]")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
    #[error("offset is illegal, key:{topic}@{queue}, commit:{offset}, store:{min}~{max}")]
    OffsetIllegal { topic: String, queue: QueueId, offset: i64, min: QueueOffset, max: QueueOffset },
    #[error("offset {offset} lies behind what group {group} has popped in order: give back the handle as it came")]
    NotInBatch { group: String, offset: i64 },
}

impl Broker {
    /// Acks one message. Its record is staged with the others of the turn ([`Broker::stage_acks`]).
    pub fn begin_ack(&self, request: &Request<'_>, pops: &mut Pops) -> Result<Outcome, Error> {
        let (queue, offset, group) = self.acked_message(request)?;
        if request.ordered {
            let outcome = self.machines.offsets.lock().ack_in_order(request.group, queue, offset, request.popped_at);
            return changed_batch(outcome, request, group, queue, pops);
        }
        let hold = self.machines.inflight.lock().hold(request.group, queue, offset, request.popped_at);
        let held = match hold {
            Hold::Gone => return Ok(Outcome::Late),
            Hold::Granted => true,
            // Somebody else's fact may fail to reach the log: this one says so once more.
            Hold::Busy => false,
        };
        pops.acked.push(Held { group, queue, offset, held });
        Ok(Outcome::Staged)
    }

    /// The message a handle names, if its place exists.
    pub(crate) fn acked_message(&self, request: &Request<'_>) -> Result<(Queue, QueueOffset, GroupName), Error> {
        let (topic, slot, queue) = self.acked_queue(request)?;
        let bounds = self.log.bounds(slot);
        let offset = QueueOffset::from_wire(request.offset).filter(|offset| (bounds.min..=bounds.max).contains(offset));
        let Some(offset) = offset else {
            let (topic, offset) = (request.topic.to_owned(), request.offset);
            return Err(Error::OffsetIllegal { topic, queue, offset, min: bounds.min, max: bounds.max });
        };
        let group = self.machines.groups.get(request.group).map(|group| group.config.name.clone());
        let group = group.unwrap_or_else(|| GroupName::trusted(request.group));
        Ok(((topic.id, queue), offset, group))
    }

    fn acked_queue(&self, request: &Request<'_>) -> Result<(Arc<Topic>, QueueSlot, QueueId), Error> {
        let Some(topic) = self.machines.topics.get(request.topic) else {
            return Err(Error::TopicNotFound(request.topic.to_owned()));
        };
        let queues = topic.config.read_queues;
        let queue = u32::try_from(request.queue_id).ok().filter(|queue| *queue < queues).map(QueueId);
        match queue.and_then(|queue| Some((topic.slot(&self.log, queue)?, queue))) {
            Some((slot, queue)) => Ok((topic, slot, queue)),
            None => Err(Error::NoSuchQueue { topic: request.topic.to_owned(), queue: request.queue_id, queues }),
        }
    }
}

/// What follows from a change of a batch in order.
pub(crate) fn changed_batch(
    outcome: InOrder,
    request: &Request<'_>,
    group: GroupName,
    queue: Queue,
    pops: &mut Pops,
) -> Result<Outcome, Error> {
    match outcome {
        InOrder::Decided => {
            pops.batches.push((group, queue));
            Ok(Outcome::Staged)
        }
        InOrder::Late => Ok(Outcome::Late),
        InOrder::NotInBatch => Err(Error::NotInBatch { group: request.group.to_owned(), offset: request.offset }),
    }
}
