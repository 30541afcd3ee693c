//! What the broker counts, for metrics and for tools. One atomic add per event.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Values counted by how large they are.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above the last.
    buckets: Box<[Counter]>,
    sum: Counter,
}

impl Histogram {
    /// Counts values up to and including each of `bounds`, which ascend, and those above.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Histogram {
        Histogram { bounds, buckets: (0..=bounds.len()).map(|_| Counter::default()).collect(), sum: Counter::default() }
    }

    pub fn record(&self, value: u64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.buckets[bucket].add(1);
        self.sum.add(value);
    }

    #[must_use]
    pub fn reading(&self) -> Reading {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        Reading { buckets: bounds.zip(self.buckets.iter().map(Counter::get)).collect(), sum: self.sum.get() }
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Each bound (`None`: no bound) with the values up to it that are above the one before.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// Of all values.
    pub sum: u64,
}

impl Reading {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// Upper bounds of lateness: a disk's sync, a timer's second, an outage.
const LATENESS_BOUNDS_MS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 60_000, 3_600_000];

/// Counters of the whole broker since it started.
#[derive(Debug)]
pub struct Counters {
    pub messages_in: Counter,
    pub bytes_in: Counter,
    pub messages_out: Counter,
    pub bytes_out: Counter,
    pub messages_to_dead_letter: Counter,
    pub timers_delivered: Counter,
    /// From a message's time to its being stored for consumers.
    pub timer_lateness_ms: Histogram,
    /// Recalls taken; the message may have been sent elsewhere, or never.
    pub timers_recalled: Counter,
    /// Popped messages that were not acked in time.
    pub pops_redelivered: Counter,
    pub pulls_held: Counter,
    /// Pulls answered with messages, and without.
    pub pulls_found: Counter,
    pub pulls_missed: Counter,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            messages_in: Counter::default(),
            bytes_in: Counter::default(),
            messages_out: Counter::default(),
            bytes_out: Counter::default(),
            messages_to_dead_letter: Counter::default(),
            timers_delivered: Counter::default(),
            timer_lateness_ms: Histogram::new(LATENESS_BOUNDS_MS),
            timers_recalled: Counter::default(),
            pops_redelivered: Counter::default(),
            pulls_held: Counter::default(),
            pulls_found: Counter::default(),
            pulls_missed: Counter::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[1, 10]);
        [0, 1, 2, 10, 11, 600].into_iter().for_each(|value| histogram.record(value));
        let reading = histogram.reading();
        assert_eq!(reading, Reading { buckets: vec![(Some(1), 2), (Some(10), 2), (None, 2)], sum: 624 });
        assert_eq!(reading.count(), 6);
    }
}
