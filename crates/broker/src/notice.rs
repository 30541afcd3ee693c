//! What the broker says to a client on its own account. A skin turns a notice into the words of its protocol.

use model::{GroupName, LogOffset, QueueOffset};

/// A message from the broker to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Members or subscriptions of the group have changed: divide the queues again.
    ConsumersChanged { group: GroupName },
    /// Shall this half message be committed or rolled back?
    CheckTransaction(TransactionCheck),
}

/// A question about a half message, to a producer of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionCheck {
    pub broker_name: String,
    /// Its first log offset and its first place in the queue of halves: the producer answers with them.
    pub half: LogOffset,
    pub queue_offset: QueueOffset,
    pub offset_id: String,
    pub unique_key: String,
    /// The message as a record, at the place it is meant for.
    pub record: Vec<u8>,
}

/// The way to one client; implemented by a connection. Bounded, and never blocks.
pub trait Mailbox: Send + Sync {
    /// False if the client is gone or does not read: the notice is dropped, and the client finds out at its next cycle.
    fn post(&self, notice: Notice) -> bool;

    /// The concrete connection, for the skin that made it.
    fn as_any(&self) -> &dyn std::any::Any;
}
