//! Consumer offsets: the next queue offset each group wants from each queue.
//!
//! Two layers. `durable` is what the log says (`OffsetsCommitted`). `pending` holds commits that are heard but not yet in
//! the log: one-way commits are coalesced there and appended once per group and second; equal ones are dropped. Reads see
//! pending first. A restart forgets pending: those commits were never answered.
//!
//! Pops move offsets too ([`pop`](self::pop)), and so do acks of what was popped in order ([`ordered`](self::ordered)).

mod ordered;
mod pop;

use std::collections::{BTreeMap, HashMap};

use model::record::codec::{Malformed, Put, Reader};
use model::record::pop::OrderedBatch;
use model::record::system::{CommittedOffset, System};
use model::{GroupName, LogOffset, QueueId, QueueOffset, TopicId};

use super::batches::Batches;
pub use ordered::{Found, Outcome};
pub use pop::{Position, Reserved};

use crate::state::shared_map::SharedMap;

/// A queue of a topic.
pub type Queue = (TopicId, QueueId);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Durable {
    offset: QueueOffset,
    at: LogOffset,
    version: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    offset: QueueOffset,
    /// A record with this value is on its way; the next flush need not write it again.
    staged: bool,
}

#[derive(Debug, Default)]
struct OfGroup {
    durable: SharedMap<Queue, Durable>,
    pending: HashMap<Queue, Pending>,
    /// A reset the next pull of the queue must answer with "offset moved"; until then commits are ignored.
    resets: HashMap<Queue, QueueOffset>,
    /// Pops that are planned and not appended yet. Reservations: they die with the process.
    popping: HashMap<Queue, u32>,
}

/// Offsets of all groups.
#[derive(Debug, Default)]
pub struct Offsets {
    groups: HashMap<GroupName, OfGroup>,
    /// What groups have popped in order.
    batches: Batches,
    /// The version of the newest decision.
    version: u64,
}

/// Offsets in one record, so that a group with a million queues does not make a record of megabytes.
const OFFSETS_PER_RECORD: usize = 1_000;

impl OfGroup {
    /// The log says so. False: it has said something newer.
    fn committed(&mut self, at: LogOffset, version: u64, entry: &CommittedOffset) -> bool {
        let queue = (entry.topic, entry.queue);
        if self.durable.get(&queue).is_some_and(|durable| durable.version > version) {
            return false;
        }
        self.durable.insert(queue, Durable { offset: entry.offset, at, version });
        if self.pending.get(&queue).is_some_and(|pending| pending.offset == entry.offset) {
            self.pending.remove(&queue);
        }
        true
    }
}

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
            .filter(|(_, of)| of.durable.iter().any(|(queue, _)| on(queue)) || of.pending.keys().any(on))
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
        self.drop_batch(group, queue);
    }

    /// Notes a commit whose record the caller stages now, with the version and the offset answered here. `None` if there is
    /// nothing to write. While a reset waits for the queue's next pull the commit is ignored: its record repeats the reset, which
    /// may not be durable yet, so that whoever is answered finds what was decided.
    #[must_use]
    pub fn note_staged(&mut self, group: &str, queue: Queue, offset: QueueOffset) -> Option<(u64, QueueOffset)> {
        let offset = self.reset_of(group, queue).unwrap_or(offset);
        let of_group = self.group_mut(group);
        if of_group.pending.get(&queue).is_none_or(|pending| pending.offset == offset && pending.staged)
            && of_group.durable.get(&queue).is_some_and(|durable| durable.offset == offset)
        {
            return None;
        }
        of_group.pending.insert(queue, Pending { offset, staged: true });
        self.drop_batch(group, queue);
        Some((self.decide(), offset))
    }

    /// The version of a decision made now: higher than all before.
    fn decide(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// The records of all commits that wait for one, sorted by group; they count as staged from now on.
    #[must_use]
    pub fn take_unwritten(&mut self) -> Vec<System> {
        let mut records = Vec::new();
        let version = self.decide();
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
                records.push(System::OffsetsCommitted { group: group.clone(), version, offsets: part.to_vec() });
            }
        }
        sort_by_group(&mut records);
        records
    }

    /// The records could not be appended: they wait again.
    pub fn give_back(&mut self, records: &[System]) {
        for record in records {
            let System::OffsetsCommitted { group, offsets, .. } = record else { continue };
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

    /// Sets resets that the queues' next pulls answer. Answers the version of the record the caller stages now.
    #[must_use]
    pub fn reset(&mut self, group: &str, offsets: &[CommittedOffset]) -> u64 {
        let of_group = self.group_mut(group);
        for &CommittedOffset { topic, queue, offset } in offsets {
            of_group.resets.insert((topic, queue), offset);
            of_group.pending.insert((topic, queue), Pending { offset, staged: true });
        }
        for &CommittedOffset { topic, queue, .. } in offsets {
            self.drop_batch(group, (topic, queue));
        }
        self.decide()
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

    /// Applies `OffsetsCommitted` that stands at `at`. What was decided before a record that is applied already changes
    /// nothing.
    pub fn committed(&mut self, at: LogOffset, group: &GroupName, version: u64, offsets: &[CommittedOffset]) {
        self.version = self.version.max(version);
        self.group_mut(group.as_str());
        let Offsets { groups, batches, .. } = self;
        let of_group = groups.get_mut(group).expect("made above");
        for entry in offsets {
            if of_group.committed(at, version, entry) {
                batches.forgotten(group.as_str(), (entry.topic, entry.queue), version);
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
        self.batches.topic_deleted(topic);
    }

    /// Applies `GroupDeleted` with its offsets.
    pub fn group_deleted(&mut self, group: &GroupName) {
        self.groups.remove(group);
        self.batches.group_deleted(group);
    }

    /// Records to append again before the log loses everything below `limit`, sorted by group: a decision of now, so it says
    /// what is pending where something is.
    #[must_use]
    pub fn facts_below(&mut self, limit: LogOffset) -> Vec<System> {
        let mut records = Vec::new();
        let version = self.decide();
        for (group, of_group) in &self.groups {
            let now = |queue: &Queue, durable: &Durable| {
                of_group.pending.get(queue).map_or(durable.offset, |pending| pending.offset)
            };
            let old = of_group.durable.iter().filter(|(_, durable)| durable.at < limit);
            let (in_order, plain): (Vec<&_>, Vec<&_>) =
                old.partition(|(queue, _)| self.batches.of(group.as_str(), *queue).is_some());
            for &((topic, queue), _) in in_order {
                let batch = self.batches.of(group.as_str(), (topic, queue)).expect("one of those").clone();
                let group = group.clone();
                records.push(System::OrderedBatch(OrderedBatch { group, version, topic, queue, batch }));
            }
            let offsets: Vec<_> = plain
                .into_iter()
                .map(|(key, durable)| CommittedOffset { topic: key.0, queue: key.1, offset: now(key, durable) })
                .collect();
            for part in offsets.chunks(OFFSETS_PER_RECORD) {
                records.push(System::OffsetsCommitted { group: group.clone(), version, offsets: part.to_vec() });
            }
        }
        sort_by_group(&mut records);
        records
    }

    /// The durable layer as it is now.
    #[must_use]
    pub fn freeze(&self) -> FrozenOffsets {
        let with_offsets = self.groups.iter().filter(|(_, of)| !of.durable.is_empty());
        FrozenOffsets { groups: with_offsets.map(|(name, of)| (name.clone(), of.durable.clone())).collect() }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let group = GroupName::trusted(fields.text()?);
            for _ in 0..fields.u32()? {
                let (topic, queue) = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
                let offset = QueueOffset(fields.u64()?);
                let (at, version) = (LogOffset(fields.u64()?), fields.u64()?);
                self.committed(at, &group, version, &[CommittedOffset { topic, queue, offset }]);
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

/// The durable layer as it was at a moment.
#[derive(Debug)]
pub struct FrozenOffsets {
    groups: Vec<(GroupName, SharedMap<Queue, Durable>)>,
}

impl FrozenOffsets {
    /// What [`Offsets::load`] reads.
    pub fn save(mut self, out: &mut Vec<u8>) {
        self.groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        out.put_u32(u32::try_from(self.groups.len()).expect("groups are bounded far below"));
        for (name, durable) in self.groups {
            out.put_text(name.as_str());
            out.put_u32(u32::try_from(durable.len()).expect("queues are bounded far below"));
            for &((topic, queue), durable) in durable.iter() {
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                out.put_u64(durable.offset.0);
                out.put_u64(durable.at.0);
                out.put_u64(durable.version);
            }
        }
    }
}

/// The table of groups has no order of its own; with one, the same facts make the same log.
fn sort_by_group(records: &mut [System]) {
    let group = |record: &System| match record {
        System::OffsetsCommitted { group, .. } | System::OrderedBatch(OrderedBatch { group, .. }) => {
            Some(group.clone())
        }
        _ => None,
    };
    records.sort_by_cached_key(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: Queue = (TopicId(LogOffset(48)), QueueId(0));

    fn record(group: &str, version: u64, offset: u64) -> System {
        let entry = CommittedOffset { topic: QUEUE.0, queue: QUEUE.1, offset: QueueOffset(offset) };
        System::OffsetsCommitted { group: GroupName::trusted(group), version, offsets: vec![entry] }
    }

    fn apply(offsets: &mut Offsets, at: u64, record: &System) {
        let System::OffsetsCommitted { group, version, offsets: entries } = record else { panic!("not offsets") };
        offsets.committed(LogOffset(at), group, *version, entries);
    }

    #[test]
    fn commits_of_a_second_become_one_record_and_equal_ones_none() {
        let mut offsets = Offsets::default();
        offsets.note("g", QUEUE, QueueOffset(1));
        offsets.note("g", QUEUE, QueueOffset(7));
        assert_eq!(offsets.take_unwritten(), [record("g", 1, 7)]);
        assert_eq!(offsets.take_unwritten(), []);
        apply(&mut offsets, 100, &record("g", 1, 7));
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
        assert_eq!(offsets.take_unwritten(), [record("g", 2, 9)]);
    }

    #[test]
    fn a_failed_append_makes_commits_wait_again() {
        let mut offsets = Offsets::default();
        offsets.note("g", QUEUE, QueueOffset(7));
        let taken = offsets.take_unwritten();
        assert_eq!(taken, [record("g", 1, 7)]);
        offsets.give_back(&taken);
        assert_eq!(offsets.take_unwritten(), [record("g", 2, 7)]);
    }

    /// The job takes a noted commit; before it has appended it, an answered commit is decided and reaches the log first.
    #[test]
    fn an_answered_commit_is_not_moved_back_by_a_record_decided_before_it() {
        let mut offsets = Offsets::default();
        offsets.note("g", QUEUE, QueueOffset(10));
        let noted = offsets.take_unwritten();
        let (answered, _) = offsets.note_staged("g", QUEUE, QueueOffset(12)).expect("something to write");
        apply(&mut offsets, 100, &record("g", answered, 12));
        apply(&mut offsets, 200, &noted[0]);
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(12)));
        let mut saved = Vec::new();
        offsets.freeze().save(&mut saved);
        let mut again = Offsets::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!(again.of("g", QUEUE), Some(QueueOffset(12)), "after a restart, too");
        let (version, _) = again.note_staged("g", QUEUE, QueueOffset(13)).expect("something to write");
        assert!(version > answered, "versions go on");
    }

    /// Found by the simulation: the commit was answered at once, the power was lost before the reset was durable, and the group
    /// had no offset at all.
    #[test]
    fn a_commit_that_a_reset_overrules_is_answered_no_sooner_than_the_reset_is_durable() {
        let mut offsets = Offsets::default();
        let back = CommittedOffset { topic: QUEUE.0, queue: QUEUE.1, offset: QueueOffset(10) };
        assert_eq!(offsets.reset("g", &[back]), 1);
        assert_eq!(offsets.note_staged("g", QUEUE, QueueOffset(51)), Some((2, QueueOffset(10))));
        apply(&mut offsets, 100, &record("g", 1, 10));
        apply(&mut offsets, 200, &record("g", 2, 10));
        assert_eq!(offsets.note_staged("g", QUEUE, QueueOffset(51)), None, "it is durable");
        assert_eq!(offsets.reset_of("g", QUEUE), Some(QueueOffset(10)));
    }

    #[test]
    fn while_a_reset_waits_commits_are_ignored() {
        let mut offsets = Offsets::default();
        apply(&mut offsets, 100, &record("g", 1, 50));
        let back = CommittedOffset { topic: QUEUE.0, queue: QUEUE.1, offset: QueueOffset(10) };
        assert_eq!(offsets.reset("g", &[back]), 2);
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
        apply(&mut offsets, 100, &record("g", 4, 7));
        apply(&mut offsets, 200, &record("h", 5, 8));
        let mut saved = Vec::new();
        offsets.freeze().save(&mut saved);
        let mut again = Offsets::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!((again.of("g", QUEUE), again.of("h", QUEUE)), (Some(QueueOffset(7)), Some(QueueOffset(8))));
        assert_eq!(again.facts_below(LogOffset(150)), [record("g", 6, 7)]);
    }
}
