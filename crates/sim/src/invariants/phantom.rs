//! Nothing is there, and nobody was given, what was never sent to that queue; and every body is whole (P11).

use std::collections::BTreeSet;

use crate::history::{Drained, History};
use crate::op::{DEAD, DEAD_CHECK, Op, POP_DEAD, POP_RETRY, RETRY, Seen};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    let mut sent = BTreeSet::new();
    let mut halves = BTreeSet::new();
    let mut given_back = BTreeSet::new();
    for call in &history.calls {
        match &call.op {
            Op::Send { to, ids, .. } => sent.extend(ids.iter().map(|id| (*to, *id))),
            Op::SendHalf { to, id } => {
                sent.insert((*to, *id));
                halves.insert(*id);
            }
            Op::SendBack { message, .. } => given_back.extend(message.id.map(|id| (id, message.attempt + 1))),
            _ => {}
        }
    }
    let known = |message: &Seen| {
        let Some(id) = message.id else { return false };
        match message.queue.0 {
            RETRY | DEAD => given_back.contains(&(id, message.attempt)),
            // Where they come from is a rule of its own (`pop_again`).
            POP_RETRY | POP_DEAD => true,
            DEAD_CHECK => halves.contains(&id),
            _ => sent.contains(&(message.queue, id)) && message.attempt == 0,
        }
    };
    let pulled = history.pulls().flat_map(|pull| pull.found);
    let there = end.queues.values().flat_map(|content| &content.messages);
    match pulled.chain(there).find(|message| !known(message)) {
        Some(message) => Err(format!("nobody sent {message:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;

    #[test]
    fn a_message_nobody_sent_is_found() {
        let mut history = history();
        history.send(7, 1, 2, None);
        assert_eq!(check(&history, &drained(0, &[7])), Ok(()));
        check(&history, &drained(0, &[8])).expect_err("8 was not sent");
        history.pull(0, 3, 4, vec![seen(QUEUE, 0, 9)], 1);
        check(&history, &drained(0, &[7])).expect_err("9 was not sent");
    }

    #[test]
    fn a_damaged_body_is_found() {
        let mut end = drained(0, &[7]);
        let mut history = history();
        history.send(7, 1, 2, None);
        end.queues.get_mut(&QUEUE).expect("put").messages[0].id = None;
        check(&history, &end).expect_err("the body is not whole");
    }
}
