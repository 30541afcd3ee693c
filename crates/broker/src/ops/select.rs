//! Choosing the messages of a queue that a consumer wants, for pulls and pops alike.
//!
//! A tag expression is judged by index units alone. A SQL92 expression must see the properties, and looks at them where they are
//! stored; bytes are copied only of what is handed out, by the caller.

use std::sync::Arc;

use model::QueueOffset;
use model::filter::{Filter, Verdict};
use model::record::message::Message;
use store::{QueueSlot, Read, ReadError, Unit};

use crate::broker::Broker;
use crate::state::traffic::Filtered;
use crate::subscription::{self, Subscription};

/// Units looked at in one queue at once, so that a filter that matches nothing cannot hold a thread (as in the reference:
/// 16,000 bytes of 20-byte units).
pub(crate) const SCAN_MAX: usize = 800;

/// Messages judged at once by a SQL92 filter: a bit each in a word.
const JUDGED_AT_ONCE: usize = 64;

/// Steps of filters in one request, some milliseconds; one that costs more answers with what it has found so far. Expressions
/// as people write them stay far below, at ten to twenty steps a message.
const STEPS_MAX: u64 = 1_000_000;

/// What still fits into an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    messages: usize,
    bytes: usize,
    /// The first message fits whatever its size.
    nothing_yet: bool,
    /// Steps of filters.
    steps: u64,
}

/// The messages of one queue from an offset on, for a subscription.
pub(crate) struct Scan<'a> {
    pub subscription: &'a Subscription,
    pub slot: QueueSlot,
    pub from: QueueOffset,
    pub mode: Read,
}

/// What [`Broker::select`] has looked at.
pub(crate) struct Selected {
    /// The offset after the last message looked at.
    pub next: QueueOffset,
    pub filtered: Filtered,
}

impl Room {
    pub(crate) fn new(messages: usize, bytes: usize) -> Room {
        Room { messages, bytes, nothing_yet: true, steps: STEPS_MAX }
    }

    /// Nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.messages == 0 || self.bytes == 0 && !self.nothing_yet
    }

    /// Filters have cost what they may.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps == 0
    }

    /// Takes the place of a message. False: it does not fit.
    pub(crate) fn take(&mut self, len: u32) -> bool {
        let len = usize::try_from(len).expect("a record fits memory");
        if self.messages == 0 || len > self.bytes && !self.nothing_yet {
            return false;
        }
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(len);
        self.nothing_yet = false;
        true
    }
}

impl Broker {
    /// Appends the wanted messages to `units`, and tells `chosen` how far behind `scan.from` each one lies.
    pub(crate) fn select(
        &self,
        scan: &Scan<'_>,
        room: &mut Room,
        units: &mut Vec<Unit>,
        mut chosen: impl FnMut(u16),
    ) -> Result<Selected, ReadError> {
        let subscription = scan.subscription;
        let all = subscription.wants_all();
        let (mut scanned, mut full, mut filtered) = (0, false, Filtered::default());
        while !full && !room.is_full() && !room.is_exhausted() && scanned < SCAN_MAX {
            let before = units.len();
            let ask = match &subscription.filter {
                None if all => room.messages,
                None => SCAN_MAX - scanned,
                Some(_) => (SCAN_MAX - scanned).min(JUDGED_AT_ONCE),
            };
            self.log.units(scan.slot, scan.from.plus(scanned as u64), ask, scan.mode, units)?;
            if units.len() == before {
                break;
            }
            let judged = match &subscription.filter {
                None => Judged::ALL,
                Some(filter) => self.judge(filter, &units[before..], scan.mode, &mut room.steps)?,
            };
            let (mut kept, mut looked_at) = (before, 0);
            for index in before..units.len() {
                let unit = units[index];
                let wants = subscription.wants(unit.tag_hash) && judged.matches(looked_at);
                if wants && !room.take(unit.len) {
                    full = true;
                    break;
                }
                filtered.failed += u64::from(judged.failed(looked_at));
                if wants {
                    chosen(u16::try_from(scanned + looked_at).expect("the largest answer is far smaller"));
                    units[kept] = unit;
                    kept += 1;
                }
                looked_at += 1;
            }
            units.truncate(kept);
            scanned += looked_at;
            if !all {
                filtered.examined += looked_at as u64;
                filtered.dropped += (looked_at - (kept - before)) as u64;
            }
        }
        Ok(Selected { next: scan.from.plus(scanned as u64), filtered })
    }

    /// Which of the messages `subscription` wants.
    pub fn matching(&self, subscription: &Subscription, units: &[Unit], mode: Read) -> Result<Vec<bool>, ReadError> {
        let mut matching: Vec<_> = units.iter().map(|unit| subscription.wants(unit.tag_hash)).collect();
        let Some(filter) = &subscription.filter else { return Ok(matching) };
        let mut steps = u64::MAX;
        for (some, wanted) in units.chunks(JUDGED_AT_ONCE).zip(matching.chunks_mut(JUDGED_AT_ONCE)) {
            let judged = self.judge(filter, some, mode, &mut steps)?;
            wanted.iter_mut().enumerate().for_each(|(index, wanted)| *wanted = judged.matches(index));
        }
        Ok(matching)
    }

    /// Evaluates a filter on the properties of at most [`JUDGED_AT_ONCE`] messages, where they are stored. Takes what that
    /// costs from `steps`.
    fn judge(&self, filter: &Filter, units: &[Unit], mode: Read, steps: &mut u64) -> Result<Judged, ReadError> {
        let (mut judged, mut cost) = (Judged { matching: 0, failed: 0 }, 0);
        self.log.look_at(units, mode, |index, record| {
            let verdict = match Message::parse(record) {
                Some(message) => filter.evaluate(message.properties(), &mut cost),
                None => Verdict::Failed,
            };
            match verdict {
                Verdict::True => judged.matching |= 1 << index,
                Verdict::Failed => judged.failed |= 1 << index,
                Verdict::False | Verdict::Unknown => {}
            }
        })?;
        *steps = steps.saturating_sub(cost);
        Ok(judged)
    }

    /// An expression that came with a request. Clients that send theirs with each one said the same in their heartbeat:
    /// compiled once.
    pub(crate) fn subscription_given(
        &self,
        group: &str,
        topic: &str,
        expression: &str,
        kind: Option<&str>,
    ) -> Result<Arc<Subscription>, subscription::Error> {
        if kind == Some(subscription::SQL92)
            && let Some(known) = self.clients.compiled(group, topic, expression)
        {
            return Ok(known);
        }
        Ok(Arc::new(Subscription::parse(topic, expression, kind, 0)?))
    }
}

/// Which of some messages a filter lets through: a bit each.
#[derive(Clone, Copy, Debug)]
struct Judged {
    matching: u64,
    failed: u64,
}

impl Judged {
    /// No filter: everything, however many.
    const ALL: Judged = Judged { matching: u64::MAX, failed: 0 };

    fn matches(self, index: usize) -> bool {
        self.matching == u64::MAX || self.matching >> index & 1 == 1
    }

    fn failed(self, index: usize) -> bool {
        self.failed != 0 && self.failed >> index & 1 == 1
    }
}
