//! Which topics and groups nobody has used for long: what may be deleted.
//!
//! System topics and groups never are among them, nor are retry and dead-letter topics: they belong to their group.

use std::collections::HashSet;

use model::{GroupName, Millis, Timestamp, TopicId, TopicName};

use crate::broker::Broker;
use crate::state::traffic::Flow;
use crate::state::{groups, topics};

/// Names with the moment of their last use, to the day; sorted by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unused {
    pub topics: Vec<(TopicName, Timestamp)>,
    pub groups: Vec<(GroupName, Timestamp)>,
}

/// What is in use now.
pub(crate) struct InUse {
    pub topics: HashSet<TopicId>,
    pub groups: HashSet<GroupName>,
}

impl Broker {
    /// What was last used at least `span` ago. Looks at every topic and group: for threads that may take their time.
    #[must_use]
    pub fn unused(&self, span: Millis, now: Timestamp) -> Unused {
        let in_use = self.in_use(Flow::moved);
        let usage = self.machines.usage.lock();
        let long_ago = |last: Option<Timestamp>| last.filter(|last| now.since(*last) >= span);
        let mut unused = Unused::default();
        for topic in self.machines.topics.all() {
            let name = &topic.config.name;
            let kept = topics::is_system(name.as_str(), &self.settings) || topics::belongs_to_group(name.as_str());
            if !kept
                && !in_use.topics.contains(&topic.id)
                && let Some(last) = long_ago(usage.of_topic(topic.id))
            {
                unused.topics.push((name.clone(), last));
            }
        }
        for group in self.machines.groups.all() {
            let name = &group.config.name;
            if !groups::is_system(name.as_str())
                && !in_use.groups.contains(name)
                && let Some(last) = long_ago(usage.of_group(name.as_str()))
            {
                unused.groups.push((name.clone(), last));
            }
        }
        unused
    }

    /// What is in use: subscribed to by somebody online, or `moving` since the job looked last.
    pub(crate) fn in_use(&self, moving: fn(&Flow) -> bool) -> InUse {
        let subscribed = self.clients.subscribed_topics();
        let online = self.clients.consumer_groups().into_iter().map(|(group, _)| group);
        let mut in_use = InUse { topics: HashSet::new(), groups: online.collect() };
        self.machines.topics.for_each(|topic| {
            let mut used = moving(&topic.traffic.put) || subscribed.contains(topic.config.name.as_str());
            topic.traffic.for_each_taken(|group, taken| {
                if moving(&taken.flow) {
                    used = true;
                    in_use.groups.insert(group.clone());
                }
            });
            if used {
                in_use.topics.insert(topic.id);
            }
        });
        in_use
    }
}
