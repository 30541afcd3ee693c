//! How pops in order move consumer offsets: a pop leaves the offset where it is, and acks move it to the first message that
//! is not acked. A batch and the offset that follows from it are one decision, written as one record at the end of its turn.

use model::record::codec::{Malformed, Reader};
use model::record::pop::{Batch, OrderedBatch};
use model::record::system::{CommittedOffset, System};
use model::{GroupName, LogOffset, QueueOffset, Timestamp};

use super::{Offsets, Pending, Position, Queue, Reserved};
use crate::state::batches::{is_again, visible_at};

/// What a pop in order has to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The group's consumer offset.
    pub position: Position,
    /// Messages that are not acked yet; they come first.
    pub batch: Option<Batch>,
}

/// What became of an ack, or of a changed invisible time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The batch is to be written.
    Decided,
    /// The message is acked already, and the log says so, or it has been delivered again since.
    Late,
    /// It lies behind what the batch has come to.
    NotInBatch,
}

impl Offsets {
    /// What a pop in order of the queue begins with. `None`: the batch that is out must be acked or visible first; so must
    /// a message that the group has had `deliveries_max` times be moved away. `own` as for [`Offsets::pop_position`].
    #[must_use]
    pub fn found_in_order(
        &mut self,
        group: &str,
        queue: Queue,
        attempt: &str,
        deliveries_max: u32,
        now: Timestamp,
        own: bool,
    ) -> Option<Found> {
        let position = self.pop_position(group, queue, own);
        let batch = self.batches.of(group, queue);
        if let Some(batch) = batch.filter(|batch| !is_again(batch, attempt)) {
            let worn_out = batch.open.iter().any(|message| message.delivered >= deliveries_max);
            if worn_out || visible_at(batch) > now {
                return None;
            }
        }
        (position != Position::Busy).then(|| Found { position, batch: batch.cloned() })
    }

    /// The group has `batch` now. `None`: the queue is not any more as it was found.
    #[must_use]
    pub fn reserve_in_order(
        &mut self,
        group: &str,
        queue: Queue,
        found: &Found,
        batch: Batch,
        own: bool,
    ) -> Option<Reserved> {
        let as_found = self.pop_position(group, queue, own) == found.position
            && self.batches.of(group, queue) == found.batch.as_ref();
        let reserved = Reserved { queue, from: self.of(group, queue), next: batch.offset() };
        as_found.then(|| {
            self.decide_batch(group, queue, batch);
            reserved
        })
    }

    /// The pop's record could not be appended: the batch is as it was found. The last reservation is released first.
    pub fn release_in_order(&mut self, group: &str, reserved: &Reserved, found: &Found) {
        let version = self.decide();
        let before = found.batch.clone().unwrap_or_default();
        self.batches.decide(group, reserved.queue, version, before);
        self.take_back(group, reserved);
    }

    /// Acks a message. `popped_at` is what the handle says.
    pub fn ack_in_order(&mut self, group: &str, queue: Queue, offset: QueueOffset, popped_at: Timestamp) -> Outcome {
        self.change_batch(group, queue, offset, popped_at, |batch, index| {
            batch.open.remove(index);
        })
    }

    /// A message is visible again at `due`.
    pub fn change_in_order(
        &mut self,
        group: &str,
        queue: Queue,
        offset: QueueOffset,
        popped_at: Timestamp,
        due: Timestamp,
    ) -> Outcome {
        self.change_batch(group, queue, offset, popped_at, |batch, index| batch.open[index].visible_at = due)
    }

    fn change_batch(
        &mut self,
        group: &str,
        queue: Queue,
        offset: QueueOffset,
        popped_at: Timestamp,
        change: impl FnOnce(&mut Batch, usize),
    ) -> Outcome {
        // What is decided and not in the log may fail to come there: whoever asks again waits for it, too.
        let done = if self.batches.is_ahead(group, queue) { Outcome::Decided } else { Outcome::Late };
        let Some(batch) = self.batches.of(group, queue) else { return done };
        if popped_at < batch.popped_at {
            return Outcome::Late;
        }
        if offset >= batch.next {
            return Outcome::NotInBatch;
        }
        let Ok(index) = batch.open.binary_search_by_key(&offset, |message| message.offset) else { return done };
        let mut batch = batch.clone();
        change(&mut batch, index);
        self.decide_batch(group, queue, batch);
        Outcome::Decided
    }

    /// The batch a group has of a queue, if a message of it is not acked.
    #[must_use]
    pub fn batch(&self, group: &str, queue: Queue) -> Option<&Batch> {
        self.batches.of(group, queue)
    }

    /// The record of what is decided about a queue; it counts as staged from now on.
    #[must_use]
    pub fn batch_record(&mut self, group: &GroupName, queue: Queue) -> System {
        let version = self.decide();
        let name = group.as_str();
        let next = self.of(name, queue).unwrap_or(QueueOffset::ZERO);
        let done = Batch { next, ..Batch::default() };
        let batch = self.batches.of(name, queue).cloned().unwrap_or(done);
        self.batches.written(name, queue, version);
        let (topic, queue) = queue;
        System::OrderedBatch(OrderedBatch { group: group.clone(), version, topic, queue, batch })
    }

    /// The record of a batch without messages that are moved away by the same append; nothing is decided. Whoever changes the
    /// batch meanwhile has a newer record: look again when this one is applied.
    #[must_use]
    pub fn batch_record_without(&mut self, group: &GroupName, queue: Queue, gone: &[QueueOffset]) -> Option<System> {
        let mut batch = self.batches.of(group.as_str(), queue)?.clone();
        batch.open.retain(|message| !gone.contains(&message.offset));
        let version = self.decide();
        let (topic, queue) = queue;
        Some(System::OrderedBatch(OrderedBatch { group: group.clone(), version, topic, queue, batch }))
    }

    /// When the next batch is visible again.
    #[must_use]
    pub fn next_batch_due(&self) -> Option<Timestamp> {
        self.batches.next_due()
    }

    /// The next batch whose messages are all visible again, told once.
    pub fn take_batch_due(&mut self, now: Timestamp) -> Option<(GroupName, Queue, &Batch)> {
        self.batches.take_due(now)
    }

    /// What is due of the queue could not be done: it is told again.
    pub fn remind_of_batch(&mut self, group: &str, queue: Queue) {
        self.batches.remind(group, queue);
    }

    /// Applies `OrderedBatch` that stands at `at`.
    pub fn ordered(&mut self, at: LogOffset, record: &OrderedBatch) {
        let OrderedBatch { group, version, topic, queue, batch } = record;
        self.version = self.version.max(*version);
        let entry = CommittedOffset { topic: *topic, queue: *queue, offset: batch.offset() };
        if !self.group_mut(group.as_str()).committed(at, *version, &entry) {
            return;
        }
        let queue = (*topic, *queue);
        self.batches.applied(group.as_str(), queue, *version, batch);
        if !self.batches.is_ahead(group.as_str(), queue) {
            // What was on its way is older than this.
            self.group_mut(group.as_str()).pending.remove(&queue);
        }
    }

    /// Saves the batches the log says; apart from the offsets, which were saved before there were any.
    pub fn save_batches(&self, out: &mut Vec<u8>) {
        self.batches.save(out);
    }

    pub fn load_batches(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        self.batches.load(fields)
    }

    fn decide_batch(&mut self, group: &str, queue: Queue, batch: Batch) {
        let version = self.decide();
        self.group_mut(group).pending.insert(queue, Pending { offset: batch.offset(), staged: true });
        self.batches.decide(group, queue, version, batch);
    }

    /// Somebody has said where the group goes on: what it has popped in order counts no more.
    pub(super) fn drop_batch(&mut self, group: &str, queue: Queue) {
        if self.batches.of(group, queue).is_some() {
            let version = self.decide();
            self.batches.decide(group, queue, version, Batch::default());
        }
    }
}

#[cfg(test)]
mod tests;
