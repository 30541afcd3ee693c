//! When topics and groups were last used, to the day: what an operator asks before deleting what nobody needs.
//!
//! Fact: `Used`, noted by `jobs/note_use` once a day at most for whatever was in use. Memory: about 60 bytes a topic or group
//! and its name. What happened since the last note is not known here; `ops/unused` adds who is online.

use std::collections::BTreeMap;

use model::record::codec::{Malformed, Put, Reader};
use model::record::system::System;
use model::{GroupName, LogOffset, Timestamp, TopicId};

use crate::broker::put_len;
use crate::state::shared_map::SharedMap;

/// Names in one record, so that a million topics do not make a record of many megabytes.
pub const NAMES_PER_RECORD: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastUse {
    when: Timestamp,
    /// The newest record that says so.
    noted_at: LogOffset,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    topics: SharedMap<TopicId, LastUse>,
    groups: SharedMap<GroupName, LastUse>,
}

impl Usage {
    /// When a topic was last noted as used. `None`: never yet.
    #[must_use]
    pub fn of_topic(&self, id: TopicId) -> Option<Timestamp> {
        self.topics.get(&id).map(|last| last.when)
    }

    /// When a group was last noted as used. `None`: never yet.
    #[must_use]
    pub fn of_group(&self, name: &str) -> Option<Timestamp> {
        self.groups.get(name).map(|last| last.when)
    }

    /// Applies `Used` that stands at `at`.
    pub fn used(&mut self, at: LogOffset, when: Timestamp, topics: &[TopicId], groups: Vec<GroupName>) {
        let last = LastUse { when, noted_at: at };
        topics.iter().for_each(|topic| note(&mut self.topics, *topic, last));
        groups.into_iter().for_each(|group| note(&mut self.groups, group, last));
    }

    /// Applies `TopicDeleted`.
    pub fn topic_deleted(&mut self, id: TopicId) {
        self.topics.remove(&id);
    }

    /// Applies `GroupDeleted`.
    pub fn group_deleted(&mut self, name: &GroupName) {
        self.groups.remove(name);
    }

    /// What must be said again before the log below `limit` goes.
    #[must_use]
    pub fn facts_below(&self, limit: LogOffset) -> Vec<System> {
        let mut by_moment: BTreeMap<Timestamp, (Vec<TopicId>, Vec<GroupName>)> = BTreeMap::new();
        for (topic, last) in self.topics.iter().filter(|(_, last)| last.noted_at < limit) {
            by_moment.entry(last.when).or_default().0.push(*topic);
        }
        for (group, last) in self.groups.iter().filter(|(_, last)| last.noted_at < limit) {
            by_moment.entry(last.when).or_default().1.push(group.clone());
        }
        by_moment.into_iter().flat_map(|(when, (topics, groups))| records(when, topics, groups)).collect()
    }

    /// As it is now: a clone shares what it has.
    #[must_use]
    pub fn freeze(&self) -> Usage {
        self.clone()
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        put_len(out, self.topics.len());
        for (topic, last) in self.topics.iter() {
            out.put_u64(topic.0.0);
            last.save(out);
        }
        put_len(out, self.groups.len());
        for (group, last) in self.groups.iter() {
            out.put_text(group.as_str());
            last.save(out);
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let topic = TopicId(LogOffset(fields.u64()?));
            self.topics.insert(topic, LastUse::load(fields)?);
        }
        for _ in 0..fields.u32()? {
            let group = GroupName::trusted(fields.text()?);
            self.groups.insert(group, LastUse::load(fields)?);
        }
        Ok(())
    }
}

impl LastUse {
    fn save(self, out: &mut Vec<u8>) {
        out.put_i64(self.when.0);
        out.put_u64(self.noted_at.0);
    }

    fn load(fields: &mut Reader<'_>) -> Result<LastUse, Malformed> {
        Ok(LastUse { when: Timestamp(fields.i64()?), noted_at: LogOffset(fields.u64()?) })
    }
}

/// A record said again on behalf of retention is newer than what it says; the later moment stays.
fn note<K: Ord + Clone>(uses: &mut SharedMap<K, LastUse>, key: K, last: LastUse) {
    let when = uses.get(&key).map_or(last.when, |known| known.when.max(last.when));
    uses.insert(key, LastUse { when, noted_at: last.noted_at });
}

/// `Used` records of bounded size.
#[must_use]
pub fn records(when: Timestamp, topics: Vec<TopicId>, groups: Vec<GroupName>) -> Vec<System> {
    let of_topics =
        topics.chunks(NAMES_PER_RECORD).map(|part| System::Used { when, topics: part.to_vec(), groups: Vec::new() });
    let of_groups =
        groups.chunks(NAMES_PER_RECORD).map(|part| System::Used { when, topics: Vec::new(), groups: part.to_vec() });
    of_topics.chain(of_groups).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: TopicId = TopicId(LogOffset(48));
    const BILLS: TopicId = TopicId(LogOffset(96));
    const EARLY: Timestamp = Timestamp(1_000);
    const LATE: Timestamp = Timestamp(9_000);

    fn billing() -> GroupName {
        GroupName::trusted("billing")
    }

    fn used() -> Usage {
        let mut usage = Usage::default();
        usage.used(LogOffset(100), EARLY, &[ORDERS, BILLS], vec![billing()]);
        usage.used(LogOffset(200), LATE, &[BILLS], Vec::new());
        usage
    }

    #[test]
    fn the_latest_use_counts() {
        let mut usage = used();
        assert_eq!((usage.of_topic(ORDERS), usage.of_topic(BILLS)), (Some(EARLY), Some(LATE)));
        assert_eq!(usage.of_group("billing"), Some(EARLY));
        usage.used(LogOffset(300), EARLY, &[BILLS], Vec::new());
        assert_eq!(usage.of_topic(BILLS), Some(LATE), "said again by retention");
    }

    #[test]
    fn what_is_deleted_is_forgotten() {
        let mut usage = used();
        usage.topic_deleted(ORDERS);
        usage.group_deleted(&billing());
        assert_eq!((usage.of_topic(ORDERS), usage.of_group("billing")), (None, None));
    }

    #[test]
    fn facts_below_a_limit_say_the_same_when_they_are_applied_again() {
        let usage = used();
        let facts = usage.facts_below(LogOffset(150));
        assert_eq!(
            facts,
            [
                System::Used { when: EARLY, topics: vec![ORDERS], groups: Vec::new() },
                System::Used { when: EARLY, topics: Vec::new(), groups: vec![billing()] },
            ]
        );
        assert_eq!(usage.facts_below(LogOffset(100)), []);
    }

    #[test]
    fn what_is_saved_loads_to_the_same() {
        let usage = used();
        let mut saved = Vec::new();
        usage.save(&mut saved);
        let mut again = Usage::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!(again, usage);
    }
}
