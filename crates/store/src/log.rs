//! The open log: what the broker holds.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};
use parking_lot::{Condvar, Mutex, RwLock};

use crate::api::{
    AppendError, Appended, Boundary, Bounds, Busy, Clock, Fault, Observer, OpenError, Options, QueueSlot, Read,
    ReadError, Unit,
};
use crate::apply::Apply;
use crate::cold::Readers;
use crate::core::{Core, Tell, Wake};
use crate::disk::{Disk, RealDisk, Space};
use crate::index::queues::TooManyQueues;
use crate::keeper::Errands;
use crate::lock::{Lock, Node};
use crate::recovery::io_error;
use crate::restore::{Restored, restore};
use crate::retention::Policy;
use crate::runs::Runs;
use crate::staged::Staged;
use crate::tail::Tail;
use crate::writer::{Stage, Turn};

/// An open log. Dropping it closes it.
pub struct Log {
    core: Arc<Core>,
    readers: Readers,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Let go last.
    lock: Option<Lock>,
}

impl Log {
    /// Creates or opens the log in `options.dir`: finds its end, replays it into `observer`, starts the threads.
    pub fn open(options: Options, observer: Arc<dyn Observer>, clock: Clock) -> Result<Arc<Log>, OpenError> {
        let disk = Arc::new(RealDisk::new(&options.dir));
        disk.create_dir("").map_err(io_error("creating the data directory"))?;
        let lock = Lock::take(&options.dir)?;
        let mut log = Log::open_on(disk, options, observer, clock)?;
        log.lock = Some(lock);
        log.start_threads()?;
        Ok(Arc::new(log))
    }

    /// Opens the log on `disk` without threads of its own: [`Log::flush`] and [`Log::keep`] are turned by hand. For
    /// simulations and crash tests.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        mut options: Options,
        observer: Arc<dyn Observer>,
        clock: Clock,
    ) -> Result<Log, OpenError> {
        check(&options)?;
        let node = Node::read_or_create(&*disk, &options)?;
        if node.segment_bytes != options.segment_bytes {
            tracing::warn!(
                wanted = options.segment_bytes,
                used = node.segment_bytes,
                "the directory's segment size stays"
            );
            options.segment_bytes = node.segment_bytes;
        }
        let Restored { segments, catalog, checkpoints, start, checkpointed, reached, newest } =
            restore(&disk, &options, &*observer)?;
        let end = reached.end;
        let raise = options.fault != Some(Fault::StaleTail);
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let core = Core {
            id: OPENED.fetch_add(1, Ordering::Relaxed) + 1,
            epoch: if raise { reached.epoch + 1 } else { reached.epoch },
            tail: Tail::new(options.segment_bytes, options.tail_cache_bytes, end),
            checkpoints: Mutex::new(checkpoints),
            sync: Mutex::default(),
            turn: Mutex::new(Turn::default()),
            apply: Mutex::new(Apply::new(end)),
            stage: Mutex::new(Stage::new(end, newest, options.segment_bytes)),
            flusher_wake: Condvar::new(),
            spare_groups: Mutex::default(),
            errands: Errands::default(),
            start: AtomicU64::new(start.0),
            checkpointed: AtomicU64::new(checkpointed.0),
            checkpoint_every: AtomicU64::new(options.checkpoint_bytes),
            committed: AtomicU64::new(end.0),
            written: AtomicU64::new(end.0),
            readable: AtomicU64::new(end.0),
            end: AtomicU64::new(end.0),
            failed: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            on_progress: RwLock::default(),
            on_failure: RwLock::default(),
            options,
            disk,
            observer,
            clock,
            segments,
            catalog,
        };
        if raise {
            core.stage_mark();
            core.flush();
        }
        if core.failed() {
            return Err(io_error("writing the first batch of this epoch")(io::ErrorKind::Other.into()));
        }
        let readers = Readers::start(core.options.reader_threads).map_err(io_error("starting reader threads"))?;
        Ok(Log { core: Arc::new(core), readers, threads: Mutex::default(), lock: None })
    }

    fn start_threads(&self) -> Result<(), OpenError> {
        let spawn = |name: &str, life: fn(&Core)| {
            let core = self.core.clone();
            let thread = thread::Builder::new().name(name.to_owned()).spawn(move || life(&core));
            thread.map(|thread| self.threads.lock().push(thread)).map_err(io_error("starting a thread"))
        };
        spawn("log-flush", Core::flush_until_closed)?;
        spawn("log-keep", Core::keep_until_closed)
    }

    /// Appends all of `staged` as part of one batch: after a crash all of it is there or nothing. Entries are numbered in
    /// order; [`Staged::entry`] says how. Blocks for a copy, never for the disk unless the entries are async.
    pub fn append(&self, staged: &mut Staged) -> Result<Appended, AppendError> {
        let appended = self.core.append(staged)?;
        self.core.end_turn();
        Ok(appended)
    }

    /// As [`Log::append`], for an I/O thread with many appends in one turn: it calls [`Log::end_turn`] once, behind the last
    /// of them, so that they become one write and one sync. By the first append alone, each would get its own.
    pub fn append_in_turn(&self, staged: &mut Staged) -> Result<Appended, AppendError> {
        self.core.append(staged)
    }

    /// Writes what the turn has appended for readers that need no sync, and wakes the flusher for what does.
    pub fn end_turn(&self) {
        self.core.end_turn();
    }

    /// Bytes of one append at most: 16 MiB, or a segment if those are smaller.
    #[must_use]
    pub fn append_bytes_max(&self) -> usize {
        self.core.append_bytes_max()
    }

    /// The oldest offset kept.
    #[must_use]
    pub fn start(&self) -> LogOffset {
        self.core.start()
    }

    /// Everything below is durable, applied and visible.
    #[must_use]
    pub fn committed(&self) -> LogOffset {
        self.core.committed()
    }

    /// Everything below has been written, and survives the process.
    #[must_use]
    pub fn written(&self) -> LogOffset {
        self.core.written()
    }

    /// The next position to be given out.
    #[must_use]
    pub fn end(&self) -> LogOffset {
        LogOffset(self.core.end.load(Ordering::Acquire))
    }

    /// Higher at each open.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.core.epoch
    }

    /// Whether a write or a sync has failed: nothing is acknowledged any more, and the process should end.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.core.failed()
    }

    /// `wake` is called whenever `committed` or `written` has moved, and when the log has failed. It must be short.
    pub fn on_progress(&self, wake: Wake) {
        self.core.on_progress.write().push(wake);
    }

    /// `tell` is called once with the reason if the log fails.
    pub fn on_failure(&self, tell: Tell) {
        self.core.on_failure.write().push(tell);
    }

    /// The slot of a queue, given out if it has none yet. Not for every message.
    pub fn slot(&self, topic: TopicId, queue: QueueId) -> Result<QueueSlot, TooManyQueues> {
        self.core.catalog.queues.find_or_create(topic, queue)
    }

    /// Drops the queues of a deleted topic.
    pub fn forget(&self, topic: TopicId) {
        self.core.catalog.queues.forget(topic);
    }

    /// What of a queue is visible.
    #[must_use]
    pub fn bounds(&self, slot: QueueSlot) -> Bounds {
        self.core.catalog.queues.bounds(slot)
    }

    /// Appends to `out` at most `max` units from `from` on, visible ones only. May answer fewer than there are: ask again
    /// from where they end.
    pub fn units(
        &self,
        slot: QueueSlot,
        from: QueueOffset,
        max: usize,
        mode: Read,
        out: &mut Vec<Unit>,
    ) -> Result<(), ReadError> {
        self.core.units(slot, from, max, mode, out)
    }

    /// Appends the bytes of the record that a unit names to `out`.
    pub fn read(&self, at: LogOffset, len: u32, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.core.read(at, len, mode, out)
    }

    /// Appends the bytes of the records that the units name to `out`. On an error `out` may have grown.
    pub fn read_units(&self, units: &[Unit], mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.core.read_units(units, mode, out)
    }

    /// Shows the records that the units name to `look`, in their order, each with its place in `units`. They are copied only
    /// where they lie in two pieces of memory. On an error some may have been shown.
    pub fn look_at(&self, units: &[Unit], mode: Read, look: impl FnMut(usize, &[u8])) -> Result<(), ReadError> {
        self.core.look_at(units, mode, look)
    }

    /// Appends the record at an offset from the wire to `out`: only if a record starts there that is written. Whether its
    /// topic's rule makes it visible is for the caller to see, from the bounds of its queue.
    pub fn read_at(&self, at: LogOffset, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.core.read_at(at, mode, out)
    }

    /// The queue offset a search by store time answers: with `Lower` the first message at or after `moment`, else the
    /// queue's end; with `Upper` the last one at or before it, else its beginning (request-codes.md, code 29).
    pub fn search_time(
        &self,
        slot: QueueSlot,
        moment: Timestamp,
        boundary: Boundary,
        mode: Read,
    ) -> Result<QueueOffset, ReadError> {
        self.core.search_time(slot, moment, boundary, mode)
    }

    /// Visible messages with the key, stored from `from` to `to`, newest first, at most `max`: log offset and length.
    /// Two keys may share a hash; the caller compares the key itself.
    pub fn find_keys(
        &self,
        key: u64,
        from: Timestamp,
        to: Timestamp,
        max: usize,
        mode: Read,
    ) -> Result<Vec<(LogOffset, u32)>, ReadError> {
        self.core.find_keys(key, from, to, max, mode)
    }

    /// Runs `job` on a reader thread.
    pub fn run_cold(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), Busy> {
        self.readers.run(job)
    }

    /// Writes and syncs what is staged, applies it and publishes `committed`.
    pub fn flush(&self) {
        self.core.flush();
    }

    /// For whoever waits for what is staged: a log without threads of its own, which nobody else would flush meanwhile,
    /// is flushed.
    pub fn settle(&self) {
        if self.threads.lock().is_empty() {
            self.core.flush();
        }
    }

    /// One round of what the keeper's thread does.
    pub fn keep(&self) {
        self.core.keep();
    }

    /// Saves what is applied, so that a restart has little to replay. Also done every `checkpoint_bytes`, and at close.
    pub fn checkpoint(&self) -> io::Result<()> {
        self.core.checkpoint()
    }

    /// Large files of the owner's that checkpoints name.
    #[must_use]
    pub fn runs(&self) -> Runs {
        Runs::new(self.core.disk.clone())
    }

    /// Where the oldest checkpoint kept stands; zero if there is none. Runs that no later one names can be removed. May wait
    /// for a checkpoint that is being written.
    pub fn oldest_checkpoint(&self) -> io::Result<LogOffset> {
        self.core.oldest_checkpoint()
    }

    /// No message was stored after this, whatever the clock has shown since.
    #[must_use]
    pub fn newest_stored(&self) -> Timestamp {
        self.core.stage.lock().stored
    }

    /// No message kept was stored before this. `None`: there is none.
    #[must_use]
    pub fn oldest_message(&self) -> Option<Timestamp> {
        self.core.oldest_message()
    }

    /// The disk has less free than the policy wants: messages are refused until it has more.
    #[must_use]
    pub fn disk_full(&self) -> bool {
        self.core.disk_full.load(Ordering::Relaxed)
    }

    /// What the file system of the data directory has.
    pub fn space(&self) -> io::Result<Space> {
        self.core.disk.space()
    }

    /// Up to where `policy` would trim the log now.
    pub fn expired(&self, now: Timestamp, policy: &Policy) -> io::Result<Option<LogOffset>> {
        self.core.expired(now, policy)
    }

    /// Deletes whole segments below `to`. The caller has re-appended its live facts whose newest record lies there; where
    /// the numbering of queues goes on, the log re-appends itself. For background work.
    pub fn trim(&self, to: LogOffset) -> io::Result<()> {
        self.core.trim(to)
    }

    /// Refuses new appends, writes and syncs all that is staged, takes a checkpoint, ends the threads. Told again, it does
    /// nothing.
    pub fn close(&self) {
        if std::mem::replace(&mut self.core.stage.lock().closing, true) {
            return;
        }
        self.core.flusher_wake.notify_all();
        self.core.errands.close();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the log panicked");
            }
        }
        self.core.flush();
        if !self.core.failed()
            && let Err(error) = self.core.checkpoint()
        {
            tracing::warn!(%error, "no checkpoint at close; the next start has more to replay");
        }
        self.readers.close();
    }
}

/// Refuses options the store cannot work with.
fn check(options: &Options) -> Result<(), OpenError> {
    const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024;
    if !options.segment_bytes.is_power_of_two() || !SEGMENT_BYTES.contains(&options.segment_bytes) {
        let reason = format!("{} is no power of two from 64 KiB to 1 GiB", options.segment_bytes);
        return Err(OpenError::Option { name: "segment_bytes", reason });
    }
    Ok(())
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
pub(crate) mod tests;
