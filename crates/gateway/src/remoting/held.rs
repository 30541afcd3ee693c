//! Pulls and pops that wait for a message, on their I/O thread: the frame as it came, and when to give up.

use std::collections::{BTreeSet, HashMap};

use broker::Machines;
use broker::state::arrivals::WaitId;
use broker::state::clients::ConnectionId;
use broker::state::polls::PollKey;
use model::Timestamp;
use store::QueueSlot;

/// Where a held pull is registered.
#[derive(Debug)]
pub enum WaitsFor {
    Queue(QueueSlot),
    Pop(PollKey),
}

impl WaitsFor {
    /// It waits no longer.
    pub fn cancel(&self, machines: &Machines, id: WaitId) {
        match self {
            WaitsFor::Queue(queue) => machines.arrivals.cancel(*queue, id),
            WaitsFor::Pop(key) => machines.polls.cancel(key, id),
        }
    }
}

/// One held pull.
#[derive(Debug)]
pub struct HeldPull {
    pub connection: ConnectionId,
    pub waits_for: WaitsFor,
    /// The whole request frame, to be looked at again.
    pub frame: Vec<u8>,
    pub deadline: Timestamp,
}

/// The held pulls of one thread.
#[derive(Debug, Default)]
pub struct HeldPulls {
    pulls: HashMap<WaitId, HeldPull>,
    by_deadline: BTreeSet<(Timestamp, WaitId)>,
}

impl HeldPulls {
    pub fn hold(&mut self, id: WaitId, pull: HeldPull) {
        self.by_deadline.insert((pull.deadline, id));
        self.pulls.insert(id, pull);
    }

    /// Takes a pull that was woken; `None` if it has been given up meanwhile.
    pub fn take(&mut self, id: WaitId) -> Option<HeldPull> {
        let pull = self.pulls.remove(&id)?;
        self.by_deadline.remove(&(pull.deadline, id));
        Some(pull)
    }

    /// Takes the pulls whose time is over.
    pub fn take_expired(&mut self, now: Timestamp) -> Vec<(WaitId, HeldPull)> {
        let mut expired = Vec::new();
        while let Some(&(deadline, id)) = self.by_deadline.first()
            && deadline <= now
        {
            self.by_deadline.pop_first();
            expired.extend(self.pulls.remove(&id).map(|pull| (id, pull)));
        }
        expired
    }

    /// Takes the pulls of a connection that has closed.
    pub fn take_of(&mut self, connection: ConnectionId) -> Vec<(WaitId, HeldPull)> {
        let taken: Vec<_> = self.pulls.extract_if(|_, pull| pull.connection == connection).collect();
        for (id, pull) in &taken {
            self.by_deadline.remove(&(pull.deadline, *id));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(connection: u64, deadline: i64) -> HeldPull {
        let connection = ConnectionId(connection);
        HeldPull {
            connection,
            waits_for: WaitsFor::Queue(QueueSlot(0)),
            frame: Vec::new(),
            deadline: Timestamp(deadline),
        }
    }

    #[test]
    fn a_pull_leaves_once_woken_expired_or_closed() {
        let mut held = HeldPulls::default();
        held.hold(WaitId(1), pull(7, 100));
        held.hold(WaitId(2), pull(7, 200));
        held.hold(WaitId(3), pull(8, 50));
        assert!(held.take(WaitId(1)).is_some() && held.take(WaitId(1)).is_none());
        let expired: Vec<_> = held.take_expired(Timestamp(100)).into_iter().map(|(id, _)| id).collect();
        assert_eq!(expired, [WaitId(3)]);
        assert_eq!(held.take_of(ConnectionId(7)).len(), 1);
        assert!(held.take_expired(Timestamp(1_000)).is_empty());
    }
}
