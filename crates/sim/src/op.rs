//! What a simulated client may ask, and what it is told.

use model::{LogOffset, Millis, Timestamp};

/// A queue: topic and number.
pub type Queue = (&'static str, u32);

/// A durable topic.
pub const ORDERS: &str = "orders";
/// Another durable topic, with delayed messages.
pub const BILLS: &str = "bills";
/// A topic with `flush=async`: what is not synced yet may go with the power.
pub const EVENTS: &str = "events";
/// A topic that is deleted and created again.
pub const SPARE: &str = "spare";

/// Topics with their queues.
pub const TOPICS: [(&str, u32); 4] = [(ORDERS, 2), (BILLS, 2), (EVENTS, 1), (SPARE, 1)];

/// Consumes everything, each member its own queues.
pub const PLAIN: &str = "plain";
/// Consumes [`ORDERS`] in order, members lock the queues.
pub const ORDERED: &str = "ordered";

/// The retry topic of [`PLAIN`].
pub const RETRY: &str = "%RETRY%plain";
/// The dead-letter topic of [`PLAIN`].
pub const DEAD: &str = "%DLQ%plain";

/// Pops [`ORDERS`].
pub const POPPERS: &str = "poppers";
/// What [`POPPERS`] have not acked in time, and what they never acked.
pub const POP_RETRY: &str = "%RETRY%poppers_orders";
pub const POP_DEAD: &str = "%DLQ%poppers";

/// Looks through [`ORDERS`] with filters, and commits nothing.
pub const SCANNERS: &str = "scanners";

/// Halves that nobody has resolved.
pub const DEAD_CHECK: &str = "TRANS_CHECK_MAX_TIME_TOPIC";

/// All queues that hold messages.
pub fn queues() -> impl Iterator<Item = Queue> {
    consumed().chain([(DEAD, 0), (DEAD_CHECK, 0)]).chain(popped().filter(|queue| queue.0 != ORDERS))
}

/// The queues that [`PLAIN`] consumes.
pub fn consumed() -> impl Iterator<Item = Queue> {
    let named = TOPICS.into_iter().flat_map(|(topic, queues)| (0..queues).map(move |queue| (topic, queue)));
    named.chain([(RETRY, 0)])
}

/// The queues that hold what [`POPPERS`] are given, and what they never acked.
pub fn popped() -> impl Iterator<Item = Queue> {
    [(ORDERS, 0), (ORDERS, 1), (POP_RETRY, 0), (POP_DEAD, 0)].into_iter()
}

/// The queues whose messages stay until they are too old.
pub fn lasting() -> impl Iterator<Item = Queue> {
    queues().filter(|queue| !matches!(queue.0, EVENTS | SPARE))
}

/// When a message is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    /// After the delay of a level from 1.
    Level(u32),
    At(Timestamp),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Messages by the ids in their bodies; more than one is a client batch.
    Send {
        to: Queue,
        ids: Vec<u64>,
        when: When,
    },
    /// Takes the message back that is to be delivered at `due`.
    Recall {
        to: Queue,
        id: u64,
        due: Timestamp,
    },
    /// The first half of a transaction: a message that nobody sees before its commit.
    SendHalf {
        to: Queue,
        id: u64,
    },
    /// What becomes of the half message that was answered at `half` and `queue_offset`.
    EndTransaction {
        to: Queue,
        id: u64,
        half: LogOffset,
        queue_offset: u64,
        commit: bool,
        /// The broker has asked.
        asked: bool,
    },
    /// A producer of transactions is there, and may be asked.
    Heartbeat,
    /// `commit` is a consumer offset committed along with the pull.
    Pull {
        group: &'static str,
        from: Queue,
        offset: u64,
        commit: Option<u64>,
    },
    /// A pull with a filter: one of [`crate::wanted::ALL`].
    Scan {
        from: Queue,
        offset: u64,
        wanted: usize,
    },
    /// Not `answered`: one-way, nobody promises anything.
    Commit {
        group: &'static str,
        queue: Queue,
        offset: u64,
        answered: bool,
    },
    AskOffset {
        group: &'static str,
        queue: Queue,
    },
    /// The message could not be handled.
    SendBack {
        group: &'static str,
        message: Seen,
    },
    /// Takes messages of [`ORDERS`] for [`POPPERS`].
    Pop {
        max: usize,
        invisible: Millis,
    },
    Ack {
        messages: Vec<Popped>,
    },
    /// The message stays invisible for so long from now on.
    Hide {
        message: Popped,
        invisible: Millis,
    },
    Lock {
        group: &'static str,
        queue: Queue,
    },
    Unlock {
        group: &'static str,
        queue: Queue,
    },
    Create {
        topic: &'static str,
    },
    Delete {
        topic: &'static str,
    },
    /// To the first message stored at or after `to`; negative: to the end.
    Reset {
        group: &'static str,
        topic: &'static str,
        to: Timestamp,
    },
}

/// A message as a consumer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub queue: Queue,
    pub offset: u64,
    pub at: LogOffset,
    /// By its body. `None`: no body of ours, or a damaged one.
    pub id: Option<u64>,
    /// How often it was sent back before.
    pub attempt: i32,
    pub stored: Timestamp,
}

/// A message that was popped: it is nobody else's until `due`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    pub message: Seen,
    pub popped_at: Timestamp,
    pub due: Timestamp,
}

/// A question of the broker: what became of this half message?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    pub to: Queue,
    pub id: u64,
    pub half: LogOffset,
    pub queue_offset: u64,
}

/// A positive answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The queue offset of the first message; those of a batch follow it. `None`: it is delayed and has none yet.
    Sent {
        first: Option<u64>,
    },
    /// Where the half message is.
    Half {
        at: LogOffset,
        queue_offset: u64,
    },
    Pulled {
        found: Vec<Seen>,
        next: u64,
        min: u64,
        max: u64,
        reset: bool,
    },
    Scanned {
        found: Vec<Seen>,
        next: u64,
        min: u64,
    },
    Popped(Vec<Popped>),
    /// The group's offset, and the visible end of the queue at the same moment.
    Offset {
        offset: Option<u64>,
        max: u64,
    },
    Locked(bool),
    /// The new offset of each queue.
    Reset(Vec<(u32, u64)>),
    Done,
}
