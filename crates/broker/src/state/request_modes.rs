//! How a group asks for the messages of a topic, by command (codes 400 to 402): by pulling, as it is by default, or by
//! popping. Facts: `RequestModeChanged`.

use std::collections::BTreeMap;

use model::record::codec::{Malformed, Put, Reader};
use model::record::system::System;
use model::{GroupName, LogOffset, TopicName};

use crate::broker::put_len;

/// What was commanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestMode {
    pub pop: bool,
    /// How many other members' queues a popping member reads besides its own; 0 and less: all queues.
    pub share: i32,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mode: RequestMode,
    at: LogOffset,
}

/// topic -> group -> mode.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestModes {
    topics: BTreeMap<TopicName, BTreeMap<GroupName, Entry>>,
}

impl RequestModes {
    /// `None`: nothing was commanded, so the group pulls.
    #[must_use]
    pub fn of(&self, topic: &str, group: &str) -> Option<RequestMode> {
        Some(self.topics.get(topic)?.get(group)?.mode)
    }

    /// All, by topic, then by group.
    pub fn all(&self) -> impl Iterator<Item = (&TopicName, &GroupName, RequestMode)> {
        self.topics
            .iter()
            .flat_map(|(topic, groups)| groups.iter().map(move |(group, entry)| (topic, group, entry.mode)))
    }

    /// Applies `RequestModeChanged` that stands at `at`.
    pub fn changed(&mut self, at: LogOffset, topic: TopicName, group: GroupName, mode: RequestMode) {
        self.topics.entry(topic).or_default().insert(group, Entry { mode, at });
    }

    /// Applies `TopicDeleted`.
    pub fn topic_deleted(&mut self, topic: &TopicName) {
        self.topics.remove(topic);
    }

    /// Applies `GroupDeleted`.
    pub fn group_deleted(&mut self, group: &GroupName) {
        self.topics.retain(|_, groups| {
            groups.remove(group);
            !groups.is_empty()
        });
    }

    /// Records to append again before the log loses everything below `limit`.
    #[must_use]
    pub fn facts_below(&self, limit: LogOffset) -> Vec<System> {
        let entries = self.topics.iter().flat_map(|(topic, groups)| groups.iter().map(move |entry| (topic, entry)));
        entries
            .filter(|(_, (_, entry))| entry.at < limit)
            .map(|(topic, (group, Entry { mode, .. }))| System::RequestModeChanged {
                topic: topic.clone(),
                group: group.clone(),
                pop: mode.pop,
                share: mode.share,
            })
            .collect()
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        put_len(out, self.topics.values().map(BTreeMap::len).sum());
        for (topic, groups) in &self.topics {
            for (group, Entry { mode, at }) in groups {
                out.put_text(topic.as_str());
                out.put_text(group.as_str());
                out.put_bool(mode.pop);
                out.put_i32(mode.share);
                out.put_u64(at.0);
            }
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let (topic, group) = (TopicName::trusted(fields.text()?), GroupName::trusted(fields.text()?));
            let mode = RequestMode { pop: fields.bool()?, share: fields.i32()? };
            self.changed(LogOffset(fields.u64()?), topic, group, mode);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_loads_to_the_same_modes_and_deletion_forgets() {
        let (topic, group) = (TopicName::trusted("t"), GroupName::trusted("g"));
        let mode = RequestMode { pop: true, share: 8 };
        let mut modes = RequestModes::default();
        modes.changed(LogOffset(100), topic.clone(), group.clone(), mode);
        modes.changed(LogOffset(200), topic.clone(), GroupName::trusted("h"), RequestMode { pop: false, share: 0 });
        let mut saved = Vec::new();
        modes.save(&mut saved);
        let mut again = RequestModes::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!(again, modes);
        assert_eq!(again.of("t", "g"), Some(mode));
        let fact = System::RequestModeChanged { topic: topic.clone(), group: group.clone(), pop: true, share: 8 };
        assert_eq!(again.facts_below(LogOffset(150)), [fact]);
        again.group_deleted(&group);
        assert_eq!(again.of("t", "g"), None);
        again.topic_deleted(&topic);
        assert_eq!(again, RequestModes::default());
    }
}
