//! The two kinds of offset, and what they count. They are different types so that they cannot be exchanged.

use std::fmt;

/// A byte position in the commit log: the wire's physical offset. It never changes meaning and never repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogOffset(pub u64);

/// The ordinal of a message in its queue, from 0, dense: the wire's queue offset and consumer offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueOffset(pub u64);

/// The number of a queue within its topic on this broker, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u32);

/// The identity of a topic: the log offset of the record that created it. A topic deleted and created again gets another
/// id, so it never sees its predecessor's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub LogOffset);

impl LogOffset {
    pub const ZERO: LogOffset = LogOffset(0);

    /// The offset `bytes` further on.
    #[must_use]
    pub fn plus(self, bytes: u64) -> LogOffset {
        LogOffset(self.0 + bytes)
    }

    /// Bytes from `earlier` to here; 0 if `earlier` lies beyond.
    #[must_use]
    pub fn since(self, earlier: LogOffset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl QueueOffset {
    pub const ZERO: QueueOffset = QueueOffset(0);

    /// The offset `count` messages further on.
    #[must_use]
    pub fn plus(self, count: u64) -> QueueOffset {
        QueueOffset(self.0 + count)
    }

    /// The signed form the wire uses.
    #[must_use]
    pub fn to_wire(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// Reads the wire's signed form; negative values are no offset.
    #[must_use]
    pub fn from_wire(value: i64) -> Option<QueueOffset> {
        u64::try_from(value).ok().map(QueueOffset)
    }
}

impl fmt::Display for LogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for QueueOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
