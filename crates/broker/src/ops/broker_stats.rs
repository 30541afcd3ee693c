//! Counters by their names in tools (code 315; semantics.md section 23).
//!
//! Counted are messages and bytes into topics and from topics to groups, and messages of the whole broker. Latencies,
//! queues, acknowledgements and what is billed are not: asked for them we say that they do not exist.

use model::{GroupName, Timestamp};

use crate::broker::Broker;
use crate::rates::{FlowKey, Windows};

/// Index of messages and of bytes in a flow's reading.
const MESSAGES: usize = 0;
const BYTES: usize = 1;

impl Broker {
    /// The counter `key` of the kind `name`. `None`: it does not exist, or nothing was counted under it.
    #[must_use]
    pub fn broker_stats(&self, name: &str, key: &str, now: Timestamp) -> Option<Windows> {
        match name {
            "TOPIC_PUT_NUMS" => self.put_stats(key, MESSAGES, now),
            "TOPIC_PUT_SIZE" => self.put_stats(key, BYTES, now),
            "GROUP_GET_NUMS" => self.taken_stats(key, MESSAGES, now),
            "GROUP_GET_SIZE" => self.taken_stats(key, BYTES, now),
            "BROKER_PUT_NUMS" if key == self.settings.cluster => {
                let reading = [self.counters.messages_in.get(), self.counters.bytes_in.get()];
                self.flow_stats(FlowKey::IntoBroker, reading, MESSAGES, now)
            }
            "BROKER_GET_NUMS" if key == self.settings.cluster => {
                let reading = [self.counters.messages_out.get(), self.counters.bytes_out.get()];
                self.flow_stats(FlowKey::OutOfBroker, reading, MESSAGES, now)
            }
            _ => None,
        }
    }

    fn put_stats(&self, topic: &str, which: usize, now: Timestamp) -> Option<Windows> {
        let topic = self.machines.topics.get(topic)?;
        let reading = topic.traffic.put.reading();
        self.flow_stats(FlowKey::IntoTopic(topic.id), reading, which, now)
    }

    fn taken_stats(&self, topic_and_group: &str, which: usize, now: Timestamp) -> Option<Windows> {
        let (topic, group) = topic_and_group.split_once('@')?;
        let topic = self.machines.topics.get(topic)?;
        let taken = topic.traffic.taken_by(group, topic.config.read_queues)?;
        let key = FlowKey::ToGroup(topic.id, GroupName::trusted(group));
        self.flow_stats(key, taken.flow.reading(), which, now)
    }

    fn flow_stats(&self, key: FlowKey, reading: [u64; 2], which: usize, now: Timestamp) -> Option<Windows> {
        (reading[MESSAGES] > 0).then(|| self.rates.lock().flow(now, &key, reading)[which])
    }
}
