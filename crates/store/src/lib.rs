//! The commit log on disk: batches with group commit, segments and their indexes, the tail in memory, checkpoints,
//! recovery and retention. Byte layouts stand in docs/formats.md.
//!
//! The store knows records and queues, not what they mean: topics, groups and consumer offsets are projections of its
//! owner, fed through [`Observer`]. Only this crate opens files, and only it holds `unsafe`.

#![allow(clippy::disallowed_methods, reason = "this is the crate that opens files")]

mod api;
mod apply;
mod catalog;
pub mod checkpoint;
mod chunk;
pub mod cold;
mod core;
pub mod disk;
mod flusher;
pub mod index;
mod keeper;
mod layout;
mod lock;
mod log;
mod reader;
mod recovery;
mod replay;
mod restore;
pub mod retention;
pub mod runs;
mod salvage;
mod segment;
mod small_file;
mod snapshot;
mod staged;
mod tail;
mod writer;

pub use api::{
    AppendError, Appended, Boundary, Bounds, Busy, Clock, Entry, Fact, Fault, Frozen, LoadError, Observer, OpenError,
    Options, Progress, QueueSlot, Read, ReadError, SyncRule, Unit, key_hash,
};
pub use index::queues::TooManyQueues;
pub use log::Log;
pub use retention::Policy;
pub use salvage::{Salvaged, salvage};
pub use small_file::keep_text;
pub use staged::Staged;
