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

/// Counters of the whole broker since it started.
#[derive(Debug, Default)]
pub struct Counters {
    pub messages_in: Counter,
    pub bytes_in: Counter,
    pub messages_out: Counter,
    pub bytes_out: Counter,
    pub messages_to_dead_letter: Counter,
    pub timers_delivered: Counter,
    /// Recalls taken; the message may have been sent elsewhere, or never.
    pub timers_recalled: Counter,
    /// Popped messages that were not acked in time.
    pub pops_redelivered: Counter,
    pub pulls_held: Counter,
    /// Pulls answered with messages, and without.
    pub pulls_found: Counter,
    pub pulls_missed: Counter,
}
