//! From the batches of a log that is being opened to facts: what `apply` does for records that are new.

use model::record::message::Message;
use model::record::{self, Kind};
use model::{LogOffset, Timestamp, TopicId, properties, tag};

use crate::api::{Fact, Observer};
use crate::apply::NewUnit;
use crate::catalog::Catalog;
use crate::key_hash;
use crate::layout::{HEADER_LEN, Header};

/// Vectors kept between batches.
#[derive(Default)]
pub struct Replay {
    units: Vec<NewUnit>,
    keys: Vec<u64>,
    taken: Vec<bool>,
    newest: Timestamp,
}

impl Replay {
    /// The highest store time seen.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Applies one batch to the catalog and the observer.
    pub fn batch(&mut self, header: &Header, bytes: &[u8], catalog: &Catalog, observer: &dyn Observer) {
        catalog.batch(header.first, header.len);
        let mut at = header.first.plus(HEADER_LEN as u64);
        let mut rest = &bytes[HEADER_LEN..];
        self.units.clear();
        self.keys.clear();
        let mut facts = Vec::with_capacity(header.count as usize);
        while let Some((kind, len)) = record::peek(rest) {
            let (bytes, after) = rest.split_at(len);
            match kind {
                Kind::Message => self.message(at, bytes, catalog, observer),
                Kind::System => {
                    // A topic created in this batch must be known when its messages are looked at.
                    self.settle(catalog, observer, &mut facts);
                    observer.applied(&[Fact::System { at, record: bytes }]);
                }
            }
            at = at.plus(len as u64);
            rest = after;
        }
        self.settle(catalog, observer, &mut facts);
    }

    fn message(&mut self, at: LogOffset, bytes: &[u8], catalog: &Catalog, observer: &dyn Observer) {
        let Some(message) = Message::parse(bytes) else {
            tracing::warn!(%at, "a message record that cannot be read is skipped");
            return;
        };
        let Some(topic) = observer.topic_of(message.topic()) else { return };
        // A message of a topic that was deleted, and whose name was given to a later one.
        if topic.0 > at {
            return;
        }
        self.newest = self.newest.max(message.store_timestamp());
        let before = self.keys.len();
        self.keys.extend(keys_of(topic, &message));
        self.units.push(NewUnit {
            at,
            queue_offset: message.queue_offset(),
            stored: message.store_timestamp(),
            slot: catalog.slot(topic, message.queue_id()),
            len: u32::try_from(bytes.len()).expect("records are far below 4 GiB"),
            tag_hash: tag_hash_of(&message),
            keys: u16::try_from(self.keys.len() - before).expect("at most KEYS_MAX"),
            durable: true,
        });
    }

    fn settle<'a>(&mut self, catalog: &Catalog, observer: &dyn Observer, facts: &mut Vec<Fact<'a>>) {
        if self.units.is_empty() {
            return;
        }
        catalog.apply(&self.units, &self.keys, false, &mut self.taken);
        facts.clear();
        facts.extend(self.units.iter().zip(&self.taken).filter(|(_, taken)| **taken).map(|(unit, _)| unit.fact()));
        observer.applied(facts);
        self.units.clear();
        self.keys.clear();
    }
}

/// The key hashes of a stored message, as its sender's broker computed them.
fn keys_of<'a>(topic: TopicId, message: &Message<'a>) -> impl Iterator<Item = u64> + use<'a> {
    properties::index_keys(message.properties()).take(crate::staged::KEYS_MAX).map(move |key| key_hash(topic, key))
}

fn tag_hash_of(message: &Message<'_>) -> i32 {
    properties::find(message.properties(), properties::key::TAGS).map_or(0, tag::tag_hash)
}
