//! For the tests of this folder: scripts of messages, and what a plain search over them answers.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::{BatchSpan, KeyHit, OpenIndex, PageCache, Queues, SealedIndex, seal};
use crate::disk::File;
use crate::{QueueSlot, Unit};

/// A message as the applier knows it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) slot: QueueSlot,
    pub(crate) offset: QueueOffset,
    pub(crate) unit: Unit,
    pub(crate) keys: Vec<u64>,
}

impl Message {
    pub(crate) fn hit(&self) -> KeyHit {
        KeyHit { at: self.unit.at, len: self.unit.len, stored: self.unit.stored }
    }
}

/// Appends what `index` has at the offsets of `range`, as a checkpoint holds it.
pub(crate) fn save(index: &OpenIndex, range: Range<LogOffset>, queues: &Queues, out: &mut Vec<u8>) {
    let mut saving = index.begin_save(range.start, range.end, out);
    while saving.step(index, queues, out) {}
}

/// Messages one after another in the log, each in a batch of its own with 48 bytes before it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    queue: u32,
    len: u32,
    later: i64,
    keys: Vec<u64>,
}

/// Few queues and keys, so that they repeat; store times that stand still for a while.
pub(crate) fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u32..12, 1_u32..300, prop_oneof![Just(0), 0_i64..50], prop::collection::vec(0_u64..40, 0..3));
    // A queue number squared: some have most messages, some have one or two.
    let step = step.prop_map(|(queue, len, later, keys)| Step {
        queue: queue * queue / 12,
        len,
        later,
        keys: keys.into_iter().map(|key| key.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect(),
    });
    prop::collection::vec(step, 0..max)
}

/// `count` messages of five queues, always the same.
pub(crate) fn fixed_steps(count: u32) -> Vec<Step> {
    (0..count).map(|number| Step { queue: number % 5, len: 100, later: 1, keys: vec![u64::from(number)] }).collect()
}

/// Numbers and places the messages from log offset `start` on.
pub(crate) fn place(steps: &[Step], start: u64, queues: &Queues, time: &mut i64) -> Vec<Message> {
    let mut at = start;
    let mut message = |step: &Step| {
        let slot =
            queues.find_or_create(TopicId(LogOffset(u64::from(step.queue / 3))), QueueId(step.queue % 3)).unwrap();
        *time += step.later;
        let unit = Unit {
            at: LogOffset(at + 48),
            len: step.len,
            tag_hash: step.len.cast_signed() - 150,
            stored: Timestamp(*time),
        };
        at += 48 + u64::from(step.len);
        Message { slot, offset: queues.number(slot, 1), unit, keys: step.keys.clone() }
    };
    steps.iter().map(&mut message).collect()
}

/// What the applier does with a message.
pub(crate) fn push(index: &mut OpenIndex, message: &Message) {
    let Message { slot, offset, unit, keys } = message;
    index.push_batch(BatchSpan { at: LogOffset(unit.at.0 - 48), len: 48 + unit.len });
    if index.push(*slot, *offset, unit).unwrap() {
        keys.iter().for_each(|key| index.push_key(*key, message.hit()));
    }
}

/// The index of these messages.
pub(crate) fn index_of(messages: &[Message], start: u64) -> OpenIndex {
    let mut index = OpenIndex::new(LogOffset(start), None);
    messages.iter().for_each(|message| push(&mut index, message));
    index
}

/// The file of an index, in memory.
pub(crate) fn file_of(index: &OpenIndex, end: u64, queues: &Queues) -> Vec<u8> {
    let mut bytes = Vec::new();
    seal::write(index, LogOffset(end), queues, &mut bytes).unwrap();
    bytes
}

pub(crate) fn open_file(bytes: Vec<u8>, start: u64) -> Result<SealedIndex, crate::ReadError> {
    let cache = Arc::new(PageCache::new(16));
    SealedIndex::open(Memory::new(bytes), "log/0.idx", LogOffset(start), cache)
}

/// A file in memory.
pub(crate) struct Memory {
    bytes: Mutex<Vec<u8>>,
    /// Does a read that may not wait find the bytes?
    pub(crate) cached: AtomicBool,
}

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>) -> Arc<Memory> {
        Arc::new(Memory { bytes: Mutex::new(bytes), cached: AtomicBool::new(true) })
    }
}

impl File for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let bytes = self.bytes.lock();
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn read_at_nowait(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        if !self.cached.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.read_at(buf, at)
    }

    fn write_at(&self, _slices: &mut [IoSlice<'_>], _at: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Messages of a queue, in order.
pub(crate) fn of_queue(messages: &[Message], slot: QueueSlot) -> Vec<&Message> {
    messages.iter().filter(|message| message.slot == slot).collect()
}

/// Messages with a key, newest first.
pub(crate) fn with_key(messages: &[Message], key: u64) -> Vec<KeyHit> {
    let has = |message: &&Message| message.keys.contains(&key);
    let repeats = |message: &Message| message.keys.iter().filter(|of| **of == key).count();
    let hits = messages.iter().rev().filter(has);
    hits.flat_map(|message| vec![message.hit(); repeats(message)]).collect()
}

/// Bytes as text for a golden file: 32 a line after their offset in hexadecimal; lines of zeros are left out.
pub(crate) fn dump(bytes: &[u8]) -> String {
    let mut out = format!("{} bytes\n", bytes.len());
    for (number, line) in bytes.chunks(32).enumerate().filter(|(_, line)| line.iter().any(|byte| *byte != 0)) {
        let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push_str(&format!("{:06x} {hex}\n", number * 32));
    }
    out
}

/// The bytes that [`dump`] wrote.
pub(crate) fn undump(text: &str) -> Vec<u8> {
    let mut lines = text.lines();
    let len = lines.next().and_then(|line| line.strip_suffix(" bytes")).unwrap().parse().unwrap();
    let mut bytes = vec![0; len];
    for line in lines {
        let (at, hex) = line.split_once(' ').unwrap();
        let at = usize::from_str_radix(at, 16).unwrap();
        for (place, byte) in (at..).zip(hex.as_bytes().chunks(2)) {
            bytes[place] = u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 16).unwrap();
        }
    }
    bytes
}
