//! The queue table: every queue's place, where its numbering stands, and what of it is visible.
//!
//! A queue is resolved to a [`QueueSlot`] once; after that the hot path neither hashes nor locks: a slot is an index into
//! chunks that never move. Two sides use a queue: the *writer* (`next`; under the log's lock) and the *applier* with its
//! readers (`visible`, `min`; `visible <= next`).
//!
//! Cost: 48 bytes a queue, and in the directory 8 more plus some 60 a topic (measured by `examples/index_cost.rs`: 62 bytes
//! a queue at 16 queues a topic). A deleted topic's slots are not used again before the next open: someone may still hold them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, QueueId, QueueOffset, TopicId};
use parking_lot::RwLock;

use crate::{Bounds, QueueSlot};

/// Queues in a chunk: 192 KiB, so that a small broker stays small.
const CHUNK_LEN: usize = 4_096;
const CHUNKS_MAX: usize = 4_096;

/// Queues a broker can have, those of topics deleted since the last open included.
pub const QUEUES_MAX: usize = CHUNK_LEN * CHUNKS_MAX;

/// Bytes of a saved queue: topic, queue, next, min, newest.
const ROW_LEN: usize = 8 + 4 + 8 + 8 + 8;

/// The table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {QUEUES_MAX} queues")]
pub struct TooManyQueues;

/// All queues.
pub struct Queues {
    chunks: Box<[OnceLock<Chunk>]>,
    directory: RwLock<Directory>,
    /// Something changed that a delta does not tell: a queue vanished, or a minimum moved without a new record.
    needs_base: AtomicBool,
}

#[derive(Default)]
struct Directory {
    /// Sorted by queue id. A pair a queue instead of a map of all queues: a topic is deleted without a scan.
    topics: HashMap<TopicId, Vec<(QueueId, QueueSlot)>>,
    /// Slots given out.
    len: u32,
}

struct Chunk {
    /// The highest `newest` of its queues: a delta skips the chunk if that is old.
    newest: AtomicU64,
    queues: Box<[Queue]>,
}

#[derive(Default)]
struct Queue {
    topic: AtomicU64,
    queue: AtomicU32,
    /// [`LIVE`], [`FORGOTTEN`], or 0 before the slot is given out.
    state: AtomicU8,
    /// The queue offset of the next message to be numbered.
    next: AtomicU64,
    /// The next queue offset to become visible.
    visible: AtomicU64,
    /// The oldest queue offset kept.
    min: AtomicU64,
    /// Log offset of the newest record that tells where numbering stands.
    newest: AtomicU64,
}

const LIVE: u8 = 1;
const FORGOTTEN: u8 = 2;

const _: () = assert!(size_of::<Queue>() == 48);

/// A queue and where its numbering stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub topic: TopicId,
    pub queue: QueueId,
    pub next: QueueOffset,
}

/// What of a queue was applied beyond the offset of a checkpoint: records of `async` topics run ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Messages at or beyond the checkpoint's offset.
    pub messages: u64,
    /// The newest message below it that is known; `None` is always right and costs a record when segments are trimmed.
    pub newest_below: Option<LogOffset>,
}

impl Default for Queues {
    fn default() -> Queues {
        Queues {
            chunks: (0..CHUNKS_MAX).map(|_| OnceLock::new()).collect(),
            directory: RwLock::default(),
            needs_base: AtomicBool::new(false),
        }
    }
}

impl Queues {
    /// The slot of a queue, given out if it has none yet. Not for every message: it hashes and may lock.
    pub fn find_or_create(&self, topic: TopicId, queue: QueueId) -> Result<QueueSlot, TooManyQueues> {
        if let Some(slot) = self.find(topic, queue) {
            return Ok(slot);
        }
        self.create(&mut self.directory.write(), topic, queue)
    }

    fn create(&self, directory: &mut Directory, topic: TopicId, queue: QueueId) -> Result<QueueSlot, TooManyQueues> {
        let Directory { topics, len } = directory;
        let of_topic = topics.entry(topic).or_default();
        let place = match of_topic.binary_search_by_key(&queue, |(id, _)| *id) {
            Ok(place) => return Ok(of_topic[place].1),
            Err(place) => place,
        };
        if *len as usize == QUEUES_MAX {
            return Err(TooManyQueues);
        }
        let slot = QueueSlot(*len);
        *len += 1;
        if of_topic.is_empty() {
            // Many topics have one queue: the default growth would reserve four.
            of_topic.reserve_exact(1);
        }
        of_topic.insert(place, (queue, slot));
        let of = self.chunks[slot.0 as usize / CHUNK_LEN].get_or_init(Chunk::new).of(slot);
        of.topic.store(topic.0.0, Ordering::Relaxed);
        of.queue.store(queue.0, Ordering::Relaxed);
        of.state.store(LIVE, Ordering::Release);
        Ok(slot)
    }

    /// The slot of a queue that has one.
    #[must_use]
    pub fn find(&self, topic: TopicId, queue: QueueId) -> Option<QueueSlot> {
        let directory = self.directory.read();
        let of_topic = directory.topics.get(&topic)?;
        // Ids are dense from 0 as a rule, so a queue's place is its id.
        let guess = of_topic.get(queue.0 as usize).filter(|(id, _)| *id == queue);
        let found = guess.or_else(|| {
            let place = of_topic.binary_search_by_key(&queue, |(id, _)| *id).ok()?;
            of_topic.get(place)
        })?;
        Some(found.1)
    }

    /// Whose slot it is; `None` if its topic was deleted.
    #[must_use]
    pub fn name(&self, slot: QueueSlot) -> Option<(TopicId, QueueId)> {
        let queue = self.queue(slot);
        (queue.state.load(Ordering::Acquire) == LIVE).then(|| queue.name())
    }

    /// Drops the queues of a deleted topic.
    pub fn forget(&self, topic: TopicId) {
        let Some(queues) = self.directory.write().topics.remove(&topic) else { return };
        for (_, slot) in queues {
            self.queue(slot).state.store(FORGOTTEN, Ordering::Release);
        }
        self.needs_base.store(true, Ordering::Release);
    }

    /// Slots given out so far; each slot is below.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.directory.read().len
    }

    /// Numbers `count` messages: the queue offset of the first. The caller holds the writer's lock, so a load and a
    /// store are enough.
    pub fn number(&self, slot: QueueSlot, count: u64) -> QueueOffset {
        let next = &self.queue(slot).next;
        let first = next.load(Ordering::Relaxed);
        next.store(first + count, Ordering::Relaxed);
        QueueOffset(first)
    }

    /// The queue offset the next message will get. Only the writer may act on it.
    #[must_use]
    pub fn next(&self, slot: QueueSlot) -> QueueOffset {
        QueueOffset(self.queue(slot).next.load(Ordering::Relaxed))
    }

    /// What readers may see.
    #[must_use]
    pub fn bounds(&self, slot: QueueSlot) -> Bounds {
        let queue = self.queue(slot);
        // `min` after `visible` could overtake it; clamped, the pair is one that was true.
        let max = queue.visible.load(Ordering::Acquire);
        let min = queue.min.load(Ordering::Acquire).min(max);
        Bounds { min: QueueOffset(min), max: QueueOffset(max) }
    }

    /// A message at `at` became visible as `offset`. Told again, it changes nothing. The caller holds the apply lock.
    pub fn applied(&self, slot: QueueSlot, offset: QueueOffset, at: LogOffset) {
        let queue = self.queue(slot);
        let visible = queue.visible.load(Ordering::Relaxed);
        if offset.0 > visible {
            // Recovery reads a queue whose older messages went with their segments.
            queue.min.store(offset.0, Ordering::Release);
        }
        if offset.0 >= visible {
            queue.reach(offset.0 + 1);
        }
        self.note_newest(slot, at);
    }

    /// A `QueueReached` record at `at` was applied: numbering goes on at `next` even if no message of the queue is left.
    pub fn reached(&self, slot: QueueSlot, next: QueueOffset, at: LogOffset) {
        let queue = self.queue(slot);
        if next.0 > queue.visible.load(Ordering::Relaxed) {
            queue.min.store(next.0, Ordering::Release);
            queue.reach(next.0);
        }
        self.note_newest(slot, at);
    }

    /// The messages below `min` went with their segment.
    pub fn trimmed(&self, slot: QueueSlot, min: QueueOffset) {
        self.queue(slot).min.fetch_max(min.0, Ordering::AcqRel);
        self.needs_base.store(true, Ordering::Release);
    }

    /// Log offset of the newest record that tells where the queue's numbering stands.
    #[must_use]
    pub fn newest(&self, slot: QueueSlot) -> LogOffset {
        LogOffset(self.queue(slot).newest.load(Ordering::Relaxed))
    }

    /// The queues whose numbering is told only by records below `below`: each needs a `QueueReached` before those go.
    #[must_use]
    pub fn told_only_below(&self, below: LogOffset) -> Vec<Reached> {
        let mut reached = Vec::new();
        self.for_each_live(|_, queue| {
            let next = queue.visible.load(Ordering::Acquire);
            if next > 0 && queue.newest.load(Ordering::Relaxed) < below.0 {
                let (topic, id) = queue.name();
                reached.push(Reached { topic, queue: id, next: QueueOffset(next) });
            }
        });
        reached
    }

    /// Appends the table as of log offset `to`. With `since` only what records from there on told: a delta, to be loaded
    /// over what was saved at `since`.
    ///
    /// Messages may be applied meanwhile, but not during a slice of [`CHUNK_LEN`] queues: `hold` is called before each, and
    /// what it answers is dropped after. It keeps messages out, and answers for queues with records at or beyond `to`.
    pub fn save<A: Fn(QueueSlot) -> Ahead>(
        &self,
        since: Option<LogOffset>,
        to: LogOffset,
        hold: impl Fn() -> A,
        out: &mut Vec<u8>,
    ) {
        let since = since.map_or(0, |since| since.0);
        if since == 0 {
            out.reserve(self.slots() as usize * ROW_LEN);
        }
        let count_at = out.len();
        out.put_u64(0);
        let mut count = 0;
        let mut save = |slot: QueueSlot, queue: &Queue, ahead: &A| {
            let mut newest = queue.newest.load(Ordering::Relaxed);
            if newest < since {
                return;
            }
            let mut next = queue.visible.load(Ordering::Relaxed);
            if newest >= to.0 {
                let ahead = ahead(slot);
                next = next.saturating_sub(ahead.messages);
                newest = ahead.newest_below.map_or(0, |at| at.0);
            }
            let (topic, id) = queue.name();
            out.put_u64(topic.0.0);
            out.put_u32(id.0);
            out.put_u64(next);
            out.put_u64(queue.min.load(Ordering::Relaxed).min(next));
            out.put_u64(newest);
            count += 1;
        };
        let slots = self.slots();
        for first in (0..slots).step_by(CHUNK_LEN) {
            let ahead = hold();
            self.for_each_live_of(first..slots, since, |slot, queue| save(slot, queue, &ahead));
        }
        out[count_at..count_at + 8].copy_from_slice(&u64::to_be_bytes(count));
    }

    /// Loads what [`Queues::save`] wrote; later rows win. Before anything was numbered.
    pub fn load(&self, bytes: &[u8]) -> Result<(), LoadQueuesError> {
        let mut fields = Reader::new(bytes);
        let count = fields.u64()?;
        let mut directory = self.directory.write();
        for _ in 0..count {
            let (topic, queue) = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
            let (next, min, newest) = (fields.u64()?, fields.u64()?, fields.u64()?);
            let slot = self.create(&mut directory, topic, queue)?;
            let queue = self.queue(slot);
            queue.next.store(next, Ordering::Relaxed);
            queue.min.store(min, Ordering::Release);
            queue.visible.store(next, Ordering::Release);
            queue.newest.store(newest, Ordering::Relaxed);
            self.chunk(slot).newest.fetch_max(newest, Ordering::Relaxed);
        }
        if fields.is_empty() { Ok(()) } else { Err(Malformed { at: bytes.len() }.into()) }
    }

    /// True once after something happened that a delta does not tell; the next checkpoint must be a base.
    pub fn take_needs_base(&self) -> bool {
        self.needs_base.swap(false, Ordering::AcqRel)
    }

    fn note_newest(&self, slot: QueueSlot, at: LogOffset) {
        let chunk = self.chunk(slot);
        let newest = &chunk.of(slot).newest;
        if newest.load(Ordering::Relaxed) < at.0 {
            newest.store(at.0, Ordering::Relaxed);
        }
        if chunk.newest.load(Ordering::Relaxed) < at.0 {
            chunk.newest.store(at.0, Ordering::Relaxed);
        }
    }

    fn for_each_live(&self, mut act: impl FnMut(QueueSlot, &Queue)) {
        let slots = self.slots();
        for first in (0..slots).step_by(CHUNK_LEN) {
            self.for_each_live_of(first..slots, 0, &mut act);
        }
    }

    /// Those of `slots` that lie in the chunk of the first; none if nothing of the chunk was told since.
    fn for_each_live_of(&self, slots: Range<u32>, since: u64, mut act: impl FnMut(QueueSlot, &Queue)) {
        let chunk = self.chunk(QueueSlot(slots.start));
        if chunk.newest.load(Ordering::Relaxed) < since {
            return;
        }
        for (slot, queue) in slots.zip(&chunk.queues) {
            if queue.state.load(Ordering::Acquire) == LIVE {
                act(QueueSlot(slot), queue);
            }
        }
    }

    fn chunk(&self, slot: QueueSlot) -> &Chunk {
        self.chunks[slot.0 as usize / CHUNK_LEN].get().expect("a slot is given out after its chunk is made")
    }

    fn queue(&self, slot: QueueSlot) -> &Queue {
        self.chunk(slot).of(slot)
    }
}

impl Chunk {
    fn new() -> Chunk {
        Chunk { newest: AtomicU64::new(0), queues: (0..CHUNK_LEN).map(|_| Queue::default()).collect() }
    }

    fn of(&self, slot: QueueSlot) -> &Queue {
        &self.queues[slot.0 as usize % CHUNK_LEN]
    }
}

impl Queue {
    fn name(&self) -> (TopicId, QueueId) {
        let topic = TopicId(LogOffset(self.topic.load(Ordering::Relaxed)));
        (topic, QueueId(self.queue.load(Ordering::Relaxed)))
    }

    /// Live the writer is ahead already; in recovery numbering follows what is read.
    fn reach(&self, visible: u64) {
        if self.next.load(Ordering::Relaxed) < visible {
            self.next.store(visible, Ordering::Relaxed);
        }
        self.visible.store(visible, Ordering::Release);
    }
}

/// A saved table that cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadQueuesError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    TooMany(#[from] TooManyQueues),
}

#[cfg(test)]
mod tests;
