//! An operator: deletes a topic and creates it again, resets the offsets of a group.

use model::Timestamp;
use store::disk::recorded::Rng;

use crate::node::START;
use crate::op::{BILLS, Op, PLAIN, SPARE};

/// An operator.
pub struct Admin;

impl Admin {
    pub fn next(&mut self, rng: &mut Rng) -> Option<Op> {
        match rng.below(12) {
            0..6 => Some(Op::Create { topic: SPARE }),
            6..8 => Some(Op::Delete { topic: SPARE }),
            8 => {
                let ago = i64::try_from(rng.below(30_000)).expect("small");
                let to = if rng.once_in(4) { Timestamp(-1) } else { Timestamp(START.0 + ago) };
                Some(Op::Reset { group: PLAIN, topic: BILLS, to })
            }
            _ => None,
        }
    }
}
