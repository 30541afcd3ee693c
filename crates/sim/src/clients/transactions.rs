//! A producer of transactions: sends a half message, then says what becomes of it, again and again until it is answered.
//! Some it forgets.

use store::disk::recorded::Rng;

use crate::op::{Answer, BILLS, ORDERS, Op, Queue};

/// Attempts to end a transaction.
const END_MAX: u32 = 5;

const QUEUES: [Queue; 3] = [(ORDERS, 0), (ORDERS, 1), (BILLS, 0)];

/// A producer.
pub struct Transactions {
    next_id: u64,
    /// The end that is to be said, and how often it was.
    open: Option<(Op, u32)>,
}

impl Transactions {
    #[must_use]
    pub fn new(number: u32) -> Transactions {
        Transactions { next_id: u64::from(number) << 32, open: None }
    }

    pub fn next(&mut self, rng: &mut Rng) -> Op {
        if let Some((end, said)) = &mut self.open {
            *said += 1;
            return end.clone();
        }
        self.next_id += 1;
        Op::SendHalf { to: QUEUES[rng.below(QUEUES.len())], id: self.next_id }
    }

    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>, rng: &mut Rng) {
        match (op, answer) {
            (Op::SendHalf { to, id }, Some(Answer::Half { at, queue_offset })) if !rng.once_in(10) => {
                let (to, id, half, queue_offset) = (*to, *id, *at, *queue_offset);
                let end = Op::EndTransaction { to, id, half, queue_offset, commit: !rng.once_in(3) };
                self.open = Some((end, 0));
            }
            (Op::EndTransaction { .. }, answer) => {
                if answer.is_some() || self.open.as_ref().is_none_or(|(_, said)| *said >= END_MAX) {
                    self.open = None;
                }
            }
            _ => {}
        }
    }
}
