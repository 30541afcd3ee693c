//! Moments and spans. Time is always an argument: nothing here reads a clock.

use std::time::Duration;

/// A moment: milliseconds since 1970-01-01T00:00:00Z, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A span in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Timestamp {
    /// The moment `span` later; the last representable one if that overflows.
    #[must_use]
    pub fn after(self, span: Millis) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// The span since `earlier`; zero if that lies ahead (clocks step back).
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Millis {
    #[must_use]
    pub fn from_secs(secs: u64) -> Millis {
        Millis(secs.saturating_mul(1_000))
    }
}

impl From<Millis> for Duration {
    fn from(span: Millis) -> Duration {
        Duration::from_millis(span.0)
    }
}
