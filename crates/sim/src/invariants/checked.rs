//! A half message that nobody resolves is asked about, not too early; it is given up when it was asked about often enough or
//! is older than messages are kept, not before; and none is left unresolved for ever (P8; semantics.md section 12).

use std::collections::{BTreeMap, BTreeSet};

use model::{Millis, Timestamp};

use crate::history::{Call, Drained, History};
use crate::op::{DEAD_CHECK, Op};

/// When a half message is asked about at the earliest, how often after that, and how many times at most.
pub const CHECK_AFTER: Millis = Millis(2_000);
pub const CHECK_EVERY: Millis = Millis(2_000);
pub const CHECKS_MAX: u32 = 4;

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    if end.halves > 0 {
        return Err(format!("{} half messages are left", end.halves));
    }
    // When each reached the broker first.
    let mut stored: BTreeMap<u64, Timestamp> = BTreeMap::new();
    for call in &history.calls {
        let Op::SendHalf { id, .. } = call.op else { continue };
        if let Some(first) = call.runs.iter().map(|run| run.clock).min() {
            stored.insert(id, first);
        }
    }
    let mut asked: BTreeMap<u64, u32> = BTreeMap::new();
    for one in &history.asked {
        let Some(stored) = stored.get(&one.check.id) else { return Err(format!("nobody has sent {one:?}")) };
        if one.clock_high < stored.after(CHECK_AFTER) {
            return Err(format!("stored at {stored:?}, too early: {one:?}"));
        }
        *asked.entry(one.check.id).or_default() += 1;
    }
    for message in end.queues.get(&(DEAD_CHECK, 0)).into_iter().flat_map(|content| &content.messages) {
        let Some(id) = message.id else { continue };
        let old = stored.get(&id).is_some_and(|stored| message.stored.since(*stored) > Millis(history.keep_ms));
        let asked = asked.get(&id).copied().unwrap_or(0);
        if asked < CHECKS_MAX && !old {
            return Err(format!("given up after {asked} checks: {message:?}"));
        }
    }
    resolved(history)
}

/// Every half message whose send was answered has come to an end somewhere.
fn resolved(history: &History) -> Result<(), String> {
    let found: BTreeSet<u64> = history.found.values().filter_map(|message| message.id).collect();
    let rolled_back = |call: &Call| match call.op {
        Op::EndTransaction { id, commit: false, .. } if !call.runs.is_empty() => Some(id),
        _ => None,
    };
    let rolled_back: BTreeSet<u64> = history.calls.iter().filter_map(rolled_back).collect();
    for call in history.calls.iter().filter(|call| call.answer.is_some()) {
        let Op::SendHalf { id, .. } = call.op else { continue };
        if !found.contains(&id) && !rolled_back.contains(&id) {
            return Err(format!("neither committed nor rolled back nor given up: {call:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::LogOffset;

    use super::super::testing::{QUEUE, history, seen};
    use super::*;
    use crate::history::Asked;
    use crate::op::{Answer, Check};

    fn half() -> History {
        let mut history = history();
        history.call(
            Op::SendHalf { to: QUEUE, id: 7 },
            100,
            100,
            Some(Answer::Half { at: LogOffset(9), queue_offset: 0 }),
        );
        history
    }

    fn ask(history: &mut History, at: i64) {
        let check = Check { to: QUEUE, id: 7, half: LogOffset(9), queue_offset: 0 };
        history.asked.push(Asked { check, clock_high: Timestamp(at) });
    }

    /// As [`half`], and it has been committed.
    fn committed() -> History {
        let mut history = half();
        history.found.insert((QUEUE, 0), seen(QUEUE, 0, 7));
        history
    }

    #[test]
    fn a_question_that_comes_too_early_is_found() {
        let mut history = committed();
        ask(&mut history, 2_100);
        assert_eq!(check(&history, &Drained::default()), Ok(()));
        ask(&mut history, 2_099);
        check(&history, &Drained::default()).expect_err("it was stored at 100");
    }

    #[test]
    fn a_half_message_given_up_too_early_is_found() {
        let mut history = committed();
        (0..3).for_each(|turn| ask(&mut history, 3_000 + turn));
        let mut end = Drained::default();
        end.put((DEAD_CHECK, 0), 0, &[7]);
        check(&history, &end).expect_err("its producers were asked three times");
        ask(&mut history, 9_000);
        assert_eq!(check(&history, &end), Ok(()));
    }

    #[test]
    fn a_half_message_that_is_left_is_found() {
        let end = Drained { halves: 1, ..Drained::default() };
        check(&committed(), &end).expect_err("nobody has resolved one");
        check(&half(), &Drained::default()).expect_err("it was forgotten");
        assert_eq!(check(&committed(), &Drained::default()), Ok(()));
    }
}
