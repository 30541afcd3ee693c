//! A producer of transactions: sends a half message, then says what becomes of it, again and again until it is answered.
//! Some it forgets; then the broker asks, this producer or another one of the group, and each knows the same.

use std::collections::VecDeque;

use store::disk::recorded::Rng;

use crate::op::{Answer, BILLS, Check, ORDERS, Op, Queue};

/// Attempts to end a transaction.
const END_MAX: u32 = 5;

/// It shows itself this often when there is nothing else to say.
const HEARTBEAT_US: u64 = 2_000_000;

const QUEUES: [Queue; 3] = [(ORDERS, 0), (ORDERS, 1), (BILLS, 0)];

/// What became of the transaction of message `id`, as any producer can look up. `None`: nobody will ever know.
#[must_use]
pub fn verdict(id: u64) -> Option<bool> {
    match Rng::new(!id).below(12) {
        0 => None,
        1..5 => Some(false),
        _ => Some(true),
    }
}

/// A producer.
pub struct Transactions {
    next_id: u64,
    /// The end that is to be said, and how often it was.
    open: Option<(Op, u32)>,
    /// Questions to be answered.
    asked: VecDeque<Check>,
    shown_us: u64,
}

impl Transactions {
    #[must_use]
    pub fn new(number: u32) -> Transactions {
        Transactions { next_id: u64::from(number) << 32, open: None, asked: VecDeque::new(), shown_us: 0 }
    }

    pub fn next(&mut self, now_us: u64, calm: bool, rng: &mut Rng) -> Option<Op> {
        if let Some((end, said)) = &mut self.open {
            *said += 1;
            return Some(end.clone());
        }
        while let Some(Check { to, id, half, queue_offset }) = self.asked.pop_front() {
            if let Some(commit) = verdict(id) {
                return Some(Op::EndTransaction { to, id, half, queue_offset, commit, asked: true });
            }
        }
        if !calm {
            self.next_id += 1;
            return Some(Op::SendHalf { to: QUEUES[rng.below(QUEUES.len())], id: self.next_id });
        }
        (now_us >= self.shown_us + HEARTBEAT_US).then(|| {
            self.shown_us = now_us;
            Op::Heartbeat
        })
    }

    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>, rng: &mut Rng) {
        match (op, answer) {
            (&Op::SendHalf { to, id }, Some(&Answer::Half { at: half, queue_offset })) => {
                if let Some(commit) = verdict(id).filter(|_| !rng.once_in(4)) {
                    let end = Op::EndTransaction { to, id, half, queue_offset, commit, asked: false };
                    self.open = Some((end, 0));
                }
            }
            (Op::EndTransaction { asked: false, .. }, answer)
                if answer.is_some() || self.open.as_ref().is_none_or(|(_, said)| *said >= END_MAX) =>
            {
                self.open = None;
            }
            _ => {}
        }
    }

    /// The broker asks. What it cannot say at once it says later, unless it is lost first.
    pub fn asked(&mut self, check: Check) {
        self.asked.push_back(check);
    }
}
