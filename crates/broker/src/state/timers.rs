//! Messages that wait for their time: delay levels now, exact delivery times by the same mechanism.
//!
//! A timer is identified by the log offset of its message record. Facts: `TimerScheduled`, `TimersDone`. The only question
//! is who is due at `now`; `jobs/deliver_timed` asks and appends the answers.
//!
//! Memory: 16 bytes of payload per timer in a B-tree, about 40 in all, so a million waiting retries cost 40 MB.

use std::collections::{BTreeSet, HashMap, HashSet};

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, Timestamp};

/// Messages waiting for their time.
#[derive(Debug, Default)]
pub struct Timers {
    by_due: BTreeSet<(Timestamp, LogOffset)>,
    due_of: HashMap<LogOffset, Timestamp>,
    /// Taken by the delivering job, not yet confirmed by `TimersDone`. Reservations: they die with the process.
    taken: HashSet<LogOffset>,
}

impl Timers {
    #[must_use]
    pub fn len(&self) -> usize {
        self.due_of.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due_of.is_empty()
    }

    /// When the next timer not yet taken is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Reserves at most `max` timers that are due, in the order of their time, then of their arrival.
    pub fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<LogOffset> {
        let mut due = Vec::new();
        while due.len() < max
            && let Some(&(at, timer)) = self.by_due.first()
            && at <= now
        {
            self.by_due.pop_first();
            self.taken.insert(timer);
            due.push(timer);
        }
        due
    }

    /// Releases timers whose delivery could not be appended.
    pub fn release(&mut self, timers: &[LogOffset]) {
        for timer in timers {
            if self.taken.remove(timer)
                && let Some(due) = self.due_of.get(timer)
            {
                self.by_due.insert((*due, *timer));
            }
        }
    }

    /// Applies `TimerScheduled` of the message record at `timer`.
    pub fn scheduled(&mut self, timer: LogOffset, due: Timestamp) {
        if let Some(before) = self.due_of.insert(timer, due) {
            self.by_due.remove(&(before, timer));
        }
        self.by_due.insert((due, timer));
    }

    /// Applies `TimersDone`.
    pub fn done(&mut self, timers: &[LogOffset]) {
        for timer in timers {
            self.taken.remove(timer);
            if let Some(due) = self.due_of.remove(timer) {
                self.by_due.remove(&(due, *timer));
            }
        }
    }

    /// Waiting timers whose message record lies below `limit`.
    #[must_use]
    pub fn below(&self, limit: LogOffset) -> Vec<(LogOffset, Timestamp)> {
        let mut below: Vec<_> =
            self.due_of.iter().filter(|(timer, _)| **timer < limit).map(|(timer, due)| (*timer, *due)).collect();
        below.sort();
        below
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let mut all: Vec<_> = self.due_of.iter().collect();
        all.sort();
        out.put_u64(all.len() as u64);
        for (timer, due) in all {
            out.put_u64(timer.0);
            out.put_i64(due.0);
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u64()? {
            let timer = LogOffset(fields.u64()?);
            self.scheduled(timer, Timestamp(fields.i64()?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: LogOffset = LogOffset(100);
    const B: LogOffset = LogOffset(200);

    fn two() -> Timers {
        let mut timers = Timers::default();
        timers.scheduled(B, Timestamp(1_000));
        timers.scheduled(A, Timestamp(2_000));
        timers
    }

    #[test]
    fn a_timer_is_never_early_and_taken_once() {
        let mut timers = two();
        assert_eq!(timers.next_due(), Some(Timestamp(1_000)));
        assert_eq!(timers.take_due(Timestamp(999), 10), []);
        assert_eq!(timers.take_due(Timestamp(1_000), 10), [B]);
        assert_eq!(timers.take_due(Timestamp(5_000), 10), [A]);
        assert_eq!(timers.take_due(Timestamp(5_000), 10), []);
    }

    #[test]
    fn a_failed_delivery_is_due_again_a_confirmed_one_is_gone() {
        let mut timers = two();
        assert_eq!(timers.take_due(Timestamp(5_000), 10), [B, A]);
        timers.done(&[B]);
        timers.release(&[B, A]);
        assert_eq!(timers.take_due(Timestamp(5_000), 10), [A]);
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn reservations_do_not_survive_save_and_load() {
        let mut timers = two();
        assert_eq!(timers.take_due(Timestamp(1_500), 10), [B]);
        let mut saved = Vec::new();
        timers.save(&mut saved);
        let mut again = Timers::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!(again.take_due(Timestamp(5_000), 10), [B, A]);
    }
}
