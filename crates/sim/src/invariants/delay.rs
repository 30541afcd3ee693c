//! A delayed message is never early, and no more than a second late while nothing disturbs the broker (P9).

use std::collections::BTreeMap;

use model::{Millis, Timestamp};

use crate::history::{Drained, History};
use crate::op::When;

/// How late a message may be.
const LATE_MS: u64 = 1_000;

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    // When the first copy may be delivered, and the last one must be. A clock that jumps in between is an excuse: only
    // what it has shown at most counts.
    let mut due: BTreeMap<u64, (Timestamp, Timestamp)> = BTreeMap::new();
    for send in history.sends(|_| true).filter(|send| send.when != When::Now) {
        let dues = || send.call.runs.iter().map(|run| history.due(send.when, run.clock));
        // One that comes after its time is delivered at once.
        let latest = send.call.runs.iter().map(|run| history.due(send.when, run.clock).max(run.clock));
        let (Some(low), Some(high)) = (dues().min(), latest.max()) else { continue };
        send.ids.iter().for_each(|id| _ = due.insert(*id, (low, high)));
    }
    for pull in history.pulls() {
        let Some(run) = pull.call.runs.iter().max_by_key(|run| run.tick) else { continue };
        for message in pull.found.iter().filter(|message| message.attempt == 0) {
            if let Some((low, _)) = message.id.and_then(|id| due.get(&id))
                && run.clock_high < *low
            {
                return Err(format!("early: {message:?} was due at {low:?} and seen at {:?}", run.clock_high));
            }
        }
    }
    for message in end.queues.values().flat_map(|content| &content.messages).filter(|message| message.attempt == 0) {
        if let Some((low, high)) = message.id.and_then(|id| due.get(&id)) {
            if message.stored < *low {
                return Err(format!("early: {message:?} was due at {low:?}"));
            }
            if history.undisturbed && message.stored > high.after(Millis(LATE_MS)) {
                return Err(format!("late: {message:?} was due at {high:?}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;
    use crate::op::{Answer, Op};

    /// A message sent at 100 that is due at 600.
    fn delayed() -> History {
        let mut history = history();
        let answer = Some(Answer::Sent { first: None });
        history.call(Op::Send { to: QUEUE, ids: vec![7], when: When::Level(1) }, 100, 100, answer);
        history
    }

    fn stored_at(at: i64) -> Drained {
        let mut end = drained(0, &[7]);
        end.queues.get_mut(&QUEUE).expect("put").messages[0].stored = Timestamp(at);
        end
    }

    #[test]
    fn an_early_message_is_found() {
        let mut history = delayed();
        history.pull(0, 599, 599, vec![seen(QUEUE, 0, 7)], 1);
        check(&history, &stored_at(600)).expect_err("it was due at 600");
        history.calls.pop();
        history.pull(0, 600, 600, vec![seen(QUEUE, 0, 7)], 1);
        assert_eq!(check(&history, &stored_at(600)), Ok(()));
        check(&history, &stored_at(599)).expect_err("it was due at 600");
    }

    #[test]
    fn a_late_message_is_found_unless_something_was_in_the_way() {
        let mut history = delayed();
        let end = stored_at(1_601);
        assert_eq!(check(&history, &end), Ok(()));
        history.undisturbed = true;
        check(&history, &end).expect_err("it was due at 600");
    }
}
