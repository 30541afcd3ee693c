//! Queue locks of orderly consumers (semantics.md section 14). In memory only: after a restart clients lock again.

use std::collections::HashMap;

use model::{GroupName, Millis, QueueId, Timestamp, TopicName};

/// A lock lives this long without a refresh; clients refresh every 20 s.
pub const LIFE: Millis = Millis(60_000);

/// A queue as clients name it.
pub type NamedQueue = (TopicName, QueueId);

#[derive(Debug)]
struct Lock {
    owner: String,
    expires: Timestamp,
}

/// All queue locks.
#[derive(Debug, Default)]
pub struct QueueLocks {
    groups: HashMap<GroupName, HashMap<NamedQueue, Lock>>,
}

impl QueueLocks {
    /// Locks or refreshes for `client`; false if somebody else holds the queue.
    pub fn lock(&mut self, group: &GroupName, queue: NamedQueue, client: &str, now: Timestamp) -> bool {
        let locks = self.groups.entry(group.clone()).or_default();
        let expires = now.after(LIFE);
        match locks.get_mut(&queue) {
            Some(lock) if lock.owner != client && lock.expires > now => false,
            Some(lock) => {
                client.clone_into(&mut lock.owner);
                lock.expires = expires;
                true
            }
            None => {
                locks.insert(queue, Lock { owner: client.to_owned(), expires });
                true
            }
        }
    }

    /// Gives up a lock; others' locks stay.
    pub fn unlock(&mut self, group: &GroupName, queue: &NamedQueue, client: &str) {
        let Some(locks) = self.groups.get_mut(group) else { return };
        if locks.get(queue).is_some_and(|lock| lock.owner == client) {
            locks.remove(queue);
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Whether `group` consumes in order: it holds any lock that has not expired.
    #[must_use]
    pub fn any(&self, group: &str, now: Timestamp) -> bool {
        self.groups.get(group).is_some_and(|locks| locks.values().any(|lock| lock.expires > now))
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now: Timestamp) {
        for locks in self.groups.values_mut() {
            locks.retain(|_, lock| lock.expires > now);
        }
        self.groups.retain(|_, locks| !locks.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_belongs_to_one_client_until_it_expires_or_is_given_up() {
        let mut locks = QueueLocks::default();
        let group = GroupName::trusted("g");
        let queue = || (TopicName::trusted("t"), QueueId(0));
        assert!(locks.lock(&group, queue(), "a", Timestamp(0)));
        assert!(!locks.lock(&group, queue(), "b", Timestamp(59_999)));
        assert!(locks.lock(&group, queue(), "a", Timestamp(30_000)), "a refresh");
        assert!(!locks.lock(&group, queue(), "b", Timestamp(60_000)));
        assert!(locks.lock(&group, queue(), "b", Timestamp(90_000)), "taken over after its life");
        locks.unlock(&group, &queue(), "a");
        assert!(locks.any("g", Timestamp(90_000)), "only the owner unlocks");
        locks.unlock(&group, &queue(), "b");
        assert!(!locks.any("g", Timestamp(90_000)));
    }
}
