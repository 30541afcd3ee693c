//! Resetting a group's offsets by time or to a given offset (code 222; semantics.md section 8, server side).
//!
//! The new offsets are committed in the log, and each queue's next pull is answered "offset moved" with the new place, so
//! that a running consumer goes there.

use model::record::system::{CommittedOffset, System};
use model::{GroupName, QueueId, QueueOffset, Timestamp};
use store::{Boundary, Read, ReadError, Staged};

use crate::broker::Broker;

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The first message stored at or after the moment; negative: the end.
    Time(Timestamp),
    /// One queue, one offset.
    Offset(i64),
}

/// A reset as a tool asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    /// Negative: all queues.
    pub queue_id: i32,
    pub target: Target,
}

/// Why nothing is reset.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("topic {0} does not exist")]
    TopicNotFound(String),
    #[error("group {0} does not exist")]
    GroupNotFound(String),
    #[error("queueId {queue} of topic {topic} is illegal: it has {queues} queues")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
    #[error("Target offset {offset} not in consume queue range [{min}-{max}]")]
    OutOfRange { offset: i64, min: QueueOffset, max: QueueOffset },
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Broker {
    /// Stages the new offsets; answers them. They hold when the append is applied.
    pub fn begin_reset_offset(
        &self,
        request: Request<'_>,
        mode: Read,
        staged: &mut Staged,
    ) -> Result<Vec<(QueueId, QueueOffset)>, Error> {
        let Some(topic) = self.machines.topics.get(request.topic) else {
            return Err(Error::TopicNotFound(request.topic.to_owned()));
        };
        if self.machines.groups.get(request.group).is_none() {
            return Err(Error::GroupNotFound(request.group.to_owned()));
        }
        let queues = topic.config.read_queues;
        let asked = match u32::try_from(request.queue_id) {
            Err(_) => 0..queues,
            Ok(queue) if queue < queues => queue..queue + 1,
            Ok(_) => {
                return Err(Error::NoSuchQueue { topic: request.topic.to_owned(), queue: request.queue_id, queues });
            }
        };
        let mut resets = Vec::new();
        for queue in asked.map(QueueId) {
            let Some(slot) = topic.slot(&self.log, queue) else { continue };
            let bounds = self.log.bounds(slot);
            let offset = match request.target {
                Target::Offset(offset) => QueueOffset::from_wire(offset)
                    .filter(|to| (bounds.min..=bounds.max).contains(to))
                    .ok_or(Error::OutOfRange { offset, min: bounds.min, max: bounds.max })?,
                Target::Time(at) if at.0 < 0 => bounds.max,
                Target::Time(at) => self.log.search_time(slot, at, Boundary::Lower, mode)?,
            };
            resets.push((queue, offset));
        }
        let entry = |&(queue, offset): &(QueueId, QueueOffset)| CommittedOffset { topic: topic.id, queue, offset };
        let offsets: Vec<_> = resets.iter().map(entry).collect();
        let version = self.machines.offsets.lock().reset(request.group, &offsets);
        staged.system(&System::OffsetsCommitted { group: GroupName::trusted(request.group), version, offsets });
        Ok(resets)
    }
}
