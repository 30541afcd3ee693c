//! A producer says what becomes of its half message: commit or rollback (code 37; semantics.md section 12).
//!
//! A commit is one append of the real message and the mark that the half is resolved, so that a crash keeps both or neither;
//! a rollback is the mark alone. Saying the same again changes nothing: what was said first is in the log.

use std::sync::Arc;

use model::properties::{self, key};
use model::record::message::{Message, NewMessage, sys_flag};
use model::record::system::{Resolution, System};
use model::tag::tag_hash;
use model::{LogOffset, QueueId, Timestamp};
use store::{Read, ReadError, Staged, key_hash};

use crate::broker::Broker;
use crate::ops::half::immunity;
use crate::ops::send::{self, Content};
use crate::ops::timed::{When, Wish};
use crate::state::halves::{Half, Reservation};
use crate::state::topics::{Topic, system_topic};

/// The end of a transaction as its producer says it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub producer_group: &'a str,
    /// First log offset of the half message, from the answer to its send.
    pub half: LogOffset,
    /// Its offset in the queue of halves, from the same answer.
    pub queue_offset: i64,
    pub verdict: Verdict,
    /// The broker has asked.
    pub from_check: bool,
}

/// What a producer may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Commit,
    Rollback,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Records are staged: answer when they are durable. If the append fails, [`Broker::release_halves`].
    Staged,
    /// The same was said before, and is durable.
    Before,
}

/// Why a half message is not resolved. It is still there, and its producer is asked about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("find prepared transaction message failed: no half message at log offset {0}")]
    NotFound(LogOffset),
    #[error("the producer group wrong: the half message is of group {expected}")]
    OtherGroup { expected: String },
    #[error("the transaction state table offset wrong: the half message has {expected}")]
    OtherQueueOffset { expected: i64 },
    #[error(
        "message commit fail [producer end]: it is older than its CHECK_IMMUNITY_TIME_IN_SECONDS, only the answer to a check \
         counts now"
    )]
    TooLate,
    #[error("the transaction has ended otherwise already: the half message at log offset {0} was {1}")]
    EndedOtherwise(LogOffset, &'static str),
    #[error("the half message at log offset {0} is being resolved: ask again")]
    Busy(LogOffset),
    #[error("topic[{0}] not exist: create it again, the message is kept and its producer asked")]
    TopicGone(String),
    #[error(transparent)]
    Send(#[from] send::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Where a message with a real place among its properties goes.
pub(crate) struct RealPlace {
    pub topic: Arc<Topic>,
    pub queue: QueueId,
}

impl Broker {
    /// Stages the end of a transaction; notes its half in `reserved`.
    pub fn begin_end_transaction(
        &self,
        request: Request<'_>,
        now: Timestamp,
        mode: Read,
        staged: &mut Staged,
        reserved: &mut Vec<LogOffset>,
    ) -> Result<Outcome, Error> {
        // A guard would live through the `match`; reading the record must not hold the lock.
        let reservation = self.machines.halves.lock().reserve(request.half);
        let half = match reservation {
            Reservation::Granted(half) => half,
            Reservation::Busy => return Err(Error::Busy(request.half)),
            Reservation::Unknown => return self.ended_before(&request, mode),
        };
        let before = staged.len();
        match self.stage_end(&request, &half, now, mode, staged) {
            Ok(()) => {
                reserved.push(request.half);
                Ok(Outcome::Staged)
            }
            Err(error) => {
                staged.truncate(before);
                self.release_halves(&[request.half]);
                Err(error)
            }
        }
    }

    /// The append with the ends of these halves has failed: they are as they were.
    pub fn release_halves(&self, halves: &[LogOffset]) {
        let mut machine = self.machines.halves.lock();
        halves.iter().for_each(|&half| machine.release(half));
    }

    fn stage_end(
        &self,
        request: &Request<'_>,
        half: &Half,
        now: Timestamp,
        mode: Read,
        staged: &mut Staged,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.log.read_at(half.at, mode, &mut bytes)?;
        let message = Message::parse(&bytes).ok_or(Error::NotFound(request.half))?;
        check_names(request, &message, half)?;
        let outlived = |immunity| now.since(half.stored) > immunity;
        if !request.from_check && immunity(message.properties()).is_some_and(outlived) {
            return Err(Error::TooLate);
        }
        let resolution = match request.verdict {
            Verdict::Commit => {
                let topic = self.stage_committed(request.half, &message, now, staged)?;
                topic.traffic.begin_ended().count_committed(now.since(half.stored));
                Resolution::Committed
            }
            Verdict::Rollback => {
                if let Some(place) = self.real_place(message.properties()) {
                    place.topic.traffic.begin_ended().rolled_back.add(1);
                }
                Resolution::RolledBack
            }
        };
        staged.system(&System::HalfResolved { half: request.half, resolution });
        Ok(())
    }

    /// Stages the real message of a half: delayed, if it wants that. Answers its topic.
    fn stage_committed(
        &self,
        half: LogOffset,
        message: &Message<'_>,
        now: Timestamp,
        staged: &mut Staged,
    ) -> Result<Arc<Topic>, Error> {
        let given = message.properties();
        let place = self
            .real_place(given)
            .ok_or_else(|| Error::TopicGone(properties::find(given, key::REAL_TOPIC).unwrap_or_default().to_owned()))?;
        let real = NewMessage {
            topic: place.topic.config.name.as_str(),
            queue_id: place.queue,
            sys_flag: message.sys_flag() & !sys_flag::TRANSACTION_MASK | sys_flag::TRANSACTION_COMMITTED,
            prepared_offset: half,
            ..self.copy_of(message)
        };
        // The real place is written anew where it is needed: twice it might not fit.
        let rest = |out: &mut Vec<u8>| {
            properties::copy_without(out, given, |name| matches!(name, b"REAL_TOPIC" | b"REAL_QID"));
        };
        let all = |out: &mut Vec<u8>| out.extend_from_slice(given);
        let when = self.when(&Wish::of(given), &place.topic, now)?;
        let content = Content {
            message: &real,
            properties: if when == When::Now { &all } else { &rest },
            keys: properties::index_keys(given),
            tag_hash: properties::find(given, key::TAGS).map_or(0, tag_hash),
        };
        let unique = properties::find(given, key::UNIQ_KEY).unwrap_or_default();
        self.stage_at(when, &place.topic, unique, content, now, staged)?;
        Ok(place.topic)
    }

    /// The place among a message's properties. `None`: its topic is gone. A topic that has shrunk since has another queue
    /// for it: order matters less than the message.
    pub(crate) fn real_place(&self, given: &[u8]) -> Option<RealPlace> {
        let topic = self.machines.topics.get(properties::find(given, key::REAL_TOPIC)?)?;
        let queue: u32 = properties::find(given, key::REAL_QID).and_then(|id| id.parse().ok()).unwrap_or(0);
        let queue = QueueId(queue.checked_rem(topic.queues())?);
        Some(RealPlace { topic, queue })
    }

    /// What the log says of a half that is not waiting: it was never there, or it has ended as the producer says, or not.
    fn ended_before(&self, request: &Request<'_>, mode: Read) -> Result<Outcome, Error> {
        let mut bytes = Vec::new();
        match self.log.read_at(request.half, mode, &mut bytes) {
            Ok(()) => {}
            Err(ReadError::NotFound { .. }) => return Err(Error::NotFound(request.half)),
            Err(error) => return Err(error.into()),
        }
        let message = Message::parse(&bytes).filter(|message| message.topic() == system_topic::HALF);
        let message = message.ok_or(Error::NotFound(request.half))?;
        check_group(request, &message)?;
        let committed = self.was_committed(request.half, &message, message.store_timestamp(), mode)?;
        match (request.verdict, committed) {
            (Verdict::Commit, true) | (Verdict::Rollback, false) => Ok(Outcome::Before),
            (Verdict::Commit, false) => Err(Error::EndedOtherwise(request.half, "rolled back or given up")),
            (Verdict::Rollback, true) => Err(Error::EndedOtherwise(request.half, "committed")),
        }
    }

    /// Whether the log holds, stored since `from`, the real message of the half that is in `message`. It is found by its
    /// unique key, so nothing has to be remembered of transactions that have ended.
    pub(crate) fn was_committed(
        &self,
        half: LogOffset,
        message: &Message<'_>,
        from: Timestamp,
        mode: Read,
    ) -> Result<bool, ReadError> {
        let given = message.properties();
        let Some(unique) = properties::find(given, key::UNIQ_KEY) else { return Ok(false) };
        let real_topic = properties::find(given, key::REAL_TOPIC).unwrap_or_default();
        let topics = [real_topic, system_topic::SCHEDULE, system_topic::TIMER];
        let mut bytes = Vec::new();
        for topic in topics.into_iter().filter_map(|name| self.machines.topics.get(name)) {
            let hash = key_hash(topic.id, unique);
            for (at, len) in self.log.find_keys(hash, from, Timestamp(i64::MAX), CANDIDATES_MAX, mode)? {
                bytes.clear();
                self.log.read(at, len, mode, &mut bytes)?;
                if Message::parse(&bytes).is_some_and(|found| found.prepared_offset() == half) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Messages with the unique key of one half that are looked at: the real one, its retries, and other attempts of its send.
const CANDIDATES_MAX: usize = 64;

fn check_group(request: &Request<'_>, message: &Message<'_>) -> Result<(), Error> {
    let group = properties::find(message.properties(), key::PGROUP).unwrap_or_default();
    if group != request.producer_group {
        return Err(Error::OtherGroup { expected: group.to_owned() });
    }
    Ok(())
}

fn check_names(request: &Request<'_>, message: &Message<'_>, half: &Half) -> Result<(), Error> {
    check_group(request, message)?;
    let expected = half.queue_offset.to_wire();
    if request.queue_offset != expected {
        return Err(Error::OtherQueueOffset { expected });
    }
    Ok(())
}
