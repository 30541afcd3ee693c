//! How long a checkpoint keeps facts, and so answers, waiting: a million queues in 62,500 topics, each with a message and an
//! offset of one group. `cargo run --release -p broker --example checkpoint_stall`
//!
//! One thread appends a message and syncs, again and again, on a disk of memory if `TMPDIR` is one; the other takes checkpoints.
//! Prints the longest wait without and with a checkpoint under way, how long each checkpoint took, and the time to open.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use broker::{Machines, Settings, Transactions};
use model::record::message::{self, NewMessage};
use model::record::system::{CommittedOffset, System};
use model::{GroupName, LogOffset, Millis, QueueId, QueueOffset, Timestamp, TopicConfig, TopicId, TopicName};
use store::{Log, Observer, Options, Staged};

const TOPICS: u64 = 62_500;
const QUEUES_PER_TOPIC: u32 = 16;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let (machines, log) = open(dir.path());
    let ids = fill(&machines, &log);

    let one = |number: u64| {
        let began = Instant::now();
        let mut staged = Staged::new();
        stage_message(&log, &mut staged, number, ids[number as usize]);
        log.append(&mut staged).expect("there is room");
        log.flush();
        began.elapsed()
    };
    println!("longest of 500 appends: {:?}", (0..500).map(one).max().unwrap_or_default());
    let began = Instant::now();
    let frozen = machines.freeze();
    let (froze, bytes) = (began.elapsed(), (frozen.write)().len());
    println!("projections: frozen in {froze:?}, {bytes} bytes after {:?}", began.elapsed());

    for _ in 0..3 {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let appends = scope.spawn(|| {
                let (mut longest, mut count) = (Duration::ZERO, 0);
                while !ended.load(Ordering::Acquire) {
                    longest = longest.max(one(count % TOPICS));
                    count += 1;
                }
                (longest, count)
            });
            let began = Instant::now();
            log.checkpoint().expect("a disk with room");
            let took = began.elapsed();
            ended.store(true, Ordering::Release);
            let (longest, count) = appends.join().expect("it appends");
            println!("checkpoint of {took:?}: the longest of {count} appends took {longest:?}");
        });
    }
    log.close();
    drop((log, machines));
    for _ in 0..5 {
        let began = Instant::now();
        let (_machines, log) = open(dir.path());
        println!("open: {:?}", began.elapsed());
        log.close();
    }
}

fn open(dir: &std::path::Path) -> (Arc<Machines>, Arc<Log>) {
    let settings = Settings {
        cluster: "DefaultCluster".to_owned(),
        broker_name: "broker-a".to_owned(),
        region: "DefaultRegion".to_owned(),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        auto_create_topics: true,
        auto_create_groups: true,
        default_queues: 8,
        auto_created_topics_max: 100_000,
        delay_levels: Vec::new(),
        delay_max: Millis(86_400_000),
        message_bytes_max: 1024 * 1024,
        flush_async: false,
        transactions: Transactions::default(),
        retention: Millis(72 * 3_600_000),
    };
    let machines = Arc::new(Machines::new(&settings));
    let observer: Arc<dyn Observer> = machines.clone();
    let log = Log::open(Options::new(dir), observer, Arc::new(|| NOW)).expect("opens");
    (machines, log)
}

fn topic_name(number: u64) -> TopicName {
    TopicName::trusted(&format!("Topic{number}"))
}

/// Topics, a message a queue, an offset a queue. Answers the topics' ids.
fn fill(machines: &Machines, log: &Log) -> Vec<TopicId> {
    let mut staged = Staged::new();
    let append = |staged: &mut Staged| {
        log.append(staged).expect("there is room");
        log.flush();
        staged.clear();
    };
    for number in 0..TOPICS {
        staged
            .system(&System::TopicChanged { id: None, config: TopicConfig::new(topic_name(number), QUEUES_PER_TOPIC) });
        if number % 500 == 499 {
            append(&mut staged);
        }
    }
    let id = |number| machines.topics.id_of(topic_name(number).as_str()).expect("applied");
    let ids: Vec<_> = (0..TOPICS).map(id).collect();
    for (number, id) in (0..).zip(&ids) {
        for queue in 0..QUEUES_PER_TOPIC {
            stage_message_of(log, &mut staged, number, *id, QueueId(queue));
        }
        let entry = |queue| CommittedOffset { topic: *id, queue: QueueId(queue), offset: QueueOffset(1) };
        let offsets = (0..QUEUES_PER_TOPIC).map(entry).collect();
        staged.system(&System::OffsetsCommitted { group: GroupName::trusted("g"), version: number + 1, offsets });
        if number % 100 == 99 {
            append(&mut staged);
        }
    }
    ids
}

fn stage_message(log: &Log, staged: &mut Staged, number: u64, id: TopicId) {
    stage_message_of(log, staged, number, id, QueueId(0));
}

fn stage_message_of(log: &Log, staged: &mut Staged, number: u64, id: TopicId, queue_id: QueueId) {
    let host = "127.0.0.1:10911".parse().expect("an address");
    let topic = topic_name(number);
    let new = NewMessage {
        topic: topic.as_str(),
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: NOW,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_offset: LogOffset::ZERO,
        body: b"0123456789abcdef",
    };
    let slot = log.slot(id, queue_id).expect("room");
    staged.message(slot, true, 0, |out| message::encode(out, &new, |_| {}), std::iter::empty()).expect("encodes");
}
