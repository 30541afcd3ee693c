//! A producer: single messages, batches, delayed ones and ones with an exact time, of which it takes some back. What is not answered is not sent again; a real client would, as
//! another attempt.

use model::{Millis, Timestamp};
use store::disk::recorded::Rng;

use crate::body::UNIFORM;
use crate::node::START;
use crate::op::{Answer, BILLS, EVENTS, Op, Queue, TOPICS, When};
use crate::plan::between;

/// A producer.
pub struct Producer {
    next_id: u64,
    uniform: bool,
    /// Messages it may take back.
    timed: Vec<(Queue, u64, Timestamp)>,
}

impl Producer {
    #[must_use]
    pub fn new(number: u32, uniform: bool) -> Producer {
        Producer { next_id: u64::from(number) << 32, uniform, timed: Vec::new() }
    }

    pub fn next(&mut self, now_us: u64, rng: &mut Rng) -> Op {
        if rng.once_in(3)
            && let Some((to, id, due)) = self.timed.pop()
        {
            return Op::Recall { to, id, due };
        }
        if self.uniform {
            self.next_id += 1;
            return Op::Send { to: (EVENTS, 0), ids: vec![UNIFORM | self.next_id], when: When::Now };
        }
        let (topic, queues) = TOPICS[rng.below(TOPICS.len())];
        let to = (topic, u32::try_from(rng.below(queues as usize)).expect("few"));
        let when = if topic == BILLS { self.when(now_us, rng) } else { When::Now };
        let count = if when == When::Now && rng.once_in(6) { 2 + rng.below(6) as u64 } else { 1 };
        let ids = (self.next_id..self.next_id + count).collect();
        self.next_id += count;
        Op::Send { to, ids, when }
    }

    fn when(&self, now_us: u64, rng: &mut Rng) -> When {
        match rng.below(8) {
            0 | 1 => When::Level(1 + u32::try_from(rng.below(4)).expect("few")),
            2 | 3 => {
                let ahead_ms = if rng.once_in(2) { between(rng, 0, 3_000) } else { between(rng, 0, 40_000) };
                When::At(START.after(Millis(now_us / 1_000 + ahead_ms)))
            }
            _ => When::Now,
        }
    }

    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>, rng: &mut Rng) {
        match (op, answer) {
            (&Op::Send { to, ref ids, when: When::At(due) }, _) if rng.once_in(2) => self.timed.push((to, ids[0], due)),
            (&Op::Recall { to, id, due }, None) if rng.once_in(2) => self.timed.push((to, id, due)),
            _ => {}
        }
    }
}
