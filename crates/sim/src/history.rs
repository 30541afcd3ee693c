//! What happened: every request with its beginning, its end and its answer, and when it reached the broker. The rules in
//! `invariants` are passes over it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Millis, Timestamp};

use crate::op::{Answer, Check, Op, Popped, Queue, Seen, When};

/// A moment of the run. Two things never happen at the same tick.
pub type Tick = u64;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Another one for each life of a client.
    pub client: u32,
    pub op: Op,
    pub started: Tick,
    /// When the client was answered, or gave up.
    pub ended: Option<Tick>,
    /// The answer, if it was a positive one. Without it the client knows nothing (RELIABILITY.md, P3).
    pub answer: Option<Answer>,
    /// Each time a copy of it reached a broker that was up.
    pub runs: Vec<Run>,
}

/// A copy of a request at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub tick: Tick,
    /// Which process.
    pub life: u32,
    /// What the broker's clock showed.
    pub clock: Timestamp,
    /// The latest that clock has shown so far: clocks jump.
    pub clock_high: Timestamp,
    /// A lock was granted.
    pub granted: bool,
}

/// The disk could not sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFailure {
    pub committed_before: u64,
    pub committed_after: u64,
}

/// What a process found when it started.
#[derive(Clone, Debug)]
pub struct Recovered {
    pub life: u32,
    /// The end of each queue.
    pub ends: BTreeMap<Queue, u64>,
}

/// The broker has asked a producer about a half message.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub check: Check,
    /// The latest the broker's clock has shown so far.
    pub clock_high: Timestamp,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub calls: Vec<Call>,
    /// Unsynced bytes may have been lost.
    pub power_losses: Vec<Tick>,
    /// The broker's clock was set.
    pub clock_jumps: Vec<Tick>,
    pub sync_failures: Vec<SyncFailure>,
    /// Each process that came up.
    pub recovered: Vec<Recovered>,
    pub asked: Vec<Asked>,
    /// What was ever found in the queues of [`crate::op::lasting`], looked at before anything of it is deleted.
    pub found: BTreeMap<(Queue, u64), Seen>,
    /// Messages are kept for so many milliseconds.
    pub keep_ms: u64,
    /// The disk was full for a while.
    pub disk_full: bool,
    /// Nothing disturbed the broker: it has no excuse for being late.
    pub undisturbed: bool,
    /// Milliseconds of each delay level from 1.
    pub delays_ms: Vec<u64>,
}

/// What is there in the end.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    pub queues: BTreeMap<Queue, Content>,
    /// What each group has committed.
    pub offsets: BTreeMap<(&'static str, Queue), u64>,
    /// Half messages that are not resolved.
    pub halves: usize,
    /// Messages popped and not acked.
    pub in_flight: u64,
    /// The latest the broker's clock has ever shown.
    pub clock_high: Timestamp,
}

/// A queue, read from its beginning to its end.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub min: u64,
    pub max: u64,
    pub messages: Vec<Seen>,
}

impl History {
    /// Positive answers to pulls: the call and what it found, in the order they were answered.
    pub fn pulls(&self) -> impl Iterator<Item = Pull<'_>> {
        let mut pulls: Vec<_> = self.calls.iter().filter_map(Pull::of).collect();
        pulls.sort_by_key(|pull| pull.ended);
        pulls.into_iter()
    }

    /// Pops that were answered with messages, in the order they were asked.
    pub fn pops(&self) -> impl Iterator<Item = (&Call, &[Popped])> {
        self.calls.iter().filter_map(|call| match &call.answer {
            Some(Answer::Popped(found)) => Some((call, &found[..])),
            _ => None,
        })
    }

    /// Sends to queues for which `wanted` says true.
    pub fn sends(&self, wanted: impl Fn(Queue) -> bool) -> impl Iterator<Item = Send<'_>> {
        self.calls.iter().filter_map(Send::of).filter(move |send| wanted(send.to))
    }

    /// When a message whose send reached the broker at `clock` may be delivered.
    #[must_use]
    pub fn due(&self, when: When, clock: Timestamp) -> Timestamp {
        match when {
            When::Now => clock,
            When::Level(level) => clock.after(Millis(self.delays_ms[level as usize - 1])),
            When::At(due) => due,
        }
    }

    /// Messages that somebody has tried to take back.
    #[must_use]
    pub fn maybe_recalled(&self) -> BTreeSet<u64> {
        let recalled = |call: &Call| match call.op {
            Op::Recall { id, .. } if !call.runs.is_empty() => Some(id),
            _ => None,
        };
        self.calls.iter().filter_map(recalled).collect()
    }

    /// Whether what an async topic has not synced may be lost.
    #[must_use]
    pub fn lost_power(&self) -> bool {
        !self.power_losses.is_empty()
    }

    /// Whether a message that reached the broker at `clock` may be gone by age in the end.
    #[must_use]
    pub fn may_be_trimmed(&self, clock: Timestamp, end: &Drained) -> bool {
        clock.0.saturating_add_unsigned(self.keep_ms) <= end.clock_high.0
    }
}

/// A pull that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    pub call: &'a Call,
    pub group: &'static str,
    pub from: Queue,
    pub offset: u64,
    pub ended: Tick,
    pub found: &'a [Seen],
    pub next: u64,
    pub min: u64,
    pub max: u64,
    pub reset: bool,
}

impl Pull<'_> {
    fn of(call: &Call) -> Option<Pull<'_>> {
        let Op::Pull { group, from, offset, .. } = call.op else { return None };
        let Some(Answer::Pulled { found, next, min, max, reset }) = &call.answer else { return None };
        let (next, min, max, reset) = (*next, *min, *max, *reset);
        Some(Pull { call, group, from, offset, ended: call.ended?, found, next, min, max, reset })
    }
}

/// A send, answered or not.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    pub call: &'a Call,
    pub to: Queue,
    pub ids: &'a [u64],
    pub when: When,
    /// The answer was positive.
    pub ok: bool,
    /// Queue offset of the first, if it was told.
    pub first: Option<u64>,
}

impl Send<'_> {
    fn of(call: &Call) -> Option<Send<'_>> {
        let Op::Send { to, ids, when } = &call.op else { return None };
        let first = match call.answer {
            Some(Answer::Sent { first }) => first,
            _ => None,
        };
        Some(Send { call, to: *to, ids, when: *when, ok: call.answer.is_some(), first })
    }
}
