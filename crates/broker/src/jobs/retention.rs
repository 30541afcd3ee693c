//! Before a segment goes, every live fact whose newest record lies in it is appended again: the log stays self-sufficient.
//! (Where the numbering of queues goes on is the store's own fact; it sees to that itself.)

use std::sync::atomic::Ordering;

use model::record::message::{Message, NewMessage};
use model::record::system::System;
use model::{LogOffset, Timestamp};
use store::runs::RunId;
use store::{AppendError, Policy, Read, ReadError, Staged};
use tracing::{info, warn};

use crate::broker::Broker;
use crate::jobs::settle_timers::Reading;
use crate::ops::send::Content;
use crate::state::halves::{Half, Reservation};
use crate::state::timers::Entry;

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
    #[error("timers are merged faster than they can be looked at")]
    Busy,
}

impl Broker {
    /// One round: trims the log by `policy`. Answers where it starts now.
    pub fn retain(&self, policy: &Policy, now: Timestamp, staged: &mut Staged) -> Result<LogOffset, Error> {
        self.watch_timers(policy);
        let Some(limit) = self.log.expired(now, policy)? else { return Ok(self.log.start()) };
        // A full disk takes no messages: then what is in flight is lost with its segment, or nothing would ever be freed.
        if self.machines.inflight.lock().hasten_below(limit, now) && !self.log.disk_full() {
            // Delivered again first; the next round finds them gone.
            return Ok(self.log.start());
        }
        let end = self.rescue_facts(limit, staged)?;
        self.progress.wait_for(&self.log, end.max(self.log.end()));
        // Pops that were on their way to the log when it was looked at.
        if self.machines.inflight.lock().hasten_below(limit, now) && !self.log.disk_full() {
            return Ok(self.log.start());
        }
        self.machines.timers.lock().recalls_told_again(limit);
        if self.machines.timers.lock().any_taken_below(limit) {
            // Being delivered right now: their records are still needed.
            return Ok(self.log.start());
        }
        let before = self.log.start();
        self.log.trim(limit)?;
        info!(from = %before, to = %self.log.start(), "old segments deleted");
        Ok(self.log.start())
    }

    /// New timed messages are refused while those that wait take more than half of what the log may have: they stay, so what
    /// is not waiting would have no place.
    fn watch_timers(&self, policy: &Policy) {
        let budget = match (policy.bytes_max, self.log.space()) {
            (Some(bytes_max), _) => bytes_max,
            (None, Ok(space)) => space.total / 100 * u64::from(policy.reclaim_percent),
            (None, Err(_)) => return,
        };
        let waiting = self.machines.timers.lock().bytes();
        let full = waiting > budget / 2;
        if full != self.timers_full.swap(full, Ordering::Relaxed) {
            warn!(waiting, budget, full, "timed messages that wait may take half of the log");
        }
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
        end = end.max(self.rescue_timers(limit, staged)?);
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

    /// Moves what waits for its time below `limit`.
    fn rescue_timers(&self, limit: LogOffset, staged: &mut Staged) -> Result<LogOffset, Error> {
        let mut end = LogOffset::ZERO;
        let in_tree = self.machines.timers.lock().head_below(limit);
        for entry in in_tree {
            if let Some(appended) = self.rescue_entry(None, entry, staged)? {
                end = end.max(appended);
            }
        }
        // A run that is merged meanwhile is looked at again, in the one it has become part of.
        'look: for _ in 0..LOOKS_MAX {
            let sources = self.machines.timers.lock().sources();
            for (run, source, at) in sources {
                let mut reading = Reading::of(&self.log.runs(), run, source, at)?;
                while let Some(entry) = reading.next()? {
                    if self.machines.timers.lock().is_below(&entry, limit) {
                        match self.rescue_entry(Some(run), entry, staged)? {
                            Some(appended) => end = end.max(appended),
                            None => continue 'look,
                        }
                    }
                }
            }
            return Ok(end);
        }
        Err(Error::Busy)
    }

    /// Appends again what an entry stands for. `None`: its run is gone.
    fn rescue_entry(&self, run: Option<RunId>, entry: Entry, staged: &mut Staged) -> Result<Option<LogOffset>, Error> {
        let Some(timer) = entry.what.message() else {
            staged.clear();
            staged.system(&System::TimerRecalled { due: entry.due, key: entry.key });
            return Ok(Some(self.log.append(staged)?.end));
        };
        match self.machines.timers.lock().take(run, entry) {
            Some(true) => {}
            Some(false) => return Ok(Some(LogOffset::ZERO)),
            None => return Ok(None),
        }
        let rescued = self.rescue_timer(timer, entry.due, entry.key, staged);
        if rescued.is_err() {
            self.machines.timers.lock().release([timer]);
        }
        match rescued {
            Ok(appended) => Ok(Some(appended)),
            Err(Error::Read(error @ (ReadError::NotFound { .. } | ReadError::Damaged { .. }))) => {
                warn!(%timer, %error, "a timed message cannot be kept: lost with its segment");
                Ok(Some(LogOffset::ZERO))
            }
            Err(error) => Err(error),
        }
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
        staged.frees_a_segment();
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
        staged.frees_a_segment();
        Ok(self.log.append(staged)?.end)
    }
}

/// Records of one append, so that a million topics do not make an append of hundreds of megabytes.
const RECORDS_PER_APPEND: usize = 1_000;

/// Looks at all runs before retention gives up until its next round.
const LOOKS_MAX: usize = 20;
