//! What an administrator changes by hand. Lost when the broker registers a changed data version: the broker
//! is the truth about its topics.

use model::config::perm;

use super::register::TopicEntry;
use super::{QueueData, RegisterError, Routes};

impl Routes {
    /// Takes the write permission from all topics of a broker, so that producers leave it; how many.
    pub fn wipe_write_perm(&mut self, broker: &str) -> usize {
        self.for_each_of(broker, |data| data.perm &= !perm::WRITE)
    }

    /// Makes all topics of a broker readable and writable; how many.
    pub fn add_write_perm(&mut self, broker: &str) -> usize {
        self.for_each_of(broker, |data| data.perm = perm::READ | perm::WRITE)
    }

    /// Forgets a topic, on the brokers of a cluster or on all.
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let goes: Vec<bool> = match self.topics.get(topic) {
            Some(row) => row.iter().map(|data| cluster.is_none_or(|cluster| self.is_in(data, cluster))).collect(),
            None => return,
        };
        let mut goes = goes.into_iter();
        self.retain_row(topic, |_| !goes.next().unwrap_or(false));
    }

    /// Forgets a topic that a broker has deleted.
    pub fn delete_topic_of(&mut self, broker: &str, topic: &str) {
        self.retain_row(topic, |data| data.broker.as_str() != broker);
    }

    /// Adds a topic by hand: one entry per broker name. Brokers that are not in the table are skipped, and
    /// entries before a refused one stay.
    pub fn add_topic<'a>(
        &mut self,
        topic: &str,
        queues: impl IntoIterator<Item = (&'a str, TopicEntry<'a>)>,
    ) -> Result<(), RegisterError> {
        if !self.topics.contains_key(topic) && self.topics.len() >= self.config.topics_max {
            return Err(RegisterError::Full { what: "topics", max: self.config.topics_max as u64 });
        }
        for (broker, entry) in queues {
            self.check_topic(&TopicEntry { name: topic, ..entry })?;
            let queues = entry.read_queues.max(entry.write_queues);
            if self.queues + u64::from(queues) > self.config.queues_max {
                return Err(RegisterError::Full { what: "queues", max: self.config.queues_max });
            }
            let Some((name, _)) = self.brokers.get_key_value(broker) else { continue };
            let data = QueueData {
                broker: name.clone(),
                read_queues: entry.read_queues,
                write_queues: entry.write_queues,
                perm: entry.perm,
                sys_flag: entry.sys_flag,
            };
            self.put_queues(topic, data);
        }
        Ok(())
    }

    fn retain_row(&mut self, topic: &str, mut stays: impl FnMut(&QueueData) -> bool) {
        let Some(row) = self.topics.get_mut(topic) else { return };
        let queues = &mut self.queues;
        row.retain(|data| {
            let stays = stays(data);
            if !stays {
                *queues -= data.queues();
            }
            stays
        });
        if row.is_empty() {
            self.topics.remove(topic);
        }
    }
}
