//! Checkpoints are taken and segments trimmed here: what the keeper does now and then, and a caller may ask for.

use std::io;
use std::sync::atomic::Ordering;

use model::record::system::System;
use model::{LogOffset, Timestamp};

use crate::api::{AppendError, Frozen, SyncRule};
use crate::checkpoint::{Checkpoint, Checkpoints, Facts};
use crate::core::Core;
use crate::index::growing;
use crate::layout::{LOG_DIR, index_name, segment_of};
use crate::retention::{self, Policy, Sealed};
use crate::staged::Staged;

/// `QueueReached` records in one append.
const REACHED_PER_APPEND: usize = 1_000;

/// A checkpoint waits until the log has grown by so many times its size: at any rate checkpoints take a small part of what
/// the disk does.
const LOG_PER_CHECKPOINT: u64 = 8;

/// The most a restart replays: half a second's work.
const CHECKPOINT_EVERY_MAX: u64 = 512 * 1024 * 1024;

impl Core {
    /// Seals full segments, and takes a checkpoint if enough log has gathered since the last.
    pub fn seal_and_checkpoint(&self) -> io::Result<()> {
        let mut checkpoints = self.checkpoints.lock();
        self.catalog.seal(&*self.disk, self.apply.lock().applied)?;
        let since = self.committed().since(LogOffset(self.checkpointed.load(Ordering::Acquire)));
        if since >= self.checkpoint_every.load(Ordering::Relaxed) {
            self.take_checkpoint(&mut checkpoints, false)?;
        }
        Ok(())
    }

    /// Takes a checkpoint now, unless nothing has changed since the last.
    pub fn checkpoint(&self) -> io::Result<()> {
        let mut checkpoints = self.checkpoints.lock();
        self.catalog.seal(&*self.disk, self.apply.lock().applied)?;
        self.take_checkpoint(&mut checkpoints, false)
    }

    /// `base`: what changed is not only what was appended.
    fn take_checkpoint(&self, checkpoints: &mut Checkpoints, base: bool) -> io::Result<()> {
        // Async system records are applied before they are durable, and projections do not tell them apart: for a moment
        // nothing may be ahead.
        let quiet = (self.options.sync == SyncRule::Async).then(|| {
            // Half a second of writes may wait for a sync: as long as that takes, others may still write.
            self.flush();
            self.quiesce()
        });
        let frozen = self.freeze(checkpoints, base);
        if quiet.is_some() {
            drop(quiet);
            self.turn();
        }
        if self.failed() {
            return Err(io::Error::other(AppendError::Failed.to_string()));
        }
        let Some((at, frozen)) = frozen else { return Ok(()) };
        let checkpoint = self.snapshot(checkpoints, base, at, frozen);
        checkpoints.write(&checkpoint)?;
        let bytes = checkpoint.queues.len() + checkpoint.units.len() + checkpoint.projections.len();
        let every = (bytes as u64 * LOG_PER_CHECKPOINT)
            .clamp(self.options.checkpoint_bytes, CHECKPOINT_EVERY_MAX.max(self.options.checkpoint_bytes));
        self.checkpoint_every.store(every, Ordering::Relaxed);
        self.checkpointed.store(checkpoint.facts.at.0, Ordering::Release);
        Ok(())
    }

    /// The projections now, and what offset that is; `None` if nothing has changed since the last checkpoint.
    fn freeze(&self, checkpoints: &Checkpoints, base: bool) -> Option<(LogOffset, Frozen)> {
        let apply = self.apply.lock();
        let at = apply.applied;
        if !base && at.0 == self.checkpointed.load(Ordering::Acquire) && checkpoints.since(false) == Some(at) {
            return None;
        }
        Some((at, self.observer.freeze()))
    }

    /// What a checkpoint holds as of `at`. Facts go on being applied meanwhile: each lies beyond `at`, and the index tells
    /// which. What it has of them stays there, because indexes are sealed under the lock of the checkpoints only.
    fn snapshot(&self, checkpoints: &Checkpoints, base: bool, at: LogOffset, frozen: Frozen) -> Checkpoint {
        let queues = &self.catalog.queues;
        let since = checkpoints.since(queues.take_needs_base() || base).filter(|since| *since < at);
        let growing = &self.catalog.indexes.growing;
        let (mut saved_queues, mut units) = (Vec::new(), Vec::new());
        let hold = || {
            let growing = growing.read();
            move |slot| growing.ahead(slot, at)
        };
        queues.save(since, at, hold, &mut saved_queues);
        growing::save(growing, since, at, queues, &mut units);
        // All below `at` was synced before it was applied.
        let committed = self.committed().max(at);
        let facts = Facts { at, since, epoch: self.epoch, start: self.start(), committed };
        Checkpoint { facts, queues: saved_queues, units, projections: (frozen.write)(), runs: frozen.runs }
    }

    /// Where the oldest checkpoint kept stands; zero if there is none.
    pub fn oldest_checkpoint(&self) -> io::Result<LogOffset> {
        self.checkpoints.lock().oldest()
    }

    /// Up to where the log may be trimmed by `policy`.
    pub fn expired(&self, now: Timestamp, policy: &Policy) -> io::Result<Option<LogOffset>> {
        let segment_bytes = self.options.segment_bytes;
        let sealed: Vec<_> = self
            .catalog
            .indexes
            .older()
            .iter()
            .map(|index| Sealed {
                start: index.start(),
                end: index.start().plus(segment_bytes),
                bytes: segment_bytes,
                newest: (index.messages() > 0).then(|| index.newest_time()),
            })
            .collect();
        Ok(retention::expired(&sealed, policy, self.disk.space()?, now))
    }

    /// No message kept was stored before this. `None`: there is none.
    pub fn oldest_message(&self) -> Option<Timestamp> {
        let older = self.catalog.indexes.older();
        let of_older = older.iter().find(|index| index.messages() > 0).map(|index| index.base_time());
        of_older.or_else(|| {
            let growing = self.catalog.indexes.growing.read();
            growing.iter().rev().find(|index| index.messages() > 0).map(|index| index.base_time())
        })
    }

    /// Deletes whole segments below `to`. First says in the log where the numbering of queues goes on that have all their
    /// messages there, then takes a checkpoint with the new start: a crash leaves the segments or a checkpoint that does
    /// not want them.
    pub fn trim(&self, to: LogOffset) -> io::Result<()> {
        let to = segment_of(to, self.options.segment_bytes);
        if to <= self.start() {
            return Ok(());
        }
        self.re_append_reached(to)?;
        let mut checkpoints = self.checkpoints.lock();
        let applied = self.apply.lock().applied;
        self.catalog.seal(&*self.disk, applied)?;
        let to = to.min(segment_of(applied, self.options.segment_bytes));
        let before = self.start();
        if to <= before {
            return Ok(());
        }
        let begin = || self.start.store(to.0, Ordering::Release);
        self.catalog.indexes.trim(to, begin).map_err(|error| io::Error::other(error.to_string()))?;
        self.take_checkpoint(&mut checkpoints, true)?;
        for base in self.segments.bases().into_iter().filter(|base| *base < to) {
            match self.disk.remove(&index_name(base)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.segments.remove(base)?,
            }
        }
        self.disk.sync_dir(LOG_DIR)
    }

    /// Appends where numbering stands for queues whose last word about it lies below `to`, and waits until it is durable.
    fn re_append_reached(&self, to: LogOffset) -> io::Result<()> {
        let reached = self.catalog.queues.told_only_below(to);
        let mut staged = Staged::new();
        for some in reached.chunks(REACHED_PER_APPEND) {
            staged.clear();
            for queue in some {
                staged.system(&System::QueueReached { topic: queue.topic, queue: queue.queue, next: queue.next });
            }
            match self.append(&mut staged) {
                Ok(_) => self.flush(),
                Err(AppendError::Busy { .. }) => return Err(io::ErrorKind::ResourceBusy.into()),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
            if self.failed() {
                return Err(io::Error::other(AppendError::Failed.to_string()));
            }
            let apply = self.apply.lock();
            for (index, queue) in some.iter().enumerate() {
                if let Some(slot) = self.catalog.queues.find(queue.topic, queue.queue) {
                    self.catalog.queues.reached(slot, queue.next, staged.entry(index).at);
                }
            }
            drop(apply);
        }
        Ok(())
    }
}
