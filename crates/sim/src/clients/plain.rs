//! A consumer of the plain group: pulls its queues in turn, gives back what it cannot handle, commits.

use std::collections::BTreeMap;

use store::disk::recorded::Rng;

use crate::op::{Answer, Op, PLAIN, Queue, Seen};

/// Attempts to give a message back before the consumer handles it itself.
const SEND_BACK_MAX: u32 = 3;

/// A consumer.
pub struct Plain {
    queues: Vec<Queue>,
    turn: usize,
    /// Where to pull next; absent until the group's offset is known.
    cursors: BTreeMap<Queue, u64>,
    /// All below is handled, and it is not committed yet.
    handled: BTreeMap<Queue, u64>,
    /// Messages it could not handle, and how often it tried to give each back.
    failed: Vec<(Seen, u32)>,
}

impl Plain {
    #[must_use]
    pub fn new(queues: Vec<Queue>) -> Plain {
        Plain { queues, turn: 0, cursors: BTreeMap::new(), handled: BTreeMap::new(), failed: Vec::new() }
    }

    pub fn next(&mut self, rng: &mut Rng) -> Option<Op> {
        // First: nothing may be committed that was neither handled nor given back.
        if let Some((message, _)) = self.failed.last() {
            return Some(Op::SendBack { group: PLAIN, message: *message });
        }
        if rng.once_in(3)
            && let Some((queue, offset)) = self.handled.pop_first()
        {
            return Some(Op::Commit { group: PLAIN, queue, offset, answered: !rng.once_in(3) });
        }
        self.turn = (self.turn + 1) % self.queues.len();
        let from = self.queues[self.turn];
        let Some(&offset) = self.cursors.get(&from) else { return Some(Op::AskOffset { group: PLAIN, queue: from }) };
        let commit = if rng.once_in(2) { self.handled.remove(&from) } else { None };
        // Some look at what they have committed, now and then.
        if commit.is_none() && rng.once_in(10) {
            return Some(Op::AskOffset { group: PLAIN, queue: from });
        }
        Some(Op::Pull { group: PLAIN, from, offset, commit })
    }

    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>, rng: &mut Rng) {
        match (op, answer) {
            (Op::AskOffset { queue, .. }, Some(Answer::Offset { offset, .. })) => {
                self.cursors.entry(*queue).or_insert(offset.unwrap_or(0));
            }
            (Op::Pull { from, .. }, Some(Answer::Pulled { found, next, .. })) => {
                for message in found {
                    if rng.once_in(15) {
                        self.failed.push((*message, 0));
                    }
                }
                self.cursors.insert(*from, *next);
                self.handled.insert(*from, *next);
            }
            (Op::Pull { from, commit: Some(commit), .. }, None)
            | (Op::Commit { queue: from, offset: commit, .. }, None) => {
                // Not committed, as far as it knows: again.
                self.handled.entry(*from).or_insert(*commit);
            }
            (Op::SendBack { message, .. }, answer) => {
                if let Some(place) = self.failed.iter().position(|(failed, _)| failed == message) {
                    self.failed[place].1 += 1;
                    if answer.is_some() || self.failed[place].1 >= SEND_BACK_MAX {
                        self.failed.remove(place);
                    }
                }
            }
            _ => {}
        }
    }
}
