//! The half of a transaction that is sent first: a message that is durable and invisible (semantics.md section 12).
//!
//! It is stored under a topic of the broker's own, with its real place among its properties. Nothing delays it: a delay
//! begins with the commit. What becomes of it is in `end_transaction` and `jobs/check_halves`.

use std::sync::atomic::Ordering;

use model::properties::{self, key};
use model::record::message::{Message, NewMessage, sys_flag};
use model::record::system::System;
use model::{LogOffset, Millis, QueueId, Timestamp};
use store::Staged;

use crate::broker::Broker;
use crate::ops::send::{Content, Error};
use crate::state::halves::Half;
use crate::state::topics::system_topic;

impl Broker {
    /// Whether one more half message with these properties can be taken. Answers when its producer is asked about it.
    pub(crate) fn check_half(&self, given: &[u8], now: Timestamp) -> Result<Timestamp, Error> {
        let Some(group) = properties::find(given, key::PGROUP) else { return Err(Error::NoProducerGroup) };
        let settings = &self.settings.transactions;
        if self.machines.half_count.load(Ordering::Relaxed) >= settings.halves_max {
            return Err(Error::TooManyHalves { group: group.to_owned(), max: settings.halves_max });
        }
        Ok(now.after(immunity(given).unwrap_or(settings.check_after)))
    }

    /// Stages a message as a half message, and the fact that it is one.
    pub(crate) fn stage_half<'k>(
        &self,
        unique_key: &str,
        content: Content<'_, impl Iterator<Item = &'k str>>,
        fact: &System,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let real = content.message;
        let with_real_place = |out: &mut Vec<u8>| {
            (content.properties)(out);
            properties::push(out, key::TRANSACTION_ID, unique_key);
            properties::push(out, key::REAL_TOPIC, real.topic);
            properties::push(out, key::REAL_QID, &real.queue_id.to_string());
        };
        let message = NewMessage {
            topic: system_topic::HALF,
            queue_id: QueueId(0),
            sys_flag: real.sys_flag & !sys_flag::TRANSACTION_MASK,
            ..*real
        };
        self.stage_half_record(Content { message: &message, properties: &with_real_place, ..content }, fact, staged)
    }

    /// Stages the half `id` once more, from any record of it, and that it stands as `half` says from now on.
    pub(crate) fn stage_half_again(
        &self,
        id: LogOffset,
        half: &Half,
        record: &Message<'_>,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let message =
            NewMessage { topic: system_topic::HALF, queue_id: QueueId(0), prepared_offset: id, ..self.copy_of(record) };
        let &Half { topic, queue_offset, stored, checks, due, .. } = half;
        let fact = System::HalfKept { half: id, topic, queue_offset, stored, checks, check_at: due };
        let properties = |out: &mut Vec<u8>| out.extend_from_slice(record.properties());
        let keys = properties::index_keys(record.properties());
        self.stage_half_record(Content { message: &message, properties: &properties, keys, tag_hash: 0 }, &fact, staged)
    }

    fn stage_half_record<'k>(
        &self,
        content: Content<'_, impl Iterator<Item = &'k str>>,
        fact: &System,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let halves = self.machines.topics.get(system_topic::HALF).expect("system topics exist from the start");
        let entry = self.stage_now(&halves, content, staged)?;
        staged.system(fact);
        Ok(entry)
    }

    /// The message of a record, to be stored once more.
    pub(crate) fn copy_of<'a>(&self, record: &Message<'a>) -> NewMessage<'a> {
        NewMessage {
            topic: record.topic(),
            queue_id: record.queue_id(),
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            born_timestamp: record.born_timestamp(),
            born_host: record.born_host(),
            store_host: self.settings.store_host,
            reconsume_times: record.reconsume_times(),
            prepared_offset: record.prepared_offset(),
            body: record.body(),
        }
    }
}

/// How long after its sending a half message wants to be left alone; its producer's own commits count no longer, either.
pub(crate) fn immunity(given: &[u8]) -> Option<Millis> {
    // The reference takes what is no number, and -1, as unset.
    let secs = properties::find(given, key::CHECK_IMMUNITY_SECS)?.parse::<u64>().ok()?;
    Some(Millis::from_secs(secs))
}
