//! What was popped and not acked comes again, as the next attempt: as often as nobody acked it, not before its invisible time
//! has ended, and after the last attempt as a dead letter. What was acked in time does not (P6, P7).
//!
//! In time is an ack that reaches the broker before its clock has ever shown the end of the invisible time. Messages whose
//! segment is about to go come again earlier; so where messages are deleted by age, how early and how often is not judged. On a
//! full disk they go with their segment.

use std::collections::{BTreeMap, BTreeSet};

use model::{Millis, Timestamp};

use crate::history::{Call, Drained, History};
use crate::node::RETRY_MAX;
use crate::op::{ORDERS, Op, POP_DEAD, POP_RETRY, POPPERS, Popped, Queue, popped};
use crate::plan::KEEP_ALL_MS;

/// A message and how often it was tried before.
type Attempt = (u64, i32);

/// What is known of one attempt. Of one message there may be several, if the producer sent it more than once.
#[derive(Default)]
struct Known {
    /// Where it was found or popped.
    places: BTreeSet<(Queue, u64)>,
    popped: BTreeSet<(Queue, u64)>,
    /// An ack has reached the broker, in time or not.
    maybe_acked: BTreeSet<(Queue, u64)>,
    acked: BTreeSet<(Queue, u64)>,
    /// The earliest end of an invisible time.
    due: Option<Timestamp>,
}

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    if end.in_flight > 0 {
        return Err(format!("{} messages are in flight in the end", end.in_flight));
    }
    all_taken(end)?;
    let changes = changes(history);
    let mut known: BTreeMap<Attempt, Known> = BTreeMap::new();
    let of_group = |place: &(Queue, u64)| popped().any(|queue| queue == place.0);
    for (place, message) in history.found.iter().filter(|(place, _)| of_group(place)) {
        known.entry((message.id.unwrap_or(0), message.attempt)).or_default().places.insert(*place);
    }
    for (_, found) in history.pops() {
        for popped in found {
            let known = known.entry(attempt_of(popped)).or_default();
            known.places.insert(place_of(popped));
            known.popped.insert(place_of(popped));
            let due = due_of(popped, &changes);
            known.due = Some(known.due.map_or(due, |known| known.min(due)));
        }
    }
    for call in &history.calls {
        let Op::Ack { messages } = &call.op else { continue };
        for popped in messages.iter().filter(|_| !call.runs.is_empty()) {
            let known = known.entry(attempt_of(popped)).or_default();
            known.maybe_acked.insert(place_of(popped));
            if call.answer.is_some() && in_time(call, due_of(popped, &changes)) {
                known.acked.insert(place_of(popped));
            }
        }
    }
    known.iter().try_for_each(|(attempt, now)| judge(history, *attempt, now, &known))
}

fn judge(
    history: &History,
    (id, attempt): Attempt,
    now: &Known,
    known: &BTreeMap<Attempt, Known>,
) -> Result<(), String> {
    let none = Known::default();
    let next = known.get(&(id, attempt + 1)).unwrap_or(&none);
    let told = |what: &str| {
        Err(format!("message {id:x}, attempt {attempt}: {what}; it was at {:?}, then at {:?}", now.places, next.places))
    };
    for (queue, _) in &now.places {
        let in_place = match queue.0 {
            POP_RETRY => (1..=RETRY_MAX).contains(&attempt),
            POP_DEAD => attempt == RETRY_MAX + 1,
            _ => attempt == 0,
        };
        if !in_place {
            return told("counted wrong");
        }
    }
    let dead = attempt > RETRY_MAX;
    let deletes = history.keep_ms < KEEP_ALL_MS;
    let excused = dead || deletes && history.disk_full;
    if !excused && next.places.len() + now.maybe_acked.len() < now.popped.len() {
        return told("not acked, and never came again");
    }
    if deletes {
        return Ok(());
    }
    if next.places.len() + now.acked.len() > now.places.len() {
        return told(&format!("acked {} times, and came again", now.acked.len()));
    }
    let early = |place: &&(Queue, u64)| {
        let stored = history.found.get(place).map(|message| message.stored);
        now.due.is_some_and(|due| stored.is_some_and(|stored| stored < due))
    };
    match next.places.iter().find(early) {
        // Another copy of it may have been popped without anybody hearing of it.
        Some(place) if now.popped.len() == now.places.len() => {
            told(&format!("it was invisible until {:?}, {place:?}", now.due))
        }
        _ => Ok(()),
    }
}

/// The group stands at the end of every queue it pops, unless what is left is deleted.
fn all_taken(end: &Drained) -> Result<(), String> {
    for (queue, content) in end.queues.iter().filter(|(queue, _)| matches!(queue.0, ORDERS | POP_RETRY)) {
        let taken = end.offsets.get(&(POPPERS, *queue)).copied().unwrap_or(0);
        if content.max > taken.max(content.min) {
            return Err(format!("nobody has popped {queue:?} from {taken} to {}", content.max));
        }
    }
    Ok(())
}

fn attempt_of(popped: &Popped) -> Attempt {
    (popped.message.id.unwrap_or(0), popped.message.attempt)
}

fn place_of(popped: &Popped) -> (Queue, u64) {
    (popped.message.queue, popped.message.offset)
}

/// The ends of invisible times that were asked for, by place.
type Changes<'a> = BTreeMap<(Queue, u64), Vec<(&'a Call, Millis)>>;

fn changes(history: &History) -> Changes<'_> {
    let mut changes = Changes::default();
    for call in &history.calls {
        if let Op::Hide { message, invisible } = &call.op {
            changes.entry(place_of(message)).or_default().push((call, *invisible));
        }
    }
    changes
}

/// The earliest end of the invisible time, whatever became of the wishes to change it. One that was heard in time and answered
/// counts, if there is no other.
fn due_of(popped: &Popped, changes: &Changes<'_>) -> Timestamp {
    let Some(changes) = changes.get(&place_of(popped)) else { return popped.due };
    if let [(call, invisible)] = &changes[..]
        && let [run] = &call.runs[..]
        && call.answer.is_some()
        && in_time(call, popped.due)
    {
        return run.clock.after(*invisible);
    }
    let wished = changes.iter().flat_map(|(call, invisible)| call.runs.iter().map(|run| run.clock.after(*invisible)));
    wished.fold(popped.due, Timestamp::min)
}

/// Whether a copy of the call has reached the broker before it could think that the time was over.
fn in_time(call: &Call, due: Timestamp) -> bool {
    call.runs.iter().any(|run| run.clock_high < due)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, QUEUE, history, seen};
    use super::*;
    use crate::op::{Answer, Seen};

    /// Message 7 is popped at 10 and invisible until 60.
    fn popped_once() -> (History, Popped) {
        let mut history = history();
        history.keep_ms = KEEP_ALL_MS;
        let message = Popped { due: Timestamp(60), ..testing::popped(QUEUE, 0, 7, 0) };
        history.pop(10, vec![message]);
        history.found.insert((QUEUE, 0), message.message);
        (history, message)
    }

    fn comes_again(history: &mut History, queue: Queue, attempt: i32, at: i64) {
        let again = Seen { attempt, stored: Timestamp(at), ..seen(queue, 0, 7) };
        history.found.insert((queue, 0), again);
    }

    fn judged(history: &History) -> Result<(), String> {
        check(history, &Drained::default())
    }

    #[test]
    fn a_message_that_is_not_acked_and_does_not_come_again_is_found() {
        let (mut history, message) = popped_once();
        judged(&history).expect_err("nobody has acked it");
        let mut acked = history.clone();
        acked.call(Op::Ack { messages: vec![message] }, 20, 20, None);
        assert_eq!(judged(&acked), Ok(()));
        comes_again(&mut history, (POP_RETRY, 0), 1, 60);
        assert_eq!(judged(&history), Ok(()));
    }

    #[test]
    fn a_message_that_comes_again_too_early_is_found() {
        let (mut history, message) = popped_once();
        comes_again(&mut history, (POP_RETRY, 0), 1, 59);
        judged(&history).expect_err("it was invisible until 60");
        history.call(Op::Hide { message, invisible: Millis(20) }, 20, 20, Some(Answer::Done));
        assert_eq!(judged(&history), Ok(()), "from 20 on for 20");
    }

    #[test]
    fn an_acked_message_that_comes_again_is_found() {
        let (mut history, message) = popped_once();
        comes_again(&mut history, (POP_RETRY, 0), 1, 60);
        history.call(Op::Ack { messages: vec![message] }, 60, 60, Some(Answer::Done));
        assert_eq!(judged(&history), Ok(()), "the ack came too late");
        history.call(Op::Ack { messages: vec![message] }, 59, 59, Some(Answer::Done));
        judged(&history).expect_err("the ack was in time");
    }

    #[test]
    fn attempts_that_are_counted_wrong_are_found() {
        let (mut history, _) = popped_once();
        comes_again(&mut history, (POP_RETRY, 0), 1, 60);
        assert_eq!(judged(&history), Ok(()));
        comes_again(&mut history, (POP_DEAD, 0), 1, 60);
        judged(&history).expect_err("not dead after one attempt");
    }

    #[test]
    fn what_is_left_in_flight_or_was_never_popped_is_found() {
        let history = history();
        check(&history, &Drained { in_flight: 1, ..Drained::default() }).expect_err("in flight");
        let mut end = Drained::default();
        end.put(QUEUE, 0, &[7]);
        check(&history, &end).expect_err("never popped");
        end.offsets.insert((POPPERS, QUEUE), 1);
        assert_eq!(check(&history, &end), Ok(()));
    }
}
