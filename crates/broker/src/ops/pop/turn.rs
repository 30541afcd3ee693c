//! What one turn (the requests of one read, or a single call) has popped, acked and changed: reserved when it was planned,
//! confirmed when the turn's append is done, released if that fails.

use model::record::pop::Acked;
use model::record::system::System;
use model::{GroupName, QueueOffset};
use store::{QueueSlot, Staged};

use crate::broker::Broker;
use crate::state::offsets::{Queue, Reserved};
use crate::state::polls::PollKey;

/// See the module. Kept and reused with the turn's [`Staged`].
#[derive(Debug, Default)]
pub struct Pops {
    pub(super) taken: Vec<Taken>,
    pub(crate) acked: Vec<Held>,
    pub(crate) changed: Vec<Held>,
}

/// Messages taken of one queue.
#[derive(Debug)]
pub(super) struct Taken {
    pub poll: PollKey,
    pub slot: QueueSlot,
    pub next: QueueOffset,
    pub reserved: Reserved,
}

/// A message a fact is staged about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub group: GroupName,
    pub queue: Queue,
    pub offset: QueueOffset,
}

impl Pops {
    /// Whether this turn has taken messages of the queue already.
    pub(super) fn holds(&self, group: &GroupName, queue: Queue) -> bool {
        self.taken.iter().any(|taken| taken.reserved.queue == queue && taken.poll.group == *group)
    }
}

impl Broker {
    /// Stages the turn's acks, one record a group. Before the append.
    pub fn stage_acks(&self, pops: &Pops, staged: &mut Staged) {
        for same in pops.acked.chunk_by(|one, other| one.group == other.group) {
            let messages = same.iter().map(|held| (held.queue.0, held.queue.1, held.offset));
            staged.system(&System::Acked(Acked::of(same[0].group.clone(), messages)));
        }
    }

    /// The turn's append is done.
    pub fn pops_appended(&self, pops: &mut Pops) {
        pops.acked.clear();
        pops.changed.clear();
        if pops.taken.is_empty() {
            return;
        }
        let mut offsets = self.machines.offsets.lock();
        for taken in &pops.taken {
            offsets.pop_appended(taken.poll.group.as_str(), &taken.reserved);
        }
        drop(offsets);
        // Whoever looked in between found the queue busy.
        for taken in pops.taken.drain(..) {
            if self.has_beyond(taken.slot, taken.next) {
                self.machines.polls.wake_all(&taken.poll);
            }
        }
    }

    /// The turn's append has failed: everything is as before.
    pub fn release_pops(&self, pops: &mut Pops) {
        let mut offsets = self.machines.offsets.lock();
        for taken in pops.taken.iter().rev() {
            offsets.release_pop(taken.poll.group.as_str(), &taken.reserved);
        }
        drop(offsets);
        let mut inflight = self.machines.inflight.lock();
        for held in pops.acked.drain(..).chain(pops.changed.drain(..)) {
            inflight.release(&held.group, held.queue, held.offset);
        }
        drop(inflight);
        for taken in pops.taken.drain(..) {
            self.machines.polls.wake_all(&taken.poll);
        }
    }
}
