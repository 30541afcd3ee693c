//! From the batches of a log that is being opened to facts: what `apply` does for records that are new.

use model::record::message::Message;
use model::record::system::System;
use model::record::{self, Kind};
use model::{LogOffset, QueueOffset, Timestamp, TopicId, properties, tag};

use crate::api::{Fact, Fault, Observer, QueueSlot, Unit, key_hash};
use crate::apply::NewUnit;
use crate::catalog::{Catalog, Moment};
use crate::index::queues::TooManyQueues;
use crate::index::{BatchSpan, KeyHit, OpenIndex, Queues};
use crate::layout::{HEADER_LEN, Header};
use crate::staged::KEYS_MAX;

/// Vectors kept between batches.
pub struct Replay {
    units: Vec<NewUnit>,
    keys: Vec<u64>,
    taken: Vec<bool>,
    newest: Timestamp,
    /// The oldest offset kept: a topic created below may have lost its oldest messages.
    start: LogOffset,
    /// Salvage has filled a gap: messages may be missing from their queues.
    gaps: bool,
    /// [`Fault::ReplayTwice`].
    numbers_anew: bool,
}

impl Replay {
    #[must_use]
    pub fn new(start: LogOffset, newest: Timestamp, fault: Option<Fault>) -> Replay {
        let numbers_anew = fault == Some(Fault::ReplayTwice);
        Replay { units: Vec::new(), keys: Vec::new(), taken: Vec::new(), newest, start, gaps: false, numbers_anew }
    }

    /// The highest store time seen.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Applies one batch to the catalog and the observer. True: a segment has become complete.
    pub fn batch(
        &mut self,
        header: &Header,
        bytes: &[u8],
        catalog: &Catalog,
        observer: &dyn Observer,
    ) -> Result<bool, TooManyQueues> {
        let entered = catalog.batches([BatchSpan { at: header.first, len: header.len }].into_iter());
        self.units.clear();
        self.keys.clear();
        self.gaps |= header.is_gap();
        for (at, kind, bytes) in records(header, bytes) {
            match kind {
                Kind::Message => self.message(at, bytes, catalog, observer)?,
                Kind::System => {
                    // A topic created in this batch must be known when its messages are looked at.
                    self.settle(catalog, observer);
                    observer.applied(&[Fact::System { at, record: bytes }]);
                    note_system(at, bytes, &catalog.queues)?;
                }
            }
        }
        self.settle(catalog, observer);
        Ok(entered)
    }

    fn message(
        &mut self,
        at: LogOffset,
        bytes: &[u8],
        catalog: &Catalog,
        observer: &dyn Observer,
    ) -> Result<(), TooManyQueues> {
        let Some(Known { topic, message }) = known(at, bytes, observer) else { return Ok(()) };
        self.newest = self.newest.max(message.store_timestamp());
        let slot = catalog.queues.find_or_create(topic, message.queue_id())?;
        let queue_offset = if self.numbers_anew { self.next_of(slot, catalog) } else { message.queue_offset() };
        let is_first = self.units.iter().all(|unit| unit.slot != slot) && catalog.queues.bounds(slot).max.0 == 0;
        if is_first && queue_offset.0 > 0 && topic.0 < self.start {
            // Its older messages went with their segments; numbering goes on where it stood.
            catalog.queues.reached(slot, queue_offset, at);
        }
        let mut unit = NewUnit {
            at,
            queue_offset,
            stored: message.store_timestamp(),
            slot,
            len: u32::try_from(bytes.len()).expect("records are far below 4 GiB"),
            tag_hash: tag_hash_of(&message),
            keys: 0,
            durable: true,
        };
        if self.gaps {
            self.stand_in(unit, catalog);
        }
        let before = self.keys.len();
        self.keys.extend(keys_of(topic, &message));
        unit.keys = u16::try_from(self.keys.len() - before).expect("at most KEYS_MAX");
        self.units.push(unit);
        Ok(())
    }

    /// Where the numbering of a queue stands.
    fn next_of(&self, slot: QueueSlot, catalog: &Catalog) -> QueueOffset {
        let of_queue = self.units.iter().rev().find(|unit| unit.slot == slot);
        of_queue.map_or(catalog.queues.bounds(slot).max, |unit| unit.queue_offset.plus(1))
    }

    /// A queue has no holes. Where messages before `found` were lost, it stands in for each of them: a consumer gets it more
    /// than once, and goes on.
    fn stand_in(&mut self, found: NewUnit, catalog: &Catalog) {
        let next = self.next_of(found.slot, catalog);
        let lost = (next.0..found.queue_offset.0).map(QueueOffset);
        self.units.extend(lost.map(|queue_offset| NewUnit { queue_offset, ..found }));
    }

    fn settle(&mut self, catalog: &Catalog, observer: &dyn Observer) {
        if self.units.is_empty() {
            return;
        }
        catalog.apply(&self.units, &self.keys, Moment::Committed, &mut self.taken);
        let taken = self.units.iter().zip(&self.taken).filter(|(_, taken)| **taken);
        let facts: Vec<_> = taken.map(|(unit, _)| unit.fact()).collect();
        observer.applied(&facts);
        self.units.clear();
        self.keys.clear();
    }
}

/// Adds a batch to an index that is built again for a segment below the checkpoint. The queues are not moved.
pub fn reindex(
    header: &Header,
    bytes: &[u8],
    index: &mut OpenIndex,
    queues: &Queues,
    observer: &dyn Observer,
) -> Result<(), TooManyQueues> {
    index.push_batch(BatchSpan { at: header.first, len: header.len });
    for (at, kind, bytes) in records(header, bytes) {
        if kind != Kind::Message {
            continue;
        }
        let Some(Known { topic, message }) = known(at, bytes, observer) else { continue };
        let (len, stored) = (u32::try_from(bytes.len()).expect("records are small"), message.store_timestamp());
        let slot = queues.find_or_create(topic, message.queue_id())?;
        let unit = Unit { at, len, tag_hash: tag_hash_of(&message), stored };
        match index.push(slot, message.queue_offset(), &unit) {
            Ok(true) => keys_of(topic, &message).for_each(|key| index.push_key(key, KeyHit { at, len, stored })),
            Ok(false) => {}
            Err(gap) => tracing::warn!(%gap, "a message is left out of the index"),
        }
    }
    Ok(())
}

/// The records of a batch: where each is, its kind, its bytes.
pub fn records<'a>(header: &Header, bytes: &'a [u8]) -> impl Iterator<Item = (LogOffset, Kind, &'a [u8])> + use<'a> {
    let mut at = header.first.plus(HEADER_LEN as u64);
    let mut rest = &bytes[HEADER_LEN..];
    std::iter::from_fn(move || {
        let (kind, len) = record::peek(rest).filter(|(_, len)| *len <= rest.len())?;
        let (record, after) = rest.split_at(len);
        rest = after;
        let here = at;
        at = at.plus(len as u64);
        Some((here, kind, record))
    })
}

struct Known<'a> {
    topic: TopicId,
    message: Message<'a>,
}

/// The message at `at`, if it belongs to a topic that exists.
fn known<'a>(at: LogOffset, bytes: &'a [u8], observer: &dyn Observer) -> Option<Known<'a>> {
    let Some(message) = Message::parse(bytes) else {
        tracing::warn!(%at, "a message record that cannot be read is skipped");
        return None;
    };
    // A message older than its topic is one of a topic that was deleted and whose name was given away again.
    let topic = observer.topic_of(message.topic()).filter(|topic| topic.0 < at)?;
    Some(Known { topic, message })
}

/// What system records tell about queues.
fn note_system(at: LogOffset, record: &[u8], queues: &Queues) -> Result<(), TooManyQueues> {
    match System::decode(record) {
        Ok(System::QueueReached { topic, queue, next }) => {
            queues.reached(queues.find_or_create(topic, queue)?, next, at);
        }
        Ok(System::TopicDeleted { id }) => queues.forget(id),
        // The observer decides what it makes of a record it cannot read.
        Ok(_) | Err(_) => {}
    }
    Ok(())
}

/// The key hashes of a stored message, as they were when it was sent.
fn keys_of<'a>(topic: TopicId, message: &Message<'a>) -> impl Iterator<Item = u64> + use<'a> {
    properties::index_keys(message.properties()).take(KEYS_MAX).map(move |key| key_hash(topic, key))
}

fn tag_hash_of(message: &Message<'_>) -> i32 {
    properties::find(message.properties(), properties::key::TAGS).map_or(0, tag::tag_hash)
}
