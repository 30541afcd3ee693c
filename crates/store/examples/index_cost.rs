//! What a million queues cost: memory of the queue table and of the open index, bytes of their files, time to save, load,
//! seal and look up. `cargo run --release -p store --example index_cost`
//!
//! Prints a line a figure. Times are CPU time of the process, so that a busy machine changes them less; memory is anonymous
//! memory of the process, so allocator overhead is inside.
#![allow(clippy::disallowed_methods, reason = "an example that reads its own memory and writes a file")]

use std::sync::Arc;
use std::time::Duration;

use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};
use parking_lot::RwLock;
use store::checkpoint::{Checkpoint, Checkpoints, Facts};
use store::disk::{Disk, RealDisk};
use store::index::{
    BatchSpan, Growing, Indexes, KeyHit, OpenIndex, PageCache, Queues, SealedIndex, across::Older, growing,
    queues::Ahead, seal,
};
use store::{QueueSlot, Read, Unit};

const QUEUES: u32 = 1_000_000;
const QUEUES_PER_TOPIC: u32 = 16;
const RECORD_LEN: u32 = 200;

fn main() {
    let dir = tempfile::tempdir().expect("a directory for the files");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()));
    disk.create_dir("state").expect("a folder");
    disk.create_dir("log").expect("a folder");

    one_long_queue();

    let before = anonymous_bytes();
    let queues = Queues::default();
    let start = Cpu::now();
    for number in 0..QUEUES {
        let topic = TopicId(LogOffset(u64::from(number / QUEUES_PER_TOPIC) * 100));
        let slot = queues.find_or_create(topic, QueueId(number % QUEUES_PER_TOPIC)).expect("there is room");
        assert_eq!(slot, QueueSlot(number));
    }
    say("create a queue", start, QUEUES);
    println!("queue table: {:.1} B a queue", (anonymous_bytes() - before) as f64 / f64::from(QUEUES));

    let before = anonymous_bytes();
    let mut spread = Growing::new(vec![OpenIndex::new(LogOffset(0), Some(Timestamp(0)))]);
    let start = Cpu::now();
    for number in 0..QUEUES {
        push(&mut spread, &queues, QueueSlot(number), number);
    }
    say("index a message, a queue each", start, QUEUES);
    println!(
        "open index, a message a queue: {:.1} B a message",
        (anonymous_bytes() - before) as f64 / f64::from(QUEUES)
    );

    let spread = RwLock::new(spread);
    checkpoint(&disk, &queues, &spread);
    let file = write_index(&disk, &queues, spread.into_inner(), &dir);
    look_up(&queues, &file);
}

/// One queue with all messages, and one key and one batch a message.
fn one_long_queue() {
    let before = anonymous_bytes();
    let mut single = OpenIndex::new(LogOffset(0), Some(Timestamp(0)));
    let start = Cpu::now();
    for number in 0..QUEUES {
        let at = LogOffset(u64::from(number) * u64::from(RECORD_LEN));
        let unit = Unit { at, len: RECORD_LEN, tag_hash: 0, stored: Timestamp(i64::from(number)) };
        single.push(QueueSlot(0), QueueOffset(u64::from(number)), &unit).expect("in order");
    }
    say("index a message, one queue", start, QUEUES);
    println!("open index, one queue: {:.1} B a message", (anonymous_bytes() - before) as f64 / f64::from(QUEUES));

    let before = anonymous_bytes();
    let start = Cpu::now();
    for number in 0..QUEUES {
        let at = LogOffset(u64::from(number) * 248);
        single.push_batch(BatchSpan { at, len: 248 });
        let hash = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        single.push_key(hash, KeyHit { at: at.plus(48), len: 200, stored: Timestamp(0) });
    }
    say("note a batch and a key", start, QUEUES);
    println!("a batch and a key: {:.1} B", (anonymous_bytes() - before) as f64 / f64::from(QUEUES));
    // Kept, or what is measured next would be given its memory.
    std::mem::forget(single);
}

fn push(index: &mut Growing, queues: &Queues, slot: QueueSlot, number: u32) {
    let at = LogOffset(u64::from(number) * u64::from(RECORD_LEN + 48));
    let unit = Unit { at, len: RECORD_LEN, tag_hash: 0, stored: Timestamp(i64::from(number)) };
    let offset = queues.number(slot, 1);
    index.push(slot, offset, &unit).expect("in order");
    queues.applied(slot, offset, at);
}

fn checkpoint(disk: &Arc<dyn Disk>, queues: &Queues, index: &RwLock<Growing>) {
    let to = LogOffset(1 << 30);
    let start = Cpu::now();
    let (mut rows, mut units) = (Vec::new(), Vec::new());
    queues.save(None, to, nothing_ahead, &mut rows);
    growing::save(index, None, to, queues, &mut units);
    println!("save, in slices: {} ms", start.elapsed().as_millis());

    println!("checkpoint: {} B of queues, {} B of units", rows.len(), units.len());

    let facts = Facts { at: to, since: None, epoch: 1, start: LogOffset(0), committed: to };
    let base = Checkpoint { facts, queues: rows, units, projections: Vec::new(), runs: Vec::new() };
    let found = Checkpoints::open(Arc::clone(disk)).expect("an empty folder");
    let mut checkpoints = found.checkpoints;
    checkpoints.write(&base).expect("a disk with room");
    drop(base);

    let start = Cpu::now();
    let found = Checkpoints::open(Arc::clone(disk)).expect("what was written");
    println!("read and check the file: {} ms", start.elapsed().as_millis());
    let loaded = Queues::default();
    loaded.load(found.chain[0].queues()).expect("what was saved");
    println!("... and load the queues: {} ms", start.elapsed().as_millis());
    let indexes = growing::load([found.chain[0].units()], &loaded).expect("what was saved");
    println!("... and load the open index: {} ms", start.elapsed().as_millis());
    assert_eq!((loaded.slots(), indexes.len()), (QUEUES, 1));

    // A thousand queues get a message each: the scan skips what is old.
    for number in 0..1_000 {
        queues.applied(QueueSlot(number), queues.number(QueueSlot(number), 1), to.plus(u64::from(number)));
    }
    let (start, mut rows) = (Cpu::now(), Vec::new());
    queues.save(Some(to), to.plus(1_000), nothing_ahead, &mut rows);
    println!("delta of 1,000 queues: {} B, {} us", rows.len(), start.elapsed().as_micros());
}

/// For a table nothing is added to while it is saved.
fn nothing_ahead() -> fn(QueueSlot) -> Ahead {
    |_| unreachable!("nothing is ahead")
}

/// A file of one message a queue, and its index opened.
fn write_index(disk: &Arc<dyn Disk>, queues: &Queues, index: Growing, dir: &tempfile::TempDir) -> Indexes {
    let queues = Arc::new(copy(queues));
    let indexes = Indexes::new(Arc::clone(&queues), Vec::new(), index);
    indexes.growing.write().enter(LogOffset(1 << 30));
    let frozen = indexes.freeze(LogOffset(1 << 30)).remove(0);
    let (start, path) = (Cpu::now(), dir.path().join("log/0.idx"));
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path).expect("a file"));
    seal::write(&frozen, LogOffset(1 << 30), &queues, &mut out).expect("a disk with room");
    drop(out);
    println!("write the .idx file: {} ms", start.elapsed().as_millis());

    let start = Cpu::now();
    let file = disk.open("log/0.idx").expect("just written");
    let sealed = SealedIndex::open(file, "log/0.idx", LogOffset(0), Arc::new(PageCache::default())).expect("whole");
    println!("open it: {} us; {} B a queue", start.elapsed().as_micros(), sealed.bytes() / u64::from(QUEUES));
    indexes.sealed(Arc::new(sealed));
    indexes
}

/// The same queues in the same slots.
fn copy(queues: &Queues) -> Queues {
    let mut rows = Vec::new();
    queues.save(None, LogOffset(u64::MAX), nothing_ahead, &mut rows);
    let copy = Queues::default();
    copy.load(&rows).expect("what was saved");
    copy
}

fn look_up(queues: &Queues, indexes: &Indexes) {
    let lookups: u32 = 200_000;
    // The directory of a million queues is three times the page cache; that of 40,000 fits.
    for among in [QUEUES, 40_000] {
        let (start, mut units) = (Cpu::now(), Vec::new());
        for number in 0..lookups {
            units.clear();
            let slot = QueueSlot(number.wrapping_mul(7_919) % among);
            indexes.units(slot, QueueOffset(0), 1, Read::Wait, &mut units).expect("a whole file");
            assert_eq!(units.len(), 1);
        }
        say(&format!("look up one of {among} queues"), start, lookups);
    }
    assert!(matches!(indexes.older()[0], Older::Sealed(_)));
    assert!(queues.slots() == QUEUES);
}

fn say(what: &str, start: Cpu, count: u32) {
    println!("{what}: {} ns", start.elapsed().as_nanos() / u128::from(count));
}

/// A moment of the process's CPU time.
#[derive(Clone, Copy)]
struct Cpu(Duration);

impl Cpu {
    fn now() -> Cpu {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Cpu(Duration::try_from(time).expect("CPU time is not negative"))
    }

    fn elapsed(self) -> Duration {
        Cpu::now().0 - self.0
    }
}

/// Anonymous memory of this process.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line of memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}
