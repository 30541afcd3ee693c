//! A consumer offset that was answered stays, whatever happens, until another one is committed (P7), and is never beyond what
//! the group could see.
//!
//! What a group may be answered: the last offset answered before the question, or one whose commit was under way at the
//! time or came later. One-way commits and those along with pulls may be forgotten, so they count as under way for ever,
//! until an answered one has replaced them.

use std::collections::BTreeMap;

use super::keeps_all;
use crate::history::{Call, Drained, History, Tick};
use crate::op::{Answer, Op, Queue};

type Key = (&'static str, Queue);

/// The value of a reset that nobody knows.
const ANYWHERE: u64 = u64::MAX;

/// A commit or a reset.
struct Write {
    value: u64,
    started: Tick,
    /// When a copy reached the broker last.
    reached: Tick,
    /// When it was answered, if that promises something.
    promised: Option<Tick>,
    reset: bool,
}

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    let mut writes: BTreeMap<Key, Vec<Write>> = BTreeMap::new();
    history.calls.iter().for_each(|call| note(call, &mut writes));
    for call in &history.calls {
        let Op::AskOffset { group, queue } = call.op else { continue };
        let Some(Answer::Offset { offset, max }) = call.answer else { continue };
        if offset.is_some_and(|offset| offset > max) {
            return Err(format!("beyond the end {max}: {call:?}"));
        }
        if !keeps_all(history, queue) {
            continue;
        }
        let none = Vec::new();
        let writes = writes.get(&(group, queue)).unwrap_or(&none);
        may_be(offset, call, writes)?;
    }
    Ok(())
}

fn note(call: &Call, writes: &mut BTreeMap<Key, Vec<Write>>) {
    let Some(reached) = call.runs.iter().map(|run| run.tick).max() else { return };
    let (started, answered) = (call.started, call.answer.as_ref().and(call.ended));
    let mut write = |key, value, promised, reset| {
        writes.entry(key).or_default().push(Write { value, started, reached, promised, reset });
    };
    match (&call.op, &call.answer) {
        (Op::Commit { group, queue, offset, answered: promises }, _) => {
            write((*group, *queue), *offset, answered.filter(|_| *promises), false);
        }
        (Op::Pull { group, from, commit: Some(offset), .. }, _) => write((*group, *from), *offset, None, false),
        (Op::Reset { group, topic, .. }, Some(Answer::Reset(offsets))) if call.runs.len() == 1 => {
            offsets.iter().for_each(|(queue, offset)| write((*group, (*topic, *queue)), *offset, answered, true));
        }
        // Where to is not known, or a second copy led elsewhere: any offset will do from now on.
        (Op::Reset { group, topic, .. }, _) => {
            (0..2).for_each(|queue| write((*group, (*topic, queue)), ANYWHERE, None, true));
        }
        _ => {}
    }
}

fn may_be(offset: Option<u64>, asked: &Call, writes: &[Write]) -> Result<(), String> {
    let ended = asked.ended.expect("it was answered");
    let last = writes
        .iter()
        .filter(|write| write.promised.is_some_and(|promised| promised < asked.started))
        .max_by_key(|write| write.promised);
    let Some(offset) = offset else {
        return if last.is_none() {
            Ok(())
        } else {
            Err(format!("forgotten, {:?} was committed: {asked:?}", last.map(|last| last.value)))
        };
    };
    let since = last.map_or(0, |last| last.started);
    // A commit while a reset waits for its pull is answered and changes nothing.
    let possible = |write: &Write| write.started < ended && (write.reached >= since || write.reset);
    let resets_to_anywhere = writes.iter().any(|write| write.value == ANYWHERE && write.started < ended);
    if resets_to_anywhere || writes.iter().any(|write| write.value == offset && possible(write)) {
        return Ok(());
    }
    Err(format!("{:?} was committed, then {offset} was answered: {asked:?}", last.map(|last| last.value)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, history};
    use super::*;
    use crate::op::PLAIN;

    fn commit(history: &mut History, offset: u64, started: Tick, answered: bool) {
        let op = Op::Commit { group: PLAIN, queue: QUEUE, offset, answered };
        history.call(op, started, started + 2, Some(Answer::Done));
    }

    fn ask(history: &mut History, started: Tick, offset: Option<u64>) {
        let op = Op::AskOffset { group: PLAIN, queue: QUEUE };
        history.call(op, started, started + 2, Some(Answer::Offset { offset, max: 10 }));
    }

    #[test]
    fn an_answered_offset_that_steps_back_is_found() {
        let mut history = history();
        commit(&mut history, 3, 1, true);
        commit(&mut history, 5, 10, true);
        ask(&mut history, 20, Some(5));
        assert_eq!(check(&history, &Drained::default()), Ok(()));
        ask(&mut history, 30, Some(3));
        check(&history, &Drained::default()).expect_err("5 was answered");
        history.calls.pop();
        ask(&mut history, 30, None);
        check(&history, &Drained::default()).expect_err("5 was answered");
    }

    #[test]
    fn a_one_way_offset_may_be_forgotten() {
        let mut history = history();
        commit(&mut history, 3, 1, true);
        commit(&mut history, 5, 10, false);
        ask(&mut history, 20, Some(5));
        ask(&mut history, 30, Some(3));
        assert_eq!(check(&history, &Drained::default()), Ok(()));
    }

    #[test]
    fn an_offset_beyond_the_end_is_found() {
        let mut history = history();
        commit(&mut history, 11, 1, true);
        ask(&mut history, 20, Some(11));
        check(&history, &Drained::default()).expect_err("the queue ends at 10");
    }
}
