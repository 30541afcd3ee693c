//! Messages that wait for their time: delay levels and exact delivery times by one mechanism.
//!
//! A timer is identified by the log offset of its message record. Facts: `TimerScheduled` and `TimerSet`, `TimersDone`,
//! `TimerMoved`, `TimerRecalled`. The only question is who is due at `now`; `jobs/deliver_timed` asks and appends the answers.
//!
//! A recall is kept as an entry in front of the timers of its second. When its second begins it is remembered until the
//! second is over, and timers with its key are answered as recalled instead of due.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, Millis, Timestamp};

/// The key of messages that nobody can recall: delay levels and retries.
pub const NO_KEY: u64 = 0;

/// How long a recall that is about to be appended holds back its timer. Longer than any client is left without an answer: what
/// is not appended by then was refused, and its sender knows no better than that it failed.
const RECALL_WAIT: Millis = Millis(5_000);

/// One second of the reference's timer wheel: its messages are due after `0`, up to and including 1,000 ms later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub Timestamp);

impl Slot {
    /// The slot of a delivery time: the last whole second before it (semantics.md section 11). Consumers see it as
    /// `TIMER_OUT_MS`.
    #[must_use]
    pub fn of(due: Timestamp) -> Slot {
        Slot(Timestamp(due.0.saturating_sub(1).div_euclid(1_000).saturating_mul(1_000)))
    }

    fn begin(self) -> Timestamp {
        self.0.after(Millis(1))
    }

    fn end(self) -> Timestamp {
        self.0.after(Millis(1_000))
    }
}

/// What waits. Recalls sort before the messages of their moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    /// By the log offset of the record that says so.
    Recall(LogOffset),
    Message(LogOffset),
}

/// What has come due, all of it reserved until `TimersDone` confirms or [`Timers::release`] gives it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be delivered, by time, then by arrival.
    pub deliver: Vec<(LogOffset, Timestamp)>,
    /// Done without delivery.
    pub recalled: Vec<LogOffset>,
}

impl Due {
    #[must_use]
    pub fn len(&self) -> usize {
        self.deliver.len() + self.recalled.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a message cannot be recalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRecall {
    /// It is not waiting for its time any more.
    TooLate,
    /// More recalls wait than there can be messages for them: most handles were made up.
    TooMany,
}

/// Recalls that may wait beyond two for each message: a recall is asked for again when its answer was lost.
const RECALLS_SPARE: usize = 1_024;

/// Messages waiting for their time.
#[derive(Debug, Default)]
pub struct Timers {
    waiting: BTreeMap<(Timestamp, What), u64>,
    /// Taken by a job, not yet confirmed. Reservations: they die with the process.
    taken: HashMap<LogOffset, (Timestamp, u64)>,
    /// Done before they were taken, as a replay has it.
    done: HashSet<LogOffset>,
    /// Recalls of seconds that have begun, with the records that say so.
    recalled: BTreeMap<Slot, HashMap<u64, LogOffset>>,
    /// Recalls that are about to be appended, and since when. Reservations, too.
    recalling: HashMap<(Slot, u64), Timestamp>,
    /// The latest moment that was asked for: what was due then may be on its way.
    asked: Timestamp,
    messages: usize,
    recalls: usize,
}

impl Timers {
    /// Messages that wait or are on their way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// When there is something to do next. Not later than the next message is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Reserves at most `max` messages that are due at `now`.
    pub fn take_due(&mut self, now: Timestamp, max: usize) -> Due {
        self.asked = self.asked.max(now);
        let (mut due, mut held) = (Due::default(), Vec::new());
        while due.len() < max
            && let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            let ((at, what), key) = first.remove_entry();
            match what {
                What::Recall(record) => {
                    self.recalls -= 1;
                    self.recalled.entry(Slot::of(at)).or_default().insert(key, record);
                }
                What::Message(timer) if self.done.remove(&timer) => {}
                What::Message(_) if self.is_recalling(at, key, now) => held.push(((at, what), key)),
                What::Message(timer) => {
                    self.taken.insert(timer, (at, key));
                    if key != NO_KEY && self.recalled.get(&Slot::of(at)).is_some_and(|keys| keys.contains_key(&key)) {
                        due.recalled.push(timer);
                    } else {
                        due.deliver.push((timer, at));
                    }
                }
            }
        }
        self.waiting.extend(held);
        self.forget_old_recalls(now);
        due
    }

    fn is_recalling(&mut self, at: Timestamp, key: u64, now: Timestamp) -> bool {
        if self.recalling.is_empty() {
            return false;
        }
        self.recalling.retain(|_, since| now.since(*since) < RECALL_WAIT);
        self.recalling.contains_key(&(Slot::of(at), key))
    }

    /// A recall has no effect any more when its second is over and nothing of it is left.
    fn forget_old_recalls(&mut self, now: Timestamp) {
        while let Some(oldest) = self.recalled.first_entry()
            && oldest.key().end() < now
            && self.taken.is_empty()
            && self.waiting.first_key_value().is_none_or(|((due, _), _)| *due > oldest.key().end())
        {
            oldest.remove();
        }
    }

    /// Takes one waiting message that is due at `due`, so that nobody else does. False: it is not there any more.
    pub fn take(&mut self, timer: LogOffset, due: Timestamp) -> bool {
        let Some(key) = self.waiting.remove(&(due, What::Message(timer))) else { return false };
        self.taken.insert(timer, (due, key));
        true
    }

    /// Releases timers whose delivery could not be appended.
    pub fn release(&mut self, timers: impl IntoIterator<Item = LogOffset>) {
        for timer in timers {
            if let Some((due, key)) = self.taken.remove(&timer) {
                self.waiting.insert((due, What::Message(timer)), key);
            }
        }
    }

    /// Reserves a recall that is about to be appended: from now on the message is not delivered, unless the append fails.
    pub fn recall(&mut self, due: Timestamp, key: u64, now: Timestamp) -> Result<(), NoRecall> {
        if due <= now.max(self.asked) {
            return Err(NoRecall::TooLate);
        }
        if self.recalls + self.recalling.len() >= 2 * self.messages + RECALLS_SPARE {
            return Err(NoRecall::TooMany);
        }
        self.recalling.insert((Slot::of(due), key), now);
        Ok(())
    }

    /// Applies `TimerScheduled` and `TimerSet` of the message record at `timer`.
    pub fn scheduled(&mut self, timer: LogOffset, due: Timestamp, key: u64) {
        self.waiting.insert((due, What::Message(timer)), key);
        self.messages += 1;
    }

    /// Applies `TimersDone`.
    pub fn done(&mut self, timers: &[LogOffset]) {
        for timer in timers {
            if self.taken.remove(timer).is_none() {
                self.done.insert(*timer);
            }
            self.messages = self.messages.saturating_sub(1);
        }
    }

    /// Applies `TimerMoved`: the message record at `timer` takes the place of the one at `from`.
    pub fn moved(&mut self, from: LogOffset, timer: LogOffset, due: Timestamp, key: u64) {
        if self.taken.remove(&from).is_none() {
            self.waiting.remove(&(due, What::Message(from)));
        }
        self.waiting.insert((due, What::Message(timer)), key);
    }

    /// Applies `TimerRecalled`, whose record stands at `at`.
    pub fn recalled(&mut self, at: LogOffset, due: Timestamp, key: u64) {
        let slot = Slot::of(due);
        self.recalling.remove(&(slot, key));
        self.recall_waits(slot.begin(), at, key);
    }

    /// Whether a message whose record lies below `limit` is taken.
    #[must_use]
    pub fn any_taken_below(&self, limit: LogOffset) -> bool {
        self.taken.keys().any(|timer| *timer < limit)
    }

    fn recall_waits(&mut self, until: Timestamp, at: LogOffset, key: u64) {
        self.waiting.insert((until, What::Recall(at)), key);
        self.recalls += 1;
    }

    /// Waiting messages whose record lies below `limit`.
    #[must_use]
    pub fn below(&self, limit: LogOffset) -> Vec<(LogOffset, Timestamp, u64)> {
        let below = |((due, what), key): (&(Timestamp, What), &u64)| match what {
            What::Message(timer) if *timer < limit && !self.done.contains(timer) => Some((*timer, *due, *key)),
            What::Message(_) | What::Recall(_) => None,
        };
        let mut below: Vec<_> = self.waiting.iter().filter_map(below).collect();
        below.sort_unstable();
        below
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let mut all = BTreeSet::new();
        all.extend(self.waiting.iter().map(|((due, what), key)| (*due, *what, *key)));
        all.extend(self.taken.iter().map(|(timer, (due, key))| (*due, What::Message(*timer), *key)));
        for (slot, keys) in &self.recalled {
            all.extend(keys.iter().map(|(key, record)| (slot.begin(), What::Recall(*record), *key)));
        }
        all.retain(|(_, what, _)| !matches!(what, What::Message(timer) if self.done.contains(timer)));
        out.put_u64(all.len() as u64);
        for (due, what, key) in all {
            let (is_recall, at) = match what {
                What::Recall(at) => (true, at),
                What::Message(at) => (false, at),
            };
            out.put_bool(is_recall);
            out.put_i64(due.0);
            out.put_u64(at.0);
            out.put_u64(key);
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u64()? {
            let is_recall = fields.bool()?;
            let (due, at, key) = (Timestamp(fields.i64()?), LogOffset(fields.u64()?), fields.u64()?);
            if is_recall {
                self.recall_waits(due, at, key);
            } else {
                self.scheduled(at, due, key);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
