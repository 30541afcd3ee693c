//! The indexes that still grow: that of the segment being written, and for a moment that of the one before.
//!
//! Two, because messages of `async` topics are applied when they are written, and may lie in the next segment while
//! durable ones of this segment still wait for their sync. A queue's own messages come in order all the same.

use std::collections::BTreeMap;

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, QueueOffset};
use parking_lot::RwLock;

use super::open::{Gap, LoadUnitsError};
use super::queues::{Ahead, Queues};
use super::{BatchSpan, KeyHit, OpenIndex};
use crate::{QueueSlot, Unit};

/// One index or two, oldest first; never none.
pub struct Growing {
    indexes: Vec<OpenIndex>,
}

impl Growing {
    /// What recovery found: indexes of neighbouring segments, oldest first, at least one.
    #[must_use]
    pub fn new(indexes: Vec<OpenIndex>) -> Growing {
        assert!(!indexes.is_empty());
        assert!(indexes.is_sorted_by(|a, b| a.start() < b.start()));
        Growing { indexes }
    }

    /// Begins the segment at `start`, unless it was begun. True: it was not.
    pub fn enter(&mut self, start: LogOffset) -> bool {
        let last = self.last();
        if start <= last.start() {
            return false;
        }
        // No message of the new segment was stored before one of the old: store times never fall.
        self.indexes.push(OpenIndex::new(start, last.known_newest_time()));
        true
    }

    /// Notes a batch of a segment that was entered.
    pub fn push_batch(&mut self, batch: BatchSpan) {
        self.of(batch.at).push_batch(batch);
    }

    /// Adds a message to its segment's index: see [`OpenIndex::push`].
    pub fn push(&mut self, slot: QueueSlot, offset: QueueOffset, unit: &Unit) -> Result<bool, Gap> {
        self.of(unit.at).push(slot, offset, unit)
    }

    /// Notes a key of a message.
    pub fn push_key(&mut self, hash: u64, hit: KeyHit) {
        self.of(hit.at).push_key(hash, hit);
    }

    /// Takes out the indexes of segments that end at or below `applied`: nothing will be added to them.
    pub(super) fn take_full(&mut self, applied: LogOffset) -> Vec<OpenIndex> {
        let full = self.indexes.iter().skip(1).take_while(|next| next.start() <= applied).count();
        self.indexes.drain(..full).collect()
    }

    /// First log offset of the oldest segment that still grows.
    #[must_use]
    pub fn start(&self) -> LogOffset {
        self.indexes[0].start()
    }

    /// Newest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &OpenIndex> {
        self.indexes.iter().rev()
    }

    /// What of `slot` lies at or beyond `to`: see [`Queues::save`].
    #[must_use]
    pub fn ahead(&self, slot: QueueSlot, to: LogOffset) -> Ahead {
        let mut all = Ahead::default();
        for index in self.iter() {
            let ahead = index.ahead(slot, to);
            all.messages += ahead.messages;
            all.newest_below = all.newest_below.max(ahead.newest_below);
        }
        all
    }

    /// The last index, which new segments follow.
    fn last(&self) -> &OpenIndex {
        self.indexes.last().expect("never none")
    }

    /// The index of the segment that holds `at`.
    fn of(&mut self, at: LogOffset) -> &mut OpenIndex {
        let after = self.indexes.partition_point(|index| index.start() <= at);
        &mut self.indexes[after.checked_sub(1).expect("a segment is entered before its records are applied")]
    }
}

/// Appends what was added at log offsets `since..to`; with `since` absent everything below `to`. The lock is let go again and
/// again, so that messages are applied meanwhile; the caller sees to it that no index is taken out.
pub fn save(growing: &RwLock<Growing>, since: Option<LogOffset>, to: LogOffset, queues: &Queues, out: &mut Vec<u8>) {
    let below = growing.read().indexes.iter().filter(|index| index.start() < to).count();
    out.put_u64(below as u64);
    for place in 0..below {
        let len_at = out.len();
        out.put_u64(0);
        let mut saving = growing.read().indexes[place].begin_save(since.unwrap_or_default(), to, out);
        while saving.step(&growing.read().indexes[place], queues, out) {}
        let len = (out.len() - len_at - 8) as u64;
        out[len_at..len_at + 8].copy_from_slice(&len.to_be_bytes());
    }
}

/// Reads what a base and its deltas saved, oldest first: the indexes by segment. Some may have been written as files since.
pub fn load<'a>(
    saved: impl IntoIterator<Item = &'a [u8]>,
    queues: &Queues,
) -> Result<BTreeMap<LogOffset, OpenIndex>, LoadUnitsError> {
    let mut indexes = BTreeMap::new();
    for bytes in saved {
        let mut fields = Reader::new(bytes);
        for _ in 0..fields.u64()? {
            let len = usize::try_from(fields.u64()?).map_err(|_| Malformed { at: 0 })?;
            let one = fields.take(len)?;
            let start = LogOffset(Reader::new(one).u64()?);
            match indexes.get_mut(&start) {
                None => {
                    indexes.insert(start, OpenIndex::load(one, queues)?);
                }
                Some(index) => OpenIndex::load_more(index, one, queues)?,
            }
        }
        if !fields.is_empty() {
            return Err(Malformed { at: bytes.len() }.into());
        }
    }
    Ok(indexes)
}
