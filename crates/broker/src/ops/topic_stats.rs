//! What the queues of a topic hold, for tools (codes 202, 321).

use model::{QueueId, QueueOffset, Timestamp};
use store::{Bounds, Read, ReadError, Unit};

use crate::broker::Broker;
use crate::rates::FlowKey;
use crate::state::topics::Topic;

/// One queue of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStats {
    pub queue: QueueId,
    pub bounds: Bounds,
    /// Store time of the last message. `None`: the queue holds none.
    pub last_stored: Option<Timestamp>,
}

/// All queues of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicStats {
    pub queues: Vec<QueueStats>,
    /// Messages stored a second, over the last minute.
    pub put_per_second: f64,
}

/// A look into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUnits {
    pub bounds: Bounds,
    pub units: Vec<Unit>,
}

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("topic[{0}] not exist")]
    TopicNotFound(String),
    #[error("queueId {queue} of topic {topic} is illegal: it has {queues} queues")]
    NoSuchQueue { topic: String, queue: i32, queues: u32 },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Units of a queue shown at once.
const UNITS_MAX: usize = 1_000;

impl Broker {
    /// What the queues of a topic hold.
    pub fn topic_stats(&self, topic: &str, now: Timestamp, mode: Read) -> Result<TopicStats, Error> {
        let Some(topic) = self.machines.topics.get(topic) else { return Err(Error::TopicNotFound(topic.to_owned())) };
        let mut queues = Vec::new();
        for queue in (0..topic.queues()).map(QueueId) {
            let Some(slot) = topic.slot(&self.log, queue) else { continue };
            let bounds = self.log.bounds(slot);
            let last_stored = match bounds.max.0.checked_sub(1) {
                Some(last) if bounds.max > bounds.min => self.store_time(slot, QueueOffset(last), mode)?,
                _ => None,
            };
            queues.push(QueueStats { queue, bounds, last_stored });
        }
        Ok(TopicStats { queues, put_per_second: self.put_per_second(&topic, now) })
    }

    /// Messages stored in a topic a second, over the last minute.
    fn put_per_second(&self, topic: &Topic, now: Timestamp) -> f64 {
        let reading = topic.traffic.put.reading();
        let [messages, _] = self.rates.lock().flow(now, &FlowKey::IntoTopic(topic.id), reading);
        messages.minute.per_second()
    }

    /// At most `count` index units of a queue, from `from` on.
    pub fn queue_units(&self, topic: &str, queue: i32, from: i64, count: i32, mode: Read) -> Result<QueueUnits, Error> {
        let Some(found) = self.machines.topics.get(topic) else { return Err(Error::TopicNotFound(topic.to_owned())) };
        let Some(slot) = self.slot_of(topic, queue) else {
            return Err(Error::NoSuchQueue { topic: topic.to_owned(), queue, queues: found.queues() });
        };
        let bounds = self.log.bounds(slot);
        let from = QueueOffset::from_wire(from).unwrap_or_default().max(bounds.min);
        let count = usize::try_from(count).unwrap_or(1).clamp(1, UNITS_MAX);
        let mut units = Vec::new();
        self.log.units(slot, from, count, mode, &mut units)?;
        Ok(QueueUnits { bounds, units })
    }
}
