//! What went through a topic since the process started: counted as it goes, two atomic adds a message.
//!
//! `rates` makes rates of it. In memory only: after a restart everything begins at 0.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use model::{GroupName, Millis, QueueId, QueueOffset};
use parking_lot::RwLock;

use crate::counters::{Counter, Histogram};

/// Messages and their bytes.
#[derive(Debug, Default)]
pub struct Flow {
    pub messages: Counter,
    /// Of whole records.
    pub bytes: Counter,
    /// Messages as of the last look at whether anything moves.
    looked_at: AtomicU64,
}

impl Flow {
    pub fn count(&self, messages: u64, bytes: u64) {
        self.messages.add(messages);
        self.bytes.add(bytes);
    }

    /// Messages and bytes so far.
    #[must_use]
    pub fn reading(&self) -> [u64; 2] {
        [self.messages.get(), self.bytes.get()]
    }

    /// Whether messages went through since [`Flow::look`].
    #[must_use]
    pub fn moved(&self) -> bool {
        self.messages.get() != self.looked_at.load(Ordering::Relaxed)
    }

    /// Answers [`Flow::moved`] and begins anew.
    pub fn look(&self) -> bool {
        let messages = self.messages.get();
        self.looked_at.swap(messages, Ordering::Relaxed) != messages
    }
}

/// What filters have done, tags and SQL92 alike.
#[derive(Debug, Default)]
pub struct FilterCounts {
    /// Messages a filter has looked at.
    pub examined: Counter,
    /// Of these, the ones that did not match.
    pub dropped: Counter,
    /// Of these, the ones on which the expression could not be evaluated.
    pub failed: Counter,
}

/// What a filter has done with one pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    pub examined: u64,
    pub dropped: u64,
    pub failed: u64,
}

impl FilterCounts {
    pub fn count(&self, filtered: Filtered) {
        self.examined.add(filtered.examined);
        self.dropped.add(filtered.dropped);
        self.failed.add(filtered.failed);
    }

    #[must_use]
    pub fn reading(&self) -> Filtered {
        Filtered { examined: self.examined.get(), dropped: self.dropped.get(), failed: self.failed.get() }
    }
}

/// What one group has taken of a topic.
#[derive(Debug)]
pub struct Taken {
    pub flow: Flow,
    pub filters: FilterCounts,
    /// By queue: the offset after the last message handed out.
    handed_out: Box<[AtomicU64]>,
}

impl Taken {
    fn new(queues: u32) -> Taken {
        let (flow, filters) = (Flow::default(), FilterCounts::default());
        Taken { flow, filters, handed_out: (0..queues).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The same counts for a topic that has more queues now.
    fn grown(&self, queues: u32) -> Taken {
        let grown = Taken::new(queues);
        let [messages, bytes] = self.flow.reading();
        grown.flow.count(messages, bytes);
        grown.filters.count(self.filters.reading());
        for (old, new) in self.handed_out.iter().zip(&grown.handed_out) {
            new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        grown
    }

    /// Messages of `queue` up to before `next` were handed out.
    pub fn count(&self, queue: QueueId, next: QueueOffset, messages: u64, bytes: u64) {
        self.flow.count(messages, bytes);
        if let Some(place) = self.place(queue) {
            place.store(next.0, Ordering::Relaxed);
        }
    }

    /// The offset after the last message handed out; 0 if none was.
    #[must_use]
    pub fn handed_out(&self, queue: QueueId) -> QueueOffset {
        QueueOffset(self.place(queue).map_or(0, |place| place.load(Ordering::Relaxed)))
    }

    fn place(&self, queue: QueueId) -> Option<&AtomicU64> {
        self.handed_out.get(usize::try_from(queue.0).ok()?)
    }
}

/// Transactions of a topic that have ended.
#[derive(Debug)]
pub struct Ended {
    pub committed: Counter,
    pub rolled_back: Counter,
    /// Of commits: from the half message's storing, in whole seconds.
    pub finish_secs: Histogram,
}

/// Upper bounds as the reference has them (INTERFACE.md section 4).
const FINISH_BOUNDS_SECS: &[u64] = &[5, 60, 600, 3_600, 43_200, 86_400];

impl Default for Ended {
    fn default() -> Ended {
        Ended {
            committed: Counter::default(),
            rolled_back: Counter::default(),
            finish_secs: Histogram::new(FINISH_BOUNDS_SECS),
        }
    }
}

impl Ended {
    /// A half message of this age was committed.
    pub fn count_committed(&self, age: Millis) {
        self.committed.add(1);
        self.finish_secs.record(age.0 / 1_000);
    }
}

/// Messages of a topic that had to wait for their time.
#[derive(Debug)]
pub struct Timed {
    pub delivered: Counter,
    /// How far ahead they were scheduled, in whole seconds.
    pub delay_secs: Histogram,
}

/// Upper bounds as the reference has them (INTERFACE.md section 4).
const DELAY_BOUNDS_SECS: &[u64] = &[60, 600, 3_600, 43_200, 86_400, 259_200];

impl Default for Timed {
    fn default() -> Timed {
        Timed { delivered: Counter::default(), delay_secs: Histogram::new(DELAY_BOUNDS_SECS) }
    }
}

impl Timed {
    /// A message waits this long from its birth.
    pub fn count_scheduled(&self, delay: Millis) {
        self.delay_secs.record(delay.0 / 1_000);
    }
}

/// All counts of one topic.
#[derive(Debug, Default)]
pub struct Traffic {
    /// What was stored.
    pub put: Flow,
    /// Most topics see no transaction and no delay: they pay for a pointer each.
    ended: OnceLock<Box<Ended>>,
    timed: OnceLock<Box<Timed>>,
    /// Read-locked once a pull that finds something. A lock-free table would cost more than a kilobyte a topic.
    taken: RwLock<BTreeMap<GroupName, Arc<Taken>>>,
}

impl Traffic {
    /// What became of transactions. `None`: there were none.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.get().map(Box::as_ref)
    }

    /// As [`Traffic::ended`], to be counted.
    pub fn begin_ended(&self) -> &Ended {
        self.ended.get_or_init(Box::default)
    }

    /// Messages that had to wait. `None`: there were none.
    #[must_use]
    pub fn timed(&self) -> Option<&Timed> {
        self.timed.get().map(Box::as_ref)
    }

    /// As [`Traffic::timed`], to be counted.
    pub fn begin_timed(&self) -> &Timed {
        self.timed.get_or_init(Box::default)
    }

    /// What `group` has taken of the topic, which has `queues` queues to read. `None`: nothing was counted yet.
    #[must_use]
    pub fn taken_by(&self, group: &str, queues: u32) -> Option<Arc<Taken>> {
        let known = Arc::clone(self.taken.read().get(group)?);
        if known.handed_out.len() >= queues as usize {
            return Some(known);
        }
        let grown = Arc::new(known.grown(queues));
        self.taken.write().insert(GroupName::trusted(group), Arc::clone(&grown));
        Some(grown)
    }

    /// Begins to count what `group` takes.
    pub fn begin_taken_by(&self, group: &GroupName, queues: u32) -> Arc<Taken> {
        Arc::clone(self.taken.write().entry(group.clone()).or_insert_with(|| Arc::new(Taken::new(queues))))
    }

    /// Looks at what each group has taken.
    pub fn for_each_taken(&self, mut look: impl FnMut(&GroupName, &Taken)) {
        self.taken.read().iter().for_each(|(group, taken)| look(group, taken));
    }

    /// Stops counting for groups that are gone.
    pub fn forget_taken(&self, mut gone: impl FnMut(&GroupName) -> bool) {
        if !self.taken.read().is_empty() {
            self.taken.write().retain(|group, _| !gone(group));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "g";

    #[test]
    fn counts_survive_that_a_topic_gets_more_queues() {
        let traffic = Traffic::default();
        assert!(traffic.taken_by(GROUP, 1).is_none());
        let taken = traffic.begin_taken_by(&GroupName::trusted(GROUP), 1);
        taken.count(QueueId(0), QueueOffset(3), 3, 300);
        taken.count(QueueId(1), QueueOffset(9), 1, 100);
        let filtered = Filtered { examined: 5, dropped: 2, failed: 1 };
        taken.filters.count(filtered);
        let grown = traffic.taken_by(GROUP, 2).expect("begun");
        grown.count(QueueId(1), QueueOffset(5), 5, 500);
        let view = traffic.taken_by(GROUP, 2).expect("begun");
        assert_eq!((view.flow.reading(), view.filters.reading()), ([9, 900], filtered));
        assert_eq!((view.handed_out(QueueId(0)), view.handed_out(QueueId(1))), (QueueOffset(3), QueueOffset(5)));
    }

    #[test]
    fn a_group_that_is_gone_is_no_longer_counted() {
        let traffic = Traffic::default();
        traffic.begin_taken_by(&GroupName::trusted("a"), 1);
        traffic.begin_taken_by(&GroupName::trusted("b"), 1);
        traffic.forget_taken(|group| group.as_str() == "a");
        assert!(traffic.taken_by("a", 1).is_none());
        assert!(traffic.taken_by("b", 1).is_some());
    }
}
