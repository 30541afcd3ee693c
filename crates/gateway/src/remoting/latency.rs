//! How long answers that wait for the log took, in a histogram: one atomic add for the answers of a read.

use std::sync::atomic::{AtomicU64, Ordering};

use model::Millis;

/// Upper bounds in milliseconds, as the reference has them for its requests; above the last one is one bucket more.
pub const BOUNDS_MS: [u64; 9] = [1, 3, 5, 7, 10, 100, 1_000, 2_000, 3_000];

/// See the module.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl Latency {
    /// `count` answers took `span`.
    pub fn record(&self, span: Millis, count: usize) {
        let bucket = BOUNDS_MS.iter().position(|bound| span.0 <= *bound).unwrap_or(BOUNDS_MS.len());
        self.buckets[bucket].fetch_add(count as u64, Ordering::Relaxed);
        self.sum_ms.fetch_add(span.0.saturating_mul(count as u64), Ordering::Relaxed);
    }

    /// Counts by bucket, and the sum of all spans in milliseconds.
    #[must_use]
    pub fn reading(&self) -> ([u64; BOUNDS_MS.len() + 1], u64) {
        let counts = std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed));
        (counts, self.sum_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_falls_into_the_first_bucket_that_holds_it() {
        let latency = Latency::default();
        latency.record(Millis(0), 2);
        latency.record(Millis(1), 1);
        latency.record(Millis(8), 1);
        latency.record(Millis(60_000), 1);
        assert_eq!(latency.reading(), ([3, 0, 0, 0, 1, 0, 0, 0, 0, 1], 60_009));
    }
}
