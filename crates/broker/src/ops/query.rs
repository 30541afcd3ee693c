//! Finding single messages: by log offset (33), by key and by unique key (12).

use model::record::message::Message;
use model::{LogOffset, Timestamp, properties};
use store::{Read, ReadError, key_hash};

use crate::broker::Broker;

/// A search by key.
#[derive(Clone, Copy, Debug)]
pub struct KeyQuery<'a> {
    pub topic: &'a str,
    pub key: &'a str,
    /// Only the unique key counts, not the words of KEYS.
    pub unique: bool,
    pub max: usize,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Messages in one answer at most (`maxMsgsNumBatch` of the reference).
const FOUND_MAX: usize = 64;

/// Candidates looked at for one answer: more than that many messages sharing a key are not read through.
const CANDIDATES_MAX: usize = 256;

impl Broker {
    /// Appends the message record at `at`, an offset a client sent: it counts only if a record starts there that consumers
    /// can see.
    pub fn view_message(&self, at: LogOffset, mode: Read, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let before = out.len();
        self.log.read_at(at, mode, out)?;
        if !Message::parse(&out[before..]).is_some_and(|message| self.is_visible(&message)) {
            out.truncate(before);
            return Err(ReadError::NotFound { at });
        }
        Ok(())
    }

    /// Whether the message is as durable as its topic wants. A message of a topic that is gone is durable: it is old.
    fn is_visible(&self, message: &Message<'_>) -> bool {
        if message.log_offset() < self.log.committed() {
            return true;
        }
        let slot = self.slot_of(message.topic(), message.queue_id().0.cast_signed());
        slot.is_some_and(|slot| message.queue_offset() < self.log.bounds(slot).max)
    }

    /// Appends the records that carry the key, newest first. Answers how many.
    pub fn query_message(&self, query: &KeyQuery<'_>, mode: Read, out: &mut Vec<u8>) -> Result<usize, ReadError> {
        let Some(topic) = self.machines.topics.get(query.topic) else { return Ok(0) };
        let hash = key_hash(topic.id, query.key);
        let candidates = self.log.find_keys(hash, query.from, query.to, CANDIDATES_MAX, mode)?;
        let mut found = 0;
        for (at, len) in candidates {
            if found == query.max.min(FOUND_MAX) {
                break;
            }
            let before = out.len();
            match self.log.read(at, len, mode, out) {
                Ok(()) => {}
                // Retention was here between the two questions.
                Err(ReadError::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            }
            // The index knows hashes only; the record says whether it is meant.
            let meant = Message::parse(&out[before..]).is_some_and(|message| {
                message.topic() == query.topic && carries(message.properties(), query.key, query.unique)
            });
            if meant {
                found += 1;
            } else {
                out.truncate(before);
            }
        }
        Ok(found)
    }
}

fn carries(properties: &[u8], key: &str, unique: bool) -> bool {
    if unique {
        properties::find(properties, properties::key::UNIQ_KEY) == Some(key)
    } else {
        properties::index_keys(properties).any(|word| word == key)
    }
}
