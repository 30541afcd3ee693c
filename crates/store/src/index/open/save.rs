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

    /// Appends the units, batches and keys at log offsets `from..to`. With the segment's start as `from` everything
    /// below `to`; else a delta, to be loaded over what was saved up to `from`. The caller holds the apply lock.
    pub fn save(&self, from: LogOffset, to: LogOffset, queues: &Queues, out: &mut Vec<u8>) {
        let (from, to) = (self.position_or_end(from), self.position_or_end(to));
        out.put_u64(self.origin.start.0);
        out.put_i64(self.origin.time.0);
        out.put_bool(self.has_base);

        counted(out, |out| {
            let mut count = 0;
            for run in self.runs.iter().filter(|run| run.units.last().position >= from) {
                let (first, last) = (run.below(from), run.below(to));
                // A forgotten queue is not saved: its topic is gone.
                let Some((topic, queue)) = queues.name(run.slot).filter(|_| first < last) else { continue };
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                out.put_u64(run.base.plus(first as u64).0);
                out.put_u32(u32::try_from(last - first).expect("a segment holds fewer messages than bytes"));
                (first..last).for_each(|index| run.units.at(index).put(out));
                count += 1;
            }
            count
        });
        counted(out, |out| {
            let first = self.batches.partition_point(|batch| batch.position < from);
            let last = self.batches.partition_point(|batch| batch.position < to);
            for batch in (first..last).map(|index| self.batches.at(index)) {
                out.put_u32(batch.position);
                out.put_u32(batch.len);
            }
            last.saturating_sub(first)
        });
        counted(out, |out| {
            let mut count = 0;
            // Not sorted by position: records of `async` topics run ahead.
            for (hash, key) in self.keys.iter().filter(|(_, key)| (from..to).contains(&key.position)) {
                out.put_u64(hash);
                out.put_u32(key.position);
                out.put_u32(key.len);
                out.put_u32(key.stored);
                count += 1;
            }
            count
        });
    }

    /// The index that [`OpenIndex::save`] wrote from the segment's start.
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

/// Writes a count, and after it what `write` writes and counts.
fn counted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> usize) {
    let count_at = out.len();
    out.put_u64(0);
    let count = write(out);
    out[count_at..count_at + 8].copy_from_slice(&(count as u64).to_be_bytes());
}
