//! Half messages that nobody has resolved: a producer of the group is asked what became of its transaction; after enough
//! fruitless checks the message goes to a topic for people to look at.
//!
//! A check counts when it was sent. While no producer of the group is online nothing is counted: a service that is down for
//! a night finds its transactions waiting. What is older than messages are kept, by our clock,
//! is given up in any case. A check leaves
//! the half's record where it is, so the producer's own late answer still names the right one.

use std::sync::atomic::Ordering;

use model::properties::{self, key};
use model::record::message::{self, Message, NewMessage};
use model::record::system::{Resolution, System};
use model::{LogOffset, Millis, QueueId, Timestamp, TopicConfig, TopicName, message_id};
use store::{AppendError, Read, ReadError, Staged};
use tracing::{error, info, warn};

use crate::broker::Broker;
use crate::notice::{Notice, TransactionCheck};
use crate::ops::send::Content;
use crate::state::halves::{Half, Reservation};
use crate::state::topics::system_topic;

/// Halves of one append.
const BATCH_MAX: usize = 256;

/// Producers of a group that are tried for one question; the reference tries as many.
const PRODUCERS_TRIED_MAX: usize = 3;

/// How long to wait after a failed append or read, or while a producer has a full mailbox, before trying again.
const BACK_OFF: Millis = Millis(1_000);

/// The longest sleep: a half stored meanwhile is noticed after it.
const IDLE: Millis = Millis(500);

/// What became of the question about one half.
enum Checked {
    Asked,
    /// It has to be asked again after this time; it does not count.
    PutOff(Millis),
    /// Asked often enough, or too old.
    GivenUp,
}

impl Broker {
    /// One round, on a thread that may read the disk. Answers how long to wait before the next one.
    pub fn check_halves(&self, now: Timestamp, staged: &mut Staged) -> Millis {
        loop {
            let due = self.machines.halves.lock().take_due(now, BATCH_MAX);
            if due.is_empty() {
                return self.machines.halves.lock().next_due().map_or(IDLE, |next| next.since(now).min(IDLE));
            }
            let mut asked = Vec::new();
            for (id, half) in due {
                match self.check_half_message(id, &half, now, staged) {
                    Checked::Asked => asked.push(id),
                    Checked::PutOff(time) => self.machines.halves.lock().put_off(id, now.after(time)),
                    Checked::GivenUp => {}
                }
            }
            if asked.is_empty() {
                continue;
            }
            staged.clear();
            let next = now.after(self.settings.transactions.check_every);
            staged.system(&System::HalvesChecked { next, halves: asked.clone() });
            if let Err(failed) = self.append_and_wait(staged) {
                warn!(error = %failed, halves = asked.len(), "checks of half messages are not counted: the append failed");
                let mut halves = self.machines.halves.lock();
                asked.into_iter().for_each(|id| halves.put_off(id, next));
                return BACK_OFF;
            }
        }
    }

    fn check_half_message(&self, id: LogOffset, half: &Half, now: Timestamp, staged: &mut Staged) -> Checked {
        let mut bytes = Vec::new();
        match self.log.read_at(half.at, Read::Wait, &mut bytes) {
            Ok(()) => {}
            Err(failed @ (ReadError::NotFound { .. } | ReadError::Damaged { .. })) => {
                error!(half = %id, error = %failed, "a half message cannot be read: it is resolved as rolled back");
                return self.give_up(id, None, staged);
            }
            Err(failed @ (ReadError::WouldBlock | ReadError::Io { .. })) => {
                warn!(half = %id, error = %failed, "a half message cannot be read now");
                return Checked::PutOff(BACK_OFF);
            }
        }
        let Some(message) = Message::parse(&bytes) else { return self.give_up(id, None, staged) };
        let settings = &self.settings.transactions;
        let age = now.since(half.stored);
        if half.checks >= settings.checks_max || age > self.settings.retention {
            info!(half = %id, checks = half.checks, age_ms = age.0, "a half message is given up: nobody has resolved it");
            return self.give_up(id, Some(&message), staged);
        }
        self.ask(id, half, &message)
    }

    /// Asks a producer of the half's group, each time another one.
    fn ask(&self, id: LogOffset, half: &Half, message: &Message<'_>) -> Checked {
        let given = message.properties();
        let producers = self.clients.producers(properties::find(given, key::PGROUP).unwrap_or_default());
        if producers.is_empty() {
            return Checked::PutOff(self.settings.transactions.check_every);
        }
        let check = TransactionCheck {
            broker_name: self.settings.broker_name.clone(),
            half: id,
            queue_offset: half.queue_offset,
            offset_id: message_id::offset_id(message.store_host(), id),
            unique_key: properties::find(given, key::UNIQ_KEY).unwrap_or_default().to_owned(),
            record: self.record_for_producer(id, half, message),
        };
        let first = self.next_producer.fetch_add(1, Ordering::Relaxed);
        let round =
            (0..producers.len().min(PRODUCERS_TRIED_MAX)).map(|turn| &producers[(first + turn) % producers.len()]);
        for producer in round {
            if producer.mailbox.post(Notice::CheckTransaction(check.clone())) {
                return Checked::Asked;
            }
        }
        Checked::PutOff(BACK_OFF)
    }

    /// The half as its producer knows it: at the place it is meant for.
    fn record_for_producer(&self, id: LogOffset, half: &Half, message: &Message<'_>) -> Vec<u8> {
        let given = message.properties();
        let queue = properties::find(given, key::REAL_QID).and_then(|queue| queue.parse().ok()).unwrap_or(0);
        let real = NewMessage {
            topic: properties::find(given, key::REAL_TOPIC).unwrap_or_default(),
            queue_id: QueueId(queue),
            store_host: message.store_host(),
            ..self.copy_of(message)
        };
        let mut record = Vec::new();
        let counted = |out: &mut Vec<u8>| {
            out.extend_from_slice(given);
            properties::push(out, key::CHECK_TIMES, &(half.checks + 1).to_string());
        };
        // The count may be what the properties have no room for: then they go without.
        if message::encode(&mut record, &real, counted).is_err() {
            let _ = message::encode(&mut record, &real, |out| out.extend_from_slice(given));
        }
        if !record.is_empty() {
            message::number(&mut record, half.queue_offset, id, message.store_timestamp());
        }
        record
    }

    /// Resolves a half nobody has resolved. Its message, if it can be read, is kept where people can look at it.
    fn give_up(&self, id: LogOffset, message: Option<&Message<'_>>, staged: &mut Staged) -> Checked {
        if message.is_some()
            && let Err(failed) = self.create_dead_check_topic(staged)
        {
            warn!(half = %id, error = %failed, "a half message is not given up yet");
            return Checked::PutOff(BACK_OFF);
        }
        let reservation = self.machines.halves.lock().reserve(id);
        match reservation {
            Reservation::Granted(_) => {}
            Reservation::Busy | Reservation::Unknown => return Checked::GivenUp,
        }
        staged.clear();
        if let Some(message) = message
            && let Err(failed) = self.stage_dead(id, message, staged)
        {
            error!(half = %id, error = %failed, "a half message that is given up cannot be kept");
        }
        staged.system(&System::HalfResolved { half: id, resolution: Resolution::GivenUp });
        if let Err(failed) = self.append_and_wait(staged) {
            warn!(half = %id, error = %failed, "a half message is not given up yet: the append failed");
            self.release_halves(&[id]);
            return Checked::PutOff(BACK_OFF);
        }
        Checked::GivenUp
    }

    /// Its log offset stands in the record, so that whoever resumes it makes no second half of it.
    fn stage_dead(
        &self,
        id: LogOffset,
        message: &Message<'_>,
        staged: &mut Staged,
    ) -> Result<(), crate::ops::send::Error> {
        let Some(topic) = self.machines.topics.get(system_topic::DEAD_CHECK) else { return Ok(()) };
        let dead = NewMessage {
            topic: system_topic::DEAD_CHECK,
            queue_id: QueueId(0),
            prepared_offset: id,
            ..self.copy_of(message)
        };
        let properties = |out: &mut Vec<u8>| out.extend_from_slice(message.properties());
        let keys = properties::index_keys(message.properties());
        let content = Content { message: &dead, properties: &properties, keys, tag_hash: 0 };
        self.stage_now(&topic, content, staged).map(|_| ())
    }

    fn create_dead_check_topic(&self, staged: &mut Staged) -> Result<(), AppendError> {
        if self.machines.topics.get(system_topic::DEAD_CHECK).is_some() {
            return Ok(());
        }
        staged.clear();
        self.begin_create_topic(TopicConfig::new(TopicName::trusted(system_topic::DEAD_CHECK), 1), staged);
        if staged.is_empty() { Ok(()) } else { self.append_and_wait(staged) }
    }
}
