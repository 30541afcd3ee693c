//! An offset never changes its message: whoever was given or told one, at whatever time, and whoever reads it in the end,
//! sees the same (P4).

use std::collections::BTreeMap;

use super::keeps_all;
use crate::history::{Drained, History};
use crate::op::Queue;

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    let mut known: BTreeMap<(Queue, u64), (u64, i32)> = BTreeMap::new();
    let mut see = |queue: Queue, offset: u64, id: u64, attempt: i32| {
        let message = (id, attempt);
        let before = *known.entry((queue, offset)).or_insert(message);
        if before == message {
            Ok(())
        } else {
            Err(format!(
                "{queue:?}/{offset} was message {:x} (attempt {}), then {id:x} ({attempt})",
                before.0, before.1
            ))
        }
    };
    for send in history.sends(|queue| keeps_all(history, queue)) {
        let Some(first) = send.first else { continue };
        for (offset, id) in (first..).zip(send.ids) {
            // One of several copies is there at another offset, too; two messages at one offset they are not.
            see(send.to, offset, *id, 0)?;
        }
    }
    let pulled = history.pulls().flat_map(|pull| pull.found);
    let popped = history.pops().flat_map(|(_, found)| found).map(|popped| &popped.message);
    let there = end.queues.values().flat_map(|content| &content.messages);
    for message in pulled.chain(popped).chain(there).filter(|message| keeps_all(history, message.queue)) {
        see(message.queue, message.offset, message.id.unwrap_or(0), message.attempt)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;

    #[test]
    fn another_message_at_an_offset_somebody_saw_is_found() {
        let mut history = history();
        history.pull(0, 1, 2, vec![seen(QUEUE, 0, 7)], 1);
        assert_eq!(check(&history, &drained(0, &[7, 8])), Ok(()));
        check(&history, &drained(0, &[8])).expect_err("a consumer saw 7 there");
    }

    #[test]
    fn two_messages_acknowledged_at_one_offset_are_found() {
        let mut history = history();
        history.send(7, 1, 2, Some(0));
        history.send(8, 3, 4, Some(0));
        check(&history, &drained(0, &[8])).expect_err("offset 0 was given away twice");
    }
}
