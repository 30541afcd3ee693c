//! Many threads at once, on small segments: appenders of both rules, readers at the tail and behind it, the keeper sealing
//! and saving.

use std::collections::HashMap;
use std::thread;

use super::*;

const APPENDERS: u32 = 4;
const APPENDS: u32 = 1_500;
const QUEUES: u32 = 3;

/// Checks the order of what it is told.
#[derive(Default)]
struct Order {
    next: Mutex<HashMap<QueueSlot, u64>>,
    systems: Mutex<Vec<LogOffset>>,
}

impl Observer for Order {
    fn topic_of(&self, _: &str) -> Option<TopicId> {
        Some(TOPIC)
    }
    fn applied(&self, facts: &[Fact<'_>]) {
        for fact in facts {
            match *fact {
                Fact::Message { slot, queue_offset, .. } => {
                    let mut next = self.next.lock();
                    let next = next.entry(slot).or_default();
                    assert_eq!(queue_offset.0, *next, "messages of a queue come in order, once each");
                    *next += 1;
                }
                Fact::System { at, .. } => {
                    let mut systems = self.systems.lock();
                    assert!(systems.last().is_none_or(|last| *last < at), "system facts come in log order");
                    systems.push(at);
                }
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

fn slots(log: &Log) -> Vec<QueueSlot> {
    (0..QUEUES).map(|queue| log.slot(TOPIC, QueueId(queue)).expect("a queue")).collect()
}

/// Appends `APPENDS` times one to three messages, a third of the queues async; answers the last durable end.
fn append_all(log: &Log, seed: u32) -> LogOffset {
    let slots = slots(log);
    let (mut staged, mut last) = (Staged::new(), LogOffset::ZERO);
    for number in 0..APPENDS {
        let random = (seed * APPENDS + number).wrapping_mul(2_654_435_761) >> 8;
        staged.clear();
        for message in 0..1 + random % 3 {
            let queue = (random / 7 + message) % QUEUES;
            // The rule of queue 2 changes now and then.
            let durable = queue == 0 || queue == 2 && number % 50 < 25;
            let len = 10 + (random / 11 % 700) as usize;
            stage_in(&mut staged, QueueId(queue), slots[queue as usize], durable, &vec![queue as u8; len]);
        }
        if random.is_multiple_of(5) {
            staged.system(&System::TimersDone { timers: vec![LogOffset(u64::from(random))] });
        }
        loop {
            match log.append(&mut staged) {
                Ok(appended) if appended.durable => last = appended.end,
                Ok(appended) => assert!(log.failed() || appended.end <= log.end()),
                Err(AppendError::Busy { .. }) => {
                    thread::yield_now();
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            break;
        }
    }
    last
}

/// Reads a queue from its beginning until it holds `until` messages; each must be where and what it says.
fn read_all(log: &Log, queue: u32, until: &dyn Fn() -> bool) -> u64 {
    let slot = slots(log)[queue as usize];
    let (mut offset, mut units, mut record) = (0, Vec::new(), Vec::new());
    loop {
        let done = until();
        units.clear();
        log.units(slot, QueueOffset(offset), 16, Read::Wait, &mut units).expect("units");
        for unit in &units {
            record.clear();
            log.read(unit.at, unit.len, Read::Wait, &mut record).expect("a visible record is there");
            let message = Message::parse(&record).expect("a message");
            assert_eq!((message.queue_offset().0, message.log_offset()), (offset, unit.at));
            assert!(message.body().iter().all(|byte| u32::from(*byte) == queue), "another queue's bytes");
            offset += 1;
        }
        if units.is_empty() {
            let max = log.bounds(slot).max.0;
            if done && offset == max {
                return offset;
            }
            assert!(offset <= max);
            thread::yield_now();
        }
    }
}

#[test]
fn everybody_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        tail_cache_bytes: 128 * 1024,
        staging_bytes_max: 512 * 1024,
        checkpoint_bytes: 200 * 1024,
        ..options(dir.path())
    };
    let order = Arc::new(Order::default());
    let log = Log::open(options.clone(), order.clone(), Arc::new(|| Timestamp(1))).expect("opens");
    let finished = AtomicU64::new(0);
    let counts: Vec<u64> = thread::scope(|scope| {
        let readers: Vec<_> = (0..QUEUES)
            .map(|queue| {
                let (log, finished) = (&log, &finished);
                scope.spawn(move || read_all(log, queue, &|| finished.load(Ordering::SeqCst) == 1))
            })
            .collect();
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|seed| {
                scope.spawn({
                    let log = &log;
                    move || append_all(log, seed)
                })
            })
            .collect();
        for appender in appenders {
            let last = appender.join().expect("no panic");
            wait_until(&log, |log| log.committed() >= last);
        }
        log.flush();
        finished.store(1, Ordering::SeqCst);
        readers.into_iter().map(|reader| reader.join().expect("no panic")).collect()
    });
    let told: u64 = order.next.lock().values().sum();
    assert_eq!(counts.iter().sum::<u64>(), told);
    drop(log);

    let log = Log::open(options, Arc::<Told>::default(), Arc::new(|| Timestamp(1))).expect("opens again");
    let again: Vec<u64> = (0..QUEUES).map(|queue| read_all(&log, queue, &|| true)).collect();
    assert_eq!(again, counts);
}
