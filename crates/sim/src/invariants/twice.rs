//! A message is there at most once for each time its send, or its return, reached the broker (P3); a delayed one is delivered
//! once. A half message that reached the broker more than once is as many halves; each becomes one message, or none.

use std::collections::{BTreeMap, BTreeSet};

use model::LogOffset;

use crate::history::{Drained, History};
use crate::op::{DEAD, DEAD_CHECK, Op, POP_DEAD, POP_RETRY, RETRY};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    // By id and attempt.
    let mut allowed: BTreeMap<(u64, i32), usize> = BTreeMap::new();
    let (mut halves, mut committed): (BTreeMap<u64, usize>, BTreeSet<LogOffset>) = Default::default();
    for call in &history.calls {
        match &call.op {
            Op::Send { ids, .. } => ids.iter().for_each(|id| *allowed.entry((*id, 0)).or_default() += call.runs.len()),
            Op::SendHalf { id, .. } => *halves.entry(*id).or_default() += call.runs.len(),
            // However often it is said: a half message is resolved once.
            Op::EndTransaction { id, half, commit: true, .. } if committed.insert(*half) => {
                *allowed.entry((*id, 0)).or_default() += 1;
            }
            Op::SendBack { message, .. } => {
                let key = (message.id.unwrap_or(0), message.attempt + 1);
                *allowed.entry(key).or_default() += call.runs.len();
            }
            _ => {}
        }
    }
    let mut found: BTreeMap<(u64, i32), usize> = BTreeMap::new();
    for (queue, content) in &end.queues {
        for message in &content.messages {
            if let Some(left) = message.id.filter(|_| message.attempt == 0).and_then(|id| halves.get_mut(&id)) {
                let Some(fewer) = left.checked_sub(1) else {
                    return Err(format!("more than the halves there were of it, given up or committed: {message:?}"));
                };
                *left = fewer;
            }
            if matches!(queue.0, DEAD_CHECK | POP_RETRY | POP_DEAD) {
                continue;
            }
            let attempt = if matches!(queue.0, RETRY | DEAD) { message.attempt } else { 0 };
            *found.entry((message.id.unwrap_or(0), attempt)).or_default() += 1;
        }
    }
    let too_often = |(key, count): &(&(u64, i32), &usize)| **count > allowed.get(*key).copied().unwrap_or_default();
    let Some(((id, attempt), _)) = found.iter().find(too_often) else { return Ok(()) };
    let there = end.queues.values().flat_map(|content| &content.messages);
    let places: Vec<_> = there.filter(|message| message.id == Some(*id)).collect();
    let asked = history.calls.iter().filter(|call| asks_for(&call.op, *id));
    Err(format!("message {id:x}, attempt {attempt}: {places:?}, asked for by {:?}", asked.collect::<Vec<_>>()))
}

fn asks_for(op: &Op, id: u64) -> bool {
    match op {
        Op::Send { ids, .. } => ids.contains(&id),
        Op::EndTransaction { id: ended, .. } => *ended == id,
        Op::SendBack { message, .. } => message.id == Some(id),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{drained, history};
    use super::*;

    #[test]
    fn a_message_that_is_there_more_often_than_it_was_sent_is_found() {
        let mut history = history();
        history.send(7, 1, 2, Some(0));
        assert_eq!(check(&history, &drained(0, &[7])), Ok(()));
        check(&history, &drained(0, &[7, 7])).expect_err("sent once");
        let again = history.calls[0].runs[0];
        history.calls[0].runs.push(again);
        assert_eq!(check(&history, &drained(0, &[7, 7])), Ok(()), "the network doubled it");
    }
}
