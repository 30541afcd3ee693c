//! Messages whose time has come go to their real topics. The message and the mark that its timer is done are one append, so
//! a crash delivers both or neither: never twice, never not.

use model::{Millis, Timestamp};
use store::{AppendError, Read, ReadError, Staged};
use tracing::{error, warn};

use crate::broker::Broker;
use crate::state::timers::Due;

/// Timers of one append.
const BATCH_MAX: usize = 256;

/// Bytes of one append after which the next batch begins; far below the limit of an append.
const BATCH_BYTES: usize = 1024 * 1024;

/// Room in an append for the record that the timers of a batch are done: 8 bytes each.
const DONE_BYTES: usize = 16 * BATCH_MAX;

/// How long to wait after a failed append or read before trying again.
const BACK_OFF: Millis = Millis(1_000);

/// The longest sleep: a timer scheduled meanwhile is noticed after it.
const IDLE: Millis = Millis(20);

impl Broker {
    /// One round, on a thread that may read the disk. Answers how long to wait before the next one.
    pub fn deliver_timed(&self, now: Timestamp, staged: &mut Staged) -> Millis {
        loop {
            let due = self.machines.timers.lock().take_due(now, BATCH_MAX);
            if due.is_empty() {
                return self.machines.timers.lock().next_due().map_or(IDLE, |next| next.since(now).min(IDLE));
            }
            if let Err(failed) = self.deliver(&due, staged) {
                warn!(error = %failed, timers = due.len(), "due messages wait: the append failed");
                let taken = due.deliver.iter().map(|(timer, _)| *timer).chain(due.recalled);
                self.machines.timers.lock().release(taken);
                return BACK_OFF;
            }
        }
    }

    fn deliver(&self, due: &Due, staged: &mut Staged) -> Result<(), AppendError> {
        staged.clear();
        let (mut done, mut record) = (due.recalled.clone(), Vec::new());
        let room = self.log.append_bytes_max() - DONE_BYTES;
        for (index, &(timer, _)) in due.deliver.iter().enumerate() {
            record.clear();
            let before = staged.len();
            match self.log.read_at(timer, Read::Wait, &mut record) {
                Ok(()) => match self.stage_due(&record, staged) {
                    Ok(Some(_)) => self.counters.timers_delivered.add(1),
                    Ok(None) => warn!(%timer, "a timed message has no topic to go to any more: dropped"),
                    Err(failed) => error!(%timer, error = %failed, "a timed message cannot be stored: dropped"),
                },
                Err(failed @ (ReadError::NotFound { .. } | ReadError::Damaged { .. })) => {
                    error!(%timer, error = %failed, "a timed message cannot be read: dropped");
                }
                Err(failed @ (ReadError::WouldBlock | ReadError::Io { .. })) => {
                    warn!(%timer, error = %failed, "a timed message cannot be read now");
                    self.machines.timers.lock().release([timer]);
                    continue;
                }
            }
            if staged.bytes_len() > room && before > 0 {
                // Small segments: it goes with the next batch.
                staged.truncate(before);
                self.machines.timers.lock().release(due.deliver[index..].iter().map(|(timer, _)| *timer));
                break;
            }
            done.push(timer);
            if staged.bytes_len() >= BATCH_BYTES {
                let rest = due.deliver[index + 1..].iter().map(|(timer, _)| *timer);
                self.machines.timers.lock().release(rest);
                break;
            }
        }
        if done.is_empty() {
            return Ok(());
        }
        self.stage_timers_done(done, staged);
        self.log.append(staged).map(|_| ())
    }
}
