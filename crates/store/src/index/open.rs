//! The index of the segment that is being written, in memory.
//!
//! A queue's units are pushed as its messages are applied, in order; the holder's lock is taken once an applied batch. When the
//! segment is full the index is frozen, written as an `.idx` file ([`super::seal`]) and dropped.
//!
//! Cost (measured by `examples/index_cost.rs`): 44 bytes for a queue with one message, 16.4 a message in a queue with many,
//! 8 a batch, 24 a key. A push copies at most 2 KiB, whatever the queue's length.

mod keys;
mod save;
mod units;

use model::{LogOffset, QueueOffset, Timestamp};

pub(super) use self::keys::Key;
use self::keys::Keys;
pub use self::save::LoadUnitsError;
use self::units::Units;
use super::blocks::Blocks;
use super::{BatchSpan, KeyHit, Origin, Packed, Span};
use crate::{QueueSlot, Unit};

/// A message whose predecessor is not in the index: numbering and log do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {found} of a queue at log offset {at}, expected {expected}")]
pub struct Gap {
    pub at: LogOffset,
    pub expected: QueueOffset,
    pub found: QueueOffset,
}

/// The index of one segment, growing.
pub struct OpenIndex {
    origin: Origin,
    /// False until a base time is known; then there is no message yet.
    has_base: bool,
    newest: Timestamp,
    messages: u64,
    places: Places,
    runs: Blocks<Run, 1_024>,
    batches: Blocks<Batch, 4_096>,
    keys: Keys,
}

/// The units of one queue.
struct Run {
    base: QueueOffset,
    slot: QueueSlot,
    units: Units,
}

#[derive(Clone, Copy)]
struct Batch {
    position: u32,
    len: u32,
}

impl OpenIndex {
    /// An empty index of the segment at `start`. `base` is not after the store time of any message to come; `None`: the first
    /// one pushed is the oldest (records are read back in log order).
    #[must_use]
    pub fn new(start: LogOffset, base: Option<Timestamp>) -> OpenIndex {
        let time = base.unwrap_or_default();
        OpenIndex {
            origin: Origin { start, time },
            has_base: base.is_some(),
            newest: time,
            messages: 0,
            places: Places::default(),
            runs: Blocks::default(),
            batches: Blocks::default(),
            keys: Keys::default(),
        }
    }

    /// The segment's first log offset.
    #[must_use]
    pub fn start(&self) -> LogOffset {
        self.origin.start
    }

    /// No message was stored before.
    #[must_use]
    pub fn base_time(&self) -> Timestamp {
        self.origin.time
    }

    /// No message was stored after. Means nothing without messages.
    #[must_use]
    pub fn newest_time(&self) -> Timestamp {
        self.newest
    }

    /// No message up to here was stored after; `None` if none is known.
    pub(super) fn known_newest_time(&self) -> Option<Timestamp> {
        self.has_base.then_some(self.newest)
    }

    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Notes a batch. Batches come in log order; one that was noted already is ignored.
    pub fn push_batch(&mut self, batch: BatchSpan) {
        let position = self.origin.position(batch.at);
        if self.batches.last().is_none_or(|last| last.position < position) {
            self.batches.push(Batch { position, len: batch.len });
        }
    }

    /// Adds a message. False if it was there already: then its keys are, too.
    pub fn push(&mut self, slot: QueueSlot, offset: QueueOffset, unit: &Unit) -> Result<bool, Gap> {
        if !self.has_base {
            self.has_base = true;
            self.origin.time = unit.stored;
            self.newest = unit.stored;
        }
        let packed = Packed {
            position: self.origin.position(unit.at),
            len: unit.len,
            tag_hash: unit.tag_hash,
            stored: self.origin.millis(unit.stored),
        };
        self.newest = self.newest.max(unit.stored);
        match self.places.get(slot) {
            None => {
                let place = u32::try_from(self.runs.len()).expect("there are fewer runs than slots");
                self.places.set(slot, place);
                self.runs.push(Run { base: offset, slot, units: Units::One(packed) });
            }
            Some(place) => {
                let run = self.runs.at_mut(place as usize);
                let expected = run.span().end();
                if offset < expected {
                    return Ok(false);
                }
                if offset > expected {
                    return Err(Gap { at: unit.at, expected, found: offset });
                }
                run.units.push(packed);
            }
        }
        self.messages += 1;
        Ok(true)
    }

    /// Notes that the message of `hit`, which was pushed, has the key that hashes to `hash`.
    pub fn push_key(&mut self, hash: u64, hit: KeyHit) {
        let (position, stored) = (self.origin.position(hit.at), self.origin.millis(hit.stored));
        self.keys.push(hash, position, hit.len, stored);
    }

    /// The messages of a queue, if it has any here.
    #[must_use]
    pub fn span(&self, slot: QueueSlot) -> Option<Span> {
        Some(self.run(slot)?.span())
    }

    /// Appends up to `max` units of a queue from offset `from` on to `out`: none if `from` is not in its [`Span`].
    pub fn units(&self, slot: QueueSlot, from: QueueOffset, max: usize, out: &mut Vec<Unit>) {
        let Some(run) = self.run(slot) else { return };
        let span = run.span();
        if from < span.base || from >= span.end() {
            return;
        }
        let first = run.index_of(from);
        let last = run.units.len().min(first.saturating_add(max));
        out.extend((first..last).map(|index| self.origin.unit(run.units.at(index))));
    }

    /// The first message of the queue stored at or after `moment`.
    #[must_use]
    pub fn first_at_or_after(&self, slot: QueueSlot, moment: Timestamp) -> Option<QueueOffset> {
        let run = self.run(slot)?;
        let index = run.units.partition_point(|unit| self.origin.stored(unit.stored) < moment);
        (index < run.units.len()).then(|| run.base.plus(index as u64))
    }

    /// The last message of the queue stored at or before `moment`.
    #[must_use]
    pub fn last_at_or_before(&self, slot: QueueSlot, moment: Timestamp) -> Option<QueueOffset> {
        let run = self.run(slot)?;
        let index = run.units.partition_point(|unit| self.origin.stored(unit.stored) <= moment);
        (index > 0).then(|| run.base.plus(index as u64 - 1))
    }

    /// The batch that holds log offset `at`.
    #[must_use]
    pub fn batch_of(&self, at: LogOffset) -> Option<BatchSpan> {
        let position = u32::try_from(at.0.checked_sub(self.origin.start.0)?).ok()?;
        let index = self.batches.partition_point(|batch| batch.position <= position).checked_sub(1)?;
        let batch = self.batches.at(index);
        let span = BatchSpan { at: self.origin.at(batch.position), len: batch.len };
        (position - batch.position < batch.len).then_some(span)
    }

    /// Messages with the key that hashes to `hash`, newest first, as long as `take` says true.
    pub fn keys(&self, hash: u64, mut take: impl FnMut(KeyHit) -> bool) {
        for key in self.keys.of(hash) {
            let (at, stored) = (self.origin.at(key.position), self.origin.stored(key.stored));
            if !take(KeyHit { at, len: key.len, stored }) {
                return;
            }
        }
    }

    pub(super) fn batch_count(&self) -> usize {
        self.batches.len()
    }

    /// Position and length of every batch.
    pub(super) fn batch_entries(&self) -> impl Iterator<Item = (u32, u32)> {
        self.batches.iter().map(|batch| (batch.position, batch.len))
    }

    pub(super) fn key_entries(&self) -> impl Iterator<Item = (u64, Key)> {
        self.keys.iter()
    }

    /// The slot of every run; the number of a run is its place.
    pub(super) fn run_slots(&self) -> impl Iterator<Item = QueueSlot> {
        self.runs.iter().map(|run| run.slot)
    }

    pub(super) fn run_span(&self, place: u32) -> Span {
        self.runs.at(place as usize).span()
    }

    pub(super) fn run_units(&self, place: u32) -> impl Iterator<Item = Packed> {
        let units = &self.runs.at(place as usize).units;
        (0..units.len()).map(|index| units.at(index))
    }

    fn run(&self, slot: QueueSlot) -> Option<&Run> {
        Some(self.runs.at(self.places.get(slot)? as usize))
    }
}

impl Run {
    fn span(&self) -> Span {
        let count = u32::try_from(self.units.len()).expect("a segment holds fewer messages than bytes");
        Span { base: self.base, count }
    }

    fn index_of(&self, offset: QueueOffset) -> usize {
        usize::try_from(offset.0 - self.base.0).expect("an offset in a run is an index in memory")
    }
}

/// Slot -> place in `runs`, without hashing: pages of slots, made when the first of their queues gets a message.
#[derive(Default)]
struct Places {
    pages: Vec<Option<Box<[u32]>>>,
}

impl Places {
    const PAGE_LEN: usize = 1_024;
    const NONE: u32 = u32::MAX;

    fn get(&self, slot: QueueSlot) -> Option<u32> {
        let slot = slot.0 as usize;
        let place = self.pages.get(slot / Self::PAGE_LEN)?.as_ref()?[slot % Self::PAGE_LEN];
        (place != Self::NONE).then_some(place)
    }

    fn set(&mut self, slot: QueueSlot, place: u32) {
        let slot = slot.0 as usize;
        let page = slot / Self::PAGE_LEN;
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        let page = self.pages[page].get_or_insert_with(|| vec![Self::NONE; Self::PAGE_LEN].into());
        page[slot % Self::PAGE_LEN] = place;
    }
}

#[cfg(test)]
mod tests;
