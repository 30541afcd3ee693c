//! Reading records: from the tail's memory, else from the segment file, where a batch proves itself before the first of its
//! bytes is served.

use std::sync::Arc;

use model::record;
use model::{LogOffset, QueueOffset, Timestamp};

use crate::api::{Boundary, QueueSlot, Read, ReadError, Unit};
use crate::core::Core;
use crate::index::BatchSpan;
use crate::layout::{self, HEADER_LEN, Header};
use crate::segment::Segment;

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
        self.written().max(self.committed())
    }

    pub fn read(&self, at: LogOffset, len: u32, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.read_units(&[Unit { at, len, tag_hash: 0, stored: Timestamp(0) }], mode, out)
    }

    pub fn read_units(&self, units: &[Unit], mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let (start, end) = (self.start(), self.readable_end());
        if let Some(gone) = units.iter().find(|unit| unit.at < start || unit.at.plus(u64::from(unit.len)) > end) {
            return Err(ReadError::NotFound { at: gone.at });
        }
        // What lies in the tail needs one lock for all; only what is older goes to the file, a batch at a time.
        let in_tail = {
            let view = self.tail.view();
            // SAFETY: Below a published end, checked above.
            units.iter().take_while(|unit| unsafe { view.read(unit.at, unit.len as usize, out) }).count()
        };
        let mut loaded: Option<(Arc<Segment>, LoadedBatch)> = None;
        for unit in &units[in_tail..] {
            if loaded.as_ref().is_none_or(|(_, batch)| !batch.holds(unit.at)) {
                loaded = Some(self.load_batch(unit.at, mode)?);
            }
            let (segment, batch) = loaded.as_ref().expect("loaded above");
            let from = usize::try_from(unit.at.since(batch.first)).expect("inside the batch");
            match batch.bytes.get(from..from + unit.len as usize) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => return Err(damaged(segment, unit.at, "the record leads outside its batch")),
            }
        }
        Ok(())
    }

    pub fn read_at(&self, at: LogOffset, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if at >= self.readable_end() || at < self.start() {
            return Err(ReadError::NotFound { at });
        }
        let (_, batch) = self.load_batch(at, mode)?;
        let wanted = usize::try_from(at.since(batch.first)).expect("inside the batch");
        let mut position = HEADER_LEN;
        while let Some((_, len)) = record::peek(&batch.bytes[position..]) {
            if position == wanted {
                out.extend_from_slice(&batch.bytes[position..position + len]);
                return Ok(());
            }
            position += len;
            if position > wanted || position >= batch.bytes.len() {
                break;
            }
        }
        Err(ReadError::NotFound { at })
    }

    /// The whole batch that holds `at`, proven by its CRC.
    fn load_batch(&self, at: LogOffset, mode: Read) -> Result<(Arc<Segment>, LoadedBatch), ReadError> {
        let not_found = ReadError::NotFound { at };
        // The catalog learns of a batch with the sync that covers it; async records are read before that.
        let known = match self.catalog.indexes.batch_of(at, mode)? {
            Some(known) => Some(known),
            None => self.waiting_batch(at),
        };
        let Some(BatchSpan { at: first, len }) = known else { return Err(not_found) };
        let Some(segment) = self.segments.holding(at) else { return Err(not_found) };
        let mut bytes = Vec::with_capacity(len as usize);
        // SAFETY: The catalog and the waiting groups know a batch once it is written.
        if unsafe { self.tail.read(first, len as usize, &mut bytes) } {
            return Ok((segment, LoadedBatch { first, bytes }));
        }
        bytes.resize(len as usize, 0);
        let inside = first.since(segment.base);
        let read = match mode {
            Read::Nowait => segment.file.read_at_nowait(&mut bytes, inside),
            Read::Wait => segment.file.read_at(&mut bytes, inside),
        };
        let read = read.map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => ReadError::WouldBlock,
            _ => ReadError::Io { file: layout::segment_name(segment.base), source },
        })?;
        if read < bytes.len() && mode == Read::Nowait {
            return Err(ReadError::WouldBlock);
        }
        let whole = Header::decode(&bytes, first).is_some_and(|header| header.len == len);
        if !whole || !layout::crc_matches(&bytes) {
            return Err(damaged(&segment, first, "the checksum of the batch does not match"));
        }
        Ok((segment, LoadedBatch { first, bytes }))
    }
}

struct LoadedBatch {
    first: LogOffset,
    bytes: Vec<u8>,
}

impl LoadedBatch {
    fn holds(&self, at: LogOffset) -> bool {
        at >= self.first && at.since(self.first) < self.bytes.len() as u64
    }
}

fn damaged(segment: &Segment, at: LogOffset, reason: &str) -> ReadError {
    ReadError::Damaged {
        file: layout::segment_name(segment.base),
        offset: at.since(segment.base),
        reason: reason.to_owned(),
    }
}
