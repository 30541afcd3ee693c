//! A scripted load on a log: what it does follows from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::record::message::{self, NewMessage};
use model::record::system::System;
use model::{LogOffset, QueueId, Timestamp};
use store::disk::recorded::{Event, RecordedDisk, Rng};
use store::{AppendError, Fault, Log, OpenError, Options, Staged, SyncRule};

use crate::history::{Entry, History, Projection, QUEUES, TOPICS, topic_id};

pub const SEGMENT_BYTES: u64 = 64 * 1024;

/// What kind of records a script writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Several topics, all sizes, durable and not.
    Mixed,
    /// One size, each append a batch, few syncs: what is written after a cut ends exactly where old batches begin.
    Uniform,
}

/// How the logs of a run are opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    pub fault: Option<Fault>,
    /// The rule of system records.
    pub sync: SyncRule,
}

impl Setup {
    /// One run in four has async system records.
    pub fn of(seed: u64) -> Setup {
        let sync = if seed.is_multiple_of(4) { SyncRule::Async } else { SyncRule::Group };
        Setup { fault: None, sync }
    }
}

/// Opens a log on `disk`. `seen` notes what its observer is told.
pub fn open(disk: &Arc<RecordedDisk>, setup: Setup, seen: bool) -> Result<(Log, Arc<Projection>), OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        tail_cache_bytes: 256 * 1024,
        checkpoint_bytes: 96 * 1024,
        reader_threads: 1,
        fault: setup.fault,
        sync: setup.sync,
        ..Options::new("recorded")
    };
    let projection = Arc::new(Projection { seen: seen.then(|| disk.clone()), ..Projection::default() });
    let ticks = AtomicI64::new(1_700_000_000_000);
    let clock = Arc::new(move || Timestamp(ticks.fetch_add(1, Ordering::Relaxed)));
    let log = Log::open_on(disk.clone(), options, projection.clone(), clock)?;
    Ok((log, projection))
}

/// Does `steps` things to the log.
pub fn run(
    log: &Log,
    disk: &RecordedDisk,
    history: &mut History,
    setup: Setup,
    style: Style,
    steps: usize,
    rng: &mut Rng,
) {
    let mut staged = Staged::new();
    for _ in 0..steps {
        match (style, rng.below(100)) {
            (Style::Uniform, 0..12) | (Style::Mixed, 0..30) => log.flush(),
            (Style::Uniform, 12..14) | (Style::Mixed, 30..36) => log.keep(),
            (Style::Mixed, 36..38) => log.checkpoint().expect("the disk works"),
            (Style::Mixed, 38..39) => {
                // Not all: there must be something to lose.
                let to = LogOffset(log.committed().0.saturating_sub(2 * SEGMENT_BYTES));
                disk.note(Event::Trim(to.0));
                log.trim(to).expect("the disk works");
            }
            (Style::Uniform, _) => append_uniform(log, history, setup, &mut staged),
            (Style::Mixed, _) => append_mixed(log, history, setup, &mut staged, rng),
        }
        disk.note(Event::Committed(log.committed().0));
    }
}

fn append_uniform(log: &Log, history: &mut History, setup: Setup, staged: &mut Staged) {
    staged.clear();
    // The body tells one from another; its size does not.
    let body = format!("{:0>200}", history.entries.len() * 31 + log.epoch() as usize);
    stage_message(log, staged, 0, 0, false, body.as_bytes());
    append(log, history, setup, staged, &[Some((0, 0, false))]);
}

fn append_mixed(log: &Log, history: &mut History, setup: Setup, staged: &mut Staged, rng: &mut Rng) {
    staged.clear();
    let mut what = Vec::new();
    for _ in 0..1 + rng.below(4) {
        if rng.once_in(5) {
            let timers = (0..1 + rng.below(20)).map(|_| LogOffset(rng.draw())).collect();
            staged.system(&System::TimersDone { timers });
            what.push(None);
            continue;
        }
        let topic = rng.below(TOPICS.len());
        let queue = u32::try_from(rng.below(QUEUES as usize)).expect("few");
        // One topic is async, as a rule, and sometimes its rule changes.
        let durable = (topic == 2) == rng.once_in(20);
        let len = match rng.below(40) {
            0 => 10_000 + rng.below(40_000),
            1..6 => 1_000 + rng.below(5_000),
            _ => rng.below(600),
        };
        let mut body = vec![0; len];
        body.iter_mut().for_each(|byte| *byte = rng.draw().to_le_bytes()[0]);
        if staged.bytes_len() + len > 60_000 {
            break;
        }
        stage_message(log, staged, topic, queue, durable, &body);
        what.push(Some((topic, queue, durable)));
    }
    append(log, history, setup, staged, &what);
}

fn stage_message(log: &Log, staged: &mut Staged, topic: usize, queue: u32, durable: bool, body: &[u8]) {
    let slot = log.slot(topic_id(topic), QueueId(queue)).expect("few queues");
    let host = "127.0.0.1:10911".parse().expect("an address");
    let new = NewMessage {
        topic: TOPICS[topic],
        queue_id: QueueId(queue),
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_offset: LogOffset::ZERO,
        body,
    };
    let keys = [store::key_hash(topic_id(topic), "key")].into_iter();
    staged.message(slot, durable, 0, |out| message::encode(out, &new, |_| {}), keys).expect("encodes");
}

/// Appends, and writes into the history what became of it.
fn append(log: &Log, history: &mut History, setup: Setup, staged: &mut Staged, what: &[Option<(usize, u32, bool)>]) {
    match log.append(staged) {
        Ok(_) => {}
        Err(AppendError::Busy { .. }) => return log.flush(),
        Err(error) => panic!("the disk works: {error}"),
    }
    for (index, what) in what.iter().enumerate() {
        let entry = staged.entry(index);
        let queue = what.map(|(topic, queue, _)| (topic, queue, entry.queue_offset.0));
        let durable = what.map_or(setup.sync == SyncRule::Group, |(_, _, durable)| durable);
        history.entries.push(Entry { at: entry.at.0, bytes: staged.record(index).to_vec(), durable, queue });
    }
}
