//! A broker says who and where it is and which topics it has.
//!
//! Refused whole or taken whole: everything is judged before anything changes. A registration never
//! displaces a member that is alive under another address, and topics it does not name stay as they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use model::config::perm;
use model::{Millis, Timestamp};

use super::{Broker, DataVersion, MASTER_ID, Member, QueueData, Routes, Source};
use crate::name::{BrokerName, ClusterName, is_address, is_legal, shortened};

/// How long a broker is alive after it was heard, when it names no span itself.
const TIMEOUT: Millis = Millis(120_000);
/// A broker may ask for less or more, within what keeps a dead one from staying for ever.
const TIMEOUT_MIN: Millis = Millis(1_000);
const TIMEOUT_MAX: Millis = Millis(3_600_000);

/// Permission bits a topic may carry: priority, read, write, inherit.
const PERM_MAX: u32 = 15;

/// What a broker sends.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    pub cluster: &'a str,
    pub broker: &'a str,
    /// 0 for the master.
    pub id: i64,
    /// `host:port` as clients shall reach it.
    pub address: &'a str,
    /// Where its replicas reach it.
    pub ha_address: &'a str,
    pub zone: Option<&'a str>,
    /// Whether its smallest slave may act as master; brokers before 5.0 do not say.
    pub acting_master: Option<bool>,
    pub timeout: Option<Millis>,
    pub version: DataVersion,
    /// All its topics, or those that changed.
    pub topics: &'a [TopicEntry<'a>],
}

/// One topic of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicEntry<'a> {
    pub name: &'a str,
    pub read_queues: u32,
    pub write_queues: u32,
    pub perm: u32,
    pub sys_flag: u32,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The member was not in the table, or not under this address.
    pub first: bool,
    /// For a slave: its master, while that is alive.
    pub master: Option<MasterAddress>,
}

/// Where a slave finds its master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterAddress {
    pub address: Box<str>,
    pub ha_address: Box<str>,
}

/// Why a registration changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    #[error("{0} may not register brokers here: add its network to namesrv.accept_brokers")]
    NotAccepted(IpAddr),
    #[error("illegal {what}: `{text}`")]
    Illegal { what: &'static str, text: String },
    #[error("topic {name}: {queues} queues, permission {perm}; at most {queues_max} queues, permission 0 to 15")]
    IllegalTopic { name: String, queues: u32, perm: u32, queues_max: u32 },
    #[error("broker {broker} id {id} is alive at {address}: stop it first, or give this one another name or id")]
    HeldBy { broker: String, id: i64, address: String },
    #[error("broker {broker} belongs to cluster {cluster}: give this one another broker name")]
    OtherCluster { broker: String, cluster: String },
    #[error("register broker failed: one changed topic came before the full registration, send that first")]
    NotRegistered,
    #[error("{count} topics in one registration exceed the limit of {max}")]
    TooManyTopics { count: usize, max: usize },
    #[error("the name server is full: {what} would exceed the limit of {max}")]
    Full { what: &'static str, max: u64 },
}

impl Routes {
    /// Takes a broker in, or hears of it again.
    pub fn register(
        &mut self,
        registration: &Registration<'_>,
        source: Source,
        now: Timestamp,
    ) -> Result<Registered, RegisterError> {
        if let Source::Network { ip, .. } = source
            && !self.accepts(source)
        {
            return Err(RegisterError::NotAccepted(ip));
        }
        self.check_form(registration)?;
        self.check_conflict(registration, source, now)?;
        let known = self
            .brokers
            .get(registration.broker)
            .and_then(|broker| broker.members.get(&registration.id))
            .filter(|member| &*member.address == registration.address);
        let first = known.is_none();
        let changed = known.is_none_or(|member| member.version != registration.version);
        if first && registration.topics.len() == 1 && source != Source::InProcess {
            return Err(RegisterError::NotRegistered);
        }
        if source != Source::InProcess {
            self.check_room(registration)?;
        }

        self.take_member(registration, source, now);
        self.take_topics(registration, changed);
        Ok(Registered { first, master: self.master_of(registration) })
    }

    fn check_form(&self, registration: &Registration<'_>) -> Result<(), RegisterError> {
        let illegal = |what, text: &str| Err(RegisterError::Illegal { what, text: shortened(text) });
        for (what, name) in [("cluster name", registration.cluster), ("broker name", registration.broker)] {
            if !is_legal(name) {
                return illegal(what, name);
            }
        }
        if let Some(zone) = registration.zone
            && !zone.is_empty()
            && !is_legal(zone)
        {
            return illegal("zone name", zone);
        }
        if !is_address(registration.address) {
            return illegal("broker address", registration.address);
        }
        if !registration.ha_address.is_empty() && !is_address(registration.ha_address) {
            return illegal("ha address", registration.ha_address);
        }
        if registration.id < MASTER_ID {
            return illegal("broker id", &registration.id.to_string());
        }
        let (count, max) = (registration.topics.len(), self.config.topics_per_registration_max);
        if count > max {
            return Err(RegisterError::TooManyTopics { count, max });
        }
        registration.topics.iter().try_for_each(|topic| self.check_topic(topic))
    }

    pub(super) fn check_topic(&self, topic: &TopicEntry<'_>) -> Result<(), RegisterError> {
        if !is_legal(topic.name) {
            return Err(RegisterError::Illegal { what: "topic name", text: shortened(topic.name) });
        }
        let (queues, queues_max) = (topic.read_queues.max(topic.write_queues), self.config.queues_per_topic_max);
        if queues > queues_max || topic.perm > PERM_MAX {
            let name = topic.name.to_owned();
            return Err(RegisterError::IllegalTopic { name, queues, perm: topic.perm, queues_max });
        }
        Ok(())
    }

    /// Who is alive stays. Our own broker always is, and its name, id and address are its own; a peer may
    /// take another id or address only over the connection it registered on. The same name, id and address
    /// over a new connection is a broker that restarted before we noticed.
    fn check_conflict(
        &self,
        registration: &Registration<'_>,
        source: Source,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        for (name, broker) in &self.brokers {
            let same_name = name.as_str() == registration.broker;
            for (id, member) in broker.members.iter().filter(|(_, member)| !member.expired(now)) {
                let same_id = same_name && *id == registration.id;
                let same_address = &*member.address == registration.address;
                let ours = member.source == Source::InProcess;
                let taken = match (same_id, same_address) {
                    (true, true) => ours && source != Source::InProcess,
                    (true, false) => member.source != source,
                    (false, true) => member.source != source && (same_name || ours),
                    (false, false) => false,
                };
                if taken {
                    let (broker, address) = (name.to_string(), member.address.to_string());
                    return Err(RegisterError::HeldBy { broker, id: *id, address });
                }
                if same_name && broker.cluster.as_str() != registration.cluster && !same_address {
                    let (broker, cluster) = (name.to_string(), broker.cluster.to_string());
                    return Err(RegisterError::OtherCluster { broker, cluster });
                }
            }
        }
        Ok(())
    }

    fn check_room(&self, registration: &Registration<'_>) -> Result<(), RegisterError> {
        let is_new = self.brokers.get(registration.broker).is_none_or(|b| !b.members.contains_key(&registration.id));
        let members: usize = self.brokers.values().map(|broker| broker.members.len()).sum();
        if is_new && members >= self.config.members_max {
            return Err(RegisterError::Full { what: "brokers", max: self.config.members_max as u64 });
        }
        let (mut topics, mut queues) = (self.topics.len(), self.queues);
        for topic in registration.topics {
            // Counted on the safe side: what shrinks makes no room here, and a topic named twice counts twice.
            let known = self.topics.get(topic.name);
            topics += usize::from(known.is_none());
            let known = known.and_then(|row| row.iter().find(|data| data.broker.as_str() == registration.broker));
            let asked = u64::from(topic.read_queues.max(topic.write_queues));
            queues += asked.saturating_sub(known.map_or(0, QueueData::queues));
        }
        if topics > self.config.topics_max {
            return Err(RegisterError::Full { what: "topics", max: self.config.topics_max as u64 });
        }
        if queues > self.config.queues_max {
            return Err(RegisterError::Full { what: "queues", max: self.config.queues_max });
        }
        Ok(())
    }

    fn take_member(&mut self, registration: &Registration<'_>, source: Source, now: Timestamp) {
        let cluster = ClusterName::trusted(registration.cluster);
        let broker = self.brokers.entry(BrokerName::trusted(registration.broker)).or_insert_with(|| Broker {
            cluster: cluster.clone(),
            acting_master: false,
            zone: None,
            members: BTreeMap::new(),
        });
        broker.cluster = cluster;
        broker.acting_master = registration.acting_master.unwrap_or(false);
        broker.zone = registration.zone.filter(|zone| !zone.is_empty()).map(Box::from);
        // A broker that changes its role keeps its address and takes another id.
        broker.members.retain(|id, member| *id == registration.id || &*member.address != registration.address);
        let timeout = registration.timeout.unwrap_or(TIMEOUT).clamp(TIMEOUT_MIN, TIMEOUT_MAX);
        let loopback = (self.config.loopback_route && source == Source::InProcess)
            .then(|| loopback_of(registration.address))
            .flatten();
        let member = Member {
            address: registration.address.into(),
            loopback,
            ha_address: registration.ha_address.into(),
            source,
            heard: now,
            timeout,
            version: registration.version,
        };
        broker.members.insert(registration.id, member);
    }

    /// A master speaks for the topics of its broker name; without one, the smallest slave of a broker that
    /// knows acting masters does, and then nothing can be written.
    fn take_topics(&mut self, registration: &Registration<'_>, changed: bool) {
        let Some((name, broker)) = self.brokers.get_key_value(registration.broker) else { return };
        let is_master = registration.id == MASTER_ID;
        let is_prime_slave = !is_master
            && registration.acting_master.is_some()
            && broker.members.keys().next() == Some(&registration.id);
        if !is_master && !is_prime_slave {
            return;
        }
        let mask = if is_prime_slave && broker.acting_master { !perm::WRITE } else { !0 };
        let name = name.clone();
        for topic in registration.topics {
            let row = self.topics.get(topic.name);
            if !changed && row.is_some_and(|row| row.iter().any(|data| data.broker == name)) {
                continue;
            }
            let data = QueueData {
                broker: name.clone(),
                read_queues: topic.read_queues,
                write_queues: topic.write_queues,
                perm: topic.perm & mask,
                sys_flag: topic.sys_flag,
            };
            self.put_queues(topic.name, data);
        }
    }

    fn master_of(&self, registration: &Registration<'_>) -> Option<MasterAddress> {
        if registration.id == MASTER_ID {
            return None;
        }
        let master = self.brokers.get(registration.broker)?.members.get(&MASTER_ID)?;
        Some(MasterAddress { address: master.address.clone(), ha_address: master.ha_address.clone() })
    }
}

/// The same port on loopback. IPv4, which every client can connect to; an address that is on loopback
/// already needs none.
fn loopback_of(address: &str) -> Option<Box<str>> {
    let (_, port) = address.rsplit_once(':')?;
    let on_loopback = address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    (!on_loopback).then(|| format!("127.0.0.1:{port}").into())
}
