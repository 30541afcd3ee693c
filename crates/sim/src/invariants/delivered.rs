//! Every group was given every message of the queues it consumes, and has committed them all in the end (P6). Messages that
//! retention has taken, and those that a reset has passed over, are excused.

use std::collections::{BTreeMap, BTreeSet};

use super::keeps_all;
use crate::history::{Drained, History};
use crate::op::{self, Answer, ORDERED, ORDERS, Op, PLAIN, Queue};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    let mut given: BTreeSet<(&str, Queue, u64)> = BTreeSet::new();
    for pull in history.pulls() {
        given.extend(pull.found.iter().map(|message| (pull.group, pull.from, message.offset)));
    }
    let passed_over = passed_over(history);
    for (queue, content) in &end.queues {
        if !keeps_all(history, *queue) {
            continue;
        }
        for group in [PLAIN, ORDERED] {
            let consumes = if group == PLAIN { op::consumed().any(|one| one == *queue) } else { queue.0 == ORDERS };
            if !consumes || content.max == 0 {
                continue;
            }
            let from = passed_over.get(&(group, *queue)).copied().unwrap_or(0).max(content.min);
            if let Some(offset) = (from..content.max).find(|offset| !given.contains(&(group, *queue, *offset))) {
                return Err(format!("{group} was never given {queue:?}/{offset}"));
            }
            let committed = end.offsets.get(&(group, *queue)).copied().unwrap_or(0);
            if committed < content.max {
                return Err(format!("{group} has committed {committed} of {queue:?}, which ends at {}", content.max));
            }
        }
    }
    Ok(())
}

/// Up to where a reset may have led a group past messages.
fn passed_over(history: &History) -> BTreeMap<(&'static str, Queue), u64> {
    let mut passed_over = BTreeMap::new();
    for call in &history.calls {
        let Op::Reset { group, topic, .. } = call.op else { continue };
        let offsets = match &call.answer {
            Some(Answer::Reset(offsets)) => offsets.clone(),
            // Nobody knows where to.
            _ if !call.runs.is_empty() => vec![(0, u64::MAX), (1, u64::MAX)],
            _ => continue,
        };
        for (queue, offset) in offsets {
            let known: &mut u64 = passed_over.entry((group, (topic, queue))).or_default();
            // Another copy of the request may have led further than the one that was answered.
            *known = if call.runs.len() > 1 { u64::MAX } else { (*known).max(offset) };
        }
    }
    passed_over
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;

    #[test]
    fn a_message_a_group_was_never_given_is_found() {
        let mut history = history();
        let mut end = drained(0, &[7, 8]);
        for group in [PLAIN, ORDERED] {
            end.offsets.insert((group, QUEUE), 2);
            for offset in 0..2 {
                let pull = history.pull(offset, 1, 2, vec![seen(QUEUE, offset, 7 + offset)], 2);
                pull.op = Op::Pull { group, from: QUEUE, offset, commit: None };
            }
        }
        assert_eq!(check(&history, &end), Ok(()));
        let missed = history.calls.remove(1);
        check(&history, &end).expect_err("plain never saw 8");
        history.calls.push(missed);
        end.offsets.insert((ORDERED, QUEUE), 1);
        check(&history, &end).expect_err("ordered has not come to its end");
    }
}
