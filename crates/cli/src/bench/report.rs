//! What a run found: a table for people, the same as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::Common;
use super::hardware::Hardware;
use super::load::Outcome;
use super::target::Target;
use super::verify::Verdict;

/// Everything needed to judge a figure later.
#[derive(Debug, Serialize)]
pub struct Report<L> {
    pub command: &'static str,
    pub version: &'static str,
    pub finished_unix_ms: u128,
    pub hardware: Hardware,
    pub targets: Vec<Target>,
    pub topic: String,
    pub load: L,
    pub measured_seconds: f64,
    pub messages: u64,
    pub messages_per_second: f64,
    pub bytes: u64,
    pub mib_per_second: f64,
    /// Of a send: until its answer. Of a pull: until its answer with messages, waiting for them included.
    pub latency: Option<Latency>,
    /// From the moment a message was due to be sent until it was pulled.
    pub end_to_end: Option<Latency>,
    pub errors: BTreeMap<String, u64>,
    pub server: Option<Server>,
    pub verified: Option<Verdict>,
}

/// Microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    pub count: u64,
    pub min_us: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
}

/// What the server process used within the window.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    pub pid: u32,
    pub cpu_seconds: f64,
    /// Of one core.
    pub cpu_share: f64,
    pub cpu_us_per_message: f64,
    pub messages_per_cpu_second: f64,
    pub resident_kib: Option<u64>,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let us = |ns: u64| ns as f64 / 1e3;
        let at = |quantile| us(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            min_us: us(histogram.min()),
            mean_us: histogram.mean() / 1e3,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: us(histogram.max()),
        })
    }
}

impl<L: Serialize> Report<L> {
    pub fn new(command: &'static str, common: &Common, targets: Vec<Target>, load: L, outcome: Outcome) -> Self {
        let (window, recorded) = (outcome.window, outcome.recorded);
        let messages = window.messages as f64;
        let server = common.server_pid.zip(window.cpu).map(|(pid, cpu)| Server {
            pid,
            cpu_seconds: cpu.as_secs_f64(),
            cpu_share: cpu.as_secs_f64() / window.seconds,
            cpu_us_per_message: cpu.as_secs_f64() * 1e6 / messages,
            messages_per_cpu_second: messages / cpu.as_secs_f64(),
            resident_kib: window.resident_kib,
        });
        Self {
            command,
            version: env!("CARGO_PKG_VERSION"),
            finished_unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            hardware: Hardware::detect(),
            targets,
            topic: common.topic.clone(),
            load,
            measured_seconds: window.seconds,
            messages: window.messages,
            messages_per_second: messages / window.seconds,
            bytes: window.bytes,
            mib_per_second: window.bytes as f64 / f64::from(1 << 20) / window.seconds,
            latency: Latency::of(&recorded.latency),
            end_to_end: Latency::of(&recorded.end_to_end),
            errors: recorded.errors,
            server,
            verified: common.verify.then(|| recorded.verified.verdict()),
        }
    }

    /// Prints the table, writes the JSON file, and fails if anything went wrong in the run.
    pub fn finish(&self, json: Option<&Path>) -> Result<()> {
        print!("{}", self.table());
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self)?;
            std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))?;
        }
        if self.verified.as_ref().is_some_and(|verdict| verdict.bad > 0) {
            bail!("the server's answers contradict each other, see `verified`");
        }
        if !self.errors.is_empty() {
            bail!("{} requests failed", self.errors.values().sum::<u64>());
        }
        if self.messages == 0 {
            bail!("no message within the measured time");
        }
        Ok(())
    }

    fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            writeln!(out, "{name:<12} {value}").expect("a String takes everything");
        };
        line("messages", format!("{} in {:.2} s", self.messages, self.measured_seconds));
        line("rate", format!("{:.0}/s, {:.1} MiB/s", self.messages_per_second, self.mib_per_second));
        for (name, latency) in [("latency", &self.latency), ("end to end", &self.end_to_end)] {
            if let Some(latency) = latency {
                line(name, latency.line());
            }
        }
        if let Some(server) = &self.server {
            line(
                "server",
                format!(
                    "{:.2} us cpu per message, {:.0} % of a core, {} MiB resident",
                    server.cpu_us_per_message,
                    server.cpu_share * 100.0,
                    server.resident_kib.unwrap_or(0) / 1024
                ),
            );
        }
        if let Some(verdict) = &self.verified {
            line("verified", format!("{} good, {} bad, {} missing", verdict.good, verdict.bad, verdict.missing));
        }
        for (what, count) in &self.errors {
            line("failed", format!("{count} x {what}"));
        }
        out
    }
}

impl Latency {
    fn line(&self) -> String {
        let us = |us: f64| if us < 10_000.0 { format!("{us:.0} us") } else { format!("{:.1} ms", us / 1e3) };
        format!(
            "p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
            us(self.p50_us),
            us(self.p90_us),
            us(self.p99_us),
            us(self.p999_us),
            us(self.max_us)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_microseconds() {
        let mut histogram = Histogram::new_with_bounds(100, 1_000_000_000, 3).unwrap();
        for us in 1..=1000u64 {
            histogram.record(us * 1000).unwrap();
        }
        let latency = Latency::of(&histogram).unwrap();
        assert_eq!(latency.count, 1000);
        assert!((latency.p50_us - 500.0).abs() < 1.0, "{}", latency.p50_us);
        assert!((latency.p999_us - 999.0).abs() < 2.0, "{}", latency.p999_us);
        assert_eq!(latency.line(), "p50 500 us, p90 900 us, p99 990 us, p99.9 999 us, max 1000 us");
        assert!(Latency::of(&Histogram::new(3).unwrap()).is_none());
    }
}
