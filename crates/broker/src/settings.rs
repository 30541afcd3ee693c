//! What the broker is told at start. Read once by `server`; the broker reads no file and no environment.

use std::net::SocketAddr;

use model::Millis;

/// Settings of one broker.
#[derive(Clone, Debug)]
pub struct Settings {
    pub cluster: String,
    pub broker_name: String,
    /// Put into every message and answered to producers: `MSG_REGION`.
    pub region: String,
    /// The address clients and tools can dial; stored in every message.
    pub store_host: SocketAddr,
    pub auto_create_topics: bool,
    pub auto_create_groups: bool,
    /// Queues of a topic created by sending, at most.
    pub default_queues: u32,
    /// Topics created by sending, in all; above it a send to an unknown topic is refused.
    pub auto_created_topics_max: usize,
    /// Level 1 first.
    pub delay_levels: Vec<Millis>,
    /// How far ahead an exact delivery time may lie.
    pub delay_max: Millis,
    /// Largest body in bytes.
    pub message_bytes_max: usize,
    /// Topics that say nothing else are answered after the write instead of after `fdatasync`.
    pub flush_async: bool,
    pub transactions: Transactions,
    /// How long messages are kept; shown to tools, the policy of retention decides.
    pub retention: Millis,
}

/// What happens to half messages nobody resolves.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// A half message is this old when its producers are asked about it, unless it says otherwise itself.
    pub check_after: Millis,
    /// From one check to the next.
    pub check_every: Millis,
    /// After this many checks without an answer the message is given up.
    pub checks_max: u32,
    /// Half messages waiting in all; above it new ones are refused. It bounds memory (`state/halves`).
    pub halves_max: usize,
}

/// Those of the reference (semantics.md section 24), and 150 MB of memory.
impl Default for Transactions {
    fn default() -> Transactions {
        Transactions { check_after: Millis(6_000), check_every: Millis(30_000), checks_max: 15, halves_max: 1_000_000 }
    }
}

impl Settings {
    /// The delay of a level from 1; levels above the last one mean the last one (semantics.md section 11).
    #[must_use]
    pub fn delay_of(&self, level: u32) -> Millis {
        let index = usize::try_from(level.max(1) - 1).expect("a level fits");
        self.delay_levels.get(index).or(self.delay_levels.last()).copied().unwrap_or_default()
    }

    /// `level` within the table.
    #[must_use]
    pub fn clamp_level(&self, level: i32) -> u32 {
        let last = u32::try_from(self.delay_levels.len()).expect("a handful of delay levels");
        u32::try_from(level).unwrap_or(0).min(last)
    }
}
