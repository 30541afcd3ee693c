//! What was appended, and whether a log that was opened again is true to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::record::codec::{Put, Reader};
use model::record::message::Message;
use model::{LogOffset, QueueId, QueueOffset, TopicId};
use parking_lot::Mutex;
use store::disk::recorded::{Event, RecordedDisk};
use store::{Fact, Frozen, LoadError, Log, Observer, Read, Unit};

pub const TOPICS: [&str; 3] = ["orders", "bills", "events"];
pub const QUEUES: u32 = 2;

pub fn topic_id(topic: usize) -> TopicId {
    // Below the first record of any log, so that no message is older than its topic.
    TopicId(LogOffset(1 + topic as u64))
}

/// One appended record.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: u64,
    pub bytes: Vec<u8>,
    pub durable: bool,
    /// Topic, queue, offset in the queue. `None`: a system record.
    pub queue: Option<(usize, u32, u64)>,
}

/// All appended records, in log order.
#[derive(Clone, Default)]
pub struct History {
    pub entries: Vec<Entry>,
}

/// A projection of the simplest kind: where the system records are.
#[derive(Default)]
pub struct Projection {
    pub systems: Mutex<Vec<u64>>,
    /// Where to note what was seen; nothing is noted while a log is opened only to be looked at.
    pub seen: Option<Arc<RecordedDisk>>,
}

impl Observer for Projection {
    fn topic_of(&self, name: &str) -> Option<TopicId> {
        TOPICS.iter().position(|topic| *topic == name).map(topic_id)
    }

    fn applied(&self, facts: &[Fact<'_>]) {
        for fact in facts {
            let at = match fact {
                Fact::Message { at, .. } => at,
                Fact::System { at, .. } => {
                    self.systems.lock().push(at.0);
                    at
                }
            };
            if let Some(disk) = &self.seen {
                disk.note(Event::Seen(at.0));
            }
        }
    }

    fn freeze(&self) -> Frozen {
        let mut out = Vec::new();
        self.systems.lock().iter().for_each(|at| out.put_u64(*at));
        out.into()
    }

    fn load(&self, bytes: &[u8]) -> Result<(), LoadError> {
        let mut fields = Reader::new(bytes);
        let mut systems = self.systems.lock();
        while !fields.is_empty() {
            systems.push(fields.u64()?);
        }
        Ok(())
    }
}

/// What the outside was told before the power was lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Everything below was called durable.
    pub committed: u64,
    /// The end of the last durable record that was applied.
    pub seen: u64,
    /// Segments below may be gone.
    pub trimmed: u64,
}

/// What a log holds, to be compared.
#[derive(Debug, PartialEq, Eq)]
pub struct Holds {
    /// How many records of the history.
    pub records: usize,
    pub start: u64,
}

/// Checks that `log` holds a prefix of `history` that is long enough, and each record of it unchanged.
pub fn check(log: &Log, projection: &Projection, history: &History, told: &Told) -> Result<Holds, String> {
    let start = log.start().0;
    if start > told.trimmed {
        return Err(format!("the log starts at {start}, trimmed was up to {}", told.trimmed));
    }
    let systems = projection.systems.lock().clone();
    let found = read_queues(log)?;
    let records = prefix_len(history, &systems, &found)?;
    let must = told.committed.max(told.seen);
    if let Some(lost) = history.entries[records..].iter().find(|entry| entry.at < must) {
        return Err(format!("lost: the record at {} was acknowledged up to {must}, the log holds {records}", lost.at));
    }
    let kept = &history.entries[..records];
    check_systems(kept, &systems)?;
    check_messages(kept, &found, start)?;
    Ok(Holds { records, start })
}

/// A queue as it was read: its bounds, and each message.
struct Queue {
    name: (usize, u32),
    min: u64,
    max: u64,
    units: Vec<Unit>,
    records: Vec<Vec<u8>>,
}

fn read_queues(log: &Log) -> Result<Vec<Queue>, String> {
    let mut queues = Vec::new();
    for (topic, name) in TOPICS.iter().enumerate() {
        for queue in 0..QUEUES {
            let slot = log.slot(topic_id(topic), QueueId(queue)).map_err(|error| error.to_string())?;
            let bounds = log.bounds(slot);
            let (mut units, mut records) = (Vec::new(), Vec::new());
            while bounds.min.0 + (units.len() as u64) < bounds.max.0 {
                let (from, before) = (bounds.min.plus(units.len() as u64), units.len());
                log.units(slot, from, 1_000, Read::Wait, &mut units).map_err(|error| error.to_string())?;
                if units.len() == before {
                    return Err(format!("{name}/{queue} has no unit at {from} of {bounds:?}"));
                }
            }
            for unit in &units {
                let mut record = Vec::new();
                log.read(unit.at, unit.len, Read::Wait, &mut record).map_err(|error| error.to_string())?;
                records.push(record);
            }
            queues.push(Queue { name: (topic, queue), min: bounds.min.0, max: bounds.max.0, units, records });
        }
    }
    Ok(queues)
}

/// How many records of the history the log holds: up to the highest one it shows.
fn prefix_len(history: &History, systems: &[u64], queues: &[Queue]) -> Result<usize, String> {
    // Messages may have been trimmed; what was numbered tells how far a queue came.
    let by_number = |queue: &Queue| {
        let last = queue.max.checked_sub(1)?;
        let of_last = Some((queue.name.0, queue.name.1, last));
        Some(history.entries.iter().position(|entry| entry.queue == of_last).ok_or_else(|| {
            format!("{}/{} is numbered up to {}, beyond all appended", TOPICS[queue.name.0], queue.name.1, queue.max)
        }))
    };
    let mut records = 0;
    for position in queues.iter().filter_map(by_number) {
        records = records.max(position? + 1);
    }
    for at in systems {
        let position = history.entries.iter().position(|entry| entry.at == *at && entry.queue.is_none());
        // The log's own records are not in the history.
        records = records.max(position.map_or(0, |position| position + 1));
    }
    Ok(records)
}

fn check_systems(kept: &[Entry], systems: &[u64]) -> Result<(), String> {
    let expected: Vec<u64> = kept.iter().filter(|entry| entry.queue.is_none()).map(|entry| entry.at).collect();
    let known: Vec<u64> = systems.iter().copied().filter(|at| expected.binary_search(at).is_ok()).collect();
    if known != expected {
        return Err(format!("system records {known:?}, expected {expected:?}"));
    }
    Ok(())
}

fn check_messages(kept: &[Entry], queues: &[Queue], start: u64) -> Result<(), String> {
    let mut expected: BTreeMap<(usize, u32), Vec<&Entry>> = BTreeMap::new();
    for entry in kept {
        if let Some((topic, queue, _)) = entry.queue {
            expected.entry((topic, queue)).or_default().push(entry);
        }
    }
    for queue in queues {
        let all = expected.remove(&queue.name).unwrap_or_default();
        let name = format!("{}/{}", TOPICS[queue.name.0], queue.name.1);
        if queue.max != all.len() as u64 {
            return Err(format!("{name} ends at {}, expected {}", queue.max, all.len()));
        }
        let gone = all.iter().take_while(|entry| entry.at < start).count() as u64;
        if queue.min != gone {
            return Err(format!("{name} starts at {}, expected {gone}", queue.min));
        }
        for (position, (unit, record)) in queue.units.iter().zip(&queue.records).enumerate() {
            let offset = queue.min + position as u64;
            let entry = all[usize::try_from(offset).expect("a small queue")];
            if unit.at.0 != entry.at || *record != entry.bytes {
                return Err(format!("message {offset} of {name} at {} is not what was sent", unit.at));
            }
            let message = Message::parse(record).ok_or("a record that cannot be read")?;
            if message.queue_offset() != QueueOffset(offset) || message.log_offset() != unit.at {
                return Err(format!("message {offset} of {name} says {}", message.queue_offset()));
            }
        }
    }
    Ok(())
}
