//! The keys of the open segment: a hash table with chains, newest first, that never re-hashes.

use crate::index::blocks::Blocks;

/// Chains. A segment of 256 MiB holds some 500,000 keys of 1 KiB messages: 8 steps a lookup, for 256 KiB.
const CHAINS: usize = 65_536;

#[derive(Default)]
pub(super) struct Keys {
    /// For each chain the number of its newest entry plus one; empty until the first key.
    heads: Vec<u32>,
    entries: Blocks<Entry, 4_096>,
}

struct Entry {
    hash: u64,
    key: Key,
    /// The number of the next older entry of the chain plus one; 0 ends it.
    older: u32,
}

const _: () = assert!(size_of::<Entry>() == 24);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Key {
    pub(in crate::index) position: u32,
    pub(in crate::index) len: u32,
    /// Milliseconds from the base time.
    pub(in crate::index) stored: u32,
}

impl Keys {
    pub(super) fn push(&mut self, hash: u64, position: u32, len: u32, stored: u32) {
        if self.heads.is_empty() {
            self.heads = vec![0; CHAINS];
        }
        let head = &mut self.heads[chain(hash)];
        self.entries.push(Entry { hash, key: Key { position, len, stored }, older: *head });
        *head = u32::try_from(self.entries.len()).expect("a segment holds fewer keys than bytes");
    }

    /// The keys of `hash`, newest first.
    pub(super) fn of(&self, hash: u64) -> impl Iterator<Item = Key> {
        let mut next = self.heads.get(chain(hash)).copied().unwrap_or(0);
        std::iter::from_fn(move || {
            while next != 0 {
                let entry = self.entries.at(next as usize - 1);
                next = entry.older;
                if entry.hash == hash {
                    return Some(entry.key);
                }
            }
            None
        })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The key that came as number `number`; panics if there are fewer.
    pub(super) fn at(&self, number: usize) -> (u64, Key) {
        let entry = self.entries.at(number);
        (entry.hash, entry.key)
    }

    /// All keys in the order they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Key)> {
        self.entries.iter().map(|entry| (entry.hash, entry.key))
    }
}

fn chain(hash: u64) -> usize {
    // The high bits: hashes are well mixed, and the low ones may be used by their maker's tables.
    usize::try_from(hash >> 48).expect("16 bits")
}
