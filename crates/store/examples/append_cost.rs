//! What an append costs: nanoseconds per 1 KiB message in the async rule, and messages a second with group commit from
//! several threads, each waiting for its own.
//!
//! `cargo run --release -p store --example append_cost [directory]`. Writes up to 3 GB; the directory should be on the disk
//! that is asked about. Compare figures of one run only: disks have moods.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use model::record::message::{self, NewMessage};
use model::{LogOffset, QueueId, Timestamp, TopicId};
use store::{AppendError, Fact, Frozen, LoadError, Log, Observer, Options, QueueSlot, Staged};

const BODY: [u8; 1024] = [b'x'; 1024];
const RUN: Duration = Duration::from_secs(3);

/// Keeps nothing.
struct Nobody;

impl Observer for Nobody {
    fn topic_of(&self, _: &str) -> Option<TopicId> {
        None
    }
    fn applied(&self, _: &[Fact<'_>]) {}
    fn freeze(&self) -> Frozen {
        Vec::new().into()
    }
    fn load(&self, _: &[u8]) -> Result<(), LoadError> {
        Ok(())
    }
}

fn main() {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "append_cost.data".into());
    for batch in [1, 8, 64] {
        with_log(&dir, |log| asynchronous(log, batch));
    }
    for threads in [1, 4, 16, 64] {
        with_log(&dir, |log| group_commit(log, threads));
    }
}

fn with_log(dir: &str, measure: impl FnOnce(&Arc<Log>)) {
    assert!(!Path::new(dir).exists(), "{dir} exists: give a new directory");
    let clock = Arc::new(|| Timestamp(1_700_000_000_000));
    let log = Log::open(Options::new(dir), Arc::new(Nobody), clock).expect("opens");
    measure(&log);
    drop(log);
    std::fs::remove_dir_all(dir).expect("removed");
}

fn stage(staged: &mut Staged, slot: QueueSlot, durable: bool) {
    let host = "127.0.0.1:10911".parse().expect("an address");
    let new = NewMessage {
        topic: "orders",
        queue_id: QueueId(0),
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_offset: LogOffset::ZERO,
        body: &BODY,
    };
    staged.message(slot, durable, 0, |out| message::encode(out, &new, |_| {}), std::iter::empty()).expect("encodes");
}

/// One thread, `batch` messages an append: encoding and appending timed apart.
fn asynchronous(log: &Log, batch: usize) {
    let slot = log.slot(TopicId(LogOffset(1)), QueueId(0)).expect("a queue");
    let mut staged = Staged::new();
    let (mut messages, mut encode, mut append) = (0, Duration::ZERO, Duration::ZERO);
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    while started.elapsed() < RUN && messages < 800_000 {
        let t0 = Instant::now();
        staged.clear();
        (0..batch).for_each(|_| stage(&mut staged, slot, false));
        let t1 = Instant::now();
        match log.append(&mut staged) {
            Ok(_) => messages += batch as u128,
            Err(AppendError::Busy { .. }) => log.flush(),
            Err(error) => panic!("{error}"),
        }
        let took = t1.elapsed();
        encode += t1 - t0;
        append += took;
        slowest = slowest.max(took);
    }
    println!(
        "async, {batch:>2} an append: encode {} ns, append and write {} ns a message; {} k/s; slowest append {:?}",
        encode.as_nanos() / messages,
        append.as_nanos() / messages,
        messages / started.elapsed().as_millis(),
        slowest,
    );
}

/// `threads` threads, one message each at a time, answered when it is durable.
fn group_commit(log: &Arc<Log>, threads: usize) {
    let slot = log.slot(TopicId(LogOffset(1)), QueueId(0)).expect("a queue");
    let moved = Arc::new((Mutex::new(()), Condvar::new()));
    let wake = moved.clone();
    log.on_progress(Box::new(move |_| {
        drop(wake.0.lock());
        wake.1.notify_all();
    }));
    let started = Instant::now();
    let mut waits: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| sender(log, slot, &moved, started))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    waits.sort_unstable();
    println!(
        "group commit, {threads:>2} threads: {:>6.0} a second, p50 {:?}, p99 {:?}",
        waits.len() as f64 / started.elapsed().as_secs_f64(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
    );
}

fn sender(log: &Log, slot: QueueSlot, moved: &(Mutex<()>, Condvar), started: Instant) -> Vec<Duration> {
    let (mut staged, mut waits) = (Staged::new(), Vec::new());
    while started.elapsed() < RUN {
        let asked = Instant::now();
        staged.clear();
        stage(&mut staged, slot, true);
        let end = log.append(&mut staged).expect("appended").end;
        let mut guard = moved.0.lock().expect("no panic");
        while log.committed() < end {
            guard = moved.1.wait(guard).expect("no panic");
        }
        drop(guard);
        waits.push(asked.elapsed());
    }
    waits
}
