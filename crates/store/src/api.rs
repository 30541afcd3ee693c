//! The words every part of the store shares with its callers: options, facts, units, answers and errors. No behaviour.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use model::record::codec::Malformed;
use model::{LogOffset, QueueOffset, Timestamp, TopicId};

use crate::retention::Policy;
use crate::runs::RunId;

/// Where "now" comes from. Asked once per append, never per message.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the store behaves. One documented struct; the defaults are what we would run ourselves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; created if absent. One process at a time.
    pub dir: PathBuf,
    /// Bytes of a segment file: a power of two, 64 KiB to 1 GiB. Fixed when the directory is created.
    pub segment_bytes: u64,
    /// Bytes of recent log kept in memory for tail readers. Un-synced bytes are kept above it if need be.
    pub tail_cache_bytes: usize,
    /// Bytes appended but not yet synced; above it an append is refused as busy. Bounds memory while a sync hangs.
    pub staging_bytes_max: usize,
    /// Threads for reads that must touch the disk.
    pub reader_threads: usize,
    /// Bytes of log between two checkpoints: what a restart has to replay.
    pub checkpoint_bytes: u64,
    /// How full the disk may become before messages are refused, and what goes first.
    pub retention: Policy,
    /// What makes a system record durable; messages say it themselves.
    pub sync: SyncRule,
    /// A planted bug, for the tests that prove the crash harness would find it.
    pub fault: Option<Fault>,
}

impl Options {
    /// The defaults, in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            segment_bytes: 256 * 1024 * 1024,
            tail_cache_bytes: 64 * 1024 * 1024,
            staging_bytes_max: 64 * 1024 * 1024,
            reader_threads: 4,
            checkpoint_bytes: 64 * 1024 * 1024,
            retention: Policy::default(),
            sync: SyncRule::Group,
            fault: None,
        }
    }
}

/// When a system record counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncRule {
    /// After an `fdatasync` that covers it, shared by all that wait.
    #[default]
    Group,
    /// After the write; a sync follows within half a second.
    Async,
}

/// Bugs the crash harness or the simulation must catch (RELIABILITY.md section 2.5, mutants 1 to 6, 13 and 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Data is never synced.
    NoSync,
    /// Durable records are acknowledged when written.
    AckBeforeSync,
    /// A new segment's directory entry is not synced.
    NoDirectorySync,
    /// Recovery believes a batch without checking its CRC.
    NoCrcInRecovery,
    /// The epoch is not raised at a cut, recovery does not mind a falling one, and no write clears the rest of its last page,
    /// which would hide most of what comes back.
    StaleTail,
    /// Durable messages can be read when they are written.
    ReadBeyondCommitted,
    /// After a restart numbering goes on behind what the log calls committed, not behind what it holds.
    NumberingFromCommitted,
    /// A replay numbers what the checkpoint has already.
    ReplayTwice,
}

/// What the log tells its owner, in order.
pub trait Observer: Send + Sync {
    /// The id of a topic by the name in a message record, asked when records are read back in recovery. `None`: the
    /// topic is unknown (deleted), and the index skips the record.
    fn topic_of(&self, name: &str) -> Option<TopicId>;

    /// Applied facts. System facts and the messages of one queue come in log order, live and in recovery. Messages of an
    /// `async` topic may come before facts that lie lower in the log; if they were told before a checkpoint at a lower
    /// offset was saved, they are told again after it was loaded.
    fn applied(&self, facts: &[Fact<'_>]);

    /// Keeps all projections as they are now, for a checkpoint. Called on a background thread while `applied` is not, so
    /// every answer waits: what is large is shared and written in [`Frozen`], what is small may be written here.
    fn freeze(&self) -> Frozen;

    /// Restores what [`Frozen::write`] wrote. Called at most once, before any `applied`.
    fn load(&self, bytes: &[u8]) -> Result<(), LoadError>;
}

/// The projections as they were at a moment.
pub struct Frozen {
    /// Writes their bytes. Called on a background thread, while facts go on being applied.
    pub write: Box<dyn FnOnce() -> Vec<u8> + Send>,
    /// The runs without which these bytes cannot be used.
    pub runs: Vec<RunId>,
}

impl From<Vec<u8>> for Frozen {
    /// Bytes that are written already, and need no runs.
    fn from(bytes: Vec<u8>) -> Frozen {
        Frozen { write: Box::new(|| bytes), runs: Vec::new() }
    }
}

/// Projections that cannot be restored: a newer version wrote them. The log does not open, since it may no longer hold what they know.
#[derive(Clone, Debug, thiserror::Error)]
#[error("saved projections cannot be read: {reason}")]
pub struct LoadError {
    pub reason: String,
}

impl From<Malformed> for LoadError {
    fn from(error: Malformed) -> LoadError {
        LoadError { reason: error.to_string() }
    }
}

/// One applied record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    Message {
        at: LogOffset,
        slot: QueueSlot,
        queue_offset: QueueOffset,
        len: u32,
        tag_hash: i32,
        stored: Timestamp,
    },
    /// `record` is the whole system record.
    System {
        at: LogOffset,
        record: &'a [u8],
    },
}

/// A queue's place in the store's tables, valid while the process lives. Resolved once and kept by the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueSlot(pub u32);

/// Where a queue begins and ends: `min` is its oldest kept message, `max` the next offset to become visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub min: QueueOffset,
    pub max: QueueOffset,
}

/// What the index keeps of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub at: LogOffset,
    pub len: u32,
    pub tag_hash: i32,
    pub stored: Timestamp,
}

/// May a read touch the disk?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// No: answer [`ReadError::WouldBlock`] instead. For I/O threads.
    Nowait,
    /// Yes. For reader threads only.
    Wait,
}

/// Which message a search by time wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The first message stored at or after the moment.
    Lower,
    /// The last message stored at or before the moment.
    Upper,
}

/// How far the log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub committed: LogOffset,
    pub written: LogOffset,
}

/// What an append became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The end of the append in the log.
    pub end: LogOffset,
    /// True: answer when `committed` has reached `end`; false: when `written` has.
    pub durable: bool,
}

/// Where one entry of an append went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub at: LogOffset,
    /// Zero for a system record.
    pub queue_offset: QueueOffset,
    pub stored: Timestamp,
}

/// Why nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("append of {len} bytes exceeds the limit of {max} bytes")]
    TooLarge { len: usize, max: usize },
    #[error("the disk is behind: {unsynced} bytes wait for it")]
    Busy { unsynced: u64 },
    #[error("the disk is nearly full")]
    DiskFull,
    #[error("the log is closing")]
    ShuttingDown,
    #[error("the log has failed")]
    Failed,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not in memory; ask again on a reader thread.
    #[error("the read would block")]
    WouldBlock,
    /// No record starts there, or it is not visible (any more).
    #[error("no record at log offset {at}")]
    NotFound { at: LogOffset },
    #[error("{file} is damaged at byte {offset}: {reason}")]
    Damaged { file: String, offset: u64, reason: String },
    #[error("reading {file}: {source}")]
    Io { file: String, source: io::Error },
}

/// The reader threads have as much waiting as they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many reads wait for the disk")]
pub struct Busy;

/// Why a log does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{dir} is in use by another process")]
    Locked { dir: String },
    #[error("{dir} has format version {found}; this kerolox reads version {known}")]
    Version { dir: String, found: u32, known: u32 },
    #[error("option {name}: {reason}")]
    Option { name: &'static str, reason: String },
    /// Bytes that were acknowledged are damaged. `kerolox store salvage` copies what is whole.
    #[error("{file} is damaged at byte {offset}, below the committed end {committed}: {reason}")]
    Damaged { file: String, offset: u64, committed: LogOffset, reason: String },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

/// The hash under which a message's key is indexed. Part of the format: it stands in index files.
#[must_use]
pub fn key_hash(topic: TopicId, key: &str) -> u64 {
    // FNV-1a, mixed at the end: fast on the short keys there are, and the same everywhere for ever.
    const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let bytes = topic.0.0.to_be_bytes().into_iter().chain(key.bytes());
    let mut hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^ hash >> 33
}
