//! What was acknowledged was there at some time, even where messages are deleted by age: sent, delayed, committed, given back
//! (P1, P6, P8). Timers and half messages outlive their segments.

use std::collections::BTreeSet;

use crate::history::{Drained, History};
use crate::op::{DEAD, Op, Queue, RETRY, lasting};

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    let found: BTreeSet<(Queue, u64, i32)> =
        history.found.iter().filter_map(|((queue, _), message)| Some((*queue, message.id?, message.attempt))).collect();
    let recalled = history.maybe_recalled();
    for call in history.calls.iter().filter(|call| call.answer.is_some()) {
        let there = match &call.op {
            Op::Send { to, ids, .. } if lasting().any(|queue| queue == *to) => {
                let mut kept = ids.iter().filter(|id| !recalled.contains(id));
                kept.all(|id| found.contains(&(*to, *id, 0)))
            }
            Op::EndTransaction { to, id, commit: true, .. } => found.contains(&(*to, *id, 0)),
            Op::SendBack { message, .. } => {
                let (id, attempt) = (message.id.unwrap_or(0), message.attempt + 1);
                [RETRY, DEAD].iter().any(|topic| found.contains(&((topic, 0), id, attempt)))
            }
            _ => true,
        };
        if !there {
            return Err(format!("never there: {call:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, history, seen};
    use super::*;

    #[test]
    fn an_acknowledged_message_that_was_never_there_is_found() {
        let mut history = history();
        history.send(7, 1, 2, Some(0));
        check(&history, &Drained::default()).expect_err("it was acknowledged");
        history.found.insert((QUEUE, 0), seen(QUEUE, 0, 7));
        assert_eq!(check(&history, &Drained::default()), Ok(()));
    }
}
