//! Consumer offsets: the next queue offset each group wants from each queue.
//!
//! Two layers. `durable` is what the log says (`OffsetsCommitted`). `pending` holds commits that are heard but not yet in
//! the log: one-way commits are coalesced there and appended once per group and second; equal ones are dropped. Reads see
//! pending first. A restart forgets pending: those commits were never answered.

use std::collections::{BTreeMap, HashMap};

use model::record::codec::{Malformed, Put, Reader};
use model::record::system::{CommittedOffset, System};
use model::{GroupName, LogOffset, QueueId, QueueOffset, TopicId};

/// A queue of a topic.
pub type Queue = (TopicId, QueueId);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Durable {
    offset: QueueOffset,
    at: LogOffset,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    offset: QueueOffset,
    /// A record with this value is on its way; the next flush need not write it again.
    staged: bool,
}

#[derive(Debug, Default)]
struct OfGroup {
    durable: BTreeMap<Queue, Durable>,
    pending: HashMap<Queue, Pending>,
    /// A reset the next pull of the queue must answer with "offset moved"; until then commits are ignored.
    resets: HashMap<Queue, QueueOffset>,
}

/// Offsets of all groups.
#[derive(Debug, Default)]
pub struct Offsets {
    groups: HashMap<GroupName, OfGroup>,
}

/// Offsets in one record, so that a group with a million queues does not make a record of megabytes.
const OFFSETS_PER_RECORD: usize = 1_000;

impl Offsets {
    /// The offset `group` has committed on `queue`.
    #[must_use]
    pub fn of(&self, group: &str, queue: Queue) -> Option<QueueOffset> {
        let of_group = self.groups.get(group)?;
        let pending = of_group.pending.get(&queue).map(|pending| pending.offset);
        pending.or_else(|| of_group.durable.get(&queue).map(|durable| durable.offset))
    }

    /// All queues `group` has offsets on, sorted.
    #[must_use]
    pub fn of_group(&self, group: &str) -> Vec<(Queue, QueueOffset)> {
        let Some(of_group) = self.groups.get(group) else { return Vec::new() };
        let mut all: BTreeMap<_, _> = of_group.durable.iter().map(|(queue, entry)| (*queue, entry.offset)).collect();
        all.extend(of_group.pending.iter().map(|(queue, pending)| (*queue, pending.offset)));
        all.into_iter().collect()
    }

    /// Groups with offsets on `topic`.
    #[must_use]
    pub fn groups_on(&self, topic: TopicId) -> Vec<GroupName> {
        let on = |queue: &Queue| queue.0 == topic;
        let mut groups: Vec<_> = self
            .groups
            .iter()
            .filter(|(_, of)| of.durable.keys().any(on) || of.pending.keys().any(on))
            .map(|(name, _)| name.clone())
            .collect();
        groups.sort();
        groups
    }

    /// Notes a commit that nobody waits for. Ignored while a reset waits for the queue's next pull.
    pub fn note(&mut self, group: &str, queue: Queue, offset: QueueOffset) {
        if self.of(group, queue) == Some(offset) || self.reset_of(group, queue).is_some() {
            return;
        }
        self.group_mut(group).pending.insert(queue, Pending { offset, staged: false });
    }

    /// Notes a commit whose record the caller stages now. False if there is nothing to write.
    #[must_use]
    pub fn note_staged(&mut self, group: &str, queue: Queue, offset: QueueOffset) -> bool {
        if self.reset_of(group, queue).is_some() {
            return false;
        }
        let of_group = self.group_mut(group);
        if of_group.pending.get(&queue).is_none_or(|pending| pending.offset == offset && pending.staged)
            && of_group.durable.get(&queue).is_some_and(|durable| durable.offset == offset)
        {
            return false;
        }
        of_group.pending.insert(queue, Pending { offset, staged: true });
        true
    }

    /// The records of all commits that wait for one; they count as staged from now on.
    #[must_use]
    pub fn take_unwritten(&mut self) -> Vec<System> {
        let mut records = Vec::new();
        for (group, of_group) in &mut self.groups {
            let mut offsets: Vec<_> = of_group
                .pending
                .iter_mut()
                .filter(|(_, pending)| !pending.staged)
                .map(|(&(topic, queue), pending)| {
                    pending.staged = true;
                    CommittedOffset { topic, queue, offset: pending.offset }
                })
                .collect();
            offsets.sort_by_key(|entry| (entry.topic, entry.queue));
            for part in offsets.chunks(OFFSETS_PER_RECORD) {
                records.push(System::OffsetsCommitted { group: group.clone(), offsets: part.to_vec() });
            }
        }
        records
    }

    /// The records could not be appended: they wait again.
    pub fn give_back(&mut self, records: &[System]) {
        for record in records {
            let System::OffsetsCommitted { group, offsets } = record else { continue };
            let of_group = self.group_mut(group.as_str());
            for entry in offsets {
                if let Some(pending) = of_group.pending.get_mut(&(entry.topic, entry.queue))
                    && pending.offset == entry.offset
                {
                    pending.staged = false;
                }
            }
        }
    }

    /// Sets a reset that the queue's next pull answers.
    pub fn reset(&mut self, group: &str, queue: Queue, offset: QueueOffset) {
        let of_group = self.group_mut(group);
        of_group.resets.insert(queue, offset);
        of_group.pending.insert(queue, Pending { offset, staged: true });
    }

    /// The reset that waits for `queue`, if any.
    #[must_use]
    pub fn reset_of(&self, group: &str, queue: Queue) -> Option<QueueOffset> {
        self.groups.get(group)?.resets.get(&queue).copied()
    }

    /// The reset that waits for `queue`; it is answered now.
    #[must_use]
    pub fn take_reset(&mut self, group: &str, queue: Queue) -> Option<QueueOffset> {
        let of_group = self.groups.get_mut(group)?;
        if of_group.resets.is_empty() { None } else { of_group.resets.remove(&queue) }
    }

    /// Applies `OffsetsCommitted` that stands at `at`.
    pub fn committed(&mut self, at: LogOffset, group: &GroupName, offsets: &[CommittedOffset]) {
        let of_group = self.group_mut(group.as_str());
        for entry in offsets {
            let queue = (entry.topic, entry.queue);
            of_group.durable.insert(queue, Durable { offset: entry.offset, at });
            if of_group.pending.get(&queue).is_some_and(|pending| pending.offset == entry.offset) {
                of_group.pending.remove(&queue);
            }
        }
    }

    /// Applies `TopicDeleted`.
    pub fn topic_deleted(&mut self, topic: TopicId) {
        for of_group in self.groups.values_mut() {
            of_group.durable.retain(|queue, _| queue.0 != topic);
            of_group.pending.retain(|queue, _| queue.0 != topic);
            of_group.resets.retain(|queue, _| queue.0 != topic);
        }
        self.groups.retain(|_, of_group| !of_group.durable.is_empty() || !of_group.pending.is_empty());
    }

    /// Applies `GroupDeleted` with its offsets.
    pub fn group_deleted(&mut self, group: &GroupName) {
        self.groups.remove(group);
    }

    /// Records to append again before the log loses everything below `limit`.
    #[must_use]
    pub fn facts_below(&self, limit: LogOffset) -> Vec<System> {
        let mut records = Vec::new();
        for (group, of_group) in &self.groups {
            let offsets: Vec<_> = of_group
                .durable
                .iter()
                .filter(|(_, durable)| durable.at < limit)
                .map(|(&(topic, queue), durable)| CommittedOffset { topic, queue, offset: durable.offset })
                .collect();
            for part in offsets.chunks(OFFSETS_PER_RECORD) {
                records.push(System::OffsetsCommitted { group: group.clone(), offsets: part.to_vec() });
            }
        }
        records
    }

    /// Saves the durable layer.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut groups: Vec<_> = self.groups.iter().filter(|(_, of)| !of.durable.is_empty()).collect();
        groups.sort_by_key(|(name, _)| *name);
        out.put_u32(u32::try_from(groups.len()).expect("groups are bounded far below"));
        for (name, of_group) in groups {
            out.put_text(name.as_str());
            out.put_u32(u32::try_from(of_group.durable.len()).expect("queues are bounded far below"));
            for (&(topic, queue), durable) in &of_group.durable {
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                out.put_u64(durable.offset.0);
                out.put_u64(durable.at.0);
            }
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let group = GroupName::trusted(fields.text()?);
            let of_group = self.group_mut(group.as_str());
            for _ in 0..fields.u32()? {
                let queue = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
                let durable = Durable { offset: QueueOffset(fields.u64()?), at: LogOffset(fields.u64()?) };
                of_group.durable.insert(queue, durable);
            }
        }
        Ok(())
    }

    fn group_mut(&mut self, group: &str) -> &mut OfGroup {
        if !self.groups.contains_key(group) {
            self.groups.insert(GroupName::trusted(group), OfGroup::default());
        }
        self.groups.get_mut(group).expect("inserted above")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: Queue = (TopicId(LogOffset(48)), QueueId(0));

    fn record(group: &str, offset: u64) -> System {
        let entry = CommittedOffset { topic: QUEUE.0, queue: QUEUE.1, offset: QueueOffset(offset) };
        System::OffsetsCommitted { group: GroupName::trusted(group), offsets: vec![entry] }
    }

    fn apply(offsets: &mut Offsets, at: u64, record: &System) {
        let System::OffsetsCommitted { group, offsets: entries } = record else { panic!("not offsets") };
        offsets.committed(LogOffset(at), group, entries);
    }

    #[test]
    fn commits_of_a_second_become_one_record_and_equal_ones_none() {
        let mut offsets = Offsets::default();
        offsets.note("g", QUEUE, QueueOffset(1));
        offsets.note("g", QUEUE, QueueOffset(7));
        assert_eq!(offsets.take_unwritten(), [record("g", 7)]);
        assert_eq!(offsets.take_unwritten(), []);
        apply(&mut offsets, 100, &record("g", 7));
        offsets.note("g", QUEUE, QueueOffset(7));
        assert_eq!(offsets.take_unwritten(), []);
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(7)));
    }

    #[test]
    fn an_older_record_does_not_hide_a_newer_commit() {
        let mut offsets = Offsets::default();
        offsets.note("g", QUEUE, QueueOffset(7));
        let first = offsets.take_unwritten();
        offsets.note("g", QUEUE, QueueOffset(9));
        apply(&mut offsets, 100, &first[0]);
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(9)));
        assert_eq!(offsets.take_unwritten(), [record("g", 9)]);
    }

    #[test]
    fn a_failed_append_makes_commits_wait_again() {
        let mut offsets = Offsets::default();
        offsets.note("g", QUEUE, QueueOffset(7));
        let taken = offsets.take_unwritten();
        offsets.give_back(&taken);
        assert_eq!(offsets.take_unwritten(), taken);
    }

    #[test]
    fn while_a_reset_waits_commits_are_ignored() {
        let mut offsets = Offsets::default();
        apply(&mut offsets, 100, &record("g", 50));
        offsets.reset("g", QUEUE, QueueOffset(10));
        offsets.note("g", QUEUE, QueueOffset(51));
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(10)));
        assert_eq!(offsets.take_reset("g", QUEUE), Some(QueueOffset(10)));
        assert_eq!(offsets.take_reset("g", QUEUE), None);
        offsets.note("g", QUEUE, QueueOffset(11));
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(11)));
    }

    #[test]
    fn what_is_saved_loads_to_the_same_offsets() {
        let mut offsets = Offsets::default();
        apply(&mut offsets, 100, &record("g", 7));
        apply(&mut offsets, 200, &record("h", 8));
        let mut saved = Vec::new();
        offsets.save(&mut saved);
        let mut again = Offsets::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!((again.of("g", QUEUE), again.of("h", QUEUE)), (Some(QueueOffset(7)), Some(QueueOffset(8))));
        assert_eq!(again.facts_below(LogOffset(150)), [record("g", 7)]);
    }
}
