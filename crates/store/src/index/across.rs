//! Lookups over all segments: the growing indexes, the frozen ones whose file is not written yet, and the sealed ones.
//!
//! An old offset is found by halving the segments it can be in. A hint (where the queue was last read) makes that one
//! question for a consumer that reads on. A queue that most segments do not have makes it up to one question a segment; a
//! segment of 256 MiB answers in 2 to 7 us from the page cache. What is looked up is visible: only applied messages are in an index.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};
use parking_lot::RwLock;

use super::{BatchSpan, Growing, KeyHit, OpenIndex, Queues, SealedIndex, Span, sealed};
use crate::{Boundary, QueueSlot, Read, ReadError, Unit};

/// The indexes of all segments.
pub struct Indexes {
    /// The segments being written. The applier locks them once a batch.
    pub growing: RwLock<Growing>,
    /// The others, oldest first. Replaced as a whole, so that a lookup holds no lock while it reads a disk.
    older: RwLock<Arc<Vec<Older>>>,
    queues: Arc<Queues>,
    hints: Hints,
}

/// The index of a segment that is full.
#[derive(Clone)]
pub enum Older {
    /// Its file is not written yet.
    Frozen(Arc<OpenIndex>),
    Sealed(Arc<SealedIndex>),
}

/// A queue found in a segment.
enum Run<'a> {
    Frozen(&'a OpenIndex, Span),
    Sealed(&'a SealedIndex, sealed::Run),
}

/// A queue: its slot and its name.
#[derive(Clone, Copy)]
struct Named {
    slot: QueueSlot,
    topic: TopicId,
    queue: QueueId,
}

impl Indexes {
    /// `older` oldest first, without gaps, ending where `growing` starts.
    #[must_use]
    pub fn new(queues: Arc<Queues>, older: Vec<Older>, growing: Growing) -> Indexes {
        assert!(older.is_sorted_by(|a, b| a.start() < b.start()));
        assert!(older.last().is_none_or(|last| last.start() < growing.start()));
        let (growing, older) = (RwLock::new(growing), RwLock::new(Arc::new(older)));
        Indexes { growing, older, queues, hints: Hints::default() }
    }

    /// All but the growing ones, oldest first.
    #[must_use]
    pub fn older(&self) -> Arc<Vec<Older>> {
        Arc::clone(&self.older.read())
    }

    /// Freezes the indexes of segments that end at or below `applied`. They are to be written ([`super::seal::write`]) and then
    /// replaced ([`Indexes::sealed`]).
    pub fn freeze(&self, applied: LogOffset) -> Vec<Arc<OpenIndex>> {
        let mut growing = self.growing.write();
        let frozen: Vec<_> = growing.take_full(applied).into_iter().map(Arc::new).collect();
        // Before `growing` is unlocked: a reader that no longer finds a message there must find it here.
        let mut older = self.older.write();
        Arc::make_mut(&mut older).extend(frozen.iter().cloned().map(Older::Frozen));
        frozen
    }

    /// Puts an index that was written in the place of the frozen one of the same segment.
    pub fn sealed(&self, index: Arc<SealedIndex>) {
        let mut older = self.older.write();
        let place = older.iter().position(|older| older.start() == index.start());
        // None: the segment was trimmed while its index was written.
        if let Some(place) = place {
            Arc::make_mut(&mut older)[place] = Older::Sealed(index);
        }
    }

    /// Raises the minimum of every queue in segments that end at or below `to`, calls `begin`, which lets the log start at `to`,
    /// and drops their indexes. In this order whoever is told that a message is there finds it. Reads the directories: for
    /// background work. On an error nothing is dropped; the index can be built again from its segment.
    pub fn trim(&self, to: LogOffset, begin: impl FnOnce()) -> Result<(), ReadError> {
        let older = self.older();
        let ends = older.iter().skip(1).map(Older::start).chain([self.growing.read().start()]);
        let count = ends.take_while(|end| *end <= to).count().min(older.len());
        // Newest first: the highest minimum is set first, and no reader meets one that is about to move again.
        for index in older[..count].iter().rev() {
            index.for_each_queue(&self.queues, |slot, span| self.queues.trimmed(slot, span.end()))?;
        }
        begin();
        Arc::make_mut(&mut self.older.write()).drain(..count);
        Ok(())
    }

    /// Appends up to `max` units of the queue from offset `from` on. Stops at a segment's border: ask again from there. Adds
    /// none if there is no message `from`.
    pub fn units(
        &self,
        slot: QueueSlot,
        from: QueueOffset,
        max: usize,
        mode: Read,
        out: &mut Vec<Unit>,
    ) -> Result<(), ReadError> {
        {
            let growing = self.growing.read();
            let holds = |index: &&OpenIndex| index.span(slot).is_some_and(|span| from >= span.base);
            if let Some(index) = growing.iter().find(holds) {
                index.units(slot, from, max, out);
                return Ok(());
            }
        }
        let Some(named) = self.named(slot) else { return Ok(()) };
        let older = self.older();
        match self.find(&older, named, from, mode)? {
            None => Ok(()),
            Some(Run::Frozen(index, _)) => {
                index.units(slot, from, max, out);
                Ok(())
            }
            Some(Run::Sealed(index, run)) => index.units(&run, from, max, mode, out),
        }
    }

    /// The queue offset for a moment, as request 29 wants it. `Lower`: the first message stored at or after it, or the end
    /// of the queue. `Upper`: the last message stored at or before it, or 0.
    pub fn search_time(
        &self,
        slot: QueueSlot,
        moment: Timestamp,
        boundary: Boundary,
        mode: Read,
    ) -> Result<QueueOffset, ReadError> {
        let Some(named) = self.named(slot) else { return Ok(QueueOffset::ZERO) };
        let bounds = self.queues.bounds(slot);
        let found = match boundary {
            Boundary::Lower => self.first_at_or_after(named, moment, mode)?.unwrap_or(bounds.max).max(bounds.min),
            Boundary::Upper => self.last_at_or_before(named, moment, mode)?.unwrap_or_default(),
        };
        Ok(found)
    }

    fn first_at_or_after(&self, named: Named, moment: Timestamp, mode: Read) -> Result<Option<QueueOffset>, ReadError> {
        // The growing ones first, though they are the last to hold the answer: they may be frozen meanwhile.
        let oldest_first =
            |growing: &Growing| growing.iter().rev().find_map(|index| index.first_at_or_after(named.slot, moment));
        let in_growing = oldest_first(&self.growing.read());
        for index in self.older().iter().filter(|index| index.newest_time() >= moment) {
            let found = match index.run(named, mode)? {
                None => None,
                Some(Run::Frozen(index, _)) => index.first_at_or_after(named.slot, moment),
                Some(Run::Sealed(index, run)) => index.first_at_or_after(&run, moment, mode)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(in_growing)
    }

    fn last_at_or_before(&self, named: Named, moment: Timestamp, mode: Read) -> Result<Option<QueueOffset>, ReadError> {
        let newest_first =
            |growing: &Growing| growing.iter().find_map(|index| index.last_at_or_before(named.slot, moment));
        let in_growing = newest_first(&self.growing.read());
        if in_growing.is_some() {
            return Ok(in_growing);
        }
        for index in self.older().iter().rev().filter(|index| index.base_time() <= moment) {
            let found = match index.run(named, mode)? {
                None => None,
                Some(Run::Frozen(index, _)) => index.last_at_or_before(named.slot, moment),
                Some(Run::Sealed(index, run)) => index.last_at_or_before(&run, moment, mode)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The batch that holds log offset `at`.
    pub fn batch_of(&self, at: LogOffset, mode: Read) -> Result<Option<BatchSpan>, ReadError> {
        {
            let growing = self.growing.read();
            if let Some(index) = growing.iter().find(|index| at >= index.start()) {
                return Ok(index.batch_of(at));
            }
        }
        let older = self.older();
        let after = older.partition_point(|index| index.start() <= at);
        match after.checked_sub(1).map(|place| &older[place]) {
            None => Ok(None),
            Some(Older::Frozen(index)) => Ok(index.batch_of(at)),
            Some(Older::Sealed(index)) => index.batch_of(at, mode),
        }
    }

    /// Messages with the key that hashes to `hash`, stored between `from` and `to` (both included), newest first, at most
    /// `max`. Stops with what it has when `go_on`, asked before each segment, says false.
    pub fn find_keys(
        &self,
        hash: u64,
        (from, to): (Timestamp, Timestamp),
        max: usize,
        mode: Read,
        go_on: impl Fn() -> bool,
    ) -> Result<Vec<KeyHit>, ReadError> {
        let mut hits = Vec::new();
        if max == 0 {
            return Ok(hits);
        }
        let mut take = |hit: KeyHit| {
            // Newest first: all further ones are older still.
            if hit.stored < from {
                return false;
            }
            if hit.stored <= to {
                hits.push(hit);
            }
            hits.len() < max
        };
        self.growing.read().iter().for_each(|index| index.keys(hash, &mut take));
        for index in self.older().iter().rev().filter(|index| index.messages() > 0) {
            if index.newest_time() < from || !go_on() {
                break;
            }
            if index.base_time() > to {
                continue;
            }
            let mut more = true;
            let mut take = |hit| {
                more = take(hit);
                more
            };
            match index {
                Older::Frozen(index) => index.keys(hash, &mut take),
                Older::Sealed(index) => index.keys(hash, mode, &mut take)?,
            }
            if !more {
                break;
            }
        }
        hits.truncate(max);
        Ok(hits)
    }

    /// The segment of `older` that holds message `from` of the queue.
    fn find<'a>(
        &self,
        older: &'a [Older],
        named: Named,
        from: QueueOffset,
        mode: Read,
    ) -> Result<Option<Run<'a>>, ReadError> {
        // It is one of `older[low..high]`, if any.
        let (mut low, mut high) = (0, older.len());
        let hint = self.hints.get(named.slot).and_then(|start| older.binary_search_by_key(&start, Older::start).ok());
        // Where a consumer that reads on finds it: where it was, or in the next segment.
        let mut places = hint.into_iter().flat_map(|hint| [hint, hint + 1]);
        loop {
            let near = places.next().filter(|place| (low..high).contains(place));
            if near.is_none() && low == high {
                return Ok(None);
            }
            let middle = near.unwrap_or(low.midpoint(high - 1));
            // A segment without the queue tells nothing; the one before it does.
            let mut below = older[low..=middle].iter().rev();
            let found = below.find_map(|index| match index.run(named, mode) {
                Ok(None) => None,
                Ok(Some(run)) => Some(Ok((index, run))),
                Err(error) => Some(Err(error)),
            });
            match found.transpose()? {
                Some((_, run)) if run.span().base > from => high = low + below.len(),
                Some((index, run)) if run.span().end() > from => {
                    self.hints.set(named.slot, index.start());
                    return Ok(Some(run));
                }
                Some(_) | None => low = middle + 1,
            }
        }
    }

    fn named(&self, slot: QueueSlot) -> Option<Named> {
        let (topic, queue) = self.queues.name(slot)?;
        Some(Named { slot, topic, queue })
    }
}

impl Older {
    /// The segment's first log offset.
    #[must_use]
    pub fn start(&self) -> LogOffset {
        match self {
            Older::Frozen(index) => index.start(),
            Older::Sealed(index) => index.start(),
        }
    }

    /// No message was stored before.
    #[must_use]
    pub fn base_time(&self) -> Timestamp {
        match self {
            Older::Frozen(index) => index.base_time(),
            Older::Sealed(index) => index.base_time(),
        }
    }

    /// No message was stored after. Means nothing without messages.
    #[must_use]
    pub fn newest_time(&self) -> Timestamp {
        match self {
            Older::Frozen(index) => index.newest_time(),
            Older::Sealed(index) => index.newest_time(),
        }
    }

    #[must_use]
    pub fn messages(&self) -> u64 {
        match self {
            Older::Frozen(index) => index.messages(),
            Older::Sealed(index) => index.messages(),
        }
    }

    /// Calls `each` with every queue that has messages here and still exists.
    pub fn for_each_queue(&self, queues: &Queues, mut each: impl FnMut(QueueSlot, Span)) -> Result<(), ReadError> {
        match self {
            Older::Frozen(index) => {
                (0..).zip(index.run_slots()).for_each(|(place, slot)| each(slot, index.run_span(place)));
                Ok(())
            }
            Older::Sealed(index) => index.for_each_queue(|topic, queue, span| {
                if let Some(slot) = queues.find(topic, queue) {
                    each(slot, span);
                }
            }),
        }
    }

    fn run(&self, named: Named, mode: Read) -> Result<Option<Run<'_>>, ReadError> {
        match self {
            Older::Frozen(index) => Ok(index.span(named.slot).map(|span| Run::Frozen(index, span))),
            Older::Sealed(index) => {
                let run = index.run(named.topic, named.queue, mode)?;
                Ok(run.map(|run| Run::Sealed(index, run)))
            }
        }
    }
}

impl Run<'_> {
    fn span(&self) -> Span {
        match self {
            Run::Frozen(_, span) => *span,
            Run::Sealed(_, run) => run.span,
        }
    }
}

/// In which segment a queue was last read: for 4,096 queues at a time, 32 KiB, wrong at worst.
struct Hints {
    places: Box<[AtomicU64]>,
}

impl Default for Hints {
    fn default() -> Hints {
        Hints { places: (0..4_096).map(|_| AtomicU64::new(Hints::NONE)).collect() }
    }
}

impl Hints {
    /// No slot: there are fewer.
    const NONE: u64 = u64::MAX;
    /// Segments are at least 64 KiB, so 32 bits count those of 256 TiB.
    const START_SHIFT: u32 = 16;

    fn get(&self, slot: QueueSlot) -> Option<LogOffset> {
        let hint = self.place(slot).load(Ordering::Relaxed);
        (hint >> 32 == u64::from(slot.0)).then_some(LogOffset((hint & 0xFFFF_FFFF) << Self::START_SHIFT))
    }

    fn set(&self, slot: QueueSlot, start: LogOffset) {
        let segment = (start.0 >> Self::START_SHIFT) & 0xFFFF_FFFF;
        self.place(slot).store(u64::from(slot.0) << 32 | segment, Ordering::Relaxed);
    }

    fn place(&self, slot: QueueSlot) -> &AtomicU64 {
        &self.places[slot.0 as usize % self.places.len()]
    }
}

#[cfg(test)]
mod tests;
