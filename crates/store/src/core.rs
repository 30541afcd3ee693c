//! What all threads of an open log share, the log's positions, and the end it comes to when the disk fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::LogOffset;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::api::{Clock, Observer, Options, Progress};
use crate::apply::Apply;
use crate::catalog::Catalog;
use crate::checkpoint::Checkpoints;
use crate::disk::Disk;
use crate::keeper::Errands;
use crate::segment::Segments;
use crate::tail::Tail;
use crate::writer::{Group, Stage, Turn};

/// Called when `committed` or `written` has moved.
pub type Wake = Box<dyn Fn(Progress) + Send + Sync>;
/// Called with the reason when the log has failed.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// The shared parts. Locks are taken one at a time, or in the order of the fields: `checkpoints`, `sync`,
/// `turn`, `apply`, `stage`.
pub struct Core {
    /// Another one for each log this process opens; never zero.
    pub id: u64,
    pub options: Options,
    pub disk: Arc<dyn Disk>,
    pub observer: Arc<dyn Observer>,
    pub clock: Clock,
    pub epoch: u64,
    pub segments: Segments,
    pub catalog: Catalog,
    pub tail: Tail,

    /// Held while indexes are sealed, checkpoints written and segments trimmed. Taken before all others.
    pub checkpoints: Mutex<Checkpoints>,
    /// Held from before a sync until `committed` is published: syncs do not overtake each other.
    pub sync: Mutex<()>,
    /// Held while writing.
    pub turn: Mutex<Turn>,
    /// Held while facts are applied, so that they come in order, and while projections are frozen.
    pub apply: Mutex<Apply>,
    pub stage: Mutex<Stage>,
    /// Together with `stage`: something waits for a sync.
    pub flusher_wake: Condvar,
    pub spare_groups: Mutex<Vec<Group>>,
    pub errands: Errands,

    pub start: AtomicU64,
    /// Everything below is in a checkpoint.
    pub checkpointed: AtomicU64,
    /// Bytes of log between two checkpoints: as the options say, or more if checkpoints are large.
    pub checkpoint_every: AtomicU64,
    pub committed: AtomicU64,
    pub written: AtomicU64,
    /// Where reads end: what is written and may be in the index already. Ahead of `written` while a group is applied.
    pub readable: AtomicU64,
    pub end: AtomicU64,
    pub failed: AtomicBool,
    pub disk_full: AtomicBool,
    pub on_progress: RwLock<Vec<Wake>>,
    pub on_failure: RwLock<Vec<Tell>>,
}

impl Core {
    pub fn start(&self) -> LogOffset {
        LogOffset(self.start.load(Ordering::Acquire))
    }

    pub fn committed(&self) -> LogOffset {
        LogOffset(self.committed.load(Ordering::Acquire))
    }

    pub fn written(&self) -> LogOffset {
        LogOffset(self.written.load(Ordering::Acquire))
    }

    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Tells everybody that `committed` or `written` has moved.
    pub fn progressed(&self) {
        let progress = Progress { committed: self.committed(), written: self.written() };
        for wake in self.on_progress.read().iter() {
            wake(progress);
        }
    }

    /// A failed write or sync is final: what the kernel holds of the file is unknown from now on, so nothing after it may
    /// be acknowledged. Recovery by opening again knows what is true.
    pub fn fail(&self, doing: &str, error: &io::Error) {
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::error!(%error, doing, "the log has failed; nothing is acknowledged any more");
        let text = format!("{doing}: {error}");
        for tell in self.on_failure.read().iter() {
            tell(&text);
        }
        self.progressed();
    }
}
