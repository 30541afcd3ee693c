//! How far a run is: a bar on a terminal, a plain line every five seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(5);

pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    line_at: Instant,
    line_count: u64,
}

impl Progress {
    /// `total` is the length of the run in milliseconds.
    pub fn start(total: Duration) -> Self {
        let started = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:40} {elapsed}/{msg}").expect("a valid template");
            ProgressBar::new(u64::try_from(total.as_millis()).unwrap_or(u64::MAX)).with_style(style)
        });
        Self { bar, started, line_at: started, line_count: 0 }
    }

    /// Tells the state of the run; cheap enough to be called ten times a second.
    pub fn update(&mut self, phase: &str, count: u64) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.started);
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            let rate = count as f64 / elapsed.as_secs_f64().max(1e-3);
            bar.set_message(format!("{phase}: {count} messages, {rate:.0}/s"));
        } else if now.duration_since(self.line_at) >= LINE_EVERY {
            let rate = (count - self.line_count) as f64 / now.duration_since(self.line_at).as_secs_f64();
            eprintln!("{:.0} s, {phase}: {count} messages, {rate:.0}/s", elapsed.as_secs_f64());
            (self.line_at, self.line_count) = (now, count);
        }
    }

    /// Clears the bar; the summary follows.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
