//! Reading records: from the tail's memory, else from the segment file, where a batch proves itself before the first of its
//! bytes is served.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use model::record;
use model::{LogOffset, QueueOffset, Timestamp};

use crate::api::{Boundary, QueueSlot, Read, ReadError, Unit};
use crate::cold::CongruentBuffer;
use crate::core::Core;
use crate::index::BatchSpan;
use crate::layout::{self, HEADER_LEN, Header};

impl Core {
    pub fn units(
        &self,
        slot: QueueSlot,
        from: QueueOffset,
        max: usize,
        mode: Read,
        out: &mut Vec<Unit>,
    ) -> Result<(), ReadError> {
        self.catalog.indexes.units(slot, from, max, mode, out)
    }

    pub fn search_time(
        &self,
        slot: QueueSlot,
        moment: Timestamp,
        boundary: Boundary,
        mode: Read,
    ) -> Result<QueueOffset, ReadError> {
        self.catalog.indexes.search_time(slot, moment, boundary, mode)
    }

    pub fn find_keys(
        &self,
        key: u64,
        from: Timestamp,
        to: Timestamp,
        max: usize,
        mode: Read,
    ) -> Result<Vec<(LogOffset, u32)>, ReadError> {
        let hits = self.catalog.indexes.find_keys(key, (from, to), max, mode, || true)?;
        Ok(hits.into_iter().map(|hit| (hit.at, hit.len)).collect())
    }

    /// Where reads end: an async record is visible when it is written.
    fn readable_end(&self) -> LogOffset {
        LogOffset(self.readable.load(Ordering::Acquire))
    }

    pub fn read(&self, at: LogOffset, len: u32, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.read_units(&[Unit { at, len, tag_hash: 0, stored: Timestamp(0) }], mode, out)
    }

    pub fn read_units(&self, units: &[Unit], mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.check_readable(units)?;
        // What lies in the tail needs one lock for all; only what is older goes to the file, a batch at a time.
        let in_tail = {
            let view = self.tail.view();
            let copied = |place: &usize| {
                let unit = units[*place];
                if let Some(next) = units.get(place + 1) {
                    view.prefetch(next.at, next.len as usize);
                }
                // SAFETY: Below a published end, checked above.
                unsafe { view.read(unit.at, unit.len as usize, out) }
            };
            (0..units.len()).take_while(copied).count()
        };
        self.each_in_batches(&units[in_tail..], mode, |_, record| out.extend_from_slice(record))
    }

    pub fn look_at(&self, units: &[Unit], mode: Read, mut look: impl FnMut(usize, &[u8])) -> Result<(), ReadError> {
        self.check_readable(units)?;
        let (mut in_tail, mut crossing) = (0, Vec::new());
        for some in units.chunks(LOOKS_PER_LOCK) {
            let view = self.tail.view();
            let before = in_tail;
            for unit in some {
                // SAFETY: Below a published end, checked above.
                let Some(record) = (unsafe { view.record(unit.at, unit.len as usize, &mut crossing) }) else { break };
                look(in_tail, record);
                in_tail += 1;
            }
            if in_tail - before < some.len() {
                break;
            }
        }
        self.each_in_batches(&units[in_tail..], mode, |index, record| look(in_tail + index, record))
    }

    fn check_readable(&self, units: &[Unit]) -> Result<(), ReadError> {
        let (start, end) = (self.start(), self.readable_end());
        match units.iter().find(|unit| unit.at < start || unit.at.plus(u64::from(unit.len)) > end) {
            Some(gone) => Err(ReadError::NotFound { at: gone.at }),
            None => Ok(()),
        }
    }

    /// Calls `each` with the records of the units, read from their batches.
    fn each_in_batches(&self, units: &[Unit], mode: Read, mut each: impl FnMut(usize, &[u8])) -> Result<(), ReadError> {
        if units.is_empty() {
            return Ok(());
        }
        let mut recent = RECENT.take();
        let outcome = units.iter().enumerate().try_for_each(|(index, unit)| {
            match self.batch_in(&mut recent, unit.at, mode)?.record(unit.at, unit.len) {
                Some(bytes) => {
                    each(index, bytes);
                    Ok(())
                }
                None => Err(self.damaged(unit.at, "the record leads outside its batch")),
            }
        });
        recent.give_back();
        outcome
    }

    pub fn read_at(&self, at: LogOffset, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        // A sync may pass between the two questions, so the first is asked again.
        let visible = at < self.committed() || self.waiting_batch(at).is_some() || at < self.committed();
        if !visible || at < self.start() {
            return Err(ReadError::NotFound { at });
        }
        let mut recent = RECENT.take();
        let found = self.batch_in(&mut recent, at, mode).map(|loaded| {
            let len = loaded.starts_record(at)?;
            loaded.record(at, len).map(|bytes| out.extend_from_slice(bytes))
        });
        recent.give_back();
        found?.ok_or(ReadError::NotFound { at })
    }

    /// The batch that holds `at`, loaded if it is not one of the recent ones.
    fn batch_in<'r>(&self, recent: &'r mut Recent, at: LogOffset, mode: Read) -> Result<&'r LoadedBatch, ReadError> {
        if !recent.bring_forward(self.id, at) {
            self.load_batch(at, mode, recent.replace_oldest())?;
        }
        Ok(&recent.batches[0])
    }

    /// Loads the whole batch that holds `at`, proven by its CRC, into `loaded`. On an error that holds nothing.
    fn load_batch(&self, at: LogOffset, mode: Read, loaded: &mut LoadedBatch) -> Result<(), ReadError> {
        loaded.forget();
        let not_found = ReadError::NotFound { at };
        // The catalog learns of a batch with the sync that covers it; async records are read before that. A sync may pass
        // between the questions.
        let mut known = self.catalog.indexes.batch_of(at, mode)?;
        if known.is_none() {
            known = match self.waiting_batch(at) {
                None => self.catalog.indexes.batch_of(at, mode)?,
                waiting => waiting,
            };
        }
        let Some(BatchSpan { at: first, len }) = known else { return Err(not_found) };
        let Some(segment) = self.segments.holding(at) else { return Err(not_found) };
        let inside = first.since(segment.base);
        let bytes = loaded.buffer.at(inside, len as usize);
        // SAFETY: The catalog and the waiting groups know a batch once it is written.
        if unsafe { self.tail.copy(first, bytes) } {
            loaded.became(self.id, first, inside, len);
            return Ok(());
        }
        let read = match mode {
            Read::Nowait => segment.file.read_at_nowait(bytes, inside),
            Read::Wait => segment.file.read_at(bytes, inside),
        };
        let read = read.map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => ReadError::WouldBlock,
            _ => ReadError::Io { file: layout::segment_name(segment.base), source },
        })?;
        if read < bytes.len() && mode == Read::Nowait {
            return Err(ReadError::WouldBlock);
        }
        let whole = Header::decode(bytes, first).is_some_and(|header| header.len == len);
        if !whole || !layout::crc_matches(bytes) {
            // Trimmed meanwhile, the file may have become another segment.
            if first < self.start() {
                return Err(not_found);
            }
            return Err(self.damaged(first, "the checksum of the batch does not match"));
        }
        loaded.became(self.id, first, inside, len);
        Ok(())
    }

    fn damaged(&self, at: LogOffset, reason: &str) -> ReadError {
        let base = layout::segment_of(at, self.options.segment_bytes);
        ReadError::Damaged { file: layout::segment_name(base), offset: at.since(base), reason: reason.to_owned() }
    }
}

/// Records looked at under one lock of the tail, some microseconds: the writer waits for it at each new chunk.
const LOOKS_PER_LOCK: usize = 32;

/// Batches a thread keeps. A consumer of eight queues asks for one after another, and each batch holds some of all of them;
/// several consumers are at several places.
const KEPT_MAX: usize = 8;

/// A kept batch is at most this long, twice what a batch aims at: a thread holds on to 4 MiB at most.
const KEPT_LEN_MAX: u32 = 512 * 1024;

thread_local! {
    /// The batches this thread has read last. Whoever reads old messages reads their neighbours next, in this pull or a
    /// following one: a batch is loaded and proven once, not once a message.
    static RECENT: Cell<Recent> = const { Cell::new(Recent { batches: Vec::new() }) };
}

/// Batches in memory, the one that was read last in front.
#[derive(Default)]
struct Recent {
    batches: Vec<LoadedBatch>,
}

impl Recent {
    /// Puts the batch that holds `at` in front. False: there is none.
    fn bring_forward(&mut self, log: u64, at: LogOffset) -> bool {
        let place = self.batches.iter().position(|loaded| loaded.holds(log, at));
        place.inspect(|place| self.batches[..=*place].rotate_right(1)).is_some()
    }

    /// The place in front, for another batch.
    fn replace_oldest(&mut self) -> &mut LoadedBatch {
        if self.batches.len() < KEPT_MAX {
            self.batches.push(LoadedBatch::EMPTY);
        }
        self.batches.rotate_right(1);
        &mut self.batches[0]
    }

    fn give_back(mut self) {
        self.batches.retain(|loaded| loaded.len <= KEPT_LEN_MAX);
        RECENT.set(self);
    }
}

/// A batch in memory.
struct LoadedBatch {
    /// Of which log; zero is none.
    log: u64,
    first: LogOffset,
    len: u32,
    /// Where it lies in its file.
    inside: u64,
    buffer: CongruentBuffer,
}

impl LoadedBatch {
    const EMPTY: LoadedBatch =
        LoadedBatch { log: 0, first: LogOffset::ZERO, len: 0, inside: 0, buffer: CongruentBuffer::EMPTY };

    fn became(&mut self, log: u64, first: LogOffset, inside: u64, len: u32) {
        (self.log, self.first, self.inside, self.len) = (log, first, inside, len);
    }

    fn forget(&mut self) {
        self.log = 0;
    }

    fn holds(&self, log: u64, at: LogOffset) -> bool {
        self.log == log && at >= self.first && at.since(self.first) < u64::from(self.len)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.held(self.inside, self.len as usize)
    }

    fn record(&self, at: LogOffset, len: u32) -> Option<&[u8]> {
        let from = usize::try_from(at.since(self.first)).expect("inside the batch");
        self.bytes().get(from..from + len as usize)
    }

    /// The length of the record that starts at `at`, if walking the batch finds one there.
    fn starts_record(&self, at: LogOffset) -> Option<u32> {
        let wanted = usize::try_from(at.since(self.first)).expect("inside the batch");
        let bytes = self.bytes();
        let mut position = HEADER_LEN;
        while position <= wanted {
            let (_, len) = record::peek(bytes.get(position..)?).filter(|(_, len)| *len <= bytes.len() - position)?;
            if position == wanted {
                return u32::try_from(len).ok();
            }
            position += len;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batches_that_were_read_last_are_kept() {
        let (mut recent, log, len) = (Recent::default(), 1, 100);
        let read = |recent: &mut Recent, batch: u64| {
            let there = recent.bring_forward(log, LogOffset(batch * 100 + 99));
            if !there {
                recent.replace_oldest().became(log, LogOffset(batch * 100), 0, len);
            }
            assert!(recent.batches[0].holds(log, LogOffset(batch * 100)));
            there
        };
        for batch in 0..8 {
            assert!(!read(&mut recent, batch));
        }
        assert!(read(&mut recent, 0));
        assert!(!read(&mut recent, 8), "in the place of batch 1, which was read longest ago");
        assert!(read(&mut recent, 0));
        assert!(read(&mut recent, 2));
        assert!(!read(&mut recent, 1));
        assert!(!recent.bring_forward(log + 1, LogOffset(0)), "of another log");

        recent.replace_oldest().became(log, LogOffset(5_000), 0, KEPT_LEN_MAX + 1);
        recent.give_back();
        let kept = RECENT.take();
        assert_eq!(kept.batches.len(), KEPT_MAX - 1, "all but the one that is too long");
    }
}
