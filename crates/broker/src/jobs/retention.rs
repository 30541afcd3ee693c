//! Before a segment goes, every live fact whose newest record lies in it is appended again: the log stays self-sufficient.
//! (Where the numbering of queues goes on is the store's own fact; it sees to that itself.)

use model::record::message::{Message, NewMessage};
use model::record::system::System;
use model::{LogOffset, Timestamp};
use store::{AppendError, Policy, Read, ReadError, Staged};
use tracing::{info, warn};

use crate::broker::Broker;
use crate::ops::send::Content;
use crate::state::halves::{Half, Reservation};

/// Why retention could not finish; it tries again at its next round.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("a pop is about to move a consumer offset that must be kept")]
    PopBusy,
    #[error("the half message {0} is about to be resolved")]
    HalfBusy(LogOffset),
    #[error("a half message cannot be kept: {0}")]
    Half(#[from] crate::ops::send::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Broker {
    /// One round: trims the log by `policy`. Answers where it starts now.
    pub fn retain(&self, policy: &Policy, now: Timestamp, staged: &mut Staged) -> Result<LogOffset, Error> {
        let Some(limit) = self.log.expired(now, policy)? else { return Ok(self.log.start()) };
        // A full disk takes no messages: then what is in flight is lost with its segment, or nothing would ever be freed.
        if self.machines.inflight.lock().hasten_below(limit, now) && !self.log.disk_full() {
            // Delivered again first; the next round finds them gone.
            return Ok(self.log.start());
        }
        let end = self.rescue_facts(limit, staged)?;
        self.progress.wait_for(&self.log, end);
        if self.machines.timers.lock().any_taken_below(limit) {
            // Being delivered right now: their records are still needed.
            return Ok(self.log.start());
        }
        let before = self.log.start();
        self.log.trim(limit)?;
        info!(from = %before, to = %self.log.start(), "old segments deleted");
        Ok(self.log.start())
    }

    /// Appends again what is alive below `limit`. Answers the end of the last append.
    fn rescue_facts(&self, limit: LogOffset, staged: &mut Staged) -> Result<LogOffset, Error> {
        let mut end = LogOffset::ZERO;
        let mut records = Vec::new();
        let old = |at: LogOffset| at < limit;
        for topic in self.machines.topics.all() {
            if old(topic.changed_at) {
                records.push(System::TopicChanged { id: Some(topic.id), config: topic.config.clone() });
            }
        }
        for group in self.machines.groups.all() {
            if old(group.changed_at) {
                records.push(System::GroupChanged { config: group.config.clone() });
            }
        }
        {
            let mut offsets = self.machines.offsets.lock();
            if offsets.is_popped_below(limit) {
                return Err(Error::PopBusy);
            }
            records.extend(offsets.facts_below(limit));
        }
        records.extend(self.machines.request_modes.lock().facts_below(limit));
        records.extend(self.machines.kv.lock().facts_below(limit));
        records.extend(self.machines.usage.lock().facts_below(limit));
        for part in records.chunks(RECORDS_PER_APPEND) {
            staged.clear();
            for record in part {
                staged.system(record);
            }
            end = self.log.append(staged)?.end;
        }
        // Not in the head of the loop: there the lock would be held until its end, and the loop takes it again.
        let timers = self.machines.timers.lock().below(limit);
        for (timer, due, key) in timers {
            if !self.machines.timers.lock().take(timer, due) {
                continue;
            }
            let rescued = self.rescue_timer(timer, due, key, staged);
            if rescued.is_err() {
                self.machines.timers.lock().release([timer]);
            }
            match rescued {
                Ok(appended) => end = appended,
                Err(Error::Read(error)) => {
                    warn!(%timer, %error, "a timed message cannot be kept: lost with its segment")
                }
                Err(error) => return Err(error),
            }
        }
        let below = self.machines.halves.lock().below(limit);
        for half in below {
            match self.rescue_half(half, staged) {
                Ok(appended) => end = end.max(appended),
                Err(Error::Read(error @ (ReadError::NotFound { .. } | ReadError::Damaged { .. }))) => {
                    warn!(%half, %error, "a half message cannot be kept: lost with its segment");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(end)
    }

    /// A half that is about to be resolved must not come back to life behind that: it is reserved until it is moved.
    fn rescue_half(&self, id: LogOffset, staged: &mut Staged) -> Result<LogOffset, Error> {
        let reservation = self.machines.halves.lock().reserve(id);
        let half = match reservation {
            Reservation::Granted(half) => half,
            Reservation::Busy => return Err(Error::HalfBusy(id)),
            Reservation::Unknown => return Ok(LogOffset::ZERO),
        };
        let appended = self.append_half_again(id, &half, staged);
        if appended.is_err() {
            self.release_halves(&[id]);
        }
        appended
    }

    fn append_half_again(&self, id: LogOffset, half: &Half, staged: &mut Staged) -> Result<LogOffset, Error> {
        let mut record = Vec::new();
        self.log.read_at(half.at, Read::Wait, &mut record)?;
        let message = Message::parse(&record).ok_or(ReadError::NotFound { at: half.at })?;
        staged.clear();
        self.stage_half_again(id, half, &message, staged)?;
        Ok(self.log.append(staged)?.end)
    }

    fn rescue_timer(
        &self,
        timer: LogOffset,
        due: Timestamp,
        key: u64,
        staged: &mut Staged,
    ) -> Result<LogOffset, Error> {
        let mut record = Vec::new();
        self.log.read_at(timer, Read::Wait, &mut record)?;
        let message = Message::parse(&record).ok_or(ReadError::NotFound { at: timer })?;
        let waits_under = self.machines.topics.get(message.topic()).ok_or(ReadError::NotFound { at: timer })?;
        let again = NewMessage {
            topic: message.topic(),
            queue_id: message.queue_id(),
            flag: message.flag(),
            sys_flag: message.sys_flag(),
            born_timestamp: message.born_timestamp(),
            born_host: message.born_host(),
            store_host: message.store_host(),
            reconsume_times: message.reconsume_times(),
            prepared_offset: message.prepared_offset(),
            body: message.body(),
        };
        staged.clear();
        let properties = |out: &mut Vec<u8>| out.extend_from_slice(message.properties());
        let keys = model::properties::index_keys(message.properties());
        let content = Content { message: &again, properties: &properties, keys, tag_hash: 0 };
        if let Err(error) = self.stage_now(&waits_under, content, staged) {
            warn!(%timer, %error, "a timed message cannot be kept");
            return Err(ReadError::NotFound { at: timer }.into());
        }
        staged.system(&System::TimerMoved { from: timer, due, key });
        Ok(self.log.append(staged)?.end)
    }
}

/// Records of one append, so that a million topics do not make an append of hundreds of megabytes.
const RECORDS_PER_APPEND: usize = 1_000;
