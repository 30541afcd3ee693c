use std::path::Path;
use std::sync::atomic::AtomicI64;

use model::record::message::{self, Message, NewMessage};
use model::record::system::System;
use parking_lot::Mutex;

use super::*;
use crate::api::{Fact, Frozen, LoadError, SyncRule};

mod crowd;
mod segments;
mod trouble;

pub const TOPIC: TopicId = TopicId(LogOffset(48));
const QUEUE: QueueId = QueueId(0);

/// Knows one topic and keeps what it was told.
#[derive(Default)]
pub struct Told {
    messages: Mutex<Vec<(LogOffset, QueueOffset)>>,
    systems: Mutex<Vec<(LogOffset, Vec<u8>)>>,
}

impl Observer for Told {
    fn topic_of(&self, name: &str) -> Option<TopicId> {
        (name == "orders").then_some(TOPIC)
    }

    fn applied(&self, facts: &[Fact<'_>]) {
        for fact in facts {
            match *fact {
                Fact::Message { at, queue_offset, .. } => self.messages.lock().push((at, queue_offset)),
                Fact::System { at, record } => self.systems.lock().push((at, record.to_vec())),
            }
        }
    }

    fn freeze(&self) -> Frozen {
        Vec::new().into()
    }

    fn load(&self, _: &[u8]) -> Result<(), LoadError> {
        Ok(())
    }
}

pub fn options(dir: &Path) -> Options {
    Options { segment_bytes: 64 * 1024, reader_threads: 1, ..Options::new(dir) }
}

fn open(options: Options, told: &Arc<Told>) -> Arc<Log> {
    let ticks = AtomicI64::new(1_000);
    let clock: Clock = Arc::new(move || Timestamp(ticks.fetch_add(1, Ordering::Relaxed)));
    Log::open(options, told.clone(), clock).expect("opens")
}

fn slot_of(log: &Log) -> QueueSlot {
    log.slot(TOPIC, QUEUE).expect("room for a queue")
}

pub fn stage(staged: &mut Staged, slot: QueueSlot, durable: bool, body: &[u8]) {
    stage_in(staged, QUEUE, slot, durable, body);
}

fn stage_in(staged: &mut Staged, queue_id: QueueId, slot: QueueSlot, durable: bool, body: &[u8]) {
    let host = "127.0.0.1:10911".parse().expect("an address");
    let new = NewMessage {
        topic: "orders",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp(1),
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_offset: LogOffset::ZERO,
        body,
    };
    let write = |out: &mut Vec<u8>| message::encode(out, &new, |_| {});
    staged.message(slot, durable, 0, write, std::iter::empty()).expect("encodes");
}

/// Waits on the log's own signal until `reached`.
fn wait_until(log: &Log, reached: impl Fn(&Log) -> bool) {
    let (send, moved) = std::sync::mpsc::channel();
    let send = Mutex::new(send);
    log.on_progress(Box::new(move |_| send.lock().send(()).unwrap_or(())));
    while !reached(log) {
        moved.recv_timeout(std::time::Duration::from_secs(20)).expect("progress");
    }
}

fn bodies(log: &Log, slot: QueueSlot) -> Vec<Vec<u8>> {
    let (mut units, mut record) = (Vec::new(), Vec::new());
    let bounds = log.bounds(slot);
    while bounds.min.0 + (units.len() as u64) < bounds.max.0 {
        let from = bounds.min.plus(units.len() as u64);
        log.units(slot, from, 1_000, Read::Wait, &mut units).expect("units");
    }
    let mut bodies = Vec::new();
    for (ordinal, unit) in (bounds.min.0..).zip(&units) {
        record.clear();
        log.read(unit.at, unit.len, Read::Wait, &mut record).expect("a record");
        let message = Message::parse(&record).expect("a message");
        assert_eq!(message.log_offset(), unit.at);
        assert_eq!(message.queue_offset(), QueueOffset(ordinal));
        bodies.push(message.body().to_vec());
    }
    bodies
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = Arc::new(Told::default());
    let log = open(options(dir.path()), &told);
    let slot = slot_of(&log);
    let mut staged = Staged::new();
    // Several segments, and batches of several appends.
    for number in 0..500u32 {
        staged.clear();
        stage(&mut staged, slot, true, &number.to_be_bytes().repeat(100));
        let appended = log.append(&mut staged).expect("appended");
        assert!(appended.durable);
    }
    let end = log.end();
    wait_until(&log, |log| log.committed() >= end);
    let before = bodies(&log, slot);
    assert_eq!(before.len(), 500);
    assert!(log.end().0 > 3 * 64 * 1024);
    let epoch = log.epoch();
    drop(log);

    let told_again = Arc::new(Told::default());
    let log = open(options(dir.path()), &told_again);
    assert_eq!(log.epoch(), epoch + 1);
    assert_eq!(bodies(&log, slot_of(&log)), before);
    assert!(told_again.messages.lock().is_empty(), "the checkpoint at close spares the replay");
    drop(log);

    std::fs::remove_dir_all(dir.path().join("state")).expect("removed");
    for entry in std::fs::read_dir(dir.path().join("log")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "idx") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let log = open(options(dir.path()), &told_again);
    assert_eq!(bodies(&log, slot_of(&log)), before);
    assert!(*told_again.messages.lock() == *told.messages.lock(), "the log alone tells everything");

    staged.clear();
    stage(&mut staged, slot_of(&log), true, b"next");
    log.append(&mut staged).expect("appended");
    assert_eq!(staged.entry(0).queue_offset, QueueOffset(500));
}

#[test]
fn an_async_message_is_visible_when_append_returns_and_a_durable_one_behind_it_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = Arc::new(Told::default());
    let disk = Arc::new(RealDisk::new(dir.path()));
    let clock: Clock = Arc::new(|| Timestamp(1));
    let log = Log::open_on(disk, options(dir.path()), told.clone(), clock).expect("opens");
    let slot = slot_of(&log);
    let mut staged = Staged::new();

    stage(&mut staged, slot, false, b"a");
    let appended = log.append(&mut staged).expect("appended");
    assert!(!appended.durable);
    assert!(log.written() >= appended.end);
    assert_eq!(bodies(&log, slot), [b"a"]);

    staged.clear();
    stage(&mut staged, slot, true, b"b");
    assert!(log.append(&mut staged).expect("appended").durable);
    staged.clear();
    stage(&mut staged, slot, false, b"c");
    log.append(&mut staged).expect("appended");
    assert_eq!(bodies(&log, slot), [b"a"], "c may not overtake b");

    log.flush();
    assert_eq!(bodies(&log, slot), [b"a", b"b", b"c"]);
    assert_eq!(told.messages.lock().iter().map(|(_, offset)| offset.0).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn messages_and_system_records_are_told_in_log_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = Arc::new(Told::default());
    let log = open(options(dir.path()), &told);
    let mut staged = Staged::new();
    let mark = System::TimerScheduled { due: Timestamp(5) };
    stage(&mut staged, slot_of(&log), true, b"timed");
    staged.system(&mark);
    let end = log.append(&mut staged).expect("appended").end;
    wait_until(&log, |log| log.committed() >= end);
    let systems = told.systems.lock().clone();
    assert_eq!(systems.len(), 1);
    assert_eq!(systems[0].0, staged.entry(1).at);
    assert_eq!(System::decode(&systems[0].1), Ok(mark));
    let mut record = Vec::new();
    log.read_at(staged.entry(0).at, Read::Wait, &mut record).expect("a record starts there");
    assert_eq!(Message::parse(&record).expect("a message").body(), b"timed");
    let inside = LogOffset(staged.entry(0).at.0 + 1);
    assert!(matches!(log.read_at(inside, Read::Wait, &mut record), Err(ReadError::NotFound { .. })));
}

#[test]
fn an_append_that_fits_no_batch_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(options(dir.path()), &Arc::default());
    let mut staged = Staged::new();
    stage(&mut staged, slot_of(&log), true, &[0; 64 * 1024]);
    assert!(matches!(log.append(&mut staged), Err(AppendError::TooLarge { .. })));
}

#[test]
fn a_system_record_follows_the_brokers_rule() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = Arc::new(Told::default());
    let log = open(Options { sync: SyncRule::Async, ..options(dir.path()) }, &told);
    let mut staged = Staged::new();
    staged.system(&System::TimersDone { timers: vec![LogOffset(1)] });
    assert!(!log.append(&mut staged).expect("appended").durable);
    assert_eq!(told.systems.lock().len(), 1);
}

#[test]
fn an_async_record_is_found_by_its_offset_before_any_sync() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock: Clock = Arc::new(|| Timestamp(1_000));
    let disk = Arc::new(RealDisk::new(dir.path()));
    // Without threads nothing is synced.
    let log = Log::open_on(disk, options(dir.path()), Arc::new(Told::default()), clock).expect("opens");
    let mut staged = Staged::new();
    stage(&mut staged, slot_of(&log), false, b"hello");
    log.append(&mut staged).expect("appended");
    let at = staged.entry(0).at;
    assert!(log.committed() <= at && at < log.written());

    let mut record = Vec::new();
    log.read_at(at, Read::Nowait, &mut record).expect("visible");
    assert_eq!(Message::parse(&record).expect("a message").body(), b"hello");
    assert!(matches!(log.read_at(at.plus(1), Read::Nowait, &mut record), Err(ReadError::NotFound { .. })));
}

#[test]
fn a_durable_record_is_not_found_by_its_offset_before_its_sync() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk::new(dir.path()));
    let clock: Clock = Arc::new(|| Timestamp(1));
    let log = Log::open_on(disk, options(dir.path()), Arc::<Told>::default(), clock).expect("opens");
    let mut staged = Staged::new();
    // One batch, both rules.
    stage(&mut staged, slot_of(&log), false, b"async");
    stage(&mut staged, log.slot(TOPIC, QueueId(1)).expect("a queue"), true, b"durable");
    log.append(&mut staged).expect("appended");
    let (seen, unseen) = (staged.entry(0).at, staged.entry(1).at);
    let mut record = Vec::new();
    log.read_at(seen, Read::Nowait, &mut record).expect("visible when written");
    assert_eq!(Message::parse(&record).expect("a message").body(), b"async");
    assert!(matches!(log.read_at(unseen, Read::Nowait, &mut record), Err(ReadError::NotFound { .. })));
    log.flush();
    record.clear();
    log.read_at(unseen, Read::Nowait, &mut record).expect("visible when synced");
    assert_eq!(Message::parse(&record).expect("a message").body(), b"durable");
}

#[test]
fn async_bytes_are_synced_soon_though_nobody_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(options(dir.path()), &Arc::default());
    for body in [b"first", b"later"] {
        let mut staged = Staged::new();
        stage(&mut staged, slot_of(&log), false, body);
        let end = log.append(&mut staged).expect("appended").end;
        wait_until(&log, |log| log.committed() >= end);
    }
}
