//! Short histories for the tests of the rules.

use model::{LogOffset, Millis, Timestamp};

use crate::history::{Call, Content, Drained, History, Run};
use crate::op::{Answer, ORDERS, Op, PLAIN, Popped, Queue, Seen, When};

pub const QUEUE: Queue = (ORDERS, 0);

/// A history without calls in which nothing is ever too old.
pub fn history() -> History {
    History { keep_ms: 1_000_000, delays_ms: vec![500], ..History::default() }
}

impl History {
    /// A call from tick `started` to `ended` that reached the broker half-way.
    pub fn call(&mut self, op: Op, started: u64, ended: u64, answer: Option<Answer>) -> &mut Call {
        let tick = u64::midpoint(started, ended);
        let clock = Timestamp(i64::try_from(tick).expect("small"));
        let runs = vec![Run { tick, life: 1, clock, clock_high: clock, granted: answer == Some(Answer::Locked(true)) }];
        self.calls.push(Call { client: 1, op, started, ended: Some(ended), answer, runs });
        self.calls.last_mut().expect("just pushed")
    }

    pub fn send(&mut self, id: u64, started: u64, ended: u64, first: Option<u64>) -> &mut Call {
        let answer = first.map(|first| Answer::Sent { first: Some(first) });
        self.call(Op::Send { to: QUEUE, ids: vec![id], when: When::Now }, started, ended, answer)
    }

    pub fn pop(&mut self, at: u64, found: Vec<Popped>) -> &mut Call {
        self.call(Op::Pop { max: 32, invisible: Millis(1_000) }, at, at, Some(Answer::Popped(found)))
    }

    pub fn pull(&mut self, offset: u64, started: u64, ended: u64, found: Vec<Seen>, max: u64) -> &mut Call {
        let next = offset + found.len() as u64;
        let answer = Answer::Pulled { found, next, min: 0, max, reset: false };
        self.call(Op::Pull { group: PLAIN, from: QUEUE, offset, commit: None }, started, ended, Some(answer))
    }
}

/// Message `id`, popped at its `attempt`.
pub fn popped(queue: Queue, offset: u64, id: u64, attempt: i32) -> Popped {
    let message = Seen { attempt, ..seen(queue, offset, id) };
    Popped { message, popped_at: Timestamp(0), due: Timestamp(1_000) }
}

pub fn seen(queue: Queue, offset: u64, id: u64) -> Seen {
    Seen { queue, offset, at: LogOffset(offset * 100), id: Some(id), attempt: 0, stored: Timestamp(0) }
}

/// [`QUEUE`] holds messages with these ids from offset `min` on.
pub fn drained(min: u64, ids: &[u64]) -> Drained {
    let mut end = Drained::default();
    end.put(QUEUE, min, ids);
    end
}

impl Drained {
    pub fn put(&mut self, queue: Queue, min: u64, ids: &[u64]) {
        let messages: Vec<_> = (min..).zip(ids).map(|(offset, id)| seen(queue, offset, *id)).collect();
        self.queues.insert(queue, Content { min, max: min + ids.len() as u64, messages });
    }
}
