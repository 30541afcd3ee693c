//! Once an hour: topics and groups that were used are noted in the log, each once a day at most.
//!
//! A topic is used when messages went in or out, or somebody online subscribes to it; a group when it is online or took
//! messages. Nothing is added to the path of a message for this: the counters that exist are looked at.

use model::{Millis, Timestamp};
use store::{AppendError, Staged};

use crate::broker::Broker;
use crate::state::traffic::Flow;
use crate::state::usage;

/// How exact the last use is kept.
const NOTED_EVERY: Millis = Millis(24 * 3_600_000);

impl Broker {
    /// One round. What was never noted counts as used now: it has just been created, or this is the first look at it.
    pub fn note_use(&self, now: Timestamp, staged: &mut Staged) -> Result<(), AppendError> {
        let in_use = self.in_use(Flow::look);
        let (mut topics, mut groups) = (Vec::new(), Vec::new());
        {
            let usage = self.machines.usage.lock();
            let due = |last: Option<Timestamp>, in_use: bool| {
                last.is_none_or(|last| in_use && now.since(last) >= NOTED_EVERY)
            };
            self.machines.topics.for_each(|topic| {
                if due(usage.of_topic(topic.id), in_use.topics.contains(&topic.id)) {
                    topics.push(topic.id);
                }
            });
            for group in self.machines.groups.all() {
                let name = &group.config.name;
                if due(usage.of_group(name.as_str()), in_use.groups.contains(name)) {
                    groups.push(name.clone());
                }
            }
        }
        topics.sort_unstable();
        for record in usage::records(now, topics, groups) {
            staged.clear();
            staged.system(&record);
            self.log.append(staged)?;
        }
        Ok(())
    }
}
