//! The open index in a checkpoint: what came since the last one, so that a restart need not read the segment again.
//!
//! Queues are written by topic id and queue id: slots do not outlive the process.

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};

use super::{Gap, OpenIndex, Run};
use crate::QueueSlot;
use crate::index::queues::{Ahead, Queues, TooManyQueues};
use crate::index::{BatchSpan, KeyHit, Origin, Packed};

/// Saved units that cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadUnitsError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("units of the segment at {found} do not continue those of {expected}")]
    OtherSegment { expected: LogOffset, found: LogOffset },
    #[error(transparent)]
    Gap(#[from] Gap),
    #[error(transparent)]
    TooMany(#[from] TooManyQueues),
}

impl OpenIndex {
    /// What of `slot` lies at or beyond `to`: see [`Queues::save`].
    #[must_use]
    pub fn ahead(&self, slot: QueueSlot, to: LogOffset) -> Ahead {
        let Some(run) = self.run(slot) else { return Ahead::default() };
        let below = run.below(self.position_or_end(to));
        let newest_below = below.checked_sub(1).map(|last| self.origin.at(run.units.at(last).position));
        Ahead { messages: (run.units.len() - below) as u64, newest_below }
    }

    /// Begins to save the units, batches and keys at log offsets `from..to`. With the segment's start as `from` everything
    /// below `to`; else a delta, to be loaded over what was saved up to `from`.
    pub(in crate::index) fn begin_save(&self, from: LogOffset, to: LogOffset, out: &mut Vec<u8>) -> Saving {
        out.put_u64(self.origin.start.0);
        out.put_i64(self.origin.time.0);
        out.put_bool(self.has_base);
        let (from, to) = (self.position_or_end(from), self.position_or_end(to));
        Saving { from, to, list: List::Runs { skip: 0 }, next: 0, count_at: begin_count(out), count: 0 }
    }

    /// The index that was saved from the segment's start.
    pub fn load(bytes: &[u8], queues: &Queues) -> Result<OpenIndex, LoadUnitsError> {
        let mut fields = Reader::new(bytes);
        let (start, base, has_base) = (LogOffset(fields.u64()?), Timestamp(fields.i64()?), fields.bool()?);
        let mut index = OpenIndex::new(start, has_base.then_some(base));
        index.load_more(bytes, queues)?;
        Ok(index)
    }

    /// Adds a delta of the same segment.
    pub fn load_more(&mut self, bytes: &[u8], queues: &Queues) -> Result<(), LoadUnitsError> {
        let mut fields = Reader::new(bytes);
        let origin = Origin { start: LogOffset(fields.u64()?), time: Timestamp(fields.i64()?) };
        let has_base = fields.bool()?;
        if !self.has_base && origin.start == self.origin.start {
            // The base was saved before the first message came.
            (self.origin.time, self.newest, self.has_base) = (origin.time, origin.time, has_base);
        }
        if origin != self.origin {
            return Err(LoadUnitsError::OtherSegment { expected: self.origin.start, found: origin.start });
        }
        for _ in 0..fields.u64()? {
            let (topic, queue) = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
            let slot = queues.find_or_create(topic, queue)?;
            let base = QueueOffset(fields.u64()?);
            for index in 0..u64::from(fields.u32()?) {
                let unit = origin.unit(Packed::get(fields.take(Packed::LEN)?));
                self.push(slot, base.plus(index), &unit)?;
            }
        }
        for _ in 0..fields.u64()? {
            self.push_batch(BatchSpan { at: origin.at(fields.u32()?), len: fields.u32()? });
        }
        for _ in 0..fields.u64()? {
            let (hash, at, len) = (fields.u64()?, origin.at(fields.u32()?), fields.u32()?);
            self.push_key(hash, KeyHit { at, len, stored: origin.stored(fields.u32()?) });
        }
        if fields.is_empty() { Ok(()) } else { Err(Malformed { at: bytes.len() }.into()) }
    }

    /// The position of `at`; that of the segment's start or the largest there is if it lies outside.
    fn position_or_end(&self, at: LogOffset) -> u32 {
        u32::try_from(at.since(self.origin.start)).unwrap_or(u32::MAX)
    }
}

impl Run {
    /// How many of its units lie below `position`.
    fn below(&self, position: u32) -> usize {
        self.units.partition_point(|unit| unit.position < position)
    }
}

/// What one step of a save writes at most, in units, batches or keys: less than a millisecond's work.
const STEP: usize = 8_192;

/// A save under way. Between its steps the index may grow: what comes lies beyond the end of the save.
pub(in crate::index) struct Saving {
    from: u32,
    to: u32,
    list: List,
    /// Of the list at hand.
    next: usize,
    count_at: usize,
    count: u64,
}

/// The lists of a saved index, in their order.
#[derive(Clone, Copy)]
enum List {
    /// Of the next run so many units are written already.
    Runs {
        skip: usize,
    },
    Batches,
    Keys,
}

impl Saving {
    /// Appends a part of `index`, always the same. False: it was the last.
    pub(in crate::index) fn step(&mut self, index: &OpenIndex, queues: &Queues, out: &mut Vec<u8>) -> bool {
        let (done, following) = match self.list {
            List::Runs { skip } => (self.runs(skip, index, queues, out), Some(List::Batches)),
            List::Batches => (self.batches(index, out), Some(List::Keys)),
            List::Keys => (self.keys(index, out), None),
        };
        if !done {
            return true;
        }
        out[self.count_at..self.count_at + 8].copy_from_slice(&self.count.to_be_bytes());
        let Some(following) = following else { return false };
        (self.list, self.next, self.count_at, self.count) = (following, 0, begin_count(out), 0);
        true
    }

    fn runs(&mut self, mut skip: usize, index: &OpenIndex, queues: &Queues, out: &mut Vec<u8>) -> bool {
        let mut left = STEP;
        while self.next < index.runs.len() {
            let run = index.runs.at(self.next);
            let (first, last) = match run.units.last().position >= self.from {
                true => (run.below(self.from) + skip, run.below(self.to)),
                false => (0, 0),
            };
            let until = last.min(first + left);
            // A forgotten queue is not saved: its topic is gone.
            if let Some((topic, queue)) = queues.name(run.slot).filter(|_| first < until) {
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                out.put_u64(run.base.plus(first as u64).0);
                out.put_u32(u32::try_from(until - first).expect("a segment holds fewer messages than bytes"));
                (first..until).for_each(|index| run.units.at(index).put(out));
                self.count += 1;
            }
            skip = if until < last { skip + (until - first) } else { 0 };
            self.next += usize::from(skip == 0);
            // A run that is passed over costs, too.
            left = left.saturating_sub(1 + until.saturating_sub(first));
            if left == 0 {
                break;
            }
        }
        self.list = List::Runs { skip };
        self.next == index.runs.len()
    }

    fn batches(&mut self, index: &OpenIndex, out: &mut Vec<u8>) -> bool {
        let first = index.batches.partition_point(|batch| batch.position < self.from) + self.next;
        let last = index.batches.partition_point(|batch| batch.position < self.to);
        let until = last.min(first + STEP);
        for batch in (first..until).map(|number| index.batches.at(number)) {
            out.put_u32(batch.position);
            out.put_u32(batch.len);
            self.next += 1;
        }
        self.count = self.next as u64;
        until >= last
    }

    fn keys(&mut self, index: &OpenIndex, out: &mut Vec<u8>) -> bool {
        let until = index.keys.len().min(self.next + STEP);
        // Not sorted by position: records of `async` topics run ahead.
        for (hash, key) in (self.next..until).map(|number| index.keys.at(number)) {
            if (self.from..self.to).contains(&key.position) {
                out.put_u64(hash);
                out.put_u32(key.position);
                out.put_u32(key.len);
                out.put_u32(key.stored);
                self.count += 1;
            }
        }
        self.next = until;
        until == index.keys.len()
    }
}

/// Leaves room for the count of a list.
fn begin_count(out: &mut Vec<u8>) -> usize {
    out.put_u64(0);
    out.len() - 8
}
