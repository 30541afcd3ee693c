//! How pops move consumer offsets: reserve, confirm, release.
//!
//! A pop takes a queue's messages from the group's offset on and reserves them by moving the offset; its record makes that
//! durable. Until that record is appended only the turn that made the reservation may go further on the queue: if the append
//! fails, the offset moves back, and no other pop has gone beyond it.

use model::{LogOffset, QueueOffset};

use super::{OfGroup, Offsets, Pending, Queue};

/// Where the next pop of a queue begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The group has no offset here yet.
    New,
    At(QueueOffset),
    /// Another turn is about to append a pop: it wakes who waits for the rest.
    Busy,
}

/// A pop's place on a queue, to be confirmed or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    pub queue: Queue,
    /// The offset before.
    pub(super) from: Option<QueueOffset>,
    pub(super) next: QueueOffset,
}

impl Offsets {
    /// Where the next pop of `queue` begins. A reset that waits for the group counts from now on. `own`: the turn that asks
    /// has the reservations that there are.
    #[must_use]
    pub fn pop_position(&mut self, group: &str, queue: Queue, own: bool) -> Position {
        // Its offset is committed already; there is no client to be told.
        let _ = self.take_reset(group, queue);
        if !own && self.groups.get(group).is_some_and(|of| of.popping.contains_key(&queue)) {
            return Position::Busy;
        }
        self.of(group, queue).map_or(Position::New, Position::At)
    }

    /// Moves the offset from where it was found to `next`. `None`: it has moved since, or is busy.
    #[must_use]
    pub fn reserve_pop(
        &mut self,
        group: &str,
        queue: Queue,
        found: Position,
        next: QueueOffset,
        own: bool,
    ) -> Option<Reserved> {
        if found == Position::Busy || self.pop_position(group, queue, own) != found {
            return None;
        }
        let from = self.of(group, queue);
        let of_group = self.group_mut(group);
        of_group.pending.insert(queue, Pending { offset: next, staged: true });
        *of_group.popping.entry(queue).or_default() += 1;
        Some(Reserved { queue, from, next })
    }

    /// The version of the record of a pop that is staged now.
    #[must_use]
    pub fn pop_version(&mut self) -> u64 {
        self.decide()
    }

    /// The pop's record is appended: whether it becomes durable is the log's part.
    pub fn pop_appended(&mut self, group: &str, reserved: &Reserved) {
        let Some(of_group) = self.groups.get_mut(group) else { return };
        if let Some(count) = of_group.popping.get_mut(&reserved.queue) {
            *count -= 1;
            if *count == 0 {
                of_group.popping.remove(&reserved.queue);
            }
        }
    }

    /// The pop's record could not be appended: the offset is as before. The last reservation is released first.
    pub fn release_pop(&mut self, group: &str, reserved: &Reserved) {
        self.pop_appended(group, reserved);
        self.take_back(group, reserved);
    }

    /// Moves the offset back to where it was before.
    pub(super) fn take_back(&mut self, group: &str, reserved: &Reserved) {
        let Some(of_group) = self.groups.get_mut(group) else { return };
        if of_group.pending.get(&reserved.queue).is_none_or(|pending| pending.offset != reserved.next) {
            // A tool or a pulling client has said otherwise meanwhile.
            return;
        }
        let durable = of_group.durable.get(&reserved.queue).map(|durable| durable.offset);
        match reserved.from {
            Some(offset) if durable != Some(offset) => {
                of_group.pending.insert(reserved.queue, Pending { offset, staged: false });
            }
            _ => {
                of_group.pending.remove(&reserved.queue);
            }
        }
    }

    /// Whether a pop is planned and not appended yet on an offset whose record stands below `limit`: what is pending there
    /// may still be taken back.
    #[must_use]
    pub fn is_popped_below(&self, limit: LogOffset) -> bool {
        let old = |of: &OfGroup, queue: &Queue| of.durable.get(queue).is_some_and(|durable| durable.at < limit);
        self.groups.values().any(|of| of.popping.keys().any(|queue| old(of, queue)))
    }

    /// Moves the offset over messages that the group does not want, or to where a new group begins; nobody waits for it.
    pub fn skip(&mut self, group: &str, queue: Queue, found: Position, next: QueueOffset) {
        if self.pop_position(group, queue, false) == found && found != Position::At(next) {
            self.note(group, queue, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{QueueId, TopicId};

    use super::*;

    const QUEUE: Queue = (TopicId(LogOffset(48)), QueueId(1));

    fn reserve(offsets: &mut Offsets, next: u64, own: bool) -> Option<Reserved> {
        let found = offsets.pop_position("g", QUEUE, own);
        offsets.reserve_pop("g", QUEUE, found, QueueOffset(next), own)
    }

    #[test]
    fn a_reserved_queue_is_busy_for_others_until_the_record_is_appended() {
        let mut offsets = Offsets::default();
        let first = reserve(&mut offsets, 10, false).expect("free");
        assert_eq!(offsets.pop_position("g", QUEUE, false), Position::Busy);
        assert_eq!(reserve(&mut offsets, 20, false), None);
        let second = reserve(&mut offsets, 20, true).expect("the same turn goes on");
        offsets.pop_appended("g", &first);
        assert_eq!(offsets.pop_position("g", QUEUE, false), Position::Busy);
        offsets.pop_appended("g", &second);
        assert_eq!(offsets.pop_position("g", QUEUE, false), Position::At(QueueOffset(20)));
    }

    #[test]
    fn a_failed_append_moves_the_offset_back() {
        let mut offsets = Offsets::default();
        let first = reserve(&mut offsets, 10, false).expect("free");
        let second = reserve(&mut offsets, 20, true).expect("the same turn goes on");
        offsets.release_pop("g", &second);
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(10)));
        offsets.release_pop("g", &first);
        assert_eq!(offsets.pop_position("g", QUEUE, false), Position::New);
    }

    #[test]
    fn a_reset_counts_for_the_next_pop_and_against_a_planned_one() {
        let mut offsets = Offsets::default();
        let first = reserve(&mut offsets, 10, false).expect("free");
        offsets.pop_appended("g", &first);
        let found = offsets.pop_position("g", QUEUE, false);
        let back = model::record::system::CommittedOffset { topic: QUEUE.0, queue: QUEUE.1, offset: QueueOffset(3) };
        assert_eq!(offsets.reset("g", &[back]), 1);
        assert_eq!(offsets.reserve_pop("g", QUEUE, found, QueueOffset(20), false), None);
        assert_eq!(offsets.pop_position("g", QUEUE, false), Position::At(QueueOffset(3)));
    }

    #[test]
    fn messages_nobody_wants_are_passed_over_unless_something_has_moved() {
        let mut offsets = Offsets::default();
        offsets.skip("g", QUEUE, Position::New, QueueOffset(5));
        offsets.skip("g", QUEUE, Position::New, QueueOffset(9));
        assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(5)));
    }
}
