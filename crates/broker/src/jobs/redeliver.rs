//! Messages whose invisible time has ended without an ack go to the group's retry topic, and after as many attempts as the
//! group allows to its dead-letter topic. The message and the mark that its lease is over are one append: a crash does
//! both or neither.
//!
//! The reference leaves dead letters of popping consumers to clients and proxies; here every consumer has them.

use std::sync::Arc;

use model::properties::{self, key};
use model::record::message::{Message, NewMessage};
use model::record::pop::Acked;
use model::record::system::System;
use model::tag::tag_hash;
use model::{LogOffset, Millis, QueueId, Timestamp, TopicConfig, TopicName, message_id};
use store::{AppendError, Read, ReadError, Staged};
use tracing::{error, info, warn};

use crate::broker::Broker;
use crate::ops::send::{self, Content};
use crate::state::inflight::Due;
use crate::state::topics::Topic;

/// Messages of one append.
const BATCH_MAX: usize = 256;

/// Bytes of one append after which the next one begins.
const BATCH_BYTES: usize = 1024 * 1024;

/// Room in an append for the marks: 24 bytes and a group's name each.
const MARK_BYTES: usize = 256 * BATCH_MAX;

/// How long to wait after a failed append or read before trying again.
const BACK_OFF: Millis = Millis(1_000);

/// The longest sleep: a message whose invisible time was shortened is noticed after it.
const IDLE: Millis = Millis(20);

/// Why a message cannot be delivered again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("its topic is gone")]
    Topic,
    #[error("it is gone: {0}")]
    Gone(ReadError),
    #[error("it cannot be stored: {0}")]
    Store(#[from] send::Error),
}

/// What becomes of one message.
pub(super) enum Step {
    Staged,
    Lost(Lost),
    /// The disk does not answer now.
    Later(ReadError),
}

impl Broker {
    /// One round, on a thread that may read the disk. Answers how long to wait before the next one.
    pub fn redeliver(&self, now: Timestamp, staged: &mut Staged) -> Millis {
        let ended = self.end_batches(now, staged);
        loop {
            let due = self.machines.inflight.lock().take_due(now, BATCH_MAX);
            if due.is_empty() && !ended {
                return BACK_OFF;
            }
            if due.is_empty() {
                return self.machines.inflight.lock().next_due().map_or(IDLE, |next| next.since(now).min(IDLE));
            }
            if let Err(failed) = self.redeliver_batch(&due, staged) {
                warn!(error = %failed, messages = due.len(), "unacked messages wait: the append failed");
                self.release_due(&due);
                return BACK_OFF;
            }
        }
    }

    fn release_due(&self, due: &[Due]) {
        let mut inflight = self.machines.inflight.lock();
        due.iter().for_each(|due| inflight.release(&due.group, due.queue, due.offset));
    }

    fn redeliver_batch(&self, due: &[Due], staged: &mut Staged) -> Result<(), AppendError> {
        staged.clear();
        let mut done = Vec::new();
        let room = self.log.append_bytes_max() - MARK_BYTES.min(self.log.append_bytes_max() / 2);
        for (index, message) in due.iter().enumerate() {
            let before = staged.len();
            match self.stage_again(message, staged)? {
                Step::Staged => {}
                Step::Lost(reason) => {
                    error!(group = %message.group, offset = %message.offset, %reason, "an unacked message is dropped");
                }
                Step::Later(error) => {
                    warn!(group = %message.group, offset = %message.offset, %error, "an unacked message waits");
                    self.release_due(std::slice::from_ref(message));
                    continue;
                }
            }
            if staged.bytes_len() > room && before > 0 {
                staged.truncate(before);
                self.release_due(&due[index..]);
                break;
            }
            done.push(message);
            if staged.bytes_len() >= BATCH_BYTES {
                self.release_due(&due[index + 1..]);
                break;
            }
        }
        for same in done.chunk_by(|one, other| one.group == other.group) {
            let messages = same.iter().map(|due| (due.queue.0, due.queue.1, due.offset));
            staged.system(&System::Acked(Acked::of(same[0].group.clone(), messages)));
        }
        if staged.is_empty() {
            return Ok(());
        }
        // The marks must be applied before the next question, or the same messages would be taken twice.
        self.log.append(staged)?;
        self.counters.pops_redelivered.add(done.len() as u64);
        Ok(())
    }

    fn stage_again(&self, due: &Due, staged: &mut Staged) -> Result<Step, AppendError> {
        self.stage_on(due, staged, |message, retry_max| {
            let attempts = message.reconsume_times();
            (attempts.saturating_add(1), attempts >= retry_max)
        })
    }

    /// Stages the message once more for the group. `fate` answers with which count of attempts, and whether as a dead letter;
    /// it is asked with the message and the group's retries at most.
    pub(super) fn stage_on(
        &self,
        due: &Due,
        staged: &mut Staged,
        fate: impl FnOnce(&Message<'_>, i32) -> (i32, bool),
    ) -> Result<Step, AppendError> {
        let mut record = Vec::new();
        let topic = match self.read_due(due, &mut record) {
            Ok(topic) => topic,
            Err(ReadError::NotFound { .. }) if self.machines.topics.name_of(due.queue.0).is_none() => {
                return Ok(Step::Lost(Lost::Topic));
            }
            Err(gone @ (ReadError::NotFound { .. } | ReadError::Damaged { .. })) => {
                return Ok(Step::Lost(Lost::Gone(gone)));
            }
            Err(error @ (ReadError::WouldBlock | ReadError::Io { .. })) => return Ok(Step::Later(error)),
        };
        let Some(message) = Message::parse(&record) else {
            return Ok(Step::Lost(Lost::Gone(ReadError::NotFound { at: LogOffset::ZERO })));
        };
        let retry_max = self.machines.groups.get(due.group.as_str()).map_or(DEFAULT_RETRY_MAX, |g| g.config.retry_max);
        let (attempts, dead) = fate(&message, retry_max);
        let origin = topic.config.name.popped_topic(due.group.as_str()).unwrap_or(topic.config.name.as_str());
        let to = self.retry_destination(due, &topic, dead)?;
        Ok(match self.stage_retry(due, &message, origin, &to, (attempts, dead), staged) {
            Ok(()) => Step::Staged,
            Err(error) => Step::Lost(error.into()),
        })
    }

    /// Reads the message's record; answers its topic.
    fn read_due(&self, due: &Due, record: &mut Vec<u8>) -> Result<Arc<Topic>, ReadError> {
        let gone = ReadError::NotFound { at: LogOffset::ZERO };
        let name = self.machines.topics.name_of(due.queue.0);
        let Some(topic) = name.and_then(|name| self.machines.topics.get(name.as_str())) else { return Err(gone) };
        let Some(slot) = topic.slot(&self.log, due.queue.1) else { return Err(gone) };
        if due.offset < self.log.bounds(slot).min {
            return Err(gone);
        }
        let mut units = Vec::new();
        self.log.units(slot, due.offset, 1, Read::Wait, &mut units)?;
        let Some(unit) = units.first() else { return Err(gone) };
        self.log.read(unit.at, unit.len, Read::Wait, record)?;
        Ok(topic)
    }

    /// Where the message goes; created first if it is missing, and then who waits for the group's messages looks again.
    fn retry_destination(&self, due: &Due, topic: &Arc<Topic>, dead: bool) -> Result<Arc<Topic>, AppendError> {
        let name = if dead {
            TopicName::dead_letter_of(&due.group)
        } else if topic.config.name.popped_topic(due.group.as_str()).is_some() {
            return Ok(Arc::clone(topic));
        } else {
            TopicName::pop_retry_of(due.group.as_str(), topic.config.name.as_str())
        };
        if let Some(known) = self.machines.topics.get(name.as_str()) {
            return Ok(known);
        }
        let mut staged = Staged::default();
        self.begin_create_topic(TopicConfig::new(name.clone(), 1), &mut staged);
        self.append_and_wait(&mut staged)?;
        info!(topic = %name, group = %due.group, "created for messages that are not acked");
        self.machines.polls.wake_all(topic.id, &due.group);
        self.machines.topics.get(name.as_str()).ok_or(AppendError::ShuttingDown)
    }

    fn stage_retry(
        &self,
        due: &Due,
        message: &Message<'_>,
        origin: &str,
        to: &Topic,
        (reconsume_times, dead): (i32, bool),
        staged: &mut Staged,
    ) -> Result<(), send::Error> {
        let again = NewMessage {
            topic: to.config.name.as_str(),
            queue_id: QueueId(0),
            store_host: self.settings.store_host,
            reconsume_times,
            ..NewMessage::again(message)
        };
        let given = message.properties();
        let first_pop = properties::find(given, key::FIRST_POP_TIME).map(str::to_owned);
        let first_pop = first_pop.unwrap_or_else(|| due.popped_at.0.to_string());
        let origin_id = properties::find(given, key::ORIGIN_MESSAGE_ID).map(str::to_owned);
        let origin_id = origin_id.unwrap_or_else(|| message_id::offset_id(message.store_host(), message.log_offset()));
        let stored = |out: &mut Vec<u8>| {
            let anew = |name: &[u8]| {
                matches!(name, b"POP_CK" | b"1ST_POP_TIME" | b"ORIGIN_MESSAGE_ID" | b"WAIT")
                    || dead && matches!(name, b"RETRY_TOPIC" | b"DLQ_ORIGIN_TOPIC" | b"DLQ_ORIGIN_MESSAGE_ID")
            };
            properties::copy_without(out, given, anew);
            properties::push(out, key::FIRST_POP_TIME, &first_pop);
            properties::push(out, key::ORIGIN_MESSAGE_ID, &origin_id);
            properties::push(out, key::WAIT, "false");
            if dead {
                properties::push(out, key::RETRY_TOPIC, origin);
                properties::push(out, key::DLQ_ORIGIN_TOPIC, origin);
                properties::push(out, key::DLQ_ORIGIN_MESSAGE_ID, &origin_id);
            }
        };
        let tag_hash = properties::find(given, key::TAGS).map_or(0, tag_hash);
        let content = Content { message: &again, properties: &stored, keys: properties::index_keys(given), tag_hash };
        self.stage_now(to, content, staged)?;
        if dead {
            self.counters.messages_to_dead_letter.add(1);
        }
        Ok(())
    }
}

/// Deliveries after the first of a group that has been deleted meanwhile.
const DEFAULT_RETRY_MAX: i32 = 16;
