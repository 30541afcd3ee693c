//! What is known of the log in memory: the table of queues and the indexes of all segments, and how units get into them.

use std::io;
use std::sync::Arc;

use model::LogOffset;

use crate::api::{ReadError, Unit};
use crate::apply::NewUnit;
use crate::disk::{self, Disk};
use crate::index::{
    BatchSpan, Growing, Indexes, KeyHit, OpenIndex, PageCache, Queues, SealedIndex, across::Older, seal,
};
use crate::layout::{index_name, segment_of};

/// Queues and their units.
pub struct Catalog {
    pub queues: Arc<Queues>,
    pub indexes: Indexes,
    cache: Arc<PageCache>,
    segment_bytes: u64,
}

/// When a unit becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its bytes are written: async units only.
    Written,
    /// Its bytes are durable.
    Committed,
}

impl Catalog {
    #[must_use]
    pub fn new(queues: Arc<Queues>, older: Vec<Older>, growing: Growing, cache: Arc<PageCache>, bytes: u64) -> Catalog {
        Catalog { indexes: Indexes::new(queues.clone(), older, growing), queues, cache, segment_bytes: bytes }
    }

    /// Begins the segments in which batches were written, in log order: before anything of them is applied, and none left
    /// out, or the units of one would go to its neighbour.
    pub fn enter(&self, batches: impl Iterator<Item = LogOffset>) {
        let mut growing = self.indexes.growing.write();
        for at in batches {
            growing.enter(segment_of(at, self.segment_bytes));
        }
    }

    /// Notes durable batches, and begins the segments they open. True: a segment has become complete.
    pub fn batches(&self, batches: impl Iterator<Item = BatchSpan>) -> bool {
        let mut growing = self.indexes.growing.write();
        let mut entered = false;
        for batch in batches {
            entered |= growing.enter(segment_of(batch.at, self.segment_bytes));
            growing.push_batch(batch);
        }
        entered
    }

    /// Takes the units that are their queue's next and whose moment it is; says in `taken` which. `keys` are the key hashes
    /// of all units, one unit's after another's. The caller holds the apply lock.
    pub fn apply(&self, units: &[NewUnit], mut keys: &[u64], moment: Moment, taken: &mut Vec<bool>) {
        taken.clear();
        if units.is_empty() {
            return;
        }
        let mut growing = self.indexes.growing.write();
        for unit in units {
            let own;
            (own, keys) = keys.split_at(usize::from(unit.keys));
            let take = (moment == Moment::Committed || !unit.durable) && self.is_next(unit);
            taken.push(take);
            if !take {
                continue;
            }
            let NewUnit { at, len, tag_hash, stored, slot, queue_offset, .. } = *unit;
            match growing.push(slot, queue_offset, &Unit { at, len, tag_hash, stored }) {
                Ok(_) => {}
                Err(gap) => {
                    tracing::error!(%gap, "a message is left out of the index");
                    taken.pop();
                    taken.push(false);
                    continue;
                }
            }
            own.iter().for_each(|key| growing.push_key(*key, KeyHit { at, len, stored }));
            // While the index is locked: who learns of the message finds it there.
            self.queues.applied(slot, queue_offset, at);
        }
    }

    fn is_next(&self, unit: &NewUnit) -> bool {
        self.queues.bounds(unit.slot).max == unit.queue_offset && self.queues.name(unit.slot).is_some()
    }

    /// Writes the index files of segments that end at or below `applied`.
    pub fn seal(&self, disk: &dyn Disk, applied: LogOffset) -> io::Result<()> {
        self.indexes.freeze(applied);
        for index in self.indexes.older().iter() {
            if let Older::Frozen(index) = index {
                let sealed = self.write_index(disk, index)?;
                self.indexes.sealed(Arc::new(sealed));
            }
        }
        Ok(())
    }

    fn write_index(&self, disk: &dyn Disk, index: &OpenIndex) -> io::Result<SealedIndex> {
        let name = index_name(index.start());
        let mut bytes = Vec::new();
        seal::write(index, index.start().plus(self.segment_bytes), &self.queues, &mut bytes)?;
        disk::replace(disk, &name, &bytes)?;
        let opened = SealedIndex::open(disk.open(&name)?, &name, index.start(), self.cache.clone());
        opened.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Opens the index file of the segment at `start`; `None` if there is none that can be believed.
pub fn open_sealed(disk: &dyn Disk, start: LogOffset, end: LogOffset, cache: &Arc<PageCache>) -> Option<SealedIndex> {
    let name = index_name(start);
    let opened = disk.open(&name).map_err(|source| ReadError::Io { file: name.clone(), source });
    match opened.and_then(|file| SealedIndex::open(file, &name, start, cache.clone())) {
        Ok(index) if index.end() == end => Some(index),
        Ok(index) => {
            tracing::warn!(name, end = %index.end(), "the index ends elsewhere than its segment, and is written again");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the index is written again");
            None
        }
    }
}
