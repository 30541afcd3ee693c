//! Waiting for something to pop.

use std::sync::Arc;

use model::{QueueId, Timestamp};
use store::QueueSlot;

use crate::broker::Broker;
use crate::ops::pop::Error;
use crate::ops::pop::ordered::has_more;
use crate::state::arrivals::{Interest, TooMany, WaitId, Wake};
use crate::state::offsets::{Position, Queue};
use crate::state::polls::{Asks, PollKey};
use crate::state::topics::Topic;

/// What a pop that found nothing waits for.
#[derive(Clone, Debug)]
pub struct Poll {
    pub key: PollKey,
    queues: Vec<(Queue, QueueSlot)>,
    /// How many of `queues` belong to the topic itself.
    own: usize,
    only: Option<QueueSlot>,
    interest: Interest,
    /// In order, and the name of the attempt.
    order: Option<String>,
}

impl Broker {
    /// What a pop of a group waits for. Negative `queue_id`: all queues.
    pub(crate) fn poll(
        &self,
        key: PollKey,
        topic: &Arc<Topic>,
        queue_id: i32,
        interest: Interest,
        order: Option<String>,
    ) -> Poll {
        let slots = |topic: &Topic| {
            let place = |queue| Some(((topic.id, QueueId(queue)), topic.slot(&self.log, QueueId(queue))?));
            (0..topic.config.read_queues).filter_map(place).collect::<Vec<_>>()
        };
        let only = u32::try_from(queue_id).ok().and_then(|queue| topic.slot(&self.log, QueueId(queue)));
        let mut queues = slots(topic);
        let own = queues.len();
        for (_, retry) in self.pop_retry_topics(&key.group, topic).filter(|_| order.is_none()) {
            queues.extend(slots(&retry));
        }
        Poll { key, queues, own, only, interest, order }
    }

    /// Waits. `None`: something has arrived meanwhile, look again.
    pub fn wait_to_pop(&self, poll: &Poll, now: Timestamp, wake: Arc<dyn Wake>) -> Result<Option<WaitId>, TooMany> {
        let slots = poll.queues.iter().map(|(_, slot)| *slot).collect();
        let polls = &self.machines.polls;
        let id = polls.wait(&poll.key, slots, poll.own, poll.only, poll.interest.clone(), wake)?;
        if self.may_pop(poll, now) {
            polls.cancel(&poll.key, id);
            return Ok(None);
        }
        Ok(Some(id))
    }

    /// How many pops wait for a group and topic, and for the same choice of queue.
    pub fn waiting_pops(&self, group: &str, topic: &str, queue_id: i32) -> Result<usize, Error> {
        let (group, topic) = self.check_pop(group, topic, queue_id)?;
        let only = u32::try_from(queue_id).ok().and_then(|queue| topic.slot(&self.log, QueueId(queue)));
        Ok(self.machines.polls.waiting_for(&PollKey { topic: topic.id, group, asks: Asks::Pop }, only))
    }

    /// What a question waits for whether there is something to pop (code 200054). `order` as in
    /// [`Request`](super::Request).
    pub fn poll_for_notification(
        &self,
        group: &str,
        topic: &str,
        queue_id: i32,
        order: Option<&str>,
    ) -> Result<Poll, Error> {
        let (group, topic) = self.check_pop(group, topic, queue_id)?;
        let key = PollKey { topic: topic.id, group, asks: Asks::Notification };
        Ok(self.poll(key, &topic, queue_id, Interest::Any, order.map(str::to_owned)))
    }

    /// Whether there is something to pop that no other turn is busy with.
    #[must_use]
    pub fn may_pop(&self, poll: &Poll, now: Timestamp) -> bool {
        let deliveries_max = self.deliveries_max(poll.key.group.as_str());
        let mut offsets = self.machines.offsets.lock();
        poll.queues.iter().enumerate().any(|(index, &(queue, slot))| {
            if index < poll.own && poll.only.is_some_and(|only| only != slot) {
                return false;
            }
            let group = poll.key.group.as_str();
            let (position, batch) = match &poll.order {
                None => (offsets.pop_position(group, queue, false), None),
                Some(attempt) => match offsets.found_in_order(group, queue, attempt, deliveries_max, now, false) {
                    Some(found) => (found.position, found.batch),
                    None => return false,
                },
            };
            let bounds = self.log.bounds(slot);
            match (batch, position) {
                (Some(batch), _) => has_more(&batch, bounds),
                (None, Position::Busy) => false,
                (None, Position::At(offset)) => bounds.max > offset.max(bounds.min),
                (None, Position::New) => bounds.max > bounds.min,
            }
        })
    }
}
