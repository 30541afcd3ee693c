//! Popping, acking, and changing invisible times, each a turn of its own.

use broker::Broker;
use broker::ops::ack;
use broker::ops::pop::turn::Pops;
use broker::ops::pop::{Begin, Plan, Request};
use model::receipt_handle::Origin;
use model::{Millis, Timestamp};
use store::{Read, Staged};

use super::{Done, append, seen_as};
use crate::op::{Answer, ORDERS, POP_RETRY, POPPERS, Popped};

pub fn pop(broker: &Broker, max: usize, invisible: Millis, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let request = Request {
        group: POPPERS,
        topic: ORDERS,
        queue_id: -1,
        max_messages: max,
        max_bytes: 64 * 1_024,
        invisible,
        begin: Begin::Oldest,
        expression: "*",
        kind: None,
        order: None,
    };
    let mut pops = Pops::default();
    let plan = broker.plan_pop(&request, now, Read::Wait, &pops).ok()?;
    if plan.parts.is_empty() {
        return Some(Done::Now(Answer::Popped(Vec::new())));
    }
    let mut records = Vec::new();
    broker.read_popped(&plan, Read::Wait, &mut records).ok()?;
    let found = found(&plan, &records)?;
    // Nobody else has a turn meanwhile.
    broker.begin_pop(&plan, staged, &mut pops).ok()?;
    finish(broker, &mut pops, staged, Answer::Popped(found))
}

/// The messages of an answer, as a client reads it.
fn found(plan: &Plan, records: &[u8]) -> Option<Vec<Popped>> {
    let (mut found, mut rest) = (Vec::new(), records);
    for part in &plan.parts {
        let topic = if part.origin == Origin::Topic { ORDERS } else { POP_RETRY };
        for offset in part.offsets() {
            let len = u32::from_be_bytes(*rest.first_chunk()?);
            let (record, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            rest = after;
            // A retry is told under the topic it came from.
            let message = seen_as((topic, part.queue.0), ORDERS, record)?;
            assert_eq!(message.offset, offset.0, "the answer names another message");
            found.push(Popped { message, popped_at: plan.popped_at, due: plan.popped_at.after(plan.invisible) });
        }
    }
    Some(found)
}

pub fn ack(broker: &Broker, messages: &[Popped], staged: &mut Staged) -> Option<Done> {
    let mut pops = Pops::default();
    for popped in messages {
        if broker.begin_ack(&request_of(popped), &mut pops).is_err() {
            broker.release_pops(&mut pops);
            return None;
        }
    }
    finish(broker, &mut pops, staged, Answer::Done)
}

pub fn hide(broker: &Broker, popped: &Popped, invisible: Millis, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let mut pops = Pops::default();
    let _ = broker.begin_change_invisible(&request_of(popped), invisible, now, staged, &mut pops).ok()?;
    finish(broker, &mut pops, staged, Answer::Done)
}

fn request_of(popped: &Popped) -> ack::Request<'static> {
    let (topic, queue) = popped.message.queue;
    ack::Request {
        group: POPPERS,
        topic,
        queue_id: queue.cast_signed(),
        offset: popped.message.offset.cast_signed(),
        popped_at: popped.popped_at,
        ordered: false,
    }
}

/// The end of the turn.
fn finish(broker: &Broker, pops: &mut Pops, staged: &mut Staged, answer: Answer) -> Option<Done> {
    broker.stage_acks(pops, staged);
    if staged.is_empty() {
        return Some(Done::Now(answer));
    }
    let done = append(broker, staged, answer);
    if done.is_some() {
        broker.pops_appended(pops);
    } else {
        broker.release_pops(pops);
    }
    done
}
