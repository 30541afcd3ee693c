//! Consumer offsets: query and commit (semantics.md section 7).

use model::record::system::{CommittedOffset, System};
use model::{GroupName, QueueId, QueueOffset};
use store::{QueueSlot, Read, Staged};

use crate::broker::Broker;
use crate::state::offsets::Queue;

/// A group and a queue.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub queue_id: i32,
}

/// Why an offset cannot be answered or committed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not found, maybe this group consumer boot first: group {group} has committed no offset on {topic}")]
    NotFound { group: String, topic: String },
    #[error("group {0} not exist: start its consumers, or create it with mqadmin updateSubGroup")]
    GroupNotFound(String),
    #[error("topic {0} not exist")]
    TopicNotFound(String),
    #[error("queueId {queue} of topic {topic} is illegal: it has {queues} queues")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
}

/// How a commit goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// A record is staged: answer when it is applied.
    Staged,
    /// There is nothing to write: answer now.
    Noted,
}

impl Broker {
    /// The committed offset of a group. A group without one starts at 0 if the queue still begins at 0 and is empty or its
    /// first message is recent: otherwise what arrives between this answer and the client's next question would be
    /// skipped for ever (semantics.md section 0).
    pub fn consumer_offset(&self, request: Request<'_>, zero_if_not_found: bool) -> Result<QueueOffset, Error> {
        let not_found = || Error::NotFound { group: request.group.to_owned(), topic: request.topic.to_owned() };
        let Some(topic) = self.machines.topics.get(request.topic) else { return Err(not_found()) };
        let queue = u32::try_from(request.queue_id).map(QueueId).map_err(|_| not_found())?;
        let Some(slot) = topic.slot(&self.log, queue) else { return Err(not_found()) };
        let bounds = self.log.bounds(slot);
        if let Some(offset) = self.machines.offsets.lock().of(request.group, (topic.id, queue)) {
            // Messages of an async topic may be gone after a power loss; their offsets will be given to others.
            return Ok(offset.min(bounds.max));
        }
        let from_start =
            bounds.min == QueueOffset::ZERO && (bounds.max == QueueOffset::ZERO || self.first_message_is_recent(slot));
        if zero_if_not_found && from_start { Ok(QueueOffset::ZERO) } else { Err(not_found()) }
    }

    /// Commits an offset that nobody waits for: coalesced, written within a second.
    pub fn note_consumer_offset(&self, request: Request<'_>, offset: i64) -> Result<(), Error> {
        let (queue, max) = self.queue_for_commit(request)?;
        if let Some(offset) = QueueOffset::from_wire(offset) {
            self.machines.offsets.lock().note(request.group, queue, offset.min(max));
        }
        Ok(())
    }

    /// Commits an offset whose answer promises that it survives.
    pub fn begin_commit_offset(
        &self,
        request: Request<'_>,
        offset: i64,
        staged: &mut Staged,
    ) -> Result<Committed, Error> {
        let ((topic, queue), max) = self.queue_for_commit(request)?;
        let Some(offset) = QueueOffset::from_wire(offset).map(|offset| offset.min(max)) else {
            return Ok(Committed::Noted);
        };
        let noted = self.machines.offsets.lock().note_staged(request.group, (topic, queue), offset);
        let Some((version, offset)) = noted else { return Ok(Committed::Noted) };
        let offsets = vec![CommittedOffset { topic, queue, offset }];
        staged.system(&System::OffsetsCommitted { group: GroupName::trusted(request.group), version, offsets });
        Ok(Committed::Staged)
    }

    /// Whether a queue's first message can be read without waiting for the disk.
    pub(crate) fn first_message_is_recent(&self, slot: QueueSlot) -> bool {
        let (mut units, mut record) = (Vec::new(), Vec::new());
        let found = self.log.units(slot, QueueOffset::ZERO, 1, Read::Nowait, &mut units).is_ok();
        found && units.first().is_some_and(|unit| self.log.read(unit.at, unit.len, Read::Nowait, &mut record).is_ok())
    }

    /// The queue, and the offset no commit may pass.
    fn queue_for_commit(&self, request: Request<'_>) -> Result<(Queue, QueueOffset), Error> {
        if self.machines.groups.get(request.group).is_none()
            && !(self.settings.auto_create_groups && GroupName::new(request.group).is_ok())
        {
            return Err(Error::GroupNotFound(request.group.to_owned()));
        }
        let Some(topic) = self.machines.topics.get(request.topic) else {
            return Err(Error::TopicNotFound(request.topic.to_owned()));
        };
        let queue = u32::try_from(request.queue_id).ok().map(QueueId);
        let Some((queue, slot)) = queue.and_then(|queue| Some((queue, topic.slot(&self.log, queue)?))) else {
            let queues = topic.queues();
            return Err(Error::NoSuchQueue { topic: request.topic.to_owned(), queue: request.queue_id, queues });
        };
        Ok(((topic.id, queue), self.log.bounds(slot).max))
    }
}
