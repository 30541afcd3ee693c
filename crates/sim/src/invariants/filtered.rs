//! A pull with a filter is given what a plain reading of its wish wants, all of it and nothing else, up to where it is told to go
//! on.

use crate::history::{Drained, History};
use crate::op::{Answer, Op};
use crate::wanted;

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    for call in &history.calls {
        let Op::Scan { from, offset, wanted } = call.op else { continue };
        let Some(Answer::Scanned { found, next, min }) = &call.answer else { continue };
        // Old messages are gone, or it was beyond the end: told to go on elsewhere.
        if found.is_empty() && (*next <= offset || offset < *min) {
            continue;
        }
        let looked_at = history.found.range((from, offset)..(from, *next));
        let wants = |id: Option<u64>| id.is_some_and(|id| wanted::ALL[wanted].wants(id));
        let expected = looked_at.filter(|(_, message)| wants(message.id)).map(|((_, offset), _)| *offset);
        if !found.iter().map(|message| message.offset).eq(expected) {
            return Err(format!("{:?} was given {call:?}", wanted::ALL[wanted].expression));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, history, seen};
    use super::*;

    /// The wish for red ones, and the first of them.
    const RED: usize = 0;

    #[test]
    fn an_answer_that_is_not_what_the_filter_wants_is_found() {
        let mut history = history();
        for (offset, id) in [(0, 3), (1, 4), (2, 6)] {
            history.found.insert((QUEUE, offset), seen(QUEUE, offset, id));
        }
        let mut given = |offsets: &[(u64, u64)]| {
            let found = offsets.iter().map(|(offset, id)| seen(QUEUE, *offset, *id)).collect();
            let answer = Answer::Scanned { found, next: 3, min: 0 };
            history.calls.clear();
            history.call(Op::Scan { from: QUEUE, offset: 0, wanted: RED }, 1, 2, Some(answer));
            check(&history, &Drained::default())
        };
        assert_eq!(given(&[(0, 3), (2, 6)]), Ok(()));
        given(&[(0, 3)]).expect_err("6 is red, too");
        given(&[(0, 3), (1, 4), (2, 6)]).expect_err("4 is tan");
    }
}
