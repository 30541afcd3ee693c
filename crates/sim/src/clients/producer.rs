//! A producer: single messages, batches and delayed ones. What is not answered is not sent again; a real client would, as
//! another attempt.

use store::disk::recorded::Rng;

use crate::body::UNIFORM;
use crate::op::{BILLS, EVENTS, Op, TOPICS};

/// A producer.
pub struct Producer {
    next_id: u64,
    uniform: bool,
}

impl Producer {
    #[must_use]
    pub fn new(number: u32, uniform: bool) -> Producer {
        Producer { next_id: u64::from(number) << 32, uniform }
    }

    pub fn next(&mut self, rng: &mut Rng) -> Op {
        if self.uniform {
            self.next_id += 1;
            return Op::Send { to: (EVENTS, 0), ids: vec![UNIFORM | self.next_id], level: 0 };
        }
        let (topic, queues) = TOPICS[rng.below(TOPICS.len())];
        let to = (topic, u32::try_from(rng.below(queues as usize)).expect("few"));
        let level = if topic == BILLS && rng.once_in(4) { 1 + u32::try_from(rng.below(4)).expect("few") } else { 0 };
        let count = if level == 0 && rng.once_in(6) { 2 + rng.below(6) as u64 } else { 1 };
        let ids = (self.next_id..self.next_id + count).collect();
        self.next_id += count;
        Op::Send { to, ids, level }
    }
}
