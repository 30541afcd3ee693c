//! Locking queues for orderly consumption (codes 41, 42).

use model::{GroupName, Timestamp};

use crate::broker::Broker;
use crate::state::queue_locks::NamedQueue;

impl Broker {
    /// Locks or refreshes; answers the queues the client holds now.
    pub fn lock_queues(
        &self,
        group: &GroupName,
        client: &str,
        queues: Vec<NamedQueue>,
        now: Timestamp,
    ) -> Vec<NamedQueue> {
        let mut locks = self.queue_locks.lock();
        queues.into_iter().filter(|queue| locks.lock(group, queue.clone(), client, now)).collect()
    }

    pub fn unlock_queues(&self, group: &GroupName, client: &str, queues: &[NamedQueue]) {
        let mut locks = self.queue_locks.lock();
        for queue in queues {
            locks.unlock(group, queue, client);
        }
    }
}
