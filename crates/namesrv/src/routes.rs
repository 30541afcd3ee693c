//! The route table: topic -> queues on brokers -> addresses, and who of them is alive.
//!
//! `register` and `lost` change it, `route` is asked thousands of times between two changes and borrows
//! what it answers. An invariant holds the parts together: a broker name is in the table while it has at
//! least one member, and queue data names only brokers that are in the table.

mod admin;
mod liveness;
mod lookup;
mod register;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use model::{Millis, Timestamp, TopicName};

pub use liveness::{Lost, MemberError, MemberId};
pub use lookup::{BrokerView, Route, TopicKind, Viewer};
pub use register::{MasterAddress, RegisterError, Registered, Registration, TopicEntry};

use crate::config::Config;
use crate::name::{BrokerName, ClusterName};

/// The id of the member of a broker name that takes writes; others follow it.
pub(crate) const MASTER_ID: i64 = 0;

/// The route table.
#[derive(Debug, Default)]
pub struct Routes {
    config: Config,
    topics: HashMap<TopicName, Vec<QueueData>>,
    brokers: BTreeMap<BrokerName, Broker>,
    /// Sum over all queue data of the larger of read and write queues.
    queues: u64,
}

/// The queues of a topic on one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueData {
    pub broker: BrokerName,
    pub read_queues: u32,
    pub write_queues: u32,
    /// Sum of the bits in `model::config::perm`.
    pub perm: u32,
    /// 1 unit topic, 2 unit subscription.
    pub sys_flag: u32,
}

impl QueueData {
    fn queues(&self) -> u64 {
        self.read_queues.max(self.write_queues).into()
    }
}

/// The state of a broker's topics as it counts changes. Two are the same if all three numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataVersion {
    pub state_version: i64,
    /// Milliseconds of the broker's clock; only ever compared for equality.
    pub timestamp: i64,
    pub counter: i64,
}

/// A connection, by the number its listener gave it. A member goes when its connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link(pub u64);

/// Who speaks for a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Our own broker, in this process. It never expires and nobody on the network speaks for it.
    InProcess,
    /// A peer on the network.
    Network { ip: IpAddr, link: Link },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::InProcess => f.write_str("this process"),
            Source::Network { ip, .. } => ip.fmt(f),
        }
    }
}

/// A broker name with its members.
#[derive(Debug)]
struct Broker {
    cluster: ClusterName,
    /// It asked that its smallest slave may serve reads as its master.
    acting_master: bool,
    zone: Option<Box<str>>,
    members: BTreeMap<i64, Member>,
}

/// One process of a broker name.
#[derive(Debug)]
struct Member {
    address: Box<str>,
    /// What clients on loopback are told instead.
    loopback: Option<Box<str>>,
    ha_address: Box<str>,
    source: Source,
    heard: Timestamp,
    timeout: Millis,
    version: DataVersion,
}

impl Member {
    fn expired(&self, now: Timestamp) -> bool {
        self.source != Source::InProcess && self.heard.after(self.timeout) < now
    }
}

impl Routes {
    #[must_use]
    pub fn new(config: Config) -> Routes {
        Routes { config, ..Routes::default() }
    }

    /// Whether a broker at this address may change routes.
    fn accepts(&self, source: Source) -> bool {
        match source {
            Source::InProcess => true,
            Source::Network { ip, .. } => self.config.accept_brokers.iter().any(|network| network.contains(ip)),
        }
    }

    fn put_queues(&mut self, topic: &str, data: QueueData) {
        self.queues += data.queues();
        let Some(row) = self.topics.get_mut(topic) else {
            self.topics.insert(TopicName::trusted(topic), vec![data]);
            return;
        };
        match row.iter_mut().find(|known| known.broker == data.broker) {
            Some(known) => self.queues -= std::mem::replace(known, data).queues(),
            None => row.push(data),
        }
    }

    /// Drops the queue data for which `goes` is true, and topics that have none left.
    fn drop_queues(&mut self, goes: impl Fn(&QueueData) -> bool) {
        let queues = &mut self.queues;
        self.topics.retain(|_, row| {
            row.retain(|data| {
                let stays = !goes(data);
                if !stays {
                    *queues -= data.queues();
                }
                stays
            });
            !row.is_empty()
        });
    }

    /// Changes each queue data of a broker and says how many there are.
    fn for_each_of(&mut self, broker: &str, change: impl Fn(&mut QueueData)) -> usize {
        let mut count = 0;
        for data in self.topics.values_mut().flatten().filter(|data| data.broker.as_str() == broker) {
            change(data);
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests;
