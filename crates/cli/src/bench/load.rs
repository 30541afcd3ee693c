//! A run: threads with connections, a warm-up, a measured window, an end.
//!
//! Which latencies count is decided by when a message was *due*: in the window, whenever its answer came. Rates and
//! CPU are differences between the window's two ends.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hdrhistogram::Histogram;
use tokio::sync::watch;

use super::Common;
use super::process;
use super::progress::Progress;
use super::verify::Verified;

/// Longest latency told apart; longer ones are recorded as this.
const LATENCY_MAX: Duration = Duration::from_secs(100);

/// How often the main thread looks at the run.
const TICK: Duration = Duration::from_millis(50);

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// What all threads of a run share.
pub struct Control {
    origin: Instant,
    window_from_ns: AtomicU64,
    window_to_ns: AtomicU64,
    stop: AtomicBool,
    connected: AtomicU32,
    go: watch::Sender<bool>,
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Control {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            window_from_ns: AtomicU64::new(u64::MAX),
            window_to_ns: AtomicU64::new(u64::MAX),
            stop: AtomicBool::new(false),
            connected: AtomicU32::new(0),
            go: watch::Sender::new(false),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Now, as nanoseconds since the run was made.
    pub fn now_ns(&self) -> u64 {
        self.ns_of(Instant::now())
    }

    fn ns_of(&self, moment: Instant) -> u64 {
        u64::try_from(moment.duration_since(self.origin).as_nanos()).expect("a run is shorter than 584 years")
    }

    /// The moment of a time in nanoseconds.
    pub fn moment(&self, ns: u64) -> Instant {
        self.origin + Duration::from_nanos(ns)
    }

    /// Tells that one connection is open, and waits for all others.
    pub async fn ready(&self) {
        let mut go = self.go.subscribe();
        self.connected.fetch_add(1, Ordering::Relaxed);
        // The sender lives in `self`, so it cannot be gone.
        let _ = go.wait_for(|go| *go).await;
    }

    /// Whether nothing new may be started.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts what was done, for rates and progress.
    pub fn count(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether the latency of what was due then belongs to the report.
    pub fn counts(&self, due_ns: u64) -> bool {
        (self.window_from_ns.load(Ordering::Relaxed)..self.window_to_ns.load(Ordering::Relaxed)).contains(&due_ns)
    }
}

/// What one thread saw.
pub struct Recorder {
    /// Nanoseconds.
    pub latency: Histogram<u64>,
    /// Nanoseconds from the due time of the sending run to the pull.
    pub end_to_end: Histogram<u64>,
    /// What failed, by code or text.
    pub errors: BTreeMap<String, u64>,
    pub verified: Verified,
}

impl Recorder {
    pub fn new() -> Self {
        Self {
            latency: latency_histogram(),
            end_to_end: latency_histogram(),
            errors: BTreeMap::new(),
            verified: Verified::default(),
        }
    }

    pub fn error(&mut self, what: impl ToString) {
        self.errors(what, 1);
    }

    pub fn errors(&mut self, what: impl ToString, count: u64) {
        if count > 0 {
            *self.errors.entry(what.to_string()).or_default() += count;
        }
    }

    fn merge(&mut self, other: Self) {
        let same = "histograms of one run have the same bounds";
        self.latency.add(&other.latency).expect(same);
        self.end_to_end.add(&other.end_to_end).expect(same);
        other.errors.into_iter().for_each(|(what, count)| self.errors(what, count));
        self.verified.merge(other.verified);
    }
}

fn latency_histogram() -> Histogram<u64> {
    let max = u64::try_from(LATENCY_MAX.as_nanos()).expect("100 s");
    Histogram::new_with_bounds(100, max, 3).expect("valid bounds")
}

/// What the window held.
pub struct Window {
    pub seconds: f64,
    pub messages: u64,
    pub bytes: u64,
    pub cpu: Option<Duration>,
    pub resident_kib: Option<u64>,
}

/// A finished run.
pub struct Outcome {
    pub window: Window,
    pub recorded: Recorder,
}

/// Runs `work` for its share of the connections on each thread, inside a current-thread runtime with local tasks.
pub fn run<W, F>(common: &Common, connections: u32, work: W) -> Result<Outcome>
where
    W: Fn(Range<u32>, Arc<Control>) -> F + Sync,
    F: Future<Output = Result<Recorder>>,
{
    let control = Arc::new(Control::new());
    let threads = u32::from(common.threads).min(connections);
    thread::scope(|scope| {
        let mut handles = Vec::new();
        for index in 0..threads {
            let share = connections * index / threads..connections * (index + 1) / threads;
            let cpu = common.cpu.get(index as usize % common.cpu.len().max(1)).copied();
            let (control, work) = (Arc::clone(&control), &work);
            let thread = thread::Builder::new().name(format!("bench-{index}"));
            handles.push(thread.spawn_scoped(scope, move || {
                pin(cpu)?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                tokio::task::LocalSet::new().block_on(&runtime, work(share, control))
            })?);
        }
        let window = watch_over(common, connections, &control, &handles);
        control.stop.store(true, Ordering::Relaxed);
        // Who waits for the start would wait for ever if a connection failed.
        control.go.send_replace(true);
        let mut recorded = Recorder::new();
        let mut failed = None;
        for handle in handles {
            match handle.join().map_err(|_| anyhow!("a bench thread panicked"))? {
                Ok(recorder) => recorded.merge(recorder),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Outcome { window: window?, recorded }),
        }
    })
}

/// The phases of the run, seen from the main thread.
fn watch_over<T>(
    common: &Common,
    connections: u32,
    control: &Control,
    handles: &[ScopedJoinHandle<'_, T>],
) -> Result<Window> {
    let all_finished = || handles.iter().all(ScopedJoinHandle::is_finished);
    let connecting = Instant::now();
    while control.connected.load(Ordering::Relaxed) < connections {
        if handles.iter().any(ScopedJoinHandle::is_finished) || connecting.elapsed() > CONNECT_MAX {
            bail!("not every connection could be opened");
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut progress = Progress::start(common.warmup + common.duration);
    let count = || control.messages.load(Ordering::Relaxed);
    control.go.send_replace(true);
    let start = Instant::now();
    while start.elapsed() < common.warmup && !all_finished() {
        thread::sleep(TICK.min(common.warmup.saturating_sub(start.elapsed())));
        progress.update("warm-up", count());
    }
    let cpu = || common.server_pid.map(process::cpu_time).transpose();
    let (cpu_before, messages_before, bytes_before) = (cpu()?, count(), control.bytes.load(Ordering::Relaxed));
    let from = Instant::now();
    let from_ns = control.ns_of(from);
    control.window_from_ns.store(from_ns, Ordering::Relaxed);
    let length_ns = u64::try_from(common.duration.as_nanos()).context("duration")?;
    control.window_to_ns.store(from_ns + length_ns, Ordering::Relaxed);
    while from.elapsed() < common.duration && !all_finished() {
        thread::sleep(TICK.min(common.duration.saturating_sub(from.elapsed())));
        progress.update("measuring", count());
    }
    let seconds = from.elapsed().as_secs_f64();
    let (messages, bytes) = (count() - messages_before, control.bytes.load(Ordering::Relaxed) - bytes_before);
    let cpu = cpu()?.zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    progress.finish();
    let resident_kib = common.server_pid.and_then(process::resident_kib);
    Ok(Window { seconds, messages, bytes, cpu, resident_kib })
}

#[cfg(target_os = "linux")]
fn pin(cpu: Option<usize>) -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let Some(cpu) = cpu else { return Ok(()) };
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        bail!("there is no cpu {cpu}");
    }
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("pin to cpu {cpu}"))
}

#[cfg(not(target_os = "linux"))]
fn pin(cpu: Option<usize>) -> Result<()> {
    match cpu {
        Some(_) => bail!("--cpu works on Linux only"),
        None => Ok(()),
    }
}
