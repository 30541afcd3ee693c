//! Popping in order: of each queue one batch at a time, and nothing behind it before each of its messages is acked, or all
//! of them are visible again. Then those that are not acked come first, in their order, and new ones follow.
//!
//! A message stays in its queue until it is acked or a dead letter; there is no retry topic here. One that retention takes
//! first is gone, as it is for a group that pulls.

use model::QueueOffset;
use model::record::pop::{Batch, OpenMessage};
use store::{Bounds, QueueSlot, Read, ReadError, Unit};

use super::turn::{Pops, TakenInOrder};
use super::{Candidate, Contended, Error, Part, Plan, Request};
use crate::broker::Broker;
use crate::ops::select::{Room, Scan};
use crate::state::batches::is_again;
use crate::state::offsets::Found;
use crate::state::traffic::Filtered;

/// How far new messages may lie behind the first one that is not acked: offsets in an answer are told apart by 16 bits.
const SPAN_MAX: u64 = 32_768;

/// Deliveries of a message at most, in a group that has been deleted meanwhile.
const DEFAULT_DELIVERIES_MAX: u32 = 17;

/// What a plan takes of a queue.
#[derive(Debug)]
pub(super) struct Taking {
    found: Found,
    /// Messages that are not acked and have found no room in the answer.
    left: Vec<OpenMessage>,
}

impl Broker {
    /// How often a message is delivered to a group before it is a dead letter.
    pub(crate) fn deliveries_max(&self, group: &str) -> u32 {
        let config = self.machines.groups.get(group);
        config.map_or(DEFAULT_DELIVERIES_MAX, |group| u32::try_from(group.config.retry_max).unwrap_or(0) + 1)
    }

    /// Adds to the plan what one queue has for the next batch.
    pub(super) fn look_in_order(
        &self,
        request: &Request<'_>,
        attempt: &str,
        mut candidate: Candidate,
        (mode, pops): (Read, &Pops),
        plan: &mut Plan,
        room: &mut Room,
    ) -> Result<(), Error> {
        let key = (candidate.topic.id, candidate.queue);
        let own = pops.holds(&plan.group, key);
        let deliveries_max = self.deliveries_max(request.group);
        let found = {
            let mut offsets = self.machines.offsets.lock();
            offsets.found_in_order(request.group, key, attempt, deliveries_max, plan.popped_at, own)
        };
        let Some(found) = found else { return Ok(()) };
        candidate.position = found.position;
        let bounds = self.log.bounds(candidate.slot);
        let Some(batch) = &found.batch else {
            let before = plan.parts.len();
            self.look(request, candidate, mode, plan, room)?;
            if let Some(part) = plan.parts.get_mut(before) {
                part.counts = vec![0; part.units.len()];
                part.in_order = Some(Taking { found, left: Vec::new() });
            }
            return Ok(());
        };
        let kept = batch.open.iter().filter(|message| message.offset >= bounds.min).copied();
        let (mut open, mut left): (Vec<OpenMessage>, _) = (kept.collect(), Vec::new());
        let again = is_again(batch, attempt) && !open.is_empty();
        let mut units = self.units_of(candidate.slot, &open, mode)?;
        if let Some(full) = units.iter().position(|unit| !room.take(unit.len)) {
            left = open.split_off(full);
            units.truncate(full);
        }
        let mut offsets: Vec<_> = open.iter().map(|message| message.offset).collect();
        let mut counts: Vec<_> = open.iter().map(|message| message.delivered - u32::from(again)).collect();
        let (mut next, mut filtered) = (batch.next.max(bounds.min), Filtered::default());
        let first = offsets.first().copied().unwrap_or(next);
        if left.is_empty() && !again && !room.is_full() && next.0 - first.0 < SPAN_MAX && next < bounds.max {
            let scan = Scan { subscription: &plan.subscription, slot: candidate.slot, from: next, mode };
            let new = |delta: u16| offsets.push(next.plus(u64::from(delta)));
            let selected = self.select(&scan, room, &mut units, new)?;
            counts.resize(units.len(), 0);
            (next, filtered) = (selected.next, selected.filtered);
        }
        plan.rest += bounds.max.0.saturating_sub(next.0) + left.len() as u64;
        if units.is_empty() {
            return Ok(());
        }
        let delta = |offset: &QueueOffset| u16::try_from(offset.0 - first.0).expect("within SPAN_MAX and one scan");
        let Candidate { origin, topic, queue, slot, position } = candidate;
        plan.parts.push(Part {
            origin,
            queue,
            start: first,
            next,
            deltas: offsets.iter().map(delta).collect(),
            counts,
            topic,
            slot,
            found: position,
            units,
            filtered,
            in_order: Some(Taking { found, left }),
        });
        Ok(())
    }

    /// Finds messages of a batch, most of which are neighbours.
    fn units_of(&self, slot: QueueSlot, messages: &[OpenMessage], mode: Read) -> Result<Vec<Unit>, ReadError> {
        let mut units = Vec::with_capacity(messages.len());
        for run in messages.chunk_by(|one, other| one.offset.plus(1) == other.offset) {
            self.log.units(slot, run[0].offset, run.len(), mode, &mut units)?;
        }
        Ok(units)
    }

    /// Takes what the plan has found, in order.
    pub(super) fn take_in_order(&self, plan: &Plan, attempt: &str, pops: &mut Pops) -> Result<(), Contended> {
        let group = plan.group.as_str();
        let mut offsets = self.machines.offsets.lock();
        let before = pops.in_order.len();
        for part in &plan.parts {
            let Taking { found, left } = part.in_order.as_ref().expect("the plan is one in order");
            let own = pops.holds(&plan.group, part.key());
            let batch = batch_of(plan, part, attempt, found, left);
            let Some(reserved) = offsets.reserve_in_order(group, part.key(), found, batch, own) else {
                for taken in pops.in_order.drain(before..).rev() {
                    offsets.release_in_order(group, &taken.reserved, &taken.found);
                }
                return Err(Contended);
            };
            pops.in_order.push(TakenInOrder { group: plan.group.clone(), reserved, found: found.clone() });
        }
        Ok(())
    }
}

/// Whether a batch has something to pop once it is visible, or new messages behind it.
pub(super) fn has_more(batch: &Batch, bounds: Bounds) -> bool {
    bounds.max > batch.next || batch.open.iter().any(|message| message.offset >= bounds.min)
}

/// The batch a group has when it has got a part of a plan.
fn batch_of(plan: &Plan, part: &Part, attempt: &str, found: &Found, left: &[OpenMessage]) -> Batch {
    let before = found.batch.as_ref();
    let again = before.filter(|batch| is_again(batch, attempt));
    let visible_at = plan.popped_at.after(plan.invisible);
    let handed_out = part.offsets().zip(&part.counts).map(|(offset, count)| OpenMessage {
        offset,
        visible_at,
        delivered: count + 1,
    });
    Batch {
        attempt: attempt.to_owned(),
        // The same attempt: its first handles, should they have come through after all, stay good.
        popped_at: again.map_or(plan.popped_at, |batch| batch.popped_at),
        next: part.next,
        open: handed_out.chain(left.iter().copied()).collect(),
    }
}
