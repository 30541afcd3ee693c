//! Finding the end of the log.
//!
//! Between two syncs a power loss may keep the third batch and tear the second, and a recycled segment holds old batches
//! with valid CRCs. So the log ends at the first position without a whole batch that says it belongs there, in an epoch
//! that does not fall. What lies behind the end decides what the end means: every header says what was durable when it
//! was written. If one behind the end says more than the end, acknowledged bytes are damaged and the log is not opened;
//! otherwise the rest was never acknowledged and is given up, however valid.
//!
//! What is given up can never come back: the next open raises the epoch with a synced batch at the cut.

use std::io;
use std::sync::Arc;

use memchr::memmem;
use model::LogOffset;
use model::record;

use crate::api::{Fault, OpenError};
use crate::layout::{self, BATCH_LEN_MAX, HEADER_LEN, Header, segment_of};
use crate::segment::{Segment, Segments};

/// Bytes read at a time.
const READ_LEN: usize = 1024 * 1024;

/// Where a walk has come to, and what it has learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The position after the last whole batch.
    pub end: LogOffset,
    /// The highest epoch seen, behind the end included.
    pub epoch: u64,
    /// The highest `committed` seen, behind the end included.
    pub committed: LogOffset,
}

/// Reads batches one after another.
pub struct Walk<'a> {
    segments: &'a Segments,
    segment_bytes: u64,
    fault: Option<Fault>,
    reached: Reached,
    window: Window,
    /// Why the walk ended.
    reason: &'static str,
}

impl<'a> Walk<'a> {
    /// A walk from `from`, the start of a batch, where `epoch` and `committed` are already known.
    #[must_use]
    pub fn new(segments: &'a Segments, segment_bytes: u64, fault: Option<Fault>, from: Reached) -> Walk<'a> {
        Walk { segments, segment_bytes, fault, reached: from, window: Window::default(), reason: "no batch" }
    }

    /// How far the batches read so far call the log committed.
    pub fn committed(&self) -> LogOffset {
        self.reached.committed
    }

    /// The next batch: its header, and all its bytes. `None`: the log ends here.
    pub fn next_batch(&mut self) -> Result<Option<(Header, &[u8])>, OpenError> {
        if self.at_rest() {
            self.reached.end = self.reached.end.plus(self.room());
        }
        let at = self.reached.end;
        let base = segment_of(at, self.segment_bytes);
        let Some(segment) = self.segments.holding(at) else {
            self.reason = "the file is missing";
            return Ok(None);
        };
        let room = base.plus(self.segment_bytes).since(at);
        let head = self.window.get(&segment, at, HEADER_LEN)?;
        let Some(header) = Header::decode(head, at).filter(|header| u64::from(header.len) <= room) else {
            self.reason = "no batch starts here";
            return Ok(None);
        };
        if header.epoch < self.reached.epoch && self.fault != Some(Fault::StaleTail) {
            self.reason = "a batch of an earlier epoch";
            return Ok(None);
        }
        let whole = self.window.get(&segment, at, header.len as usize)?;
        let crc_matches = self.fault == Some(Fault::NoCrcInRecovery) || layout::crc_matches(whole);
        if whole.len() < header.len as usize || !crc_matches || !records_fit(&header, &whole[HEADER_LEN..]) {
            self.reason = "the checksum does not match";
            return Ok(None);
        }
        self.learn(&header);
        self.reached.end = if header.is_end() { base.plus(self.segment_bytes) } else { at.plus(u64::from(header.len)) };
        Ok(Some((header, self.window.held(at, header.len as usize))))
    }

    fn learn(&mut self, header: &Header) {
        self.reached.epoch = self.reached.epoch.max(header.epoch);
        self.reached.committed = self.reached.committed.max(header.committed);
    }

    /// Where the next batch is looked for.
    #[must_use]
    pub fn at(&self) -> LogOffset {
        self.reached.end
    }

    /// Whether what is left of the segment is too short for a batch.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.room() < HEADER_LEN as u64
    }

    fn room(&self) -> u64 {
        let at = self.reached.end;
        segment_of(at, self.segment_bytes).plus(self.segment_bytes).since(at)
    }

    /// The error for a walk that ended although everything below `committed` was acknowledged.
    #[must_use]
    pub fn damage(&self, committed: LogOffset) -> OpenError {
        let base = segment_of(self.reached.end, self.segment_bytes);
        OpenError::Damaged {
            file: layout::segment_name(base),
            offset: self.reached.end.since(base),
            committed,
            reason: self.reason.to_owned(),
        }
    }

    /// After the last batch: reads what lies behind the end, and refuses if it proves that the end is damage. Looks as far
    /// as `unsynced_max` bytes, and further behind each batch it finds.
    ///
    /// That is far enough: no more than that is ever written ahead of what is durable, so if the log went on after these
    /// bytes were durable, the first batch that says so begins within them.
    pub fn finish(mut self, unsynced_max: u64) -> Result<Reached, OpenError> {
        let end = self.reached.end;
        let first = segment_of(end, self.segment_bytes);
        let window = unsynced_max + 2 * BATCH_LEN_MAX as u64;
        let mut until = end.plus(window);
        for base in self.segments.bases().into_iter().filter(|base| *base >= first) {
            let segment = self.segments.holding(base).expect("listed above");
            let mut at = end.max(base);
            while let Some(header) = self.find_batch(&segment, at, until)? {
                self.learn(&header);
                at = header.first.plus(u64::from(header.len));
                until = at.plus(window);
            }
        }
        if self.reached.committed > end {
            return Err(self.damage(self.reached.committed));
        }
        Ok(self.reached)
    }

    /// The first whole batch from `from` on and below `until` in `segment`, wherever it starts.
    fn find_batch(
        &mut self,
        segment: &Arc<Segment>,
        from: LogOffset,
        until: LogOffset,
    ) -> Result<Option<Header>, OpenError> {
        let end = segment.base.plus(self.segment_bytes);
        let magic = layout::MAGIC.to_be_bytes();
        let finder = memmem::Finder::new(&magic);
        let mut at = from;
        while at < end.min(until) {
            let len = usize::try_from(end.since(at)).unwrap_or(usize::MAX).min(READ_LEN);
            let bytes = self.window.get(segment, at, len)?;
            if bytes.len() < HEADER_LEN {
                return Ok(None);
            }
            let Some(hit) = finder.find(bytes) else {
                // A magic may lie across the border of two reads.
                at = at.plus((bytes.len() - (magic.len() - 1)) as u64);
                continue;
            };
            at = at.plus(hit as u64);
            let head = self.window.get(segment, at, HEADER_LEN)?;
            let header = Header::decode(head, at).filter(|header| u64::from(header.len) <= end.since(at));
            if let Some(header) = header {
                let whole = self.window.get(segment, at, header.len as usize)?;
                if whole.len() == header.len as usize && layout::crc_matches(whole) {
                    return Ok(Some(header));
                }
            }
            at = at.plus(1);
        }
        Ok(None)
    }

    /// After the last batch: goes on at the next whole batch of this epoch or a later one, however much lies between. `None`:
    /// there is none. For salvage, which keeps what is whole.
    pub fn skip_damage(&mut self) -> Result<Option<LogOffset>, OpenError> {
        let end = self.reached.end;
        let first = segment_of(end, self.segment_bytes);
        for base in self.segments.bases().into_iter().filter(|base| *base >= first) {
            let segment = self.segments.holding(base).expect("listed above");
            let mut at = end.max(base);
            while let Some(header) = self.find_batch(&segment, at, LogOffset(u64::MAX))? {
                if header.epoch >= self.reached.epoch {
                    self.reached.end = header.first;
                    return Ok(Some(header.first));
                }
                at = header.first.plus(u64::from(header.len));
            }
        }
        Ok(None)
    }
}

/// Whether the records of a batch lie back to back and are as many as its header says.
fn records_fit(header: &Header, mut records: &[u8]) -> bool {
    if header.is_gap() {
        return header.count == 0;
    }
    let mut count = 0;
    while !records.is_empty() {
        let Some((_, len)) = record::peek(records).filter(|(_, len)| *len <= records.len()) else { return false };
        records = &records[len..];
        count += 1;
    }
    count == header.count
}

/// The part of a segment that was read last.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    at: LogOffset,
}

impl Window {
    /// The bytes `at..at + len` of the log; fewer if the file ends earlier.
    fn get(&mut self, segment: &Segment, at: LogOffset, len: usize) -> Result<&[u8], OpenError> {
        let inside = at >= self.at && at.since(self.at) + len as u64 <= self.bytes.len() as u64;
        if !inside {
            let want = len.max(READ_LEN).min(BATCH_LEN_MAX.max(READ_LEN));
            self.bytes.resize(want, 0);
            self.at = at;
            let read = segment.file.read_at(&mut self.bytes, at.since(segment.base)).map_err(|source| {
                OpenError::Io { what: format!("reading {}", layout::segment_name(segment.base)), source }
            })?;
            self.bytes.truncate(read);
        }
        Ok(self.held(at, len))
    }

    fn held(&self, at: LogOffset, len: usize) -> &[u8] {
        let from = usize::try_from(at.since(self.at)).expect("inside the window").min(self.bytes.len());
        &self.bytes[from..self.bytes.len().min(from + len)]
    }
}

/// Shorthand for an I/O error with what was being done.
pub fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let what = what.into();
    move |source| OpenError::Io { what, source }
}
