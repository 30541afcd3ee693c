//! Every acknowledged message is there in the end, at the offset its sender was told (P1). Only messages older than retention
//! keeps them may be gone, and those that were taken back. Delayed messages are somewhere in the queue they were sent to.

use std::collections::BTreeSet;

use super::keeps_all;
use crate::history::{Drained, History, Send};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    let there: BTreeSet<_> = end
        .queues
        .iter()
        .flat_map(|(queue, content)| content.messages.iter().filter_map(|message| Some((*queue, message.id?))))
        .collect();
    let recalled = history.maybe_recalled();
    for send in history.sends(|queue| keeps_all(history, queue)).filter(|send| send.ok) {
        let due = |clock| history.due(send.when, clock);
        if send.call.runs.iter().all(|run| history.may_be_trimmed(due(run.clock).max(run.clock), end)) {
            continue;
        }
        for (number, id) in send.ids.iter().enumerate().filter(|(_, id)| !recalled.contains(id)) {
            if !there.contains(&(send.to, *id)) {
                return Err(format!("message {id:x} of {:?}", send.call));
            }
            at_its_offset(&send, number, *id, end)?;
        }
    }
    Ok(())
}

fn at_its_offset(send: &Send<'_>, number: usize, id: u64, end: &Drained) -> Result<(), String> {
    let (Some(first), Some(content)) = (send.first, end.queues.get(&send.to)) else { return Ok(()) };
    let offset = first + number as u64;
    let found = offset.checked_sub(content.min).and_then(|place| content.messages.get(usize::try_from(place).ok()?));
    match found {
        Some(message) if message.id == Some(id) => Ok(()),
        found => Err(format!("message {id:x} was acknowledged at {:?}/{offset}, there is {found:?}", send.to)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{drained, history};
    use super::*;

    #[test]
    fn an_acknowledged_message_that_is_gone_is_found() {
        let mut history = history();
        history.send(7, 1, 2, Some(0));
        history.send(8, 3, 4, Some(1));
        history.send(9, 5, 6, None);
        assert_eq!(check(&history, &drained(0, &[7, 8])), Ok(()), "nobody was promised 9");
        check(&history, &drained(0, &[7])).expect_err("8 is gone");
        check(&history, &drained(1, &[8])).expect_err("7 is gone");
        check(&history, &drained(0, &[8, 7])).expect_err("they have changed places");
    }

    #[test]
    fn what_is_too_old_may_be_gone() {
        let mut history = history();
        history.keep_ms = 10;
        history.send(7, 1, 1, Some(0));
        let mut end = drained(1, &[]);
        end.clock_high = model::Timestamp(10);
        check(&history, &end).expect_err("one millisecond too early");
        end.clock_high = model::Timestamp(11);
        assert_eq!(check(&history, &end), Ok(()));
    }
}
