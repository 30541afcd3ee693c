//! If the answer to one send had arrived before another one to the same queue began, it comes first (P5).

use std::collections::BTreeMap;

use super::keeps_all;
use crate::history::{Drained, History, Send};
use crate::op::{Queue, When};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    // Where each message is: its first place, if there are copies. A copy may come late, but not before its send began.
    let mut places: BTreeMap<u64, u64> = BTreeMap::new();
    for message in end.queues.values().flat_map(|content| &content.messages).filter(|message| message.attempt == 0) {
        if let Some(id) = message.id {
            let place = places.entry(id).or_insert(message.offset);
            *place = (*place).min(message.offset);
        }
    }
    let in_order = |send: &Send<'_>| send.when == When::Now && keeps_all(history, send.to);
    let mut begun: Vec<_> = history.sends(|_| true).filter(in_order).collect();
    let mut answered: Vec<_> = begun.iter().copied().filter(|send| send.ok).collect();
    begun.sort_by_key(|send| send.call.started);
    answered.sort_by_key(|send| send.call.ended);

    let mut highest: BTreeMap<Queue, u64> = BTreeMap::new();
    let mut earlier = answered.iter().peekable();
    for send in begun {
        while let Some(before) = earlier.next_if(|before| before.call.ended < Some(send.call.started)) {
            let last = before.first.unwrap_or(0) + before.ids.len() as u64 - 1;
            let high = highest.entry(before.to).or_default();
            *high = (*high).max(last + 1);
        }
        let floor = highest.get(&send.to).copied().unwrap_or(0);
        for id in send.ids {
            if let Some(place) = places.get(id).filter(|place| **place < floor) {
                return Err(format!("message {id:x} is at {:?}/{place}, others were answered up to {floor}", send.to));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{drained, history};
    use super::*;

    #[test]
    fn a_later_send_in_an_earlier_place_is_found() {
        let mut history = history();
        history.send(7, 1, 2, Some(1));
        history.send(8, 3, 4, Some(0));
        check(&history, &drained(0, &[8, 7])).expect_err("7 was answered before 8 began");
    }

    #[test]
    fn sends_at_the_same_time_come_in_any_order() {
        let mut history = history();
        history.send(7, 1, 3, Some(1));
        history.send(8, 2, 4, Some(0));
        assert_eq!(check(&history, &drained(0, &[8, 7])), Ok(()));
    }
}
