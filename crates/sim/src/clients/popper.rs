//! A consumer that pops: takes messages for a while, acks most of them, wants some for longer or back sooner, and forgets some.

use model::Millis;
use store::disk::recorded::Rng;

use crate::op::{Answer, Op, Popped};
use crate::plan::between;

/// Attempts to ack.
const ACK_MAX: u32 = 4;

/// Messages it has at a time; it takes no more before it has done something with them.
const HELD_MAX: usize = 24;

/// A consumer.
#[derive(Default)]
pub struct Popper {
    held: Vec<Popped>,
    /// What is being acked, and how often that was tried.
    acking: (Vec<Popped>, u32),
}

impl Popper {
    pub fn next(&mut self, calm: bool, rng: &mut Rng) -> Option<Op> {
        if !self.acking.0.is_empty() {
            self.acking.1 += 1;
            return Some(Op::Ack { messages: self.acking.0.clone() });
        }
        if !self.held.is_empty() && (self.held.len() >= HELD_MAX || rng.once_in(2)) {
            if !calm && rng.once_in(6) {
                // Its thread died with it.
                self.held.swap_remove(rng.below(self.held.len()));
            } else if !calm && rng.once_in(5) {
                let message = self.held[rng.below(self.held.len())];
                return Some(Op::Hide { message, invisible: Millis(between(rng, 0, 6_000)) });
            } else {
                let count = 1 + rng.below(self.held.len());
                self.acking = (self.held.drain(..count).collect(), 1);
                return Some(Op::Ack { messages: self.acking.0.clone() });
            }
        }
        Some(Op::Pop { max: 1 + rng.below(12), invisible: Millis(between(rng, 300, 6_000)) })
    }

    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>) {
        match (op, answer) {
            (Op::Pop { .. }, Some(Answer::Popped(found))) => self.held.extend(found),
            (Op::Ack { .. }, answer) if answer.is_some() || self.acking.1 >= ACK_MAX => self.acking.0.clear(),
            _ => {}
        }
    }
}
