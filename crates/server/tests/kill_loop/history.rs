//! What was tried, answered and seen, over all lives of the broker, and the rules it must obey (RELIABILITY.md 2.4).
//!
//! A message is known by its sender and a number that its sender counts up and never uses twice: an attempt without an
//! answer is not repeated. Sender and number say queue and body, so that anything else in a queue is a phantom.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use model::record::message::Message;

/// Queues of each topic under load.
pub const QUEUES: u32 = 4;

/// Messages of one client batch; they go to one queue.
pub const BATCH: u64 = 8;

/// The topics under load.
pub const TOPICS: [&str; 3] = ["Flushed", "Written", "Batched"];

/// A sender, fixed to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sender(pub u32);

impl Sender {
    /// Index in [`TOPICS`].
    pub fn topic(self) -> usize {
        (self.0 % 10) as usize
    }
}

/// A message that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    pub sender: Sender,
    pub number: u64,
}

impl Id {
    pub fn queue(self) -> u32 {
        u32::try_from(self.number / BATCH % u64::from(QUEUES)).expect("below the number of queues")
    }

    pub fn key(self) -> String {
        format!("k{}-{}", self.sender.0, self.number)
    }

    /// Between 0.1 and 2 KiB, different for each message.
    pub fn body(self) -> String {
        let mut body = format!("{} {} ", self.sender.0, self.number);
        let len = 100 + (self.number * 7919 + u64::from(self.sender.0) * 131) % 1948;
        while body.len() < usize::try_from(len).expect("short") {
            body.push_str(&format!("{}/", self.number + body.len() as u64));
        }
        body
    }

    fn of_body(body: &[u8]) -> Option<Id> {
        let mut words = std::str::from_utf8(body).ok()?.split(' ');
        let id = Id { sender: Sender(words.next()?.parse().ok()?), number: words.next()?.parse().ok()? };
        (id.body().as_bytes() == body).then_some(id)
    }
}

/// Topic (its index) and queue id.
pub type Queue = (usize, u32);

/// Where a message is: queue offset and log offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub offset: i64,
    pub log_offset: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: Id,
    log_offset: u64,
    answered: bool,
}

/// A group's offset: what was answered, what was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commit {
    pub answered: Option<i64>,
    pub tried: i64,
}

#[derive(Default)]
struct Facts {
    /// The next number of each sender.
    next: HashMap<Sender, u64>,
    queues: HashMap<Queue, BTreeMap<i64, Known>>,
    spots: HashMap<Id, (Queue, Spot)>,
    by_log_offset: HashMap<u64, Id>,
    commits: HashMap<Queue, Commit>,
    answered: u64,
    refused: BTreeMap<String, u64>,
}

/// See the module. A broken rule panics with its name.
#[derive(Default)]
pub struct History(Mutex<Facts>);

impl History {
    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.0.lock().expect("no rule was broken before")
    }

    /// The next `count` messages of a sender, tried from now on.
    pub fn tries(&self, sender: Sender, count: u64) -> Vec<Id> {
        let mut facts = self.facts();
        let next = facts.next.entry(sender).or_default();
        let ids = (*next..*next + count).map(|number| Id { sender, number }).collect();
        *next += count;
        ids
    }

    /// A send was answered `SEND_OK`.
    pub fn answered(&self, id: Id, queue: u32, spot: Spot) {
        assert_eq!(queue, id.queue(), "the answer names another queue than was asked for: {id:?}");
        self.facts().place(id, spot, true);
    }

    /// A send was answered with something else, which means unknown.
    pub fn refused(&self, reason: String) {
        *self.facts().refused.entry(reason).or_default() += 1;
    }

    /// A message was read from a queue.
    pub fn seen(&self, queue: Queue, message: &Message<'_>) {
        let body = message.body();
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        let id = Id::of_body(body).unwrap_or_else(|| panic!("phantom: {queue:?} holds a body nobody sent: {shown}"));
        let mut facts = self.facts();
        assert!(
            facts.next.get(&id.sender).is_some_and(|next| id.number < *next),
            "phantom: {queue:?} holds {id:?}, which was not sent"
        );
        assert_eq!((id.sender.topic(), id.queue()), queue, "phantom: {id:?} was sent to another queue");
        assert_eq!((message.topic(), message.queue_id().0), (TOPICS[queue.0], queue.1), "the record of {id:?}");
        let offset = i64::try_from(message.queue_offset().0).expect("positive");
        facts.place(id, Spot { offset, log_offset: message.log_offset().0 }, false);
    }

    /// The queue holds `min..max` now: everything known beyond `max` is lost.
    pub fn ends_at(&self, queue: Queue, max: i64) {
        let facts = self.facts();
        let Some(known) = facts.queues.get(&queue) else { return };
        let lost: Vec<_> = known.range(max..).take(3).collect();
        let count = known.range(max..).count();
        assert!(lost.is_empty(), "lost: {queue:?} ends at {max}, and had {count} more, such as {lost:?}");
    }

    /// Everything a complete pass has found: offsets are dense from `min` and each sender's numbers rise.
    pub fn is_whole(&self, queue: Queue, min: i64, max: i64) {
        let facts = self.facts();
        let Some(known) = facts.queues.get(&queue) else { return assert_eq!(min, max, "{queue:?} has a gap") };
        let mut last: HashMap<Sender, u64> = HashMap::new();
        for (expected, (offset, known)) in (min..max).zip(known.range(min..)) {
            assert_eq!(*offset, expected, "gap: nothing is known of {queue:?} at {expected}");
            let before = last.insert(known.id.sender, known.id.number);
            assert!(before < Some(known.id.number), "order: {queue:?} at {offset} has {:?} after {before:?}", known.id);
        }
        assert_eq!(known.range(min..).count() as i64, max - min, "gap: {queue:?} {min}..{max}");
    }

    /// Answered messages at or above `min` of their queue.
    pub fn answered_from(&self, min: impl Fn(Queue) -> i64) -> Vec<(Id, Queue, Spot)> {
        let facts = self.facts();
        let mut found = Vec::new();
        for (queue, known) in &facts.queues {
            for (offset, known) in known.range(min(*queue)..).filter(|(_, known)| known.answered) {
                found.push((known.id, *queue, Spot { offset: *offset, log_offset: known.log_offset }));
            }
        }
        // The map has no order, and a seed shall choose the same sample again.
        found.sort_by_key(|(id, ..)| (id.sender, id.number));
        found
    }

    /// A commit is on its way.
    pub fn commit_tried(&self, queue: Queue, offset: i64) {
        let mut facts = self.facts();
        let commit = facts.commits.entry(queue).or_default();
        commit.tried = commit.tried.max(offset);
    }

    /// A commit was answered.
    pub fn commit_answered(&self, queue: Queue, offset: i64) {
        self.facts().commits.entry(queue).or_default().answered = Some(offset);
    }

    /// What is known of a group's offset.
    pub fn commit(&self, queue: Queue) -> Commit {
        self.facts().commits.get(&queue).copied().unwrap_or_default()
    }

    /// Answers so far.
    pub fn count_answered(&self) -> u64 {
        self.facts().answered
    }

    /// Messages tried so far.
    pub fn count_tried(&self) -> u64 {
        self.facts().next.values().sum()
    }

    /// Refusals and how often each came.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.facts().refused.clone()
    }
}

impl Facts {
    fn place(&mut self, id: Id, spot: Spot, answered: bool) {
        let queue = (id.sender.topic(), id.queue());
        let Spot { offset, log_offset } = spot;
        let known = *self.queues.entry(queue).or_default().entry(offset).or_insert(Known { id, log_offset, answered });
        assert_eq!((known.id, known.log_offset), (id, log_offset), "moved: {queue:?} at {offset} held another message");
        let earlier = *self.spots.entry(id).or_insert((queue, spot));
        assert_eq!(earlier, (queue, spot), "twice: {id:?} has two places");
        let there = *self.by_log_offset.entry(log_offset).or_insert(id);
        assert_eq!(there, id, "two messages at log offset {log_offset}");
        if answered {
            self.answered += 1;
            self.queues.get_mut(&queue).and_then(|known| known.get_mut(&offset)).expect("put above").answered = true;
        }
    }
}
