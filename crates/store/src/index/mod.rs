//! Where the messages of a queue, a moment or a key are: one index a segment, and the table of all queues.
//!
//! * [`queues`]: queue -> slot, numbering, visible bounds. In memory, saved in checkpoints.
//! * [`open`]: the index of the segment that is written. In memory, saved in checkpoints.
//! * [`growing`]: the one or two of these that are not full yet.
//! * [`seal`], [`sealed`]: the same as an immutable `.idx` file beside its segment, in [`pages`].
//! * [`across`]: lookups over all segments.
//!
//! Everything here is a projection of the log and can be rebuilt from it. A damaged file is named, never believed.

pub mod across;
mod blocks;
pub mod growing;
pub mod open;
mod pages;
pub mod queues;
pub mod seal;
pub mod sealed;
#[cfg(test)]
pub(crate) mod testing;

pub use across::Indexes;
pub use growing::Growing;
pub use open::OpenIndex;
pub use pages::PageCache;
pub use queues::Queues;
pub use sealed::SealedIndex;

use model::{LogOffset, QueueOffset, Timestamp};

/// A batch of the log: walking it finds the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    /// Of its header.
    pub at: LogOffset,
    /// Header and payload.
    pub len: u32,
}

/// A message that has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHit {
    pub at: LogOffset,
    pub len: u32,
    pub stored: Timestamp,
}

/// A queue's messages in one segment: dense, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Queue offset of the first.
    pub base: QueueOffset,
    /// At least 1.
    pub count: u32,
}

impl Span {
    /// The queue offset after the last.
    #[must_use]
    pub fn end(&self) -> QueueOffset {
        self.base.plus(u64::from(self.count))
    }
}

/// A unit as it is kept: relative to its segment, 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed {
    /// Bytes from the segment's start.
    position: u32,
    len: u32,
    tag_hash: i32,
    /// Milliseconds from the index's base time, at most 49 days: a segment is sealed after one.
    stored: u32,
}

const _: () = assert!(size_of::<Packed>() == 16);

impl Packed {
    const LEN: usize = 16;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.position.to_be_bytes());
        out.extend_from_slice(&self.len.to_be_bytes());
        out.extend_from_slice(&self.tag_hash.to_be_bytes());
        out.extend_from_slice(&self.stored.to_be_bytes());
    }

    /// Reads the 16 bytes that `bytes` begins with.
    fn get(bytes: &[u8]) -> Packed {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        Packed { position: word(0), len: word(4), tag_hash: word(8).cast_signed(), stored: word(12) }
    }
}

/// What positions and times of an index are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    start: LogOffset,
    time: Timestamp,
}

impl Origin {
    /// The position of `at`, which lies in the segment: at most 1 GiB.
    fn position(&self, at: LogOffset) -> u32 {
        u32::try_from(at.since(self.start)).expect("a segment is at most 1 GiB")
    }

    fn at(&self, position: u32) -> LogOffset {
        self.start.plus(u64::from(position))
    }

    fn millis(&self, stored: Timestamp) -> u32 {
        u32::try_from(stored.since(self.time).0).unwrap_or(u32::MAX)
    }

    fn stored(&self, millis: u32) -> Timestamp {
        Timestamp(self.time.0.saturating_add(i64::from(millis)))
    }

    fn unit(&self, packed: Packed) -> crate::Unit {
        crate::Unit {
            at: self.at(packed.position),
            len: packed.len,
            tag_hash: packed.tag_hash,
            stored: self.stored(packed.stored),
        }
    }
}
