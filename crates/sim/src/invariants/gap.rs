//! Queue offsets are dense, and the end of a queue never steps back (P4). Its beginning does not, either, while the broker
//! lives; a restart may find messages again whose deletion was not durable yet.

use std::collections::BTreeMap;

use super::keeps_all;
use crate::history::{Drained, History, Pull};
use crate::op::Queue;

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    for (queue, content) in &end.queues {
        let offsets = content.messages.iter().map(|message| message.offset);
        if !offsets.eq(content.min..content.max) {
            let offsets: Vec<_> = content.messages.iter().map(|message| message.offset).collect();
            return Err(format!("{queue:?} is from {} to {} and holds {offsets:?}", content.min, content.max));
        }
    }
    for pull in history.pulls() {
        let from = pull.found.first().map_or(pull.offset, |first| first.offset);
        let dense = pull.found.iter().map(|message| message.offset).eq(from..from + pull.found.len() as u64);
        if !pull.found.is_empty() && (!dense || from != pull.offset || pull.next != from + pull.found.len() as u64) {
            return Err(format!("a pull of {:?}/{} was given {:?}", pull.from, pull.offset, pull.call.answer));
        }
    }
    never_back(history, end)
}

/// A pull that began after another one had ended sees a queue that begins and ends there or later.
fn never_back(history: &History, end: &Drained) -> Result<(), String> {
    let ended: Vec<_> = history.pulls().filter(|pull| keeps_all(history, pull.from)).collect();
    let mut started: Vec<&Pull<'_>> = ended.iter().collect();
    started.sort_by_key(|pull| pull.call.started);
    let mut maxima: BTreeMap<Queue, u64> = BTreeMap::new();
    let mut minima: BTreeMap<(Queue, u32), u64> = BTreeMap::new();
    let mut before = ended.iter().peekable();
    for pull in started {
        while let Some(earlier) = before.next_if(|earlier| earlier.ended < pull.call.started) {
            let max = maxima.entry(earlier.from).or_default();
            *max = (*max).max(earlier.max);
            if let Some(life) = life_of(earlier) {
                let min = minima.entry((earlier.from, life)).or_default();
                *min = (*min).max(earlier.min);
            }
        }
        let max = maxima.get(&pull.from).copied().unwrap_or_default();
        let min = life_of(pull).and_then(|life| minima.get(&(pull.from, life)).copied()).unwrap_or_default();
        if pull.min < min || pull.max < max {
            let bounds = (pull.min, pull.max);
            return Err(format!("{:?} was from {min} to {max}, then a pull saw {bounds:?}", pull.from));
        }
    }
    for pull in &ended {
        if end.queues.get(&pull.from).is_some_and(|content| content.max < pull.max) {
            return Err(format!("{:?} went to {} and is shorter in the end", pull.from, pull.max));
        }
    }
    Ok(())
}

/// The process that answered, if only one can have.
fn life_of(pull: &Pull<'_>) -> Option<u32> {
    match &pull.call.runs[..] {
        [run] => Some(run.life),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history, seen};
    use super::*;

    #[test]
    fn a_hole_in_a_queue_is_found() {
        let mut end = drained(0, &[7, 8, 9]);
        assert_eq!(check(&history(), &end), Ok(()));
        end.queues.get_mut(&QUEUE).expect("put").messages.remove(1);
        check(&history(), &end).expect_err("offset 1 is not there");
    }

    #[test]
    fn a_hole_in_an_answer_is_found() {
        let mut history = history();
        history.pull(0, 1, 2, vec![seen(QUEUE, 0, 7), seen(QUEUE, 2, 9)], 3);
        check(&history, &drained(0, &[7, 8, 9])).expect_err("offset 1 was passed over");
    }

    #[test]
    fn a_queue_whose_end_steps_back_is_found() {
        let mut history = history();
        history.pull(5, 1, 2, vec![], 5);
        history.pull(5, 3, 4, vec![], 4);
        check(&history, &drained(0, &[1, 2, 3, 4, 5])).expect_err("5, then 4");
        history.calls.truncate(1);
        assert_eq!(check(&history, &drained(0, &[1, 2, 3, 4, 5])), Ok(()));
        check(&history, &drained(0, &[1, 2, 3, 4])).expect_err("5, then 4 in the end");
    }
}
