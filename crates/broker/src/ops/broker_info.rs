//! How the broker is doing, in numbers for tools (code 28).

use model::{LogOffset, Millis, Timestamp};
use store::disk::Space;

use crate::broker::Broker;
use crate::rates::{BrokerGrowth, Mornings, Totals};

/// The numbers of one moment.
#[derive(Clone, Debug)]
pub struct RuntimeInfo {
    /// New sends are taken.
    pub active: bool,
    pub started_at: Timestamp,
    pub totals: Totals,
    /// Bytes of message bodies stored since the start.
    pub bytes_in: u64,
    /// Over 10 s, 60 s and 600 s.
    pub growth: [BrokerGrowth; 3],
    pub mornings: Mornings,
    /// The oldest offset kept.
    pub log_start: LogOffset,
    /// The next offset to be given out.
    pub log_end: LogOffset,
    /// Bytes appended that are not yet durable and visible.
    pub uncommitted_bytes: u64,
    /// No message kept is older. `None`: there is none.
    pub oldest_message: Option<Timestamp>,
    /// The file system of the data directory, if it says.
    pub disk: Option<Space>,
    pub timers_waiting: usize,
    /// How late the next timer is.
    pub timers_behind: Millis,
}

impl Broker {
    /// The numbers now.
    #[must_use]
    pub fn runtime_info(&self, now: Timestamp) -> RuntimeInfo {
        let totals = self.totals();
        let (timers_waiting, next_due) = {
            let timers = self.machines.timers.lock();
            (timers.len(), timers.next_due())
        };
        let (growth, mornings) = {
            let rates = self.rates.lock();
            (rates.broker(now, totals), rates.mornings())
        };
        RuntimeInfo {
            active: !self.is_draining(),
            started_at: self.started_at,
            totals,
            bytes_in: self.counters.bytes_in.get(),
            growth,
            mornings,
            log_start: self.log.start(),
            log_end: self.log.end(),
            uncommitted_bytes: self.log.end().since(self.log.committed()),
            oldest_message: self.log.oldest_message(),
            disk: self.log.space().ok(),
            timers_waiting,
            timers_behind: next_due.map(|due| now.since(due)).unwrap_or_default(),
        }
    }
}
