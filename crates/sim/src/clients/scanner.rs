//! A consumer with filters: goes through the queues again and again, each time with another wish.

use store::disk::recorded::Rng;

use crate::op::{Answer, ORDERS, Op};
use crate::wanted;

/// A consumer.
#[derive(Default)]
pub struct Scanner {
    queue: u32,
    offset: u64,
    wanted: usize,
}

impl Scanner {
    pub fn next(&mut self) -> Option<Op> {
        Some(Op::Scan { from: (ORDERS, self.queue), offset: self.offset, wanted: self.wanted })
    }

    pub fn heard(&mut self, answer: Option<&Answer>, rng: &mut Rng) {
        match answer {
            Some(Answer::Scanned { next, .. }) if *next != self.offset => self.offset = *next,
            // The end: from somewhere else on.
            Some(_) => {
                self.queue = 1 - self.queue;
                self.offset = rng.draw() % (self.offset + 1);
                self.wanted = rng.below(wanted::ALL.len());
            }
            None => {}
        }
    }
}
