//! Long polls: who waits for a message to arrive in a queue.
//!
//! A waiter says which tags it wants and how to be woken; what it asked stays with its connection. Register first, then
//! look at the queue's end again: an arrival between a fruitless read and the registration would be missed otherwise.
//! Waking means only "ask again"; the waiter reads for itself. No clock: whoever registered keeps the deadline.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use store::QueueSlot;

/// Waiting pulls per queue. A consumer holds one connection and one pull per queue, so this many means a broken client.
const WAITERS_PER_QUEUE_MAX: usize = 1_024;

/// Waiting pulls in all: 10,000 connections with a pull on each of 100 queues. About 100 bytes each.
const WAITERS_MAX: usize = 1_000_000;

/// Identifies a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitId(pub u64);

/// Wakes waiters; implemented by the connection side. Must not block.
pub trait Wake: Send + Sync {
    /// Messages have arrived for these waiters, which are forgotten here.
    fn wake(&self, waiters: &[WaitId]);
}

/// Which messages a waiter wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    Any,
    /// Tag hashes. A shared hash wakes once too often, which costs one read.
    Tags(HashSet<i32>),
}

struct Waiter {
    id: WaitId,
    interest: Interest,
    wake: Arc<dyn Wake>,
}

/// All long polls.
#[derive(Default)]
pub struct Arrivals {
    next_id: AtomicU64,
    count: AtomicUsize,
    by_queue: Mutex<HashMap<QueueSlot, Vec<Waiter>>>,
}

/// So many pulls wait already that this one cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Arrivals {
    /// Waits for the next message in `queue`.
    pub fn wait(&self, queue: QueueSlot, interest: Interest, wake: Arc<dyn Wake>) -> Result<WaitId, TooMany> {
        if self.count.load(Ordering::Relaxed) >= WAITERS_MAX {
            return Err(TooMany);
        }
        let id = WaitId(self.next_id.fetch_add(2, Ordering::Relaxed));
        let mut by_queue = self.by_queue.lock();
        let waiters = by_queue.entry(queue).or_default();
        if waiters.len() >= WAITERS_PER_QUEUE_MAX {
            return Err(TooMany);
        }
        waiters.push(Waiter { id, interest, wake });
        self.count.fetch_add(1, Ordering::SeqCst);
        Ok(id)
    }

    /// The waiter has given up, or its connection is gone.
    pub fn cancel(&self, queue: QueueSlot, id: WaitId) {
        let mut by_queue = self.by_queue.lock();
        let Some(waiters) = by_queue.get_mut(&queue) else { return };
        if let Some(index) = waiters.iter().position(|waiter| waiter.id == id) {
            waiters.swap_remove(index);
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
        if waiters.is_empty() {
            by_queue.remove(&queue);
        }
    }

    /// Pulls held now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Messages became visible: (queue, tag hash) each. Called once per applied batch.
    pub fn arrived(&self, messages: impl Iterator<Item = (QueueSlot, i32)>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut woken: Vec<(Arc<dyn Wake>, Vec<WaitId>)> = Vec::new();
        {
            let mut by_queue = self.by_queue.lock();
            for (queue, tag_hash) in messages {
                let Some(waiters) = by_queue.get_mut(&queue) else { continue };
                for waiter in waiters.extract_if(.., |waiter| waiter.interest.wants(tag_hash)) {
                    self.count.fetch_sub(1, Ordering::SeqCst);
                    match woken.iter_mut().find(|(wake, _)| Arc::ptr_eq(wake, &waiter.wake)) {
                        Some((_, ids)) => ids.push(waiter.id),
                        None => woken.push((waiter.wake, vec![waiter.id])),
                    }
                }
                if waiters.is_empty() {
                    by_queue.remove(&queue);
                }
            }
        }
        for (wake, ids) in woken {
            wake.wake(&ids);
        }
    }
}

impl Interest {
    /// Whether a message with this tag hash is worth waking for.
    #[must_use]
    pub fn wants(&self, tag_hash: i32) -> bool {
        match self {
            Interest::Any => true,
            Interest::Tags(hashes) => hashes.contains(&tag_hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Woken(Mutex<Vec<WaitId>>);

    impl Wake for Woken {
        fn wake(&self, waiters: &[WaitId]) {
            self.0.lock().extend_from_slice(waiters);
        }
    }

    const QUEUE: QueueSlot = QueueSlot(3);

    #[test]
    fn a_waiter_wakes_once_for_a_tag_it_wants() {
        let (arrivals, woken) = (Arrivals::default(), Arc::new(Woken::default()));
        let tags = Interest::Tags(HashSet::from([97]));
        let tagged = arrivals.wait(QUEUE, tags, woken.clone()).expect("room");
        let any = arrivals.wait(QUEUE, Interest::Any, woken.clone()).expect("room");
        arrivals.arrived([(QueueSlot(4), 97), (QUEUE, 98)].into_iter());
        assert_eq!(*woken.0.lock(), [any]);
        arrivals.arrived([(QUEUE, 97), (QUEUE, 97)].into_iter());
        assert_eq!(*woken.0.lock(), [any, tagged]);
        assert_eq!(arrivals.waiting(), 0);
    }

    #[test]
    fn a_cancelled_waiter_is_forgotten() {
        let (arrivals, woken) = (Arrivals::default(), Arc::new(Woken::default()));
        let id = arrivals.wait(QUEUE, Interest::Any, woken.clone()).expect("room");
        arrivals.cancel(QUEUE, id);
        arrivals.arrived([(QUEUE, 0)].into_iter());
        assert!(woken.0.lock().is_empty());
    }

    #[test]
    fn a_queue_holds_a_bounded_number_of_pulls() {
        let (arrivals, woken) = (Arrivals::default(), Arc::new(Woken::default()));
        for _ in 0..WAITERS_PER_QUEUE_MAX {
            arrivals.wait(QUEUE, Interest::Any, woken.clone()).expect("room");
        }
        assert_eq!(arrivals.wait(QUEUE, Interest::Any, woken), Err(TooMany));
    }
}
