//! The commit log on disk: batches with group commit, segments and their indexes, the tail in memory, checkpoints,
//! recovery and retention. Byte layouts stand in docs/formats.md.
//!
//! The store knows records and queues, not what they mean: topics, groups and consumer offsets are projections of its
//! owner, fed through [`Observer`]. Only this crate opens files, and only it holds `unsafe`.

mod api;
pub mod disk;
mod staged;

pub use api::{
    AppendError, Appended, Boundary, Bounds, Busy, Clock, Entry, Fact, Fault, LoadError, Observer, OpenError, Options,
    QueueSlot, Read, ReadError, SyncRule, Unit,
};
pub use staged::Staged;
