//! A message that was taken back, and whose recall was answered, is delivered to nobody. A recall that is on its way to the disk
//! holds its message back for five seconds by the broker's clock: one that is set ahead meanwhile is an excuse.

use std::collections::BTreeSet;

use crate::history::{Drained, History};
use crate::op::Op;

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    // A copy of the send may come when the time is over, and the recall with it.
    let once: BTreeSet<u64> = history
        .sends(|_| true)
        .filter(|send| send.call.runs.len() == 1)
        .flat_map(|send| send.ids.iter().copied())
        .collect();
    let found: BTreeSet<u64> = history.found.values().filter_map(|message| message.id).collect();
    for call in &history.calls {
        let Op::Recall { id, .. } = call.op else { continue };
        let begun = call.runs.iter().map(|run| run.tick).min().unwrap_or(0);
        let excused = history.clock_jumps.iter().any(|jump| begun < *jump && Some(*jump) < call.ended);
        if call.answer.is_some() && !excused && once.contains(&id) && found.contains(&id) {
            return Err(format!("delivered: {call:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::super::testing::{QUEUE, history, seen};
    use super::*;
    use crate::op::{Answer, When};

    #[test]
    fn a_recalled_message_that_is_delivered_is_found() {
        let (mut history, due) = (history(), Timestamp(500));
        let sent = Some(Answer::Sent { first: None });
        history.call(Op::Send { to: QUEUE, ids: vec![7], when: When::At(due) }, 1, 2, sent);
        history.found.insert((QUEUE, 0), seen(QUEUE, 0, 7));
        history.call(Op::Recall { to: QUEUE, id: 7, due }, 3, 4, None);
        assert_eq!(check(&history, &Drained::default()), Ok(()), "nobody was promised anything");
        history.call(Op::Recall { to: QUEUE, id: 7, due }, 5, 6, Some(Answer::Done));
        check(&history, &Drained::default()).expect_err("it was taken back");
    }
}
