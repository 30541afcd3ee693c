//! How far groups have come, and who consumes what (codes 208, 317, 300, 343).

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{GroupName, QueueId, QueueOffset, Timestamp, TopicName};
use store::{Read, ReadError};

use crate::broker::Broker;
use crate::rates::FlowKey;
use crate::state::topics::Topic;

/// Which topics of a group are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// All it has offsets in.
    Consumed,
    One(&'a str),
    /// These, also where the group no longer subscribes.
    Listed(&'a [&'a str]),
}

/// How far a group has come in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueProgress {
    pub topic: TopicName,
    pub queue: QueueId,
    /// The visible end.
    pub end: QueueOffset,
    /// The committed offset, 0 if the group has none.
    pub committed: QueueOffset,
    /// The offset after the last message handed out; not below `committed`.
    pub handed_out: QueueOffset,
    /// Store time of the last message consumed.
    pub last_consumed: Option<Timestamp>,
}

impl QueueProgress {
    /// Messages not yet consumed.
    #[must_use]
    pub fn lag(&self) -> i64 {
        self.end.to_wire() - self.committed.to_wire()
    }

    /// Messages handed out and not yet consumed.
    #[must_use]
    pub fn in_flight(&self) -> i64 {
        self.handed_out.to_wire() - self.committed.to_wire()
    }
}

/// How far a group has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub queues: Vec<QueueProgress>,
    /// Messages taken a second, over the last minute.
    pub per_second: f64,
}

impl Broker {
    /// How far `group` has come. An unknown group has come nowhere.
    pub fn consume_stats(
        &self,
        group: &str,
        asked: Asked<'_>,
        now: Timestamp,
        mode: Read,
    ) -> Result<Progress, ReadError> {
        let mut progress = Progress::default();
        let subscriptions = self.clients.online(group).map(|online| online.subscriptions()).unwrap_or_default();
        // A group that has changed its subscription keeps offsets of topics it no longer wants.
        let wanted = |topic: &str| subscriptions.is_empty() || subscriptions.contains_key(topic);
        let names: Vec<String> = match asked {
            Asked::Consumed => self.topics_consumed_by(group).into_iter().map(|topic| topic.to_string()).collect(),
            Asked::One(topic) => vec![topic.to_owned()],
            Asked::Listed(topics) => topics.iter().map(|topic| (*topic).to_owned()).collect(),
        };
        for name in names {
            let Some(topic) = self.machines.topics.get(&name) else { continue };
            if matches!(asked, Asked::Listed(_)) || wanted(&name) {
                let of_topic = self.progress_in(group, &topic, now, mode)?;
                progress.queues.extend(of_topic.queues);
                progress.per_second += of_topic.per_second;
            }
        }
        Ok(progress)
    }

    /// How far each group has come in each topic it has offsets in; only in ordered topics if `ordered`.
    pub fn all_consume_stats(
        &self,
        ordered: bool,
        now: Timestamp,
        mode: Read,
    ) -> Result<Vec<(GroupName, Vec<Progress>)>, ReadError> {
        let mut all = Vec::new();
        for group in self.machines.groups.all() {
            let name = &group.config.name;
            let mut of_group = Vec::new();
            for topic in self.topics_consumed_by(name.as_str()) {
                let Some(topic) = self.machines.topics.get(topic.as_str()) else { continue };
                if topic.config.order || !ordered {
                    of_group.push(self.progress_in(name.as_str(), &topic, now, mode)?);
                }
            }
            all.push((name.clone(), of_group));
        }
        Ok(all)
    }

    /// Store time of the oldest message a group has not consumed, and of the oldest it was not handed. `None`: there is no
    /// such message, or its index lies on disk: this never waits.
    #[must_use]
    pub fn waiting_since(&self, progress: &QueueProgress) -> [Option<Timestamp>; 2] {
        let topic = self.machines.topics.get(progress.topic.as_str());
        let Some(slot) = topic.and_then(|topic| topic.slot(&self.log, progress.queue)) else { return [None; 2] };
        let oldest = self.log.bounds(slot).min;
        [progress.committed, progress.handed_out].map(|offset| {
            let offset = offset.max(oldest);
            (offset < progress.end).then(|| self.store_time(slot, offset, Read::Nowait).ok().flatten()).flatten()
        })
    }

    fn progress_in(&self, group: &str, topic: &Arc<Topic>, now: Timestamp, mode: Read) -> Result<Progress, ReadError> {
        let read_queues = topic.config.read_queues;
        let taken = topic.traffic.taken_by(group, read_queues);
        let mut progress = Progress::default();
        for queue in (0..read_queues).map(QueueId) {
            let Some(slot) = topic.slot(&self.log, queue) else { continue };
            let committed = self.machines.offsets.lock().of(group, (topic.id, queue)).unwrap_or_default();
            let handed_out = taken.as_ref().map(|taken| taken.handed_out(queue)).unwrap_or_default();
            let last_consumed = match committed.0.checked_sub(1) {
                Some(last) => self.store_time(slot, QueueOffset(last), mode)?,
                None => None,
            };
            progress.queues.push(QueueProgress {
                topic: topic.config.name.clone(),
                queue,
                end: self.log.bounds(slot).max,
                committed,
                handed_out: handed_out.max(committed),
                last_consumed,
            });
        }
        if let Some(taken) = taken {
            let key = FlowKey::ToGroup(topic.id, GroupName::trusted(group));
            let [messages, _] = self.rates.lock().flow(now, &key, taken.flow.reading());
            progress.per_second = messages.minute.per_second();
        }
        Ok(progress)
    }

    /// The topics a group has offsets in, sorted. Offset 0 of an empty queue is none: a consumer of a new group is told it and
    /// commits it, for its retry topic above all, and tools would list what nobody has ever used.
    #[must_use]
    pub fn topics_consumed_by(&self, group: &str) -> Vec<TopicName> {
        let offsets = self.machines.offsets.lock().of_group(group);
        let mut names = BTreeSet::new();
        for ((topic, queue), offset) in offsets {
            let Some(name) = self.machines.topics.name_of(topic) else { continue };
            if names.contains(&name) {
                continue;
            }
            let slot = self.machines.topics.get(name.as_str()).and_then(|topic| topic.slot(&self.log, queue));
            if offset > QueueOffset::ZERO || slot.is_some_and(|slot| self.has_beyond(slot, QueueOffset::ZERO)) {
                names.insert(name);
            }
        }
        names.into_iter().collect()
    }

    /// The groups that subscribe to a topic or have offsets in it, sorted.
    #[must_use]
    pub fn consumers_of(&self, topic: &str) -> Vec<GroupName> {
        let mut groups: BTreeSet<_> = self.clients.subscribers_of(topic).into_iter().collect();
        if let Some(id) = self.machines.topics.id_of(topic) {
            groups.extend(self.machines.offsets.lock().groups_on(id));
        }
        groups.into_iter().collect()
    }
}
