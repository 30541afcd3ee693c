//! When the next message is due in an open loop. Pure: the clock is the caller's.

use std::time::Duration;

use clap::ValueEnum;

/// How the due moments are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Independent users: exponentially distributed gaps.
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// The due moments of one connection, as time since its start.
#[derive(Debug)]
pub struct Pace {
    schedule: Schedule,
    gap_ns: f64,
    due_ns: f64,
    random: SplitMix,
}

impl Pace {
    /// `rate` is messages per second over all `connections`; this is connection number `index`, which shifts a uniform
    /// schedule so that the connections take turns.
    pub fn new(schedule: Schedule, rate: f64, connections: u32, index: u32, seed: u64) -> Self {
        let gap_ns = 1e9 * f64::from(connections) / rate;
        let mut pace = Self { schedule, gap_ns, due_ns: 0.0, random: SplitMix(seed ^ u64::from(index) << 32) };
        pace.due_ns = match schedule {
            Schedule::Uniform => gap_ns * f64::from(index) / f64::from(connections),
            Schedule::Poisson => pace.random.exponential() * gap_ns,
        };
        pace
    }

    /// The moment of the next message.
    pub fn due(&self) -> Duration {
        Duration::from_nanos(self.due_ns as u64)
    }

    /// Goes on to the message after it.
    pub fn advance(&mut self) {
        self.due_ns += match self.schedule {
            Schedule::Uniform => self.gap_ns,
            Schedule::Poisson => self.random.exponential() * self.gap_ns,
        };
    }
}

/// SplitMix64: good enough to spread arrivals, reproducible, and no dependency.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// Exponentially distributed with mean 1.
    fn exponential(&mut self) -> f64 {
        // 53 bits and half a step, so that the logarithm never sees 0.
        let unit = ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -unit.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(mut pace: Pace, count: usize) -> Vec<Duration> {
        (0..count)
            .map(|_| {
                let due = pace.due();
                pace.advance();
                due
            })
            .collect()
    }

    #[test]
    fn uniform_connections_take_turns() {
        let first = dues(Pace::new(Schedule::Uniform, 1000.0, 2, 0, 7), 3);
        let second = dues(Pace::new(Schedule::Uniform, 1000.0, 2, 1, 7), 3);
        assert_eq!(first, [0, 2, 4].map(Duration::from_millis));
        assert_eq!(second, [1, 3, 5].map(Duration::from_millis));
    }

    #[test]
    fn poisson_keeps_the_rate_and_differs_by_connection() {
        let dues_0 = dues(Pace::new(Schedule::Poisson, 1000.0, 1, 0, 7), 100_000);
        let seconds = dues_0.last().unwrap().as_secs_f64();
        assert!((99.0..101.0).contains(&seconds), "100,000 messages at 1,000/s took {seconds} s");
        assert!(dues_0.is_sorted());
        assert_ne!(dues_0[0], Pace::new(Schedule::Poisson, 1000.0, 1, 1, 7).due());
    }
}
