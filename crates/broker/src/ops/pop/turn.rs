//! What one turn (the requests of one read, or a single call) has popped, acked and changed: reserved when it was planned,
//! confirmed when the turn's append is done, released if that fails.

use std::collections::BTreeSet;

use model::record::pop::Acked;
use model::record::system::System;
use model::{GroupName, QueueOffset};
use store::{QueueSlot, Staged};

use crate::broker::Broker;
use crate::state::offsets::{Found, Queue, Reserved};
use crate::state::polls::PollKey;

/// See the module. Kept and reused with the turn's [`Staged`].
#[derive(Debug, Default)]
pub struct Pops {
    pub(super) taken: Vec<Taken>,
    pub(super) in_order: Vec<TakenInOrder>,
    /// Batches that acks have changed.
    pub(crate) batches: Vec<(GroupName, Queue)>,
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

/// A batch taken of one queue in order.
#[derive(Debug)]
pub(super) struct TakenInOrder {
    pub group: GroupName,
    pub reserved: Reserved,
    /// As it was before.
    pub found: Found,
}

/// A message a fact is staged about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub group: GroupName,
    pub queue: Queue,
    pub offset: QueueOffset,
    /// By this turn; else another one has it, and its fact is said once more.
    pub held: bool,
}

impl Pops {
    /// Whether this turn has taken messages of the queue already.
    pub(super) fn holds(&self, group: &GroupName, queue: Queue) -> bool {
        self.taken.iter().any(|taken| taken.reserved.queue == queue && taken.poll.group == *group)
    }
}

impl Broker {
    /// Stages the turn's acks, one record a group, and one record for each batch in order that was taken or changed. Before
    /// the append.
    pub fn stage_acks(&self, pops: &Pops, staged: &mut Staged) {
        for same in pops.acked.chunk_by(|one, other| one.group == other.group) {
            let messages = same.iter().map(|held| (held.queue.0, held.queue.1, held.offset));
            staged.system(&System::Acked(Acked::of(same[0].group.clone(), messages)));
        }
        let taken = pops.in_order.iter().map(|taken| (&taken.group, taken.reserved.queue));
        let changed = pops.batches.iter().map(|(group, queue)| (group, *queue));
        let batches: BTreeSet<_> = taken.chain(changed).collect();
        if batches.is_empty() {
            return;
        }
        let mut offsets = self.machines.offsets.lock();
        for (group, queue) in batches {
            staged.system(&offsets.batch_record(group, queue));
        }
    }

    /// The turn's append is done.
    pub fn pops_appended(&self, pops: &mut Pops) {
        pops.acked.clear();
        pops.changed.clear();
        pops.in_order.clear();
        for (group, queue) in pops.batches.drain(..) {
            // The whole batch is acked: who waits for the next one looks again.
            if self.machines.offsets.lock().batch(group.as_str(), queue).is_none() {
                self.machines.polls.wake_all(queue.0, &group);
            }
        }
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
                self.machines.polls.wake_all(taken.poll.topic, &taken.poll.group);
            }
        }
    }

    /// The turn's append has failed: everything is as before.
    pub fn release_pops(&self, pops: &mut Pops) {
        let mut offsets = self.machines.offsets.lock();
        for taken in pops.taken.iter().rev() {
            offsets.release_pop(taken.poll.group.as_str(), &taken.reserved);
        }
        for taken in pops.in_order.drain(..).rev() {
            offsets.release_in_order(taken.group.as_str(), &taken.reserved, &taken.found);
        }
        drop(offsets);
        // Changed batches stay changed: nobody was told so, and whoever asks again has them written.
        pops.batches.clear();
        let mut inflight = self.machines.inflight.lock();
        for held in pops.acked.drain(..).chain(pops.changed.drain(..)).filter(|held| held.held) {
            inflight.release(&held.group, held.queue, held.offset);
        }
        drop(inflight);
        for taken in pops.taken.drain(..) {
            self.machines.polls.wake_all(taken.poll.topic, &taken.poll.group);
        }
    }
}
