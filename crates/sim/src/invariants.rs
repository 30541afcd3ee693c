//! The rules (RELIABILITY.md section 2.4), one a file: each a pass over the history and what is there in the end, and each
//! with a test that shows it a violation.

use crate::history::{Drained, History};
use crate::op::{EVENTS, Queue, SPARE};

mod acked_after_failure;
pub mod checked;
mod delay;
mod delivered;
mod fifo;
mod filtered;
mod gap;
mod ghost;
mod given_back;
mod lost;
mod moved;
mod never_there;
mod offset;
mod order;
mod phantom;
mod pop_again;
mod pop_once;
mod recalled;
#[cfg(test)]
mod testing;
mod transaction;
mod twice;
mod undead;

/// A rule: what is wrong, if something is.
type Rule = fn(&History, &Drained) -> Result<(), String>;

const RULES: [(&str, Rule); 21] = [
    ("acked after failure", acked_after_failure::check),
    ("phantom", phantom::check),
    ("lost", lost::check),
    ("moved", moved::check),
    ("gap", gap::check),
    ("twice", twice::check),
    ("order", order::check),
    ("delay", delay::check),
    ("recalled", recalled::check),
    ("never there", never_there::check),
    ("offset", offset::check),
    ("given back", given_back::check),
    ("delivered", delivered::check),
    ("filtered", filtered::check),
    ("pop once", pop_once::check),
    ("pop again", pop_again::check),
    ("fifo", fifo::check),
    ("ghost", ghost::check),
    ("transaction", transaction::check),
    ("checked", checked::check),
    ("undead", undead::check),
];

/// Asks all rules; the first broken one is told.
pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    RULES.iter().try_for_each(|(name, rule)| rule(history, end).map_err(|error| format!("{name}: {error}")))
}

/// Whether the promises for durable messages hold for `queue`: not for an async topic once power was lost, and not for a
/// topic that is deleted and created again.
fn keeps_all(history: &History, queue: Queue) -> bool {
    queue.0 != SPARE && (queue.0 != EVENTS || !history.lost_power())
}
