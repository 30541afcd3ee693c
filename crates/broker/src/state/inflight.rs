//! Messages in flight: popped by a group, not yet acked.
//!
//! Facts come from the log (`Popped`, `Acked`, `InvisibleChanged`); the only question is who is due at `now`. No clock, no
//! I/O: `jobs/redeliver` asks and appends the answers. Messages of ordered groups are not here: those stay in their queue.
//!
//! A lease is what one pop took of one queue: at most 32 messages, each a bit. While a fact about a message is on its way to
//! the log the message is *held*, so that it is neither delivered again after its ack was promised nor acked after it was.
//! Holds are reservations: they die with the process.
//!
//! Memory: about 220 bytes a lease, whatever it holds, so 7 bytes a message of full batches; [`LEASES_MAX`] bounds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::record::codec::{Malformed, Put, Reader};
use model::record::pop::{Acked, InvisibleChanged, Popped, Run, put_deltas, read_deltas};
use model::{GroupName, LogOffset, Millis, QueueId, QueueOffset, Timestamp, TopicId};

use crate::broker::put_len;
use crate::state::offsets::Queue;

/// Leases of all groups; above it a pop is refused until some are acked or due. About 220 MB.
pub const LEASES_MAX: usize = 1_000_000;

/// Messages that one pop took of one queue. At least one of them is not acked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lease {
    /// When they were delivered: a handle of an earlier delivery means other messages.
    popped_at: Timestamp,
    due: Timestamp,
    /// Where the first of the messages stands in the log.
    lowest: LogOffset,
    /// Offsets minus the lease's start. `None`: 0, 1, 2, ...
    deltas: Option<Box<[u16]>>,
    /// Not acked yet, by index.
    pending: u32,
    /// A fact is on its way, by index.
    held: u32,
    /// Messages that are due at another time than the lease.
    moved: Vec<(u8, Timestamp)>,
    /// What stands in the table of due times.
    noted: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct OfQueue {
    /// By the first offset each looked at. No two overlap.
    leases: BTreeMap<QueueOffset, Lease>,
    /// Messages of the leases.
    messages: u64,
}

/// Messages in flight of all groups.
#[derive(Debug, Default)]
pub struct Inflight {
    groups: HashMap<GroupName, BTreeMap<Queue, OfQueue>>,
    by_due: BTreeSet<(Timestamp, GroupName, Queue, QueueOffset)>,
    leases: usize,
}

/// A message whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub group: GroupName,
    pub queue: Queue,
    pub offset: QueueOffset,
    pub popped_at: Timestamp,
}

/// Whether a fact about a message may be staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is held until the fact is applied, or [`Inflight::release`] is called.
    Granted,
    /// It is not in flight (any more), or was popped later than the one who asks believes.
    Gone,
    /// Another fact about it is on its way.
    Busy,
}

impl Lease {
    fn index_of(&self, start: QueueOffset, offset: QueueOffset) -> Option<u32> {
        let delta = u16::try_from(offset.0.checked_sub(start.0)?).ok()?;
        let index = match &self.deltas {
            None => usize::from(delta),
            Some(deltas) => deltas.binary_search(&delta).ok()?,
        };
        u32::try_from(index).ok().filter(|index| *index < u32::BITS && self.pending >> index & 1 == 1)
    }

    fn offset_of(&self, start: QueueOffset, index: u32) -> QueueOffset {
        let delta = match &self.deltas {
            None => u64::from(index),
            Some(deltas) => u64::from(deltas[index as usize]),
        };
        start.plus(delta)
    }

    /// Indexes of messages not acked yet.
    fn indexes(&self) -> impl Iterator<Item = u32> + use<> {
        let pending = self.pending;
        (0..u32::BITS).filter(move |index| pending >> index & 1 == 1)
    }

    fn due_of(&self, index: u32) -> Timestamp {
        self.moved.iter().find(|(moved, _)| u32::from(*moved) == index).map_or(self.due, |(_, due)| *due)
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.indexes().filter(|index| self.held >> index & 1 == 0).map(|index| self.due_of(index)).min()
    }

    /// The rest of the lease that lies in `range`, as a lease of its own. `None`: nothing does.
    fn part(&self, start: QueueOffset, range: impl Fn(QueueOffset) -> bool) -> Option<(QueueOffset, Lease)> {
        let kept: Vec<u32> = self.indexes().filter(|index| range(self.offset_of(start, *index))).collect();
        let first = self.offset_of(start, *kept.first()?);
        let deltas: Vec<u16> = kept
            .iter()
            .map(|index| u16::try_from(self.offset_of(start, *index).0 - first.0).expect("within one lease"))
            .collect();
        let bit_of = |old: &u32| kept.iter().position(|index| index == old).and_then(|index| u8::try_from(index).ok());
        let moved = self.moved.iter().filter_map(|(old, due)| Some((bit_of(&u32::from(*old))?, *due)));
        let pending = u32::MAX >> (u32::BITS - u32::try_from(kept.len()).expect("at most 32"));
        let moved = moved.collect();
        Some((first, Lease { deltas: compact(deltas), pending, held: 0, moved, noted: None, ..self.clone() }))
    }
}

impl Inflight {
    /// Whether another pop fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.leases < LEASES_MAX
    }

    /// Messages in flight: (group, topic, count), in no order.
    pub fn counts(&self) -> Vec<(GroupName, TopicId, u64)> {
        let mut counts = Vec::new();
        for (group, queues) in &self.groups {
            for ((topic, _), of_queue) in queues {
                match counts.last_mut() {
                    Some((last, of, count)) if last == group && of == topic => *count += of_queue.messages,
                    _ => counts.push((group.clone(), *topic, of_queue.messages)),
                }
            }
        }
        counts
    }

    /// When the next message that is not held is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, ..)| *due)
    }

    /// Applies `Popped`. What was in flight of the same offsets is forgotten: the group went back and took them again.
    pub fn popped(&mut self, popped: &Popped) {
        let due = popped.popped_at.after(popped.invisible);
        for run in &popped.runs {
            let Some(pending) = all_of(run) else { continue };
            self.forget(&popped.group, run);
            let lease = Lease {
                popped_at: popped.popped_at,
                due,
                lowest: run.lowest,
                deltas: compact(run.deltas.clone()),
                pending,
                held: 0,
                moved: Vec::new(),
                noted: None,
            };
            self.insert(&popped.group, (run.topic, run.queue), run.start, lease);
        }
    }

    /// Applies `Acked`.
    pub fn acked(&mut self, acked: &Acked) {
        for mark in &acked.marks {
            for offset in mark.offsets() {
                self.change(&acked.group, (mark.topic, mark.queue), offset, |lease, index| {
                    lease.pending &= !(1 << index);
                    lease.held &= !(1 << index);
                });
            }
        }
    }

    /// Applies `InvisibleChanged`.
    pub fn invisible_changed(&mut self, changed: &InvisibleChanged) {
        self.change(&changed.group, (changed.topic, changed.queue), changed.offset, |lease, index| {
            let index_u8 = u8::try_from(index).expect("below 32");
            lease.moved.retain(|(moved, _)| *moved != index_u8);
            lease.moved.push((index_u8, changed.due));
            lease.held &= !(1 << index);
        });
    }

    /// Applies `TopicDeleted`.
    pub fn topic_deleted(&mut self, topic: TopicId) {
        self.remove_where(|_, queue| queue.0 == topic);
    }

    /// Applies `GroupDeleted`.
    pub fn group_deleted(&mut self, group: &GroupName) {
        self.remove_where(|of, _| of == group);
    }

    /// Holds a message for a fact that is about to be staged. `popped_at` is what the handle says.
    pub fn hold(&mut self, group: &str, queue: Queue, offset: QueueOffset, popped_at: Timestamp) -> Hold {
        let Some((start, lease)) = self.find(group, queue, offset) else { return Hold::Gone };
        let Some(index) = lease.index_of(start, offset).filter(|_| popped_at >= lease.popped_at) else {
            return Hold::Gone;
        };
        if lease.held >> index & 1 == 1 {
            return Hold::Busy;
        }
        self.change(&GroupName::trusted(group), queue, offset, |lease, index| lease.held |= 1 << index);
        Hold::Granted
    }

    /// The fact could not be appended: the message is as before.
    pub fn release(&mut self, group: &GroupName, queue: Queue, offset: QueueOffset) {
        self.change(group, queue, offset, |lease, index| lease.held &= !(1 << index));
    }

    /// Whether the message is in flight by a delivery at `popped_at` or before.
    #[must_use]
    pub fn contains(&self, group: &str, queue: Queue, offset: QueueOffset) -> bool {
        self.find(group, queue, offset).is_some_and(|(start, lease)| lease.index_of(start, offset).is_some())
    }

    /// Holds at most `max` messages whose time is over, earliest leases first.
    pub fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < max
            && let Some((at, group, queue, start)) = self.by_due.first().cloned()
            && at <= now
        {
            let lease = self.lease(&group, queue, start);
            let indexes = lease.indexes().filter(|index| lease.held >> index & 1 == 0 && lease.due_of(*index) <= now);
            let taken: Vec<u32> = indexes.take(max - due.len()).collect();
            let (popped_at, lease) = (lease.popped_at, lease.clone());
            for index in taken {
                let offset = lease.offset_of(start, index);
                self.change(&group, queue, offset, |lease, index| lease.held |= 1 << index);
                due.push(Due { group: group.clone(), queue, offset, popped_at });
            }
        }
        due
    }

    /// Makes messages due whose records stand below `limit`: their segments are about to go. True if there are some, held
    /// or not.
    pub fn hasten_below(&mut self, limit: LogOffset, now: Timestamp) -> bool {
        let below = |lease: &Lease| lease.lowest < limit;
        let mut found = Vec::new();
        for (group, queues) in &self.groups {
            for (queue, of_queue) in queues {
                let starts = of_queue.leases.iter().filter(|(_, lease)| below(lease)).map(|(start, _)| *start);
                found.extend(starts.map(|start| (group.clone(), *queue, start)));
            }
        }
        for (group, queue, start) in &found {
            let lease = self.groups.get_mut(group).and_then(|queues| queues.get_mut(queue)?.leases.get_mut(start));
            let lease = lease.expect("found above");
            lease.due = lease.due.min(now);
            lease.moved.clear();
            self.note_due(group, *queue, *start);
        }
        !found.is_empty()
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(name, _)| *name);
        put_len(out, groups.len());
        for (group, queues) in groups {
            out.put_text(group.as_str());
            put_len(out, queues.len());
            for ((topic, queue), of_queue) in queues {
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                put_len(out, of_queue.leases.len());
                for (start, lease) in &of_queue.leases {
                    put_lease(out, *start, lease);
                }
            }
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let group = GroupName::trusted(fields.text()?);
            for _ in 0..fields.u32()? {
                let queue = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
                for _ in 0..fields.u32()? {
                    let (start, lease) = read_lease(fields)?;
                    self.insert(&group, queue, start, lease);
                }
            }
        }
        Ok(())
    }

    fn find(&self, group: &str, queue: Queue, offset: QueueOffset) -> Option<(QueueOffset, &Lease)> {
        let (start, lease) = self.groups.get(group)?.get(&queue)?.leases.range(..=offset).next_back()?;
        Some((*start, lease))
    }

    fn lease(&self, group: &GroupName, queue: Queue, start: QueueOffset) -> &Lease {
        let (found, lease) = self.find(group.as_str(), queue, start).expect("what is due is a lease");
        assert_eq!(found, start);
        lease
    }

    /// Changes one message that is in flight, and what follows from that.
    fn change(&mut self, group: &GroupName, queue: Queue, offset: QueueOffset, change: impl FnOnce(&mut Lease, u32)) {
        let Some(of_queue) = self.groups.get_mut(group).and_then(|queues| queues.get_mut(&queue)) else { return };
        let Some((&start, lease)) = of_queue.leases.range_mut(..=offset).next_back() else { return };
        let Some(index) = lease.index_of(start, offset) else { return };
        let before = lease.pending.count_ones();
        change(lease, index);
        of_queue.messages -= u64::from(before - lease.pending.count_ones());
        if lease.pending == 0 {
            self.remove(group, queue, start);
        } else {
            self.note_due(group, queue, start);
        }
    }

    /// Forgets what is in flight of the offsets a new run has looked at.
    fn forget(&mut self, group: &GroupName, run: &Run) {
        let queue = (run.topic, run.queue);
        let Some(of_queue) = self.groups.get(group).and_then(|queues| queues.get(&queue)) else { return };
        let before = of_queue.leases.range(..run.start).next_back().map(|(start, _)| *start);
        let inside = of_queue.leases.range(run.start..run.next).map(|(start, _)| *start);
        let overlapping: Vec<_> = before.into_iter().chain(inside).collect();
        for start in overlapping {
            let touched = self.lease(group, queue, start).clone();
            if !touched.indexes().any(|index| touched.offset_of(start, index) >= run.start) {
                continue;
            }
            self.remove(group, queue, start);
            let parts = [touched.part(start, |at| at < run.start), touched.part(start, |at| at >= run.next)];
            for (first, part) in parts.into_iter().flatten() {
                self.insert(group, queue, first, part);
            }
        }
    }

    fn insert(&mut self, group: &GroupName, queue: Queue, start: QueueOffset, lease: Lease) {
        let of_queue = self.groups.entry(group.clone()).or_default().entry(queue).or_default();
        of_queue.messages += u64::from(lease.pending.count_ones());
        assert!(of_queue.leases.insert(start, lease).is_none(), "leases of a queue do not overlap");
        self.leases += 1;
        self.note_due(group, queue, start);
    }

    fn remove(&mut self, group: &GroupName, queue: Queue, start: QueueOffset) {
        let Some(queues) = self.groups.get_mut(group) else { return };
        let Some(of_queue) = queues.get_mut(&queue) else { return };
        let Some(lease) = of_queue.leases.remove(&start) else { return };
        of_queue.messages -= u64::from(lease.pending.count_ones());
        self.leases -= 1;
        if of_queue.leases.is_empty() {
            queues.remove(&queue);
        }
        if queues.is_empty() {
            self.groups.remove(group);
        }
        if let Some(noted) = lease.noted {
            self.by_due.remove(&(noted, group.clone(), queue, start));
        }
    }

    fn remove_where(&mut self, gone: impl Fn(&GroupName, &Queue) -> bool) {
        let mut starts = Vec::new();
        for (group, queues) in &self.groups {
            for (queue, of_queue) in queues.iter().filter(|(queue, _)| gone(group, queue)) {
                starts.extend(of_queue.leases.keys().map(|start| (group.clone(), *queue, *start)));
            }
        }
        for (group, queue, start) in starts {
            self.remove(&group, queue, start);
        }
    }

    /// Keeps the table of due times true for a lease.
    fn note_due(&mut self, group: &GroupName, queue: Queue, start: QueueOffset) {
        let lease = self.groups.get_mut(group).and_then(|queues| queues.get_mut(&queue)?.leases.get_mut(&start));
        let lease = lease.expect("only called for leases that are there");
        let due = lease.next_due();
        let before = std::mem::replace(&mut lease.noted, due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.by_due.remove(&(before, group.clone(), queue, start));
        }
        if let Some(due) = due {
            self.by_due.insert((due, group.clone(), queue, start));
        }
    }
}

/// A bit for each message of a run; `None` if it has none.
fn all_of(run: &Run) -> Option<u32> {
    let count = u32::try_from(run.deltas.len()).expect("at most 32");
    (count > 0).then(|| u32::MAX >> (u32::BITS - count))
}

/// `None` for 0, 1, 2, ...
fn compact(deltas: Vec<u16>) -> Option<Box<[u16]>> {
    let dense = deltas.iter().enumerate().all(|(index, delta)| index == usize::from(*delta));
    (!dense).then(|| deltas.into_boxed_slice())
}

fn put_lease(out: &mut Vec<u8>, start: QueueOffset, lease: &Lease) {
    out.put_u64(start.0);
    out.put_i64(lease.popped_at.0);
    out.put_i64(lease.due.0);
    out.put_u64(lease.lowest.0);
    out.put_u32(lease.pending);
    put_deltas(out, lease.deltas.as_deref().unwrap_or_default());
    let mut moved = lease.moved.clone();
    moved.retain(|(index, _)| lease.pending >> index & 1 == 1);
    moved.sort();
    put_len(out, moved.len());
    for (index, due) in moved {
        out.put_u8(index);
        out.put_i64(due.0);
    }
}

fn read_lease(fields: &mut Reader<'_>) -> Result<(QueueOffset, Lease), Malformed> {
    let start = QueueOffset(fields.u64()?);
    let (popped_at, due) = (Timestamp(fields.i64()?), Timestamp(fields.i64()?));
    let (lowest, pending) = (LogOffset(fields.u64()?), fields.u32()?);
    let deltas = read_deltas(fields)?;
    let moved = (0..fields.u32()?)
        .map(|_| Ok((fields.u8()?, Timestamp(fields.i64()?))))
        .collect::<Result<Vec<_>, Malformed>>()?;
    let deltas = if deltas.is_empty() { None } else { Some(deltas.into_boxed_slice()) };
    Ok((start, Lease { popped_at, due, lowest, deltas, pending, held: 0, moved, noted: None }))
}

/// How long a group may keep a message to itself at most: 12 hours, as the gRPC protocol has it.
pub const INVISIBLE_MAX: Millis = Millis(12 * 3_600_000);

#[cfg(test)]
mod tests;
