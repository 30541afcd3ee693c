//! The life of segment files: prepared, sealed, ended early, trimmed, recycled.

use model::{Millis, TopicConfig, TopicName};

use super::*;
use crate::retention::Policy;

/// A log turned by hand, with a clock that is set.
struct Hand {
    log: Log,
    now: Arc<AtomicI64>,
    slot: QueueSlot,
}

fn hand(dir: &Path) -> Hand {
    let now = Arc::new(AtomicI64::new(1_000));
    let clock = now.clone();
    let clock: Clock = Arc::new(move || Timestamp(clock.load(Ordering::Relaxed)));
    let log = Log::open_on(Arc::new(RealDisk::new(dir)), options(dir), Arc::<Told>::default(), clock).expect("opens");
    let slot = slot_of(&log);
    Hand { log, now, slot }
}

impl Hand {
    /// Appends messages of 1 KB and makes them durable.
    fn append(&self, messages: usize) {
        let mut staged = Staged::new();
        for _ in 0..messages {
            staged.clear();
            stage(&mut staged, self.slot, true, &[7; 1_000]);
            self.log.append(&mut staged).expect("appended");
            self.log.flush();
        }
    }
}

fn files(dir: &Path, suffix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("log")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(suffix).map(str::to_owned)).collect();
    names.sort();
    names
}

const BASES: [&str; 9] = [
    "00000000000000000000",
    "00000000000000065536",
    "00000000000000131072",
    "00000000000000196608",
    "00000000000000262144",
    "00000000000000327680",
    "00000000000000393216",
    "00000000000000458752",
    "00000000000000524288",
];

#[test]
fn two_segments_are_ready_before_the_writer_needs_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let hand = hand(dir.path());
    assert_eq!(files(dir.path(), ".log"), BASES[..1]);
    hand.log.keep();
    assert_eq!(files(dir.path(), ".log"), BASES[..3]);
    hand.append(70);
    hand.log.keep();
    assert_eq!(files(dir.path(), ".log"), BASES[..4]);
    let lens = BASES[..4].iter().map(|base| std::fs::metadata(dir.path().join(format!("log/{base}.log"))));
    assert!(lens.into_iter().all(|file| file.expect("a file").len() == 65_536));
}

#[test]
fn a_full_segment_gets_its_index_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let hand = hand(dir.path());
    hand.append(130);
    assert_eq!(files(dir.path(), ".idx"), [""; 0]);
    let before = bodies(&hand.log, hand.slot);
    hand.log.keep();
    assert_eq!(files(dir.path(), ".idx"), BASES[..2]);
    assert_eq!(bodies(&hand.log, hand.slot), before);
}

#[test]
fn a_segment_of_yesterday_is_ended_though_it_is_not_full() {
    let dir = tempfile::tempdir().expect("a directory");
    let hand = hand(dir.path());
    hand.append(3);
    hand.now.fetch_add(24 * 3_600_000 - 1, Ordering::Relaxed);
    hand.log.keep();
    assert!(hand.log.end().0 < 65_536);
    hand.now.fetch_add(1, Ordering::Relaxed);
    hand.log.keep();
    hand.log.keep();
    assert_eq!(hand.log.end().0, 65_536 + 48, "once, although nothing is synced yet");
    hand.log.flush();
    hand.log.keep();
    assert_eq!(files(dir.path(), ".idx"), BASES[..1]);
    hand.append(1);
    assert_eq!(bodies(&hand.log, hand.slot).len(), 4);
}

#[test]
fn expired_segments_go_and_become_new_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let hand = hand(dir.path());
    hand.append(320);
    hand.log.keep();
    let policy = Policy { keep: Millis(500), ..Policy::default() };
    assert_eq!(hand.log.expired(Timestamp(1_499), &policy).expect("space"), None);
    let to = hand.log.expired(Timestamp(1_500), &policy).expect("space").expect("all sealed ones are old");
    assert_eq!(to, LogOffset(5 * 65_536));

    hand.log.trim(to).expect("trimmed");
    assert_eq!(hand.log.start(), to);
    assert_eq!(files(dir.path(), ".log"), BASES[5..8]);
    assert_eq!(files(dir.path(), ".spare"), BASES[..4], "four are kept, the fifth is deleted");
    let bounds = hand.log.bounds(hand.slot);
    assert!(bounds.min.0 > 270 && bounds.max.0 == 320, "{bounds:?}");
    let kept = bodies(&hand.log, hand.slot);

    // What the recycled files held is never taken for the log.
    hand.append(60);
    hand.log.keep();
    assert_eq!(files(dir.path(), ".log"), BASES[5..9]);
    assert_eq!(files(dir.path(), ".spare"), BASES[..3]);
    assert_eq!(bodies(&hand.log, hand.slot)[..kept.len()], kept);
    drop(hand.log);
    let log = open(options(dir.path()), &Arc::default());
    assert_eq!(log.start(), to);
    assert_eq!(log.bounds(slot_of(&log)).max, QueueOffset(380));
}

#[test]
fn a_write_covers_its_last_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let hand = hand(dir.path());
    hand.append(130);
    hand.log.keep();
    hand.log.trim(LogOffset(2 * 65_536)).expect("trimmed");
    hand.append(130);
    hand.log.keep();
    hand.append(65);
    let end = hand.log.end().0;
    let recycled = std::fs::read(dir.path().join(format!("log/{:020}.log", end / 65_536 * 65_536))).expect("a segment");
    let (_, after) = recycled.split_at((end % 65_536) as usize);
    let (rest_of_page, old) = after.split_at((end.next_multiple_of(4_096) - end) as usize);
    assert!(rest_of_page.iter().all(|byte| *byte == 0));
    assert!(old.iter().any(|byte| *byte != 0), "an earlier life of the file");
}

#[test]
fn numbering_outlives_a_queues_messages_and_every_checkpoint() {
    let dir = tempfile::tempdir().expect("a directory");
    let hand = hand(dir.path());
    let other = hand.log.slot(TOPIC, QueueId(1)).expect("a queue");
    let mut staged = Staged::new();
    (0..3).for_each(|_| stage_in(&mut staged, QueueId(1), other, true, b"early"));
    hand.log.append(&mut staged).expect("appended");
    hand.append(130);
    hand.log.keep();
    hand.log.trim(LogOffset(2 * 65_536)).expect("trimmed");
    assert_eq!(hand.log.bounds(other), Bounds { min: QueueOffset(3), max: QueueOffset(3) });
    drop(hand.log);
    std::fs::remove_dir_all(dir.path().join("state")).expect("removed");

    let log = open(options(dir.path()), &Arc::default());
    let slot = log.slot(TOPIC, QueueId(1)).expect("a queue");
    assert_eq!(log.bounds(slot), Bounds { min: QueueOffset(3), max: QueueOffset(3) });
}

/// Knows the topics it is told of, as the broker does.
#[derive(Default)]
struct Topics(Mutex<Vec<TopicId>>);

impl Observer for Topics {
    fn topic_of(&self, _: &str) -> Option<TopicId> {
        self.0.lock().last().copied()
    }

    fn applied(&self, facts: &[Fact<'_>]) {
        for fact in facts {
            if let Fact::System { at, record } = *fact
                && let Ok(System::TopicChanged { id, .. }) = System::decode(record)
            {
                self.0.lock().push(id.unwrap_or(TopicId(at)));
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

/// Found by killing the binary while retention ran, and deleting `state/` and all indexes: the topic's record, appended again
/// before its segment went, stood behind thousands of its messages, and all of them were passed over as nobody's.
#[test]
fn the_log_alone_knows_the_topic_of_messages_in_front_of_its_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let open =
        || Log::open(options(dir.path()), Arc::<Topics>::default(), Arc::new(|| Timestamp(1_000))).expect("opens");
    let config = TopicConfig::new(TopicName::new("orders").expect("a name"), 1);
    let log = open();
    let mut staged = Staged::new();
    staged.system(&System::TopicChanged { id: None, config: config.clone() });
    log.append(&mut staged).expect("appended");
    let id = TopicId(staged.entry(0).at);
    let slot = log.slot(id, QUEUE).expect("a queue");
    for _ in 0..150 {
        staged.clear();
        stage(&mut staged, slot, true, &[7; 1_000]);
        log.append(&mut staged).expect("appended");
    }
    staged.clear();
    staged.system(&System::TopicChanged { id: Some(id), config });
    let end = log.append(&mut staged).expect("appended").end;
    wait_until(&log, |log| log.committed() >= end);
    log.trim(LogOffset(65_536)).expect("trimmed");
    let (bounds, kept) = (log.bounds(slot), bodies(&log, slot));
    assert!(bounds.min.0 > 0 && kept.len() > 80, "{bounds:?}");
    log.close();
    drop(log);

    std::fs::remove_dir_all(dir.path().join("state")).expect("checkpoints");
    for base in files(dir.path(), ".idx") {
        std::fs::remove_file(dir.path().join(format!("log/{base}.idx"))).expect("an index");
    }
    let log = open();
    let slot = log.slot(id, QUEUE).expect("a queue");
    assert_eq!((log.bounds(slot), bodies(&log, slot)), (bounds, kept));
}
