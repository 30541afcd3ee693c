//! From when are the messages a group has consumed, and those it has not (code 303).

use model::{Millis, QueueId, QueueOffset, Timestamp};
use store::{QueueSlot, Read};

use crate::broker::Broker;
use crate::ops::topic_stats::Error;

/// Store times of one queue; `None` where there is no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    pub queue: QueueId,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Of the last message consumed; of the first one there is, if the group has consumed none.
    pub consumed: Option<Timestamp>,
    /// How long the next message has waited.
    pub delay: Millis,
}

impl Broker {
    /// The time spans of all queues of a topic.
    pub fn consume_time_spans(
        &self,
        group: &str,
        topic: &str,
        now: Timestamp,
        mode: Read,
    ) -> Result<Vec<TimeSpan>, Error> {
        let Some(topic) = self.machines.topics.get(topic) else { return Err(Error::TopicNotFound(topic.to_owned())) };
        let mut spans = Vec::new();
        for queue in (0..topic.config.write_queues).map(QueueId) {
            let Some(slot) = topic.slot(&self.log, queue) else { continue };
            let committed = self.machines.offsets.lock().of(group, (topic.id, queue)).unwrap_or_default();
            spans.push(self.time_span(queue, slot, committed, now, mode)?);
        }
        Ok(spans)
    }

    fn time_span(
        &self,
        queue: QueueId,
        slot: QueueSlot,
        committed: QueueOffset,
        now: Timestamp,
        mode: Read,
    ) -> Result<TimeSpan, Error> {
        let bounds = self.log.bounds(slot);
        let before = |offset: QueueOffset| offset.0.checked_sub(1).map(QueueOffset);
        let stored = |offset: Option<QueueOffset>| match offset {
            Some(offset) if offset >= bounds.min && offset < bounds.max => self.store_time(slot, offset, mode),
            _ => Ok(None),
        };
        let first = stored(Some(bounds.min))?;
        let consumed = if committed == QueueOffset::ZERO { first } else { stored(before(committed))? };
        let next = stored(Some(committed.max(bounds.min)))?;
        let delay = next.map(|next| now.since(next)).unwrap_or_default();
        Ok(TimeSpan { queue, first, last: stored(before(bounds.max))?, consumed, delay })
    }
}
