//! Looking at what a group would pop, without taking anything (code 200052; semantics.md section 13). Nothing changes: no
//! offset, no reset that waits, no message in flight. Retries are told as they are stored, under their own topic.

use std::sync::atomic::Ordering;

use model::QueueOffset;
use store::{Read, Unit};

use super::{Begin, Error, RUN_MAX, Request};
use crate::broker::Broker;
use crate::ops::select::{Room, Scan};
use crate::state::offsets::Position;
use crate::subscription::Subscription;

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub messages: usize,
    /// Messages left for the group behind those seen.
    pub rest: u64,
}

impl Broker {
    /// Appends the records of the next messages of a group to `out`. Of `request` count its group, topic, queue and limits.
    pub fn peek(&self, request: &Request<'_>, mode: Read, out: &mut Vec<u8>) -> Result<Seen, Error> {
        let (group, topic) = self.check_pop(request.group, request.topic, request.queue_id)?;
        if !(1..=RUN_MAX).contains(&request.max_messages) {
            return Err(Error::Count(request.max_messages));
        }
        let subscription = Subscription::parse(request.topic, "*", None, 0)?;
        let turn = self.next_pop.fetch_add(1, Ordering::Relaxed);
        let mut room = Room::new(request.max_messages, request.max_bytes);
        let (mut seen, mut units) = (Seen::default(), Vec::<Unit>::new());
        for mut candidate in self.candidates(&group, &topic, request, turn) {
            let queue = (candidate.topic.id, candidate.queue);
            let offset = self.machines.offsets.lock().of(request.group, queue);
            candidate.position = offset.map_or(Position::New, Position::At);
            let begin = self.begin_of(&candidate, Begin::Oldest).unwrap_or(QueueOffset::ZERO);
            let end = self.log.bounds(candidate.slot).max;
            let mut next = begin;
            if !room.is_full() && begin < end {
                let scan = Scan { subscription: &subscription, slot: candidate.slot, from: begin, mode };
                next = self.select(&scan, &mut room, &mut units, |_| {})?.next;
            }
            seen.rest += end.0.saturating_sub(next.0);
        }
        self.log.read_units(&units, mode, out)?;
        seen.messages = units.len();
        Ok(seen)
    }
}
