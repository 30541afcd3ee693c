//! A consumer in order: locks a queue, pulls it, commits, and gives the lock up now and then.

use std::collections::BTreeMap;

use store::disk::recorded::Rng;

use crate::op::{Answer, ORDERED, ORDERS, Op, Queue};

/// A lock is asked for again after so long, and believed in no longer (as the Java client: 20 s and 30 s).
const REFRESH_US: u64 = 20_000_000;

/// Queues of [`ORDERS`].
const QUEUES: [Queue; 2] = [(ORDERS, 0), (ORDERS, 1)];

/// A consumer.
#[derive(Default)]
pub struct Ordered {
    turn: usize,
    /// When the lock was asked for, by queue.
    locked: BTreeMap<Queue, u64>,
    cursors: BTreeMap<Queue, u64>,
    handled: BTreeMap<Queue, u64>,
}

impl Ordered {
    pub fn next(&mut self, now_us: u64, rng: &mut Rng) -> Option<Op> {
        self.turn = (self.turn + 1) % QUEUES.len();
        let queue = QUEUES[self.turn];
        let Some(since) = self.locked.get(&queue) else { return Some(Op::Lock { group: ORDERED, queue }) };
        if now_us.saturating_sub(*since) >= REFRESH_US {
            self.give_up(queue);
            return Some(Op::Lock { group: ORDERED, queue });
        }
        if let Some(offset) = self.handled.remove(&queue) {
            return Some(Op::Commit { group: ORDERED, queue, offset, answered: true });
        }
        if rng.once_in(12) {
            self.give_up(queue);
            return Some(Op::Unlock { group: ORDERED, queue });
        }
        let Some(&offset) = self.cursors.get(&queue) else { return Some(Op::AskOffset { group: ORDERED, queue }) };
        Some(Op::Pull { group: ORDERED, from: queue, offset, commit: None })
    }

    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>, asked_us: u64) {
        match (op, answer) {
            (Op::Lock { queue, .. }, Some(Answer::Locked(true))) => {
                self.locked.insert(*queue, asked_us);
            }
            (Op::AskOffset { queue, .. }, Some(Answer::Offset { offset, .. })) => {
                self.cursors.insert(*queue, offset.unwrap_or(0));
            }
            (Op::Pull { from, offset, .. }, Some(Answer::Pulled { next, .. })) => {
                self.cursors.insert(*from, *next);
                if next != offset {
                    self.handled.insert(*from, *next);
                }
            }
            (Op::Commit { queue, offset, .. }, None) => {
                self.handled.entry(*queue).or_insert(*offset);
            }
            _ => {}
        }
    }

    /// Whoever holds the lock next begins where the group stands.
    fn give_up(&mut self, queue: Queue) {
        self.locked.remove(&queue);
        self.cursors.remove(&queue);
        self.handled.remove(&queue);
    }
}
