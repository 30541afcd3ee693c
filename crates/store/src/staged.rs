//! What one connection read, or one job, wants to append: records encoded outside the log's lock.
//!
//! A `Staged` is kept and reused, so that a message costs no allocation.

use std::ops::Range;

use model::record::message::EncodeError;
use model::record::system::System;

use crate::api::{Entry, QueueSlot};

/// Records to be appended as one atomic piece.
#[derive(Default)]
pub struct Staged {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<StagedEntry>,
    pub(crate) keys: Vec<u64>,
    /// Appended also while the disk is full.
    pub(crate) frees: bool,
}

pub(crate) struct StagedEntry {
    /// Where the record starts in `bytes`; it ends where the next one starts.
    pub start: usize,
    pub len: u32,
    /// How many of `keys` belong to it.
    pub keys: u16,
    /// `None` for a system record.
    pub message: Option<MessageEntry>,
    pub became: Entry,
}

#[derive(Clone, Copy)]
pub(crate) struct MessageEntry {
    pub slot: QueueSlot,
    pub durable: bool,
    pub tag_hash: i32,
}

/// Keys of one message that are indexed; the rest is not found by key. The reference has no limit; 64 words are more
/// than any client sets.
pub(crate) const KEYS_MAX: usize = 64;

impl Staged {
    #[must_use]
    pub fn new() -> Staged {
        Staged::default()
    }

    /// Adds the message record that `write` appends. `durable` is the rule of its topic; `keys` are
    /// [`key_hash`](crate::key_hash) values. Answers the index of the entry. On an error nothing is added.
    pub fn message(
        &mut self,
        slot: QueueSlot,
        durable: bool,
        tag_hash: i32,
        write: impl FnOnce(&mut Vec<u8>) -> Result<Range<usize>, EncodeError>,
        keys: impl Iterator<Item = u64>,
    ) -> Result<usize, EncodeError> {
        let start = self.bytes.len();
        write(&mut self.bytes)?;
        let before = self.keys.len();
        self.keys.extend(keys.take(KEYS_MAX));
        let keys = u16::try_from(self.keys.len() - before).expect("at most KEYS_MAX");
        Ok(self.push(start, keys, Some(MessageEntry { slot, durable, tag_hash })))
    }

    /// Adds a system record. Answers the index of the entry.
    pub fn system(&mut self, record: &System) -> usize {
        let start = self.bytes.len();
        record.encode(&mut self.bytes);
        self.push(start, 0, None)
    }

    fn push(&mut self, start: usize, keys: u16, message: Option<MessageEntry>) -> usize {
        let len = u32::try_from(self.bytes.len() - start).expect("records are far below 4 GiB");
        self.entries.push(StagedEntry { start, len, keys, message, became: Entry::default() });
        self.entries.len() - 1
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.frees = false;
        self.truncate(0);
    }

    /// What is staged lets a segment go: it is appended also while the disk is full and other messages are refused.
    pub fn frees_a_segment(&mut self) {
        self.frees = true;
    }

    /// Gives up the entries from index `entries` on.
    pub fn truncate(&mut self, entries: usize) {
        if let Some(first) = self.entries.get(entries) {
            self.bytes.truncate(first.start);
            let kept: usize = self.entries[..entries].iter().map(|entry| usize::from(entry.keys)).sum();
            self.keys.truncate(kept);
            self.entries.truncate(entries);
        }
    }

    /// Where entry `index` went. Valid after a successful append.
    ///
    /// # Panics
    /// If there is no such entry.
    #[must_use]
    pub fn entry(&self, index: usize) -> Entry {
        self.entries[index].became
    }

    /// The bytes of entry `index`: after a successful append, as they stand in the log.
    ///
    /// # Panics
    /// If there is no such entry.
    #[must_use]
    pub fn record(&self, index: usize) -> &[u8] {
        let entry = &self.entries[index];
        &self.bytes[entry.start..entry.start + entry.len as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(staged: &mut Staged, bytes: &[u8], keys: &[u64]) -> usize {
        let write = |out: &mut Vec<u8>| {
            let start = out.len();
            out.extend_from_slice(bytes);
            Ok(start..out.len())
        };
        staged.message(QueueSlot(0), true, 0, write, keys.iter().copied()).expect("written")
    }

    #[test]
    fn giving_up_the_last_entries_leaves_the_others_as_they_were() {
        let mut staged = Staged::new();
        assert_eq!(message(&mut staged, b"first", &[1, 2]), 0);
        assert_eq!(message(&mut staged, b"second", &[3]), 1);
        assert_eq!(message(&mut staged, b"third", &[4, 5]), 2);
        staged.truncate(5);
        assert_eq!((staged.len(), staged.bytes_len(), &staged.keys[..]), (3, 16, &[1, 2, 3, 4, 5][..]));
        staged.truncate(1);
        assert_eq!((staged.len(), staged.record(0), &staged.keys[..]), (1, &b"first"[..], &[1, 2][..]));
        staged.clear();
        assert!(staged.is_empty() && staged.bytes_len() == 0 && staged.keys.is_empty());
    }

    #[test]
    fn a_message_that_cannot_be_encoded_is_not_staged() {
        let mut staged = Staged::new();
        message(&mut staged, b"first", &[1]);
        let refused = |_: &mut Vec<u8>| Err(EncodeError::TopicTooLong { len: 300 });
        assert!(staged.message(QueueSlot(0), true, 0, refused, [9].into_iter()).is_err());
        assert_eq!((staged.len(), staged.bytes_len(), &staged.keys[..]), (1, 5, &[1][..]));
    }
}
