//! Messages whose time has come go to their real topics. The message and the mark that its timer is done are one append, so
//! a crash delivers both or neither: never twice, never not.

use std::collections::BTreeMap;

use model::record::system::System;
use model::{Millis, Timestamp};
use store::{AppendError, Read, ReadError, Staged};
use tracing::{error, warn};

use crate::broker::Broker;
use crate::jobs::settle_timers::read_entries;
use crate::state::timers::Due;

/// Timers of one append.
const BATCH_MAX: usize = 256;

/// Bytes of one append, unless one message is larger; a small segment takes less.
const BATCH_BYTES: usize = 1024 * 1024;

/// Room in an append for the record that the timers of a batch are done: 8 bytes each.
const DONE_BYTES: usize = 16 * BATCH_MAX;

/// How long to wait after a failed append or read before trying again.
const BACK_OFF: Millis = Millis(1_000);

/// The longest sleep. Who schedules an earlier timer wakes the job; a clock that is set wakes nobody.
const IDLE: Millis = Millis(500);

impl Broker {
    /// One round, on a thread that may read the disk. Answers how long to wait before the next one.
    pub fn deliver_timed(&self, now: Timestamp, staged: &mut Staged) -> Millis {
        loop {
            if let Err(error) = self.read_ahead() {
                error!(%error, "timers cannot be read; stop the broker and delete its folder state: the log has them all");
                return BACK_OFF;
            }
            let due = self.machines.timers.lock().take_due(now, BATCH_MAX);
            if due.is_empty() {
                return self.machines.timers.lock().sleep(now.after(IDLE)).since(now);
            }
            match self.deliver(&due, staged) {
                Ok(true) => {}
                Ok(false) => return BACK_OFF,
                Err(failed) => {
                    warn!(error = %failed, timers = due.len(), "due messages wait: the append failed");
                    let taken = due.deliver.iter().map(|(timer, _)| *timer).chain(due.recalled);
                    self.machines.timers.lock().release(taken);
                    return BACK_OFF;
                }
            }
        }
    }

    /// Reads from files what comes next.
    fn read_ahead(&self) -> Result<(), ReadError> {
        loop {
            let Some(want) = self.machines.timers.lock().wants() else { return Ok(()) };
            let entries = read_entries(&self.log.runs().open(want.run)?, want.from, want.max)?;
            self.machines.timers.lock().read(&want, &entries);
        }
    }

    /// Answers whether all of it could be read; what could not waits.
    fn deliver(&self, due: &Due, staged: &mut Staged) -> Result<bool, AppendError> {
        staged.clear();
        let (mut done, mut record) = (due.recalled.clone(), Vec::new());
        let mut readable = true;
        let (mut topics, mut delivered) = (BTreeMap::new(), Vec::new());
        for &timer in &due.recalled {
            record.clear();
            // Only to count: a record that cannot be read is not delivered either.
            if self.log.read_at(timer, Read::Wait, &mut record).is_ok()
                && let Some(topic) = self.real_topic(&record)
            {
                *topics.entry(topic.id).or_default() += 1;
            }
        }
        let room = BATCH_BYTES.min(self.log.append_bytes_max()) - DONE_BYTES;
        for (index, &(timer, time)) in due.deliver.iter().enumerate() {
            record.clear();
            let before = staged.len();
            match self.log.read_at(timer, Read::Wait, &mut record) {
                Ok(()) => match self.stage_due(&record, staged) {
                    Ok(Some(topic)) => delivered.push((topic, time)),
                    Ok(None) => warn!(%timer, "a timed message has no topic to go to any more: dropped"),
                    Err(failed) => error!(%timer, error = %failed, "a timed message cannot be stored: dropped"),
                },
                Err(failed @ (ReadError::NotFound { .. } | ReadError::Damaged { .. })) => {
                    error!(%timer, error = %failed, "a timed message cannot be read: dropped");
                }
                Err(failed @ (ReadError::WouldBlock | ReadError::Io { .. })) => {
                    warn!(%timer, error = %failed, "a timed message cannot be read now");
                    self.machines.timers.lock().release([timer]);
                    readable = false;
                    continue;
                }
            }
            if staged.bytes_len() > room && before > 0 {
                // It goes with the next batch. A small segment takes small appends.
                staged.truncate(before);
                delivered.truncate(before);
                self.machines.timers.lock().release(due.deliver[index..].iter().map(|(timer, _)| *timer));
                break;
            }
            done.push(timer);
        }
        if !done.is_empty() {
            delivered.iter().for_each(|(topic, _)| *topics.entry(topic.id).or_default() += 1);
            staged.system(&System::TimersEnded { timers: done, topics: topics.into_iter().collect() });
            self.log.append(staged)?;
            self.counters.timers_delivered.add(delivered.len() as u64);
            for (index, (topic, time)) in delivered.iter().enumerate() {
                topic.traffic.begin_timed().delivered.add(1);
                self.counters.timer_lateness_ms.record(staged.entry(index).stored.since(*time).0);
            }
        }
        Ok(readable)
    }
}
