//! Long polls of popping consumers: who waits for something to pop of a topic, for which group.
//!
//! One pop looks at all queues of a topic and at the group's retry topics, so it waits for all of them under one key. Each
//! arrival wakes as many waiters as there are messages, oldest first: every member of a group may have one waiting. Register
//! first, then look again, as with [`arrivals`](super::arrivals). In memory only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use model::{GroupName, TopicId};
use parking_lot::Mutex;
use store::QueueSlot;

use super::arrivals::{Interest, TooMany, WaitId, Wake};

/// Waiting pops of one group and topic, as in the reference: a member has one or a few.
const WAITERS_PER_KEY_MAX: usize = 1_024;

/// Waiting pops in all, as in the reference.
const WAITERS_MAX: usize = 100_000;

/// Ids of waiting pops are odd, those of waiting pulls even, so that both may stand in one table.
const ID_STEP: u64 = 2;

/// What a pop waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PollKey {
    pub topic: TopicId,
    pub group: GroupName,
    pub asks: Asks,
}

/// What is asked. An arrival wakes one waiter of each kind: who only asks whether there is something takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asks {
    /// For messages (200050).
    Pop,
    /// Whether there are some (200054).
    Notification,
}

struct Waiter {
    id: WaitId,
    /// The one queue it wants of the topic itself; retry topics wake it anyway.
    only: Option<QueueSlot>,
    interest: Interest,
    wake: Arc<dyn Wake>,
}

#[derive(Default)]
struct Key {
    waiters: VecDeque<Waiter>,
    /// Where messages arrive for it: queues of the topic, then those of its retry topics.
    slots: Vec<QueueSlot>,
    /// How many of them belong to the topic itself.
    own: usize,
}

#[derive(Default)]
struct Tables {
    keys: HashMap<PollKey, Key>,
    by_slot: HashMap<QueueSlot, Vec<PollKey>>,
}

/// All waiting pops.
#[derive(Default)]
pub struct Polls {
    next_id: AtomicU64,
    count: AtomicUsize,
    tables: Mutex<Tables>,
}

impl Polls {
    /// Waits for a message in one of `slots`, the first `own` of which belong to the topic itself.
    pub fn wait(
        &self,
        key: &PollKey,
        slots: Vec<QueueSlot>,
        own: usize,
        only: Option<QueueSlot>,
        interest: Interest,
        wake: Arc<dyn Wake>,
    ) -> Result<WaitId, TooMany> {
        if self.count.load(Ordering::Relaxed) >= WAITERS_MAX {
            return Err(TooMany);
        }
        let id = WaitId(self.next_id.fetch_add(ID_STEP, Ordering::Relaxed) + 1);
        let mut tables = self.tables.lock();
        let known = tables.keys.get(key);
        if known.is_some_and(|known| known.waiters.len() >= WAITERS_PER_KEY_MAX) {
            return Err(TooMany);
        }
        if known.is_none_or(|known| known.slots != slots) {
            tables.listen(key, slots, own);
        }
        let waiters = &mut tables.keys.get_mut(key).expect("it listens").waiters;
        waiters.push_back(Waiter { id, only, interest, wake });
        self.count.fetch_add(1, Ordering::SeqCst);
        Ok(id)
    }

    /// The waiter has given up, or its connection is gone.
    pub fn cancel(&self, key: &PollKey, id: WaitId) {
        let mut tables = self.tables.lock();
        let Some(known) = tables.keys.get_mut(key) else { return };
        let Some(index) = known.waiters.iter().position(|waiter| waiter.id == id) else { return };
        known.waiters.remove(index);
        self.count.fetch_sub(1, Ordering::SeqCst);
        if known.waiters.is_empty() {
            tables.forget(key);
        }
    }

    /// Pops waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Pops that wait under a key, and for the queue `only` if one is named.
    #[must_use]
    pub fn waiting_for(&self, key: &PollKey, only: Option<QueueSlot>) -> usize {
        let tables = self.tables.lock();
        tables.keys.get(key).map_or(0, |known| known.waiters.iter().filter(|waiter| waiter.only == only).count())
    }

    /// Messages became visible: (queue, tag hash) each. Called once per applied batch.
    pub fn arrived(&self, messages: impl Iterator<Item = (QueueSlot, i32)>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let (mut woken, mut idle) = (Vec::new(), Vec::new());
        {
            let mut tables = self.tables.lock();
            let Tables { keys, by_slot } = &mut *tables;
            for (slot, tag_hash) in messages {
                for key in by_slot.get(&slot).into_iter().flatten() {
                    let Some(known) = keys.get_mut(key) else { continue };
                    let own = known.slots[..known.own].contains(&slot);
                    let wanted = |waiter: &Waiter| {
                        let here = !own || waiter.only.is_none_or(|only| only == slot);
                        here && waiter.interest.wants(tag_hash)
                    };
                    if let Some(index) = known.waiters.iter().position(wanted) {
                        woken.extend(known.waiters.remove(index));
                        if known.waiters.is_empty() {
                            idle.push(key.clone());
                        }
                    }
                }
            }
            idle.iter().for_each(|key| tables.forget(key));
        }
        self.wake(woken);
    }

    /// All waiters of a group and topic look again: something else than an arrival has changed what they may have.
    pub fn wake_all(&self, topic: TopicId, group: &GroupName) {
        for asks in [Asks::Pop, Asks::Notification] {
            self.wake_key(&PollKey { topic, group: group.clone(), asks });
        }
    }

    fn wake_key(&self, key: &PollKey) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let woken = {
            let mut tables = self.tables.lock();
            let Some(known) = tables.keys.get_mut(key) else { return };
            let woken = known.waiters.drain(..).collect();
            tables.forget(key);
            woken
        };
        self.wake(woken);
    }

    /// All waiters of a topic look again: it has other queues now, or is gone.
    pub fn wake_topic(&self, topic: TopicId) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let keys: Vec<_> = self.tables.lock().keys.keys().filter(|key| key.topic == topic).cloned().collect();
        keys.iter().for_each(|key| self.wake_key(key));
    }

    fn wake(&self, woken: Vec<Waiter>) {
        self.count.fetch_sub(woken.len(), Ordering::SeqCst);
        for waiter in woken {
            waiter.wake.wake(&[waiter.id]);
        }
    }
}

impl Tables {
    fn listen(&mut self, key: &PollKey, slots: Vec<QueueSlot>, own: usize) {
        let known = self.keys.entry(key.clone()).or_default();
        let before = std::mem::replace(&mut known.slots, slots);
        known.own = own;
        let now = known.slots.clone();
        self.deaf(key, &before);
        for slot in now {
            self.by_slot.entry(slot).or_default().push(key.clone());
        }
    }

    fn forget(&mut self, key: &PollKey) {
        if let Some(known) = self.keys.remove(key) {
            self.deaf(key, &known.slots);
        }
    }

    fn deaf(&mut self, key: &PollKey, slots: &[QueueSlot]) {
        for slot in slots {
            if let Some(keys) = self.by_slot.get_mut(slot) {
                keys.retain(|listening| listening != key);
                if keys.is_empty() {
                    self.by_slot.remove(slot);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::LogOffset;

    use super::*;

    #[derive(Default)]
    struct Woken(Mutex<Vec<WaitId>>);

    impl Wake for Woken {
        fn wake(&self, waiters: &[WaitId]) {
            self.0.lock().extend_from_slice(waiters);
        }
    }

    const FIRST: QueueSlot = QueueSlot(1);
    const SECOND: QueueSlot = QueueSlot(2);
    const RETRY: QueueSlot = QueueSlot(9);

    fn key() -> PollKey {
        PollKey { topic: TopicId(LogOffset(48)), group: GroupName::trusted("g"), asks: Asks::Pop }
    }

    fn wait(polls: &Polls, woken: &Arc<Woken>, only: Option<QueueSlot>) -> WaitId {
        polls.wait(&key(), vec![FIRST, SECOND, RETRY], 2, only, Interest::Any, woken.clone()).expect("room")
    }

    #[test]
    fn as_many_wake_as_messages_arrive_oldest_first() {
        let (polls, woken) = (Polls::default(), Arc::new(Woken::default()));
        let ids: Vec<_> = (0..3).map(|_| wait(&polls, &woken, None)).collect();
        polls.arrived([(FIRST, 0), (SECOND, 0)].into_iter());
        assert_eq!(*woken.0.lock(), ids[..2]);
        polls.arrived([(QueueSlot(5), 0), (FIRST, 0), (FIRST, 0)].into_iter());
        assert_eq!(*woken.0.lock(), ids);
        assert_eq!(polls.waiting(), 0);
        assert!(polls.tables.lock().by_slot.is_empty());
    }

    #[test]
    fn a_pop_of_one_queue_hears_that_queue_and_the_retry_topic() {
        let (polls, woken) = (Polls::default(), Arc::new(Woken::default()));
        let first = wait(&polls, &woken, Some(SECOND));
        polls.arrived([(FIRST, 0)].into_iter());
        assert!(woken.0.lock().is_empty());
        assert_eq!((polls.waiting_for(&key(), Some(SECOND)), polls.waiting_for(&key(), None)), (1, 0));
        polls.arrived([(SECOND, 0)].into_iter());
        let second = wait(&polls, &woken, Some(SECOND));
        polls.arrived([(RETRY, 0)].into_iter());
        assert_eq!(*woken.0.lock(), [first, second]);
    }

    #[test]
    fn a_cancelled_pop_is_forgotten_and_a_changed_topic_wakes_all() {
        let (polls, woken) = (Polls::default(), Arc::new(Woken::default()));
        let gone = wait(&polls, &woken, None);
        let stays = wait(&polls, &woken, None);
        polls.cancel(&key(), gone);
        polls.wake_topic(TopicId(LogOffset(48)));
        assert_eq!(*woken.0.lock(), [stays]);
        assert_eq!(polls.waiting(), 0);
    }

    #[test]
    fn who_asks_whether_there_is_something_takes_no_message_from_who_pops() {
        let (polls, woken) = (Polls::default(), Arc::new(Woken::default()));
        let question = PollKey { asks: Asks::Notification, ..key() };
        let asks = polls.wait(&question, vec![FIRST], 1, None, Interest::Any, woken.clone()).expect("room");
        let pops = wait(&polls, &woken, None);
        polls.arrived([(FIRST, 0)].into_iter());
        let mut ids = std::mem::take(&mut *woken.0.lock());
        ids.sort_unstable();
        assert_eq!(ids, [asks, pops]);
        let ids = [wait(&polls, &woken, None), wait(&polls, &woken, None)];
        polls.wake_all(key().topic, &key().group);
        assert_eq!(*woken.0.lock(), ids);
    }
}
