//! Where a queue begins and ends, and what offset belongs to a moment (codes 30, 31, 29, 32). An unknown queue is empty.

use model::{QueueId, QueueOffset, Timestamp};
use store::{Boundary, Bounds, QueueSlot, Read, ReadError};

use crate::broker::Broker;

impl Broker {
    /// The visible bounds of a queue.
    #[must_use]
    pub fn queue_bounds(&self, topic: &str, queue: i32) -> Bounds {
        self.slot_of(topic, queue).map(|slot| self.log.bounds(slot)).unwrap_or_default()
    }

    /// The offset of the first message stored at or after `at` ([`Boundary::Lower`]) or of the last one stored at or before
    /// it ([`Boundary::Upper`]).
    pub fn offset_at(
        &self,
        topic: &str,
        queue: i32,
        at: Timestamp,
        boundary: Boundary,
        mode: Read,
    ) -> Result<QueueOffset, ReadError> {
        match self.slot_of(topic, queue) {
            Some(slot) => self.log.search_time(slot, at, boundary, mode),
            None => Ok(QueueOffset::ZERO),
        }
    }

    /// When the oldest kept message of a queue was stored. `None`: it holds none.
    pub fn earliest_store_time(&self, topic: &str, queue: i32, mode: Read) -> Result<Option<Timestamp>, ReadError> {
        let Some(slot) = self.slot_of(topic, queue) else { return Ok(None) };
        self.store_time(slot, self.log.bounds(slot).min, mode)
    }

    /// When the message at `offset` was stored. `None`: it is not there.
    pub fn store_time(&self, slot: QueueSlot, offset: QueueOffset, mode: Read) -> Result<Option<Timestamp>, ReadError> {
        let mut units = Vec::with_capacity(1);
        self.log.units(slot, offset, 1, mode, &mut units)?;
        Ok(units.first().map(|unit| unit.stored))
    }

    /// The place of a queue named on the wire. `None`: no such topic or queue.
    #[must_use]
    pub fn slot_of(&self, topic: &str, queue: i32) -> Option<QueueSlot> {
        let queue = QueueId(u32::try_from(queue).ok()?);
        self.machines.topics.get(topic)?.slot(&self.log, queue)
    }
}
