//! Reading all there is, in the end.

use model::QueueOffset;
use store::{Read, ReadError};

use crate::history::{Content, Drained};
use crate::node::Node;
use crate::op::{self, Answer, ORDERED, Op, PLAIN, POPPERS, Queue};

/// Every queue from its beginning to its end, and every group's offsets. An error: something cannot be read.
pub fn drain(node: &mut Node) -> Result<Drained, String> {
    let mut drained = Drained::default();
    for queue in op::queues() {
        let content = content(node, queue).map_err(|error| format!("unreadable: {queue:?}: {error}"))?;
        drained.queues.insert(queue, content);
        for group in [PLAIN, ORDERED, POPPERS] {
            let asked = node.serve(0, 0, &Op::AskOffset { group, queue });
            if let crate::node::Served::Now(Answer::Offset { offset: Some(offset), .. }) = asked {
                drained.offsets.insert((group, queue), offset);
            }
        }
    }
    drained.in_flight = node.in_flight();
    drained.halves = node.broker().map_or(0, |broker| broker.machines.halves.lock().len());
    Ok(drained)
}

fn content(node: &Node, queue: Queue) -> Result<Content, ReadError> {
    content_from(node, queue, 0)
}

/// What is in a queue from an offset on.
pub fn content_from(node: &Node, queue: Queue, from: u64) -> Result<Content, ReadError> {
    let broker = node.broker().expect("the broker is up");
    let bounds = broker.queue_bounds(queue.0, queue.1.cast_signed());
    let mut content = Content { min: bounds.min.0, max: bounds.max.0, messages: Vec::new() };
    let Some(slot) = broker.slot_of(queue.0, queue.1.cast_signed()) else { return Ok(content) };
    let (mut units, mut record) = (Vec::new(), Vec::new());
    let mut next = bounds.min.max(QueueOffset(from));
    while next < bounds.max {
        units.clear();
        broker.log().units(slot, next, 1_000, Read::Wait, &mut units)?;
        if units.is_empty() {
            break;
        }
        for unit in &units {
            record.clear();
            broker.log().read(unit.at, unit.len, Read::Wait, &mut record)?;
            content.messages.extend(crate::node::seen(queue, &record));
        }
        next = QueueOffset(next.0 + units.len() as u64);
    }
    Ok(content)
}
