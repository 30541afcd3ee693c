//! Messages whose time has come go to their real topics. The message and the mark that its timer is done are one append, so
//! a crash delivers both or neither: never twice, never not.

use model::{LogOffset, Millis, Timestamp};
use store::{AppendError, Read, ReadError, Staged};
use tracing::{error, warn};

use crate::broker::Broker;

/// Timers of one append.
const BATCH_MAX: usize = 256;

/// Bytes of one append after which the next batch begins; far below the limit of an append.
const BATCH_BYTES: usize = 1024 * 1024;

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
                self.machines.timers.lock().release(&due);
                return BACK_OFF;
            }
        }
    }

    fn deliver(&self, due: &[LogOffset], staged: &mut Staged) -> Result<(), AppendError> {
        staged.clear();
        let (mut done, mut record) = (Vec::new(), Vec::new());
        for (index, &timer) in due.iter().enumerate() {
            record.clear();
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
                    self.machines.timers.lock().release(&[timer]);
                    continue;
                }
            }
            done.push(timer);
            if staged.bytes_len() >= BATCH_BYTES {
                let rest = &due[index + 1..];
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
