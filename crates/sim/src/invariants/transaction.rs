//! A half message is seen only after its commit has reached the broker, never after a rollback; a commit that was answered is
//! there in the end (P8).

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Call, Drained, History, Tick};
use crate::op::{DEAD_CHECK, Op, Queue, Seen};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    // The first moment at which each may be seen; none if nobody has committed it.
    let mut halves: BTreeMap<u64, Option<Tick>> = BTreeMap::new();
    for call in &history.calls {
        match call.op {
            Op::SendHalf { id, .. } => _ = halves.entry(id).or_default(),
            Op::EndTransaction { id, commit: true, .. } => {
                let known = halves.entry(id).or_default();
                let reached = call.runs.iter().map(|run| run.tick).min();
                *known = [*known, reached].into_iter().flatten().min();
            }
            _ => {}
        }
    }
    let seen_early = |message: &Seen, at: Tick| {
        let committed = message.id.and_then(|id| halves.get(&id));
        committed.is_some_and(|committed| committed.is_none_or(|committed| at < committed))
    };
    for pull in history.pulls() {
        if let Some(message) = pull.found.iter().find(|message| seen_early(message, pull.ended)) {
            return Err(format!("a half was seen: {message:?} at tick {}", pull.ended));
        }
    }
    let visible = end.queues.iter().filter(|(queue, _)| queue.0 != DEAD_CHECK);
    let there = visible.flat_map(|(_, content)| &content.messages);
    if let Some(message) = there.clone().find(|message| seen_early(message, Tick::MAX)) {
        return Err(format!("nobody has committed {message:?}"));
    }
    let there: BTreeSet<_> = there.filter_map(|message| Some((message.queue, message.id?))).collect();
    history.calls.iter().try_for_each(|call| kept(call, history, end, &there))
}

fn kept(call: &Call, history: &History, end: &Drained, there: &BTreeSet<(Queue, u64)>) -> Result<(), String> {
    let Op::EndTransaction { to, id, commit, .. } = call.op else { return Ok(()) };
    if call.answer.is_none() {
        return Ok(());
    }
    let reached = &call.runs;
    let old = reached.iter().all(|run| history.may_be_trimmed(run.clock, end));
    match (commit, there.contains(&(to, id))) {
        (true, false) if !old => Err(format!("committed and not there: {call:?}")),
        (false, true) => Err(format!("rolled back and there: {call:?}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use model::LogOffset;

    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;
    use crate::op::Answer;

    fn half() -> History {
        let mut history = history();
        let answer = Some(Answer::Half { at: LogOffset(9), queue_offset: 0 });
        history.call(Op::SendHalf { to: QUEUE, id: 7 }, 1, 2, answer);
        history
    }

    fn end_it(history: &mut History, commit: bool) {
        let op = Op::EndTransaction { to: QUEUE, id: 7, half: LogOffset(9), queue_offset: 0, commit, asked: false };
        history.call(op, 10, 20, Some(Answer::Done));
    }

    #[test]
    fn a_half_message_that_can_be_seen_is_found() {
        let mut history = half();
        check(&history, &drained(0, &[7])).expect_err("nobody has committed it");
        end_it(&mut history, false);
        check(&history, &drained(0, &[7])).expect_err("it was rolled back");
        history.calls.pop();
        end_it(&mut history, true);
        assert_eq!(check(&history, &drained(0, &[7])), Ok(()));
        history.pull(0, 11, 12, vec![seen(QUEUE, 0, 7)], 1);
        check(&history, &drained(0, &[7])).expect_err("its commit had not reached the broker");
    }

    #[test]
    fn a_committed_message_that_is_gone_is_found() {
        let mut history = half();
        end_it(&mut history, true);
        check(&history, &drained(0, &[])).expect_err("its commit was answered");
    }
}
