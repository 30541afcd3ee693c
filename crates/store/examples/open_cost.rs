//! What opening costs after a kill: `fill` writes a log and aborts the process, `open` times opening it.
//!
//! `cargo run --release -p store --example open_cost -- fill <new directory> <gigabytes> <queues>`, then `... open <directory>`.

#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::sync::Arc;
use std::time::Instant;

use model::record::message::{self, NewMessage};
use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};
use store::{AppendError, Fact, Frozen, LoadError, Log, Observer, Options, Read, Staged};

const QUEUES_PER_TOPIC: u64 = 16;
const BODY: [u8; 1024] = [b'x'; 1024];

/// Topics are called t0, t1, ...; the id is the number and one.
struct Numbered;

impl Observer for Numbered {
    fn topic_of(&self, name: &str) -> Option<TopicId> {
        name.strip_prefix('t')?.parse().ok().map(topic_id)
    }
    fn applied(&self, _: &[Fact<'_>]) {}
    fn freeze(&self) -> Frozen {
        Vec::new().into()
    }
    fn load(&self, _: &[u8]) -> Result<(), LoadError> {
        Ok(())
    }
}

fn topic_id(number: u64) -> TopicId {
    // Topics come in order and a message is longer than a step, so none is older than its topic.
    TopicId(LogOffset(number + 1))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", dir, gigabytes, queues] => {
            fill(dir, gigabytes.parse().expect("a number"), queues.parse().expect("a number"));
        }
        ["open", dir] => open(dir),
        _ => panic!("fill <new directory> <gigabytes> <queues>, or open <directory>"),
    }
}

fn log(dir: &str) -> Arc<Log> {
    Log::open(Options::new(dir), Arc::new(Numbered), Arc::new(|| Timestamp(1_700_000_000_000))).expect("opens")
}

fn fill(dir: &str, gigabytes: u64, queues: u64) {
    let log = log(dir);
    let mut staged = Staged::new();
    let host = "127.0.0.1:10911".parse().expect("an address");
    let mut number = 0;
    while log.end().0 < gigabytes * 1_000_000_000 {
        staged.clear();
        for _ in 0..64 {
            let queue = number % queues;
            number += 1;
            let (topic, queue) =
                (queue / QUEUES_PER_TOPIC, QueueId(u32::try_from(queue % QUEUES_PER_TOPIC).expect("few")));
            let new = NewMessage {
                topic: &format!("t{topic}"),
                queue_id: queue,
                flag: 0,
                sys_flag: 0,
                born_timestamp: Timestamp(1),
                born_host: host,
                store_host: host,
                reconsume_times: 0,
                prepared_offset: LogOffset::ZERO,
                body: &BODY,
            };
            let slot = log.slot(topic_id(topic), queue).expect("room");
            staged
                .message(slot, false, 0, |out| message::encode(out, &new, |_| {}), std::iter::empty())
                .expect("encodes");
        }
        while let Err(error) = log.append(&mut staged) {
            assert!(matches!(error, AppendError::Busy { .. }), "{error}");
            log.flush();
        }
    }
    println!("{number} messages, {} bytes, of them {} written, killed", log.end(), log.written());
    std::process::abort();
}

fn open(dir: &str) {
    let started = Instant::now();
    let log = log(dir);
    let opened = started.elapsed();
    let slot = log.slot(topic_id(0), QueueId(0)).expect("room");
    let bounds = log.bounds(slot);
    let (mut units, mut record) = (Vec::new(), Vec::new());
    log.units(slot, QueueOffset(bounds.max.0 / 2), 1, Read::Wait, &mut units).expect("units");
    log.read(units[0].at, units[0].len, Read::Wait, &mut record).expect("a record");
    let (opened_and_read, reading) = (started.elapsed(), Instant::now());
    let (mut offset, mut bytes) = (bounds.min, 0);
    while offset < bounds.max {
        units.clear();
        log.units(slot, offset, 32, Read::Wait, &mut units).expect("units");
        record.clear();
        log.read_units(&units, Read::Wait, &mut record).expect("records");
        offset = offset.plus(units.len() as u64);
        bytes += record.len();
    }
    let rate = bytes as f64 / reading.elapsed().as_secs_f64() / 1e6;
    println!("its whole queue, 32 at a time: {bytes} bytes, {rate:.0} MB/s");
    println!("open in {opened:?}, an old message after {opened_and_read:?}; {} bytes, {bounds:?}", log.end());
    std::process::abort();
}
