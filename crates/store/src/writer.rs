//! The writer: numbers what is appended, copies it to its place in the tail, and turns what is staged into writes.
//!
//! There is one, shared by all threads. `append` holds the stage's lock for a copy and a few numbers per record; `turn`
//! takes what is staged and writes it outside that lock. One write is in flight at a time: who finds one under way leaves
//! its bytes to the holder, so the file never has a hole.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::record::message;
use model::{LogOffset, QueueOffset, Timestamp};

use crate::api::{AppendError, Appended, Entry, Fault, SyncRule};
use crate::apply::NewUnit;
use crate::core::Core;
use crate::index::Queues;
use crate::layout::{BATCH_LEN_MAX, FLAG_END, HEADER_LEN, Header, segment_of};
use crate::segment::{Segment, rest_of_page};
use crate::staged::Staged;
use crate::tail::{Cursor, Tail};

/// A batch takes no further append beyond this. A reader verifies a batch whole, so it should stay small.
const BATCH_LEN_TARGET: u64 = 256 * 1024;

/// Staged bytes from which a durable append writes itself instead of leaving that to the flusher.
const TURN_LEN: u64 = 256 * 1024;

/// Groups one thread writes for others before it returns to its own work.
const TURNS_MAX: usize = 4;

/// What has been appended and not yet been taken by a turn. Behind one lock.
pub struct Stage {
    /// The next position of the log.
    pub end: LogOffset,
    /// Store time of the last append; store times never step back.
    pub stored: Timestamp,
    pub group: Group,
    /// The batch that takes the next append, if one is begun: always the last of `group.batches`.
    open: bool,
    cursor: Cursor,
    /// Something waits for a sync.
    pub sync_wanted: bool,
    /// The flusher knows that async bytes want a sync within half a second.
    pub sync_expected: bool,
    pub closing: bool,
    segment_bytes: u64,
}

/// Batches that are written and applied together. Reused, for its vectors.
#[derive(Default)]
pub struct Group {
    pub batches: Vec<Batch>,
    pub units: Vec<NewUnit>,
    /// Key hashes of `units`, one unit's after another's.
    pub keys: Vec<u64>,
    pub systems: Vec<SystemAt>,
    /// Some unit becomes visible when written.
    pub has_async: bool,
}

/// A batch that is complete but for its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub first: LogOffset,
    pub len: u32,
    pub count: u32,
    pub flags: u16,
}

/// A system record in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemAt {
    pub at: LogOffset,
    pub len: u32,
}

/// What the holder of the turn alone may touch.
#[derive(Default)]
pub struct Turn {
    /// Segments written since the last sync, oldest first.
    pub dirty: Vec<Arc<Segment>>,
    current: Option<Arc<Segment>>,
}

impl Group {
    /// The end of the last batch.
    #[must_use]
    pub fn end(&self) -> Option<LogOffset> {
        self.batches.last().map(Batch::end)
    }

    pub fn clear(&mut self) {
        self.batches.clear();
        self.units.clear();
        self.keys.clear();
        self.systems.clear();
        self.has_async = false;
    }
}

impl Batch {
    #[must_use]
    pub fn end(&self) -> LogOffset {
        self.first.plus(u64::from(self.len))
    }
}

impl Stage {
    #[must_use]
    pub fn new(end: LogOffset, stored: Timestamp, segment_bytes: u64) -> Stage {
        Stage {
            end,
            stored,
            group: Group::default(),
            open: false,
            cursor: Cursor::default(),
            sync_wanted: false,
            sync_expected: false,
            closing: false,
            segment_bytes,
        }
    }

    /// Bytes staged and not yet taken by a turn.
    #[must_use]
    pub fn staged_bytes(&self) -> u64 {
        self.group.batches.first().map_or(0, |first| self.end.since(first.first))
    }

    /// Finds the batch for `len` bytes of records: the open one, or a new one after it, in the next segment if this one
    /// has no room. Afterwards the bytes belong at `end`.
    fn place(&mut self, len: u64, tail: &Tail, durable: LogOffset) {
        let segment_end = segment_of(self.end, self.segment_bytes).plus(self.segment_bytes);
        let room = segment_end.since(self.end);
        if self.open {
            let batch = self.group.batches.last().expect("an open batch is the last one");
            // A full segment ends where `end` is the first offset of the next one.
            let inside = batch.first >= segment_of(self.end, self.segment_bytes);
            if inside && u64::from(batch.len) + len <= BATCH_LEN_TARGET && len <= room {
                return;
            }
            self.open = false;
        }
        if (HEADER_LEN as u64) + len > room {
            if room >= HEADER_LEN as u64 {
                self.begin(FLAG_END, tail, durable);
            }
            self.end = segment_end;
        }
        self.begin(0, tail, durable);
        self.open = true;
    }

    fn begin(&mut self, flags: u16, tail: &Tail, durable: LogOffset) {
        // SAFETY: The stage's lock orders all writes; readers stop at `written`, which is at or below `end`.
        unsafe { tail.write(&mut self.cursor, self.end, &[0; HEADER_LEN], durable) };
        let len = u32::try_from(HEADER_LEN).expect("a header is small");
        self.group.batches.push(Batch { first: self.end, len, count: 0, flags });
        self.end = self.end.plus(HEADER_LEN as u64);
    }

    /// Takes what is staged, leaving `empty` in its place. Only the holder of the turn may.
    pub fn take(&mut self, empty: &mut Group) {
        self.open = false;
        std::mem::swap(&mut self.group, empty);
    }
}

impl Stage {
    /// Numbers the records of `staged` and copies them to their place in the tail. Answers whether some are durable, and
    /// whether some become visible when written.
    fn number(&mut self, staged: &mut Staged, now: Timestamp, system_durable: bool, queues: &Queues) -> (bool, bool) {
        let (mut durable, mut has_async) = (false, false);
        self.stored = self.stored.max(now);
        let mut at = self.end;
        for entry in &mut staged.entries {
            let len = u64::from(entry.len);
            entry.became = Entry { at, queue_offset: QueueOffset::ZERO, stored: self.stored };
            let record_durable = if let Some(entry_of) = entry.message {
                let queue_offset = queues.number(entry_of.slot, 1);
                entry.became.queue_offset = queue_offset;
                let record = &mut staged.bytes[entry.start..entry.start + entry.len as usize];
                message::number(record, queue_offset, at, self.stored);
                self.group.units.push(NewUnit {
                    at,
                    queue_offset,
                    stored: self.stored,
                    slot: entry_of.slot,
                    len: entry.len,
                    tag_hash: entry_of.tag_hash,
                    keys: entry.keys,
                    durable: entry_of.durable,
                });
                entry_of.durable
            } else {
                self.group.systems.push(SystemAt { at, len: entry.len });
                system_durable
            };
            durable |= record_durable;
            has_async |= !record_durable;
            at = at.plus(len);
        }
        self.group.keys.extend_from_slice(&staged.keys);
        self.group.has_async |= has_async;
        let batch = self.group.batches.last_mut().expect("`place` has begun one");
        batch.len += u32::try_from(staged.bytes.len()).expect("at most BATCH_LEN_MAX");
        batch.count += u32::try_from(staged.entries.len()).expect("fewer entries than bytes");
        (durable, has_async)
    }
}

impl Core {
    /// Bytes of one append at most.
    pub fn append_bytes_max(&self) -> usize {
        BATCH_LEN_MAX.min(usize::try_from(self.options.segment_bytes).unwrap_or(usize::MAX)) - HEADER_LEN
    }

    /// Appends all of `staged` as part of one batch. It is written now if it is much; else when the appender's turn ends,
    /// which [`Core::end_turn`] tells, or with what the flusher is about to write.
    pub fn append(&self, staged: &mut Staged) -> Result<Appended, AppendError> {
        let max = self.append_bytes_max();
        if staged.bytes.len() > max {
            return Err(AppendError::TooLarge { len: staged.bytes.len(), max });
        }
        if self.failed() {
            return Err(AppendError::Failed);
        }
        if self.disk_full.load(Ordering::Relaxed)
            && !staged.frees
            && staged.entries.iter().any(|entry| entry.message.is_some())
        {
            return Err(AppendError::DiskFull);
        }
        let now = (self.clock)();
        let (appended, turn_now, wake) = {
            let mut stage = self.stage.lock();
            if stage.closing {
                return Err(AppendError::ShuttingDown);
            }
            let committed = self.committed();
            let unsynced = stage.end.since(committed);
            if unsynced > self.options.staging_bytes_max as u64 {
                return Err(AppendError::Busy { unsynced });
            }
            stage.place(staged.bytes.len() as u64, &self.tail, committed);
            let (durable, has_async) =
                stage.number(staged, now, self.options.sync == SyncRule::Group, &self.catalog.queues);
            let at = stage.end;
            // SAFETY: The stage's lock orders all writes; readers stop at `written`, which is at or below `at`.
            unsafe { self.tail.write(&mut stage.cursor, at, &staged.bytes, committed) };
            stage.end = at.plus(staged.bytes.len() as u64);
            stage.sync_wanted |= durable;
            self.end.store(stage.end.0, Ordering::Release);
            let turn_now = stage.staged_bytes() >= TURN_LEN;
            // Long before appends are refused as busy, a sync makes room.
            let much = unsynced > self.options.staging_bytes_max as u64 / 4;
            let wake = has_async && (!stage.sync_expected || much && !stage.sync_wanted);
            stage.sync_expected |= has_async;
            stage.sync_wanted |= much;
            (Appended { end: stage.end, durable }, turn_now, wake)
        };
        if turn_now {
            self.turn();
        }
        if wake {
            self.flusher_wake.notify_one();
        }
        Ok(appended)
    }

    /// Writes what is staged if it becomes visible when written, and wakes the flusher if something waits for a sync.
    pub fn end_turn(&self) {
        let (write, sync) = {
            let stage = self.stage.lock();
            (stage.group.has_async, stage.sync_wanted)
        };
        if write {
            self.turn();
        }
        if sync {
            self.flusher_wake.notify_one();
        }
    }

    /// Begins a batch that carries this open's epoch and nothing else, before anything else is written.
    pub fn stage_mark(&self) {
        let mut stage = self.stage.lock();
        stage.open = false;
        stage.place(0, &self.tail, self.committed());
        stage.open = false;
        stage.sync_wanted = true;
        self.end.store(stage.end.0, Ordering::Release);
    }

    /// Ends the current segment early and begins the next one, so that this one can be sealed.
    pub fn stage_segment_end(&self) {
        let mut stage = self.stage.lock();
        let (committed, segment_bytes) = (self.committed(), self.options.segment_bytes);
        let segment_end = segment_of(stage.end, segment_bytes).plus(segment_bytes);
        if segment_end.since(stage.end) >= HEADER_LEN as u64 {
            stage.begin(FLAG_END, &self.tail, committed);
        }
        stage.end = segment_end;
        stage.open = false;
        stage.place(0, &self.tail, committed);
        stage.open = false;
        stage.sync_wanted = true;
        self.end.store(stage.end.0, Ordering::Release);
        drop(stage);
        self.flusher_wake.notify_one();
    }

    /// Writes what is staged, unless somebody else is writing: then that one takes it along.
    pub fn turn(&self) {
        // A holder that looked before we staged, and let go after we tried, is why both look again after letting go.
        for _ in 0..TURNS_MAX {
            let Some(mut turn) = self.turn.try_lock() else { return };
            let wrote = self.write_staged(&mut turn);
            drop(turn);
            if !wrote || !self.stage.lock().group.has_async {
                return;
            }
        }
        // Others stage faster than this thread writes. It has its own work to do; the flusher goes on.
        self.stage.lock().sync_wanted = true;
        self.flusher_wake.notify_one();
    }

    /// Writes one group, applies what is visible when written, and publishes `written`. False: nothing was staged, or the
    /// write failed.
    pub fn write_staged(&self, turn: &mut Turn) -> bool {
        if self.failed() || self.stage.lock().staged_bytes() == 0 {
            return false;
        }
        let mut group = self.spare_groups.lock().pop().unwrap_or_default();
        self.stage.lock().take(&mut group);
        if self.options.fault == Some(Fault::ReadBeyondCommitted) {
            group.units.iter_mut().for_each(|unit| unit.durable = false);
            group.has_async = true;
        }
        if let Err(error) = self.write_group(turn, &group) {
            self.fail("writing the log", &error);
            return false;
        }
        let end = group.end().expect("a taken group has a batch");
        // First, or who finds a message in the index could not read it.
        self.readable.store(end.0, Ordering::Release);
        self.apply_written(group);
        self.written.store(end.0, Ordering::Release);
        self.progressed();
        true
    }

    /// Finishes the headers and writes the batches, one call for each run without a gap.
    fn write_group(&self, turn: &mut Turn, group: &Group) -> io::Result<()> {
        let mut rest = &group.batches[..];
        while let Some(first) = rest.first() {
            let base = segment_of(first.first, self.options.segment_bytes);
            let follows = |pair: &[Batch]| {
                pair[0].end() == pair[1].first && segment_of(pair[1].first, self.options.segment_bytes) == base
            };
            let run_len = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
            let (run, after) = rest.split_at(run_len);
            self.write_run(turn, base, run)?;
            rest = after;
        }
        Ok(())
    }

    fn write_run(&self, turn: &mut Turn, base: LogOffset, run: &[Batch]) -> io::Result<()> {
        let start = run[0].first;
        let len = run[run.len() - 1].end().since(start);
        let pinned = self.tail.pin(start, len);
        let committed = self.committed();
        for batch in run {
            let records = batch.first.plus(HEADER_LEN as u64);
            let header = Header {
                flags: batch.flags,
                epoch: self.epoch,
                first: batch.first,
                len: batch.len,
                count: batch.count,
                committed: committed.min(batch.first),
                crc: 0,
            };
            // SAFETY: The holder of the turn alone touches taken batches until `written` is published.
            let header = header.seal(unsafe { pinned.pieces(records, u64::from(batch.len) - HEADER_LEN as u64) });
            // SAFETY: As above.
            unsafe { pinned.overwrite(batch.first, &header) };
        }
        if turn.current.as_ref().is_none_or(|current| current.base != base) {
            let segment = self.segments.get_or_make(base)?;
            segment.enter();
            turn.current = Some(segment);
            self.errands.call();
        }
        let segment = turn.current.as_ref().expect("set above");
        if turn.dirty.last().is_none_or(|last| last.base != base) {
            turn.dirty.push(segment.clone());
        }
        // SAFETY: As above.
        let mut slices: Vec<IoSlice<'_>> = unsafe { pinned.pieces(start, len) }.map(IoSlice::new).collect();
        // The file of a recycled segment may have left the memory: the kernel reads a page that is written in part, and
        // whoever writes waits for it. The next write begins where these zeros do.
        if self.options.fault != Some(Fault::StaleTail) {
            slices.push(IoSlice::new(rest_of_page(start.plus(len).since(base))));
        }
        segment.file.write_at(&mut slices, start.since(base))
    }
}
