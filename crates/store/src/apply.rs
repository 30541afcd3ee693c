//! From written batches to visible facts: the index and the observer learn of a record here, in log order.
//!
//! A record of the group rule is applied when a sync covers it, an async one when it is written, unless a record before it
//! in its queue still waits for the sync. The index decides by the queue offset: it takes a unit that is its queue's next
//! and no other, so that offering a unit twice, or too early, does nothing.

use std::collections::VecDeque;

use model::{LogOffset, QueueOffset, Timestamp};

use crate::api::{Fact, QueueSlot, SyncRule};
use crate::catalog::Moment;
use crate::core::Core;
use crate::index::BatchSpan;
use crate::layout::segment_of;
use crate::writer::{Group, SystemAt};

/// Cleared groups kept for their vectors.
const SPARE_GROUPS_MAX: usize = 4;

/// What is written and not yet wholly applied.
#[derive(Default)]
pub struct Apply {
    waiting: VecDeque<Group>,
    /// Everything below is applied.
    pub applied: LogOffset,
    /// The last batch whose segment the catalog has begun.
    entered: LogOffset,
    /// Which units of the group at hand were taken by the index.
    taken: Vec<bool>,
    /// Bytes of the system records at hand.
    records: Vec<u8>,
}

impl Apply {
    #[must_use]
    pub fn new(applied: LogOffset) -> Apply {
        Apply { applied, entered: applied, ..Apply::default() }
    }
}

/// A message on its way into the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewUnit {
    pub at: LogOffset,
    pub queue_offset: QueueOffset,
    pub stored: Timestamp,
    pub slot: QueueSlot,
    pub len: u32,
    pub tag_hash: i32,
    /// How many key hashes belong to it.
    pub keys: u16,
    /// Visible when a sync covers it; else when it is written.
    pub durable: bool,
}

impl NewUnit {
    #[must_use]
    pub fn fact<'a>(&self) -> Fact<'a> {
        let NewUnit { at, queue_offset, stored, slot, len, tag_hash, .. } = *self;
        Fact::Message { at, slot, queue_offset, len, tag_hash, stored }
    }
}

/// One is kept for each message that waits for a sync: 64 MiB of 200 B records are 335,000.
const _: () = assert!(size_of::<NewUnit>() == 40);

impl Core {
    /// Applies what is visible when written, and keeps the group until a sync covers it. The caller holds the turn.
    pub fn apply_written(&self, group: Group) {
        let mut apply = self.apply.lock();
        let last = group.batches.last().map_or(apply.entered, |batch| batch.first);
        if segment_of(last, self.options.segment_bytes) != segment_of(apply.entered, self.options.segment_bytes) {
            self.catalog.enter(group.batches.iter().map(|batch| batch.first));
        }
        apply.entered = last;
        if group.has_async {
            let system = self.options.sync == SyncRule::Async;
            self.apply_group(&mut apply, &group, Moment::Written, system);
        }
        apply.waiting.push_back(group);
    }

    /// Applies all that ends at or below `durable`.
    pub fn apply_committed(&self, durable: LogOffset) {
        let mut apply = self.apply.lock();
        while let Some(end) = apply.waiting.front().and_then(Group::end).filter(|end| *end <= durable) {
            let mut group = apply.waiting.pop_front().expect("looked at above");
            self.catalog.batches(group.batches.iter().map(|batch| BatchSpan { at: batch.first, len: batch.len }));
            if segment_of(end, self.options.segment_bytes) != segment_of(apply.applied, self.options.segment_bytes) {
                self.errands.call();
            }
            let system = self.options.sync == SyncRule::Group;
            self.apply_group(&mut apply, &group, Moment::Committed, system);
            apply.applied = end;
            group.clear();
            let mut spares = self.spare_groups.lock();
            if spares.len() < SPARE_GROUPS_MAX {
                spares.push(group);
            }
        }
    }

    /// The batch of an async message at `at` that is visible and not yet covered by a sync. A durable record in such a batch
    /// is not for anybody's eyes.
    pub fn waiting_batch(&self, at: LogOffset) -> Option<BatchSpan> {
        let apply = self.apply.lock();
        let group = apply.waiting.iter().find(|group| group.end().is_some_and(|end| at < end))?;
        let unit = &group.units[group.units.binary_search_by_key(&at, |unit| unit.at).ok()?];
        if unit.durable || self.catalog.queues.bounds(unit.slot).max <= unit.queue_offset {
            return None;
        }
        let batch = group.batches.iter().find(|batch| batch.first <= at && at < batch.end())?;
        Some(BatchSpan { at: batch.first, len: batch.len })
    }

    fn apply_group(&self, apply: &mut Apply, group: &Group, moment: Moment, with_systems: bool) {
        let Apply { taken, records, .. } = apply;
        self.catalog.apply(&group.units, &group.keys, moment, taken);
        let systems: &[SystemAt] = if with_systems { &group.systems } else { &[] };
        records.clear();
        for system in systems {
            // SAFETY: Written already, or the caller holds the turn and so is the one who writes here.
            let there = unsafe { self.tail.read(system.at, system.len as usize, records) };
            assert!(there, "bytes that are not applied stay in memory");
        }

        // Two lists in log order become one.
        let mut facts = Vec::with_capacity(group.units.len() + systems.len());
        let mut rest = &records[..];
        let mut units = group.units.iter().zip(&*taken).filter(|(_, taken)| **taken).map(|(unit, _)| unit).peekable();
        for system in systems {
            while let Some(unit) = units.next_if(|unit| unit.at < system.at) {
                facts.push(unit.fact());
            }
            let (record, after) = rest.split_at(system.len as usize);
            facts.push(Fact::System { at: system.at, record });
            rest = after;
        }
        facts.extend(units.map(|unit| unit.fact()));
        if !facts.is_empty() {
            self.observer.applied(&facts);
        }
    }
}
