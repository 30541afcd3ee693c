//! A message that a consumer gave back, and whose return was answered, comes again: in the group's retry topic, or in its
//! dead-letter topic (P6).

use std::collections::BTreeSet;

use crate::history::{Drained, History};
use crate::op::{DEAD, Op, RETRY};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    let of_group = [(RETRY, 0), (DEAD, 0)];
    let there = of_group.iter().filter_map(|queue| end.queues.get(queue)).flat_map(|content| &content.messages);
    let there: BTreeSet<_> = there.filter_map(|message| Some((message.id?, message.attempt))).collect();
    for call in &history.calls {
        let Op::SendBack { message, .. } = call.op else { continue };
        let old = call.runs.iter().all(|run| history.may_be_trimmed(run.clock, end));
        if call.answer.is_some() && !old && !there.contains(&(message.id.unwrap_or(0), message.attempt + 1)) {
            return Err(format!("never came again: {call:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;
    use crate::op::{Answer, PLAIN};

    #[test]
    fn a_message_that_was_given_back_and_never_came_again_is_found() {
        let mut history = history();
        let op = Op::SendBack { group: PLAIN, message: seen(QUEUE, 0, 7) };
        history.call(op, 1, 2, Some(Answer::Done));
        let mut end = drained(0, &[7]);
        check(&history, &end).expect_err("it is in its first queue only");
        end.put((RETRY, 0), 0, &[7]);
        end.queues.get_mut(&(RETRY, 0)).expect("put").messages[0].attempt = 1;
        assert_eq!(check(&history, &end), Ok(()));
    }
}
