//! The real binary is killed at random moments under load, also while it recovers, and must keep its promises
//! (RELIABILITY.md section 1): nothing answered is lost, nothing moves, nothing comes twice, nothing goes back.
//!
//! `KEROLOX_KILLS=100` kills more often than the 30 of every day (both variants together), `KEROLOX_SEED=7` repeats the choices of a run; moments
//! are the machine's. Power loss is not here: the store's crash harness has it.

#![allow(clippy::disallowed_methods, reason = "starts the binary, looks at its files, and waits for random moments")]

mod history;
mod load;
mod random;
#[path = "../running/mod.rs"]
mod running;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::ops::{QueueRef, Send};
use client::{Connection, Error, Options, Request};
use model::record::message::Message;
use wire::remoting::code::{RequestCode, ResponseCode};

use history::{History, Id, QUEUES, Queue, Spot, TOPICS};
use load::GROUP;
use random::Random;
use running::{Broker, Home, report};

/// Generous: the machines of a CI are noisy. What was measured is printed.
const START_MAX: Duration = Duration::from_secs(5);

/// A topic that gets one message, and a commit, and then nothing: its facts are as old as the log.
const IDLE: &str = "Idle";

/// Answered messages that each restart looks up by log offset.
const SAMPLE: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_kill_9_at_any_moment() {
    let settings = ["storage.segment_bytes=1MiB", "storage.tail_cache_bytes=2MiB"];
    kill_loop("plain", &settings, kills() * 2 / 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_it_does_while_retention_deletes_what_is_old() {
    let settings = [
        "storage.segment_bytes=1MiB",
        "storage.tail_cache_bytes=2MiB",
        "storage.max_bytes=4MiB",
        "storage.max_disk=99%",
    ];
    kill_loop("retention", &settings, kills() / 3).await;
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn kills() -> u64 {
    number("KEROLOX_KILLS").unwrap_or(30)
}

async fn kill_loop(name: &'static str, settings: &[&str], kills: u64) {
    let began = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let seed = number("KEROLOX_SEED").unwrap_or(u64::from(now));
    report(&format!(
        "{name}: KEROLOX_SEED={seed} KEROLOX_KILLS={} cargo test -p server --test kill_loop",
        self::kills()
    ));
    let mut random = Random(seed);
    let mut run = Run { home: Home::new(settings), seen: Seen::default(), history: Arc::default(), starts: Vec::new() };

    let mut broker = run.start();
    prepare(&broker.address()).await;
    let retains = name == "retention";
    let mut lives = 0;
    // A busy machine may take more lives than asked for to fill the log.
    while lives < kills || retains && lives < 4 * kills && !run.seen.has_lost_the_oldest() {
        lives += 1;
        let mut clients = load::start(&broker.address(), &run.history).await;
        tokio::time::sleep(Duration::from_millis(random.within(50..1_200))).await;
        broker.kill();
        while let Some(ended) = clients.join_next().await {
            ended.expect("no rule was broken");
        }
        if random.within(0..3) == 0 {
            let recovering = run.home.spawn();
            tokio::time::sleep(Duration::from_millis(random.within(0..200))).await;
            recovering.kill();
        }
        broker = run.start();
        run.check(&broker, Depth::Quick, &mut random).await;
    }
    run.check(&broker, Depth::Everything, &mut random).await;
    broker.kill();

    run.delete_projections();
    // Reads the whole log: that takes the time it takes.
    let broker = run.home.start();
    let from_log_alone = broker.ready_in.as_millis();
    run.check(&broker, Depth::Everything, &mut random).await;
    next_of_idle(&broker.address()).await;

    let refusals = run.history.refusals();
    run.starts.sort();
    report(&format!(
        "{name}: {lives} kills, {} messages tried, {} answered, 0 lost, oldest offsets {:?}, start to ready {} ms (median), {} ms (longest), {from_log_alone} ms from the log alone, {} s in all, refused: {refusals:?}",
        run.history.count_tried(),
        run.history.count_answered(),
        (0..QUEUES).map(|id| run.seen.min.get(&(0, id)).copied().unwrap_or_default()).collect::<Vec<_>>(),
        run.starts[run.starts.len() / 2].as_millis(),
        run.starts[run.starts.len() - 1].as_millis(),
        began.elapsed().as_secs(),
    ));
    // Ten is "stored, but the disk has not confirmed in time", which a busy machine may say.
    let unexpected: Vec<_> = refusals.keys().filter(|text| !text.contains("(10)")).collect();
    assert!(unexpected.is_empty(), "refused without a reason: {unexpected:?}");
    assert!(run.history.count_answered() > kills * 20, "too little load to mean anything");
    assert_eq!(run.seen.has_lost_the_oldest(), retains, "messages go when retention says so, and not else");
}

/// How much a check reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What is new since the last check, and a sample.
    Quick,
    /// All queues from their oldest message, and all answers.
    Everything,
}

/// What the checks know of the queues.
#[derive(Default)]
struct Seen {
    min: HashMap<Queue, i64>,
    /// Everything below has been read.
    upto: HashMap<Queue, i64>,
}

impl Seen {
    fn has_lost_the_oldest(&self) -> bool {
        self.min.values().any(|min| *min > 0)
    }
}

struct Run {
    home: Home,
    history: Arc<History>,
    seen: Seen,
    starts: Vec<Duration>,
}

impl Run {
    fn start(&mut self) -> Broker {
        let broker = self.home.start();
        self.starts.push(broker.ready_in);
        assert!(broker.ready_in <= START_MAX, "the start took {:?}", broker.ready_in);
        broker
    }

    /// The log alone must do: everything else on disk is made from it.
    fn delete_projections(&self) {
        let data = self.home.data();
        let files = |folder: &str| {
            let entries = std::fs::read_dir(data.join(folder)).expect("a folder");
            entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
        };
        let indexes = files("log").into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "idx"));
        let deleted: Vec<_> = files("state").into_iter().chain(indexes).collect();
        assert!(deleted.len() >= 2, "there were checkpoints and indexes: {deleted:?}");
        for path in deleted {
            std::fs::remove_file(path).expect("deleted");
        }
    }

    async fn check(&mut self, broker: &Broker, depth: Depth, random: &mut Random) {
        let connection = Connection::open(&broker.address(), &options()).await.expect("it serves");
        for topic in 0..TOPICS.len() {
            for id in 0..QUEUES {
                self.check_queue(&connection, (topic, id), depth).await;
            }
        }
        let min = |queue: Queue| self.seen.min.get(&queue).copied().unwrap_or_default();
        let answered = self.history.answered_from(min);
        if !answered.is_empty() {
            let any = |random: &mut Random| {
                answered[usize::try_from(random.within(0..answered.len() as u64)).expect("an index")]
            };
            let sample = (0..SAMPLE).map(|_| any(random)).collect();
            view(&connection, if depth == Depth::Quick { sample } else { answered.clone() }).await;
            query(&connection, any(random)).await;
        }
        check_idle(&connection).await;
    }

    async fn check_queue(&mut self, connection: &Connection, queue: Queue, depth: Depth) {
        let at = QueueRef { topic: TOPICS[queue.0], queue_id: queue.1 };
        let max = match connection.max_offset(at).await {
            Ok(max) => max,
            // The broker died before the first send that would have created it.
            Err(Error::Refused { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => 0,
            Err(error) => panic!("{queue:?}: {error}"),
        };
        self.history.ends_at(queue, max);
        if max == 0 {
            return;
        }
        let min = connection.min_offset(at).await.expect("it has a maximum");
        let known_min = self.seen.min.insert(queue, min).unwrap_or_default();
        assert!(min >= known_min, "{queue:?} began at {known_min} and begins at {min} now");
        let upto = self.seen.upto.insert(queue, max).unwrap_or_default();
        assert!(max >= upto, "{queue:?} ended at {upto} and ends at {max} now");

        let first = if depth == Depth::Quick { upto.max(min) } else { min };
        let mut from = first;
        while from < max {
            let next = load::pull(connection, queue, from, Duration::ZERO, &self.history).await;
            let next = next.unwrap_or_else(|error| panic!("{queue:?} at {from} of {min}..{max}: {error}"));
            assert!(next > from, "{queue:?} answers nothing at {from} of {min}..{max}");
            from = next;
        }
        if depth == Depth::Everything {
            // Retention may have taken some while we read; what is below now was whole then.
            self.history.is_whole(queue, connection.min_offset(at).await.expect("as above"), max);
        }

        let commit = self.history.commit(queue);
        let stored = connection.committed_offset(GROUP, at).await.expect("it answers");
        assert!(stored >= commit.answered, "moved offset: {queue:?} was {commit:?}, is {stored:?}");
        assert!(stored <= Some(commit.tried), "invented offset: {queue:?} was {commit:?}, is {stored:?}");
    }
}

fn options() -> Options {
    Options { deadline: Duration::from_secs(20), ..Options::default() }
}

/// Reads messages by their log offsets (33).
async fn view(connection: &Connection, sample: Vec<(Id, Queue, Spot)>) {
    for some in sample.chunks(256) {
        let mut pending = Vec::new();
        for (.., spot) in some {
            let request = Request::new(RequestCode::VIEW_MESSAGE_BY_ID).field("offset", spot.log_offset.cast_signed());
            pending.push(connection.begin(&request).await.expect("it serves"));
        }
        for ((id, queue, spot), pending) in some.iter().zip(pending) {
            let answer = pending.await.expect("it serves");
            if answer.code != ResponseCode::SUCCESS {
                let remark = answer.remark.unwrap_or_default();
                assert_deleted(connection, *queue, *spot, &format!("lost: {id:?} is not at {spot:?}: {remark}")).await;
                continue;
            }
            let message = Message::parse(&answer.body).expect("a record");
            assert_eq!(message.body(), id.body().as_bytes(), "moved: {id:?} at {spot:?}");
            assert_eq!(i64::try_from(message.queue_offset().0), Ok(spot.offset), "moved: {id:?}");
        }
    }
}

/// Finds a message by its key (12).
async fn query(connection: &Connection, (id, queue, spot): (Id, Queue, Spot)) {
    let key = id.key();
    let request = Request::new(RequestCode::QUERY_MESSAGE)
        .field("topic", TOPICS[queue.0])
        .field("key", key.as_str())
        .field("maxNum", 32)
        .field("beginTimestamp", 0)
        .field("endTimestamp", i64::MAX);
    let answer = connection.call(&request).await.expect("it serves");
    let mut records = &answer.body[..];
    while let Some(message) = Message::parse(records) {
        if message.body() == id.body().as_bytes() {
            return;
        }
        records = &records[message.bytes().len()..];
    }
    assert_deleted(connection, queue, spot, &format!("lost: no {id:?} under key {key}: {:?}", answer.remark)).await;
}

/// Panics with `otherwise` unless retention has taken the message meanwhile.
async fn assert_deleted(connection: &Connection, queue: Queue, spot: Spot, otherwise: &str) {
    let at = QueueRef { topic: TOPICS[queue.0], queue_id: queue.1 };
    let min = connection.min_offset(at).await.expect("it serves");
    assert!(spot.offset < min, "{otherwise}");
}

async fn prepare(address: &str) {
    let connection = Connection::open(address, &options()).await.expect("it serves");
    connection.create_topic(TOPICS[0], QUEUES).await.expect("created");
    let written = Request::new(RequestCode::UPDATE_AND_CREATE_TOPIC)
        .field("topic", TOPICS[1])
        .field("defaultTopic", "TBW102")
        .field("readQueueNums", QUEUES)
        .field("writeQueueNums", QUEUES)
        .field("perm", 6)
        .field("topicFilterType", "SINGLE_TAG")
        .field("topicSysFlag", 0)
        .field("order", false)
        .field("attributes", "+flush=async");
    connection.call(&written).await.expect("it serves").success().expect("created");
    // The third comes into being by the first send.
    connection.create_topic(IDLE, 1).await.expect("created");
    assert_eq!(send_to_idle(&connection).await, 0);
    connection.commit_offset(GROUP, QueueRef { topic: IDLE, queue_id: 0 }, 1).await.expect("committed");
}

async fn send_to_idle(connection: &Connection) -> i64 {
    let message = Send {
        producer_group: "KillLoopProducers",
        topic: IDLE,
        queue_id: 0,
        default_queues: 1,
        properties: "",
        body: b"once",
        born_ms: 1_700_000_000_000,
    };
    connection.send(&message).await.expect("sent").queue_offset
}

/// The facts of the idle topic survive its only message.
async fn check_idle(connection: &Connection) {
    let at = QueueRef { topic: IDLE, queue_id: 0 };
    assert_eq!(connection.max_offset(at).await.expect("the topic survives"), 1);
    assert_eq!(connection.committed_offset(GROUP, at).await.expect("it answers"), Some(1));
}

/// The first send after all of it continues the numbers.
async fn next_of_idle(address: &str) {
    let connection = Connection::open(address, &options()).await.expect("it serves");
    assert_eq!(send_to_idle(&connection).await, 1, "queue offsets never start again");
}
