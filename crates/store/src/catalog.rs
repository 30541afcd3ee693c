//! What is known of the log in memory: the queues, and where their messages lie.

use std::collections::HashMap;

use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};
use parking_lot::RwLock;

use crate::api::{Boundary, Bounds, QueueSlot, ReadError, Unit};
use crate::apply::NewUnit;

/// Queues and their units.
#[derive(Default)]
pub struct Catalog {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    slots: HashMap<(TopicId, QueueId), QueueSlot>,
    queues: Vec<Queue>,
    /// First offset and length of every batch.
    batches: Vec<(LogOffset, u32)>,
    keys: Vec<(u64, LogOffset, u32, Timestamp)>,
    segment: LogOffset,
}

#[derive(Default)]
struct Queue {
    forgotten: bool,
    units: Vec<Unit>,
}

impl Catalog {
    /// Finds or creates a queue's slot.
    pub fn slot(&self, topic: TopicId, queue: QueueId) -> QueueSlot {
        if let Some(slot) = self.tables.read().slots.get(&(topic, queue)) {
            return *slot;
        }
        let mut tables = self.tables.write();
        let next = QueueSlot(u32::try_from(tables.queues.len()).expect("fewer than 4 Gi queues"));
        let slot = *tables.slots.entry((topic, queue)).or_insert(next);
        if slot == next {
            tables.queues.push(Queue::default());
        }
        slot
    }

    pub fn forget(&self, topic: TopicId) {
        let mut tables = self.tables.write();
        let Tables { slots, queues, .. } = &mut *tables;
        slots.retain(|(of, _), slot| {
            queues[slot.0 as usize].forgotten |= *of == topic;
            *of != topic
        });
    }

    /// Begins the segment at `base`, unless it is the current one. True: another segment has become complete.
    pub fn enter(&self, base: LogOffset) -> bool {
        let mut tables = self.tables.write();
        std::mem::replace(&mut tables.segment, base) != base
    }

    pub fn batch(&self, first: LogOffset, len: u32) {
        self.tables.write().batches.push((first, len));
    }

    /// Takes the units that are their queue's next; says in `taken` which.
    pub fn apply(&self, units: &[NewUnit], keys: &[u64], only_async: bool, taken: &mut Vec<bool>) {
        taken.clear();
        let mut tables = self.tables.write();
        let mut keys = keys;
        for unit in units {
            let (own, rest) = keys.split_at(usize::from(unit.keys));
            keys = rest;
            let queue = &mut tables.queues[unit.slot.0 as usize];
            let next = QueueOffset(queue.units.len() as u64);
            let take = !(only_async && unit.durable) && !queue.forgotten && unit.queue_offset == next;
            taken.push(take);
            if take {
                let NewUnit { at, len, tag_hash, stored, .. } = *unit;
                queue.units.push(Unit { at, len, tag_hash, stored });
                tables.keys.extend(own.iter().map(|key| (*key, at, len, stored)));
            }
        }
    }

    pub fn bounds(&self, slot: QueueSlot) -> Bounds {
        let tables = self.tables.read();
        let max = tables.queues[slot.0 as usize].units.len() as u64;
        Bounds { min: QueueOffset::ZERO, max: QueueOffset(max) }
    }

    pub fn units(&self, slot: QueueSlot, from: QueueOffset, max: usize, out: &mut Vec<Unit>) -> Result<(), ReadError> {
        let tables = self.tables.read();
        let units = &tables.queues[slot.0 as usize].units;
        let from = usize::try_from(from.0).unwrap_or(usize::MAX).min(units.len());
        out.extend(units[from..].iter().take(max));
        Ok(())
    }

    /// The next queue offsets, by slot.
    pub fn next(&self) -> Vec<QueueOffset> {
        self.tables.read().queues.iter().map(|queue| QueueOffset(queue.units.len() as u64)).collect()
    }

    /// The batch that holds `at`.
    pub fn batch_of(&self, at: LogOffset) -> Option<(LogOffset, u32)> {
        let tables = self.tables.read();
        let after = tables.batches.partition_point(|(first, _)| *first <= at);
        let (first, len) = tables.batches[after.checked_sub(1)?];
        (at < first.plus(u64::from(len))).then_some((first, len))
    }

    pub fn search_time(
        &self,
        slot: QueueSlot,
        moment: Timestamp,
        boundary: Boundary,
    ) -> Result<QueueOffset, ReadError> {
        let tables = self.tables.read();
        let units = &tables.queues[slot.0 as usize].units;
        let found = match boundary {
            Boundary::Lower => units.partition_point(|unit| unit.stored < moment),
            Boundary::Upper => units.partition_point(|unit| unit.stored <= moment).saturating_sub(1),
        };
        Ok(QueueOffset(found as u64))
    }

    pub fn find_keys(
        &self,
        key: u64,
        from: Timestamp,
        to: Timestamp,
        max: usize,
    ) -> Result<Vec<(LogOffset, u32)>, ReadError> {
        let tables = self.tables.read();
        Ok(tables
            .keys
            .iter()
            .rev()
            .filter(|hit| hit.0 == key && (from..=to).contains(&hit.3))
            .take(max)
            .map(|hit| (hit.1, hit.2))
            .collect())
    }
}
