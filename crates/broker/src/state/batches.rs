//! Batches of groups that consume in order: what each has of a queue, so that nothing behind it is handed out too early.
//!
//! Facts: `OrderedBatch`, each of which says a queue's whole batch anew. Two layers, as with the consumer offsets these
//! batches move: `durable` is what the log says, `decided` what is on its way there; whoever asks sees what is decided. A
//! batch whose last message is acked leaves no trace but the offset. [`Offsets`](super::offsets::Offsets) owns this machine.
//!
//! Memory: about 250 bytes a queue with a batch, and 24 a message of it, 32 at most. A group has a batch of a queue only
//! while it works on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::record::codec::{Malformed, Put, Reader};
use model::record::pop::Batch;
use model::{GroupName, LogOffset, QueueId, Timestamp, TopicId};

use super::offsets::Queue;
use crate::broker::put_len;

#[derive(Debug)]
struct Decided {
    version: u64,
    batch: Batch,
}

#[derive(Debug, Default)]
struct OfQueue {
    /// Has open messages.
    durable: Option<Batch>,
    decided: Option<Decided>,
    /// What stands in the table of due times.
    noted: Option<Timestamp>,
}

/// Batches of all groups.
#[derive(Debug, Default)]
pub struct Batches {
    groups: HashMap<GroupName, BTreeMap<Queue, OfQueue>>,
    by_due: BTreeSet<(Timestamp, GroupName, Queue)>,
}

impl OfQueue {
    fn current(&self) -> Option<&Batch> {
        let batch = self.decided.as_ref().map(|decided| &decided.batch).or(self.durable.as_ref());
        batch.filter(|batch| !batch.open.is_empty())
    }
}

/// When the last of the batch's messages is visible again.
#[must_use]
pub fn visible_at(batch: &Batch) -> Timestamp {
    batch.open.iter().map(|message| message.visible_at).max().unwrap_or_default()
}

/// Whether a pop asks again for what it has got: its answer was lost.
#[must_use]
pub fn is_again(batch: &Batch, attempt: &str) -> bool {
    !attempt.is_empty() && batch.attempt == attempt
}

impl Batches {
    /// The batch a group has of a queue. `None`: it has no open message.
    #[must_use]
    pub fn of(&self, group: &str, queue: Queue) -> Option<&Batch> {
        self.groups.get(group)?.get(&queue)?.current()
    }

    /// Whether something is decided about the queue that the log does not say yet.
    #[must_use]
    pub fn is_ahead(&self, group: &str, queue: Queue) -> bool {
        self.groups.get(group).and_then(|queues| queues.get(&queue)).is_some_and(|of| of.decided.is_some())
    }

    /// From now on the group has this batch.
    pub fn decide(&mut self, group: &str, queue: Queue, version: u64, batch: Batch) {
        self.change(group, queue, |of| of.decided = Some(Decided { version, batch }));
    }

    /// The decision is written with this version.
    pub fn written(&mut self, group: &str, queue: Queue, version: u64) {
        self.change(group, queue, |of| {
            if let Some(decided) = &mut of.decided {
                decided.version = version;
            }
        });
    }

    /// Applies `OrderedBatch`.
    pub fn applied(&mut self, group: &str, queue: Queue, version: u64, batch: &Batch) {
        self.change(group, queue, |of| {
            of.durable = Some(batch.clone()).filter(|batch| !batch.open.is_empty());
            of.decided.take_if(|decided| decided.version <= version);
        });
    }

    /// A consumer offset was committed that knows of no batch.
    pub fn forgotten(&mut self, group: &str, queue: Queue, version: u64) {
        if self.groups.get(group).is_some_and(|queues| queues.contains_key(&queue)) {
            self.applied(group, queue, version, &Batch::default());
        }
    }

    /// Applies `TopicDeleted`.
    pub fn topic_deleted(&mut self, topic: TopicId) {
        self.groups.values_mut().for_each(|queues| queues.retain(|queue, _| queue.0 != topic));
        self.groups.retain(|_, queues| !queues.is_empty());
        self.by_due.retain(|(_, _, queue)| queue.0 != topic);
    }

    /// Applies `GroupDeleted`.
    pub fn group_deleted(&mut self, group: &GroupName) {
        self.groups.remove(group);
        self.by_due.retain(|(_, of, _)| of != group);
    }

    /// When the next batch is visible again.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, ..)| *due)
    }

    /// The next batch whose messages are all visible again. Each is told once, unless it changes or [`Batches::remind`] is
    /// called.
    pub fn take_due(&mut self, now: Timestamp) -> Option<(GroupName, Queue, &Batch)> {
        self.by_due.first().filter(|(due, ..)| *due <= now)?;
        let (_, group, queue) = self.by_due.pop_first()?;
        let of =
            self.groups.get_mut(&group).and_then(|queues| queues.get_mut(&queue)).expect("noted while it is there");
        of.noted = None;
        let batch = of.current().expect("noted while it has open messages");
        Some((group, queue, batch))
    }

    /// What is due of the queue is told again.
    pub fn remind(&mut self, group: &str, queue: Queue) {
        self.change(group, queue, |_| {});
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let durable = |queues: &BTreeMap<Queue, OfQueue>| queues.values().any(|of| of.durable.is_some());
        let mut groups: Vec<_> = self.groups.iter().filter(|(_, queues)| durable(queues)).collect();
        groups.sort_by_key(|(name, _)| *name);
        put_len(out, groups.len());
        for (group, queues) in groups {
            out.put_text(group.as_str());
            let batches: Vec<_> = queues.iter().filter_map(|(queue, of)| Some((queue, of.durable.as_ref()?))).collect();
            put_len(out, batches.len());
            for (&(topic, queue), batch) in batches {
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                batch.put(out);
            }
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let group = fields.text()?;
            for _ in 0..fields.u32()? {
                let queue = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
                let batch = Batch::read(fields)?;
                self.change(group, queue, |of| of.durable = Some(batch));
            }
        }
        Ok(())
    }

    /// Changes what is known of a queue, and what follows from that.
    fn change(&mut self, group: &str, queue: Queue, change: impl FnOnce(&mut OfQueue)) {
        if !self.groups.contains_key(group) {
            self.groups.insert(GroupName::trusted(group), BTreeMap::new());
        }
        let queues = self.groups.get_mut(group).expect("inserted above");
        let of = queues.entry(queue).or_default();
        change(of);
        let due = of.current().map(visible_at);
        let before = std::mem::replace(&mut of.noted, due);
        if of.durable.is_none() && of.decided.is_none() {
            queues.remove(&queue);
        }
        if queues.is_empty() {
            self.groups.remove(group);
        }
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.by_due.remove(&(before, GroupName::trusted(group), queue));
        }
        if let Some(due) = due {
            self.by_due.insert((due, GroupName::trusted(group), queue));
        }
    }
}

#[cfg(test)]
mod tests;
