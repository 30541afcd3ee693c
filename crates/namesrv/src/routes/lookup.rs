//! What clients and tools ask. Everything is borrowed from the table: a route costs one hash lookup and one
//! tree lookup per broker, and no allocation.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::TopicName;

use super::{Broker, MASTER_ID, QueueData, Routes};
use crate::name::{BrokerName, ClusterName};

/// `topicSysFlag` bits.
const UNIT: u32 = 1;
const UNIT_SUBSCRIPTION: u32 = 2;

/// Where the asking client is: one on loopback is told our own broker's loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    Loopback,
    Other,
}

impl Viewer {
    /// How a client with this address sees us.
    #[must_use]
    pub fn at(ip: IpAddr) -> Viewer {
        if ip.to_canonical().is_loopback() { Viewer::Loopback } else { Viewer::Other }
    }
}

/// The kinds of topics that have lists of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKind {
    Unit,
    UnitSubscription,
    UnitSubscriptionNotUnit,
}

/// Where the queues of a topic are.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    queues: &'a [QueueData],
    brokers: &'a BTreeMap<BrokerName, Broker>,
    viewer: Viewer,
    zone: Option<&'a str>,
}

impl<'a> Route<'a> {
    /// The same route for a client that wants brokers of its zone only. A broker name without master is
    /// kept whatever its zone: its slaves are all that is left to read from.
    #[must_use]
    pub fn in_zone(self, zone: &'a str) -> Route<'a> {
        Route { zone: Some(zone), ..self }
    }

    pub fn queues(&self) -> impl Iterator<Item = &'a QueueData> {
        let route = *self;
        route.queues.iter().filter(move |data| route.broker(data).is_some())
    }

    pub fn brokers(&self) -> impl Iterator<Item = BrokerView<'a>> {
        let route = *self;
        route.queues.iter().filter_map(move |data| route.broker(data))
    }

    fn broker(&self, data: &QueueData) -> Option<BrokerView<'a>> {
        let (name, broker) = self.brokers.get_key_value(&data.broker)?;
        let kept = self.zone.is_none_or(|zone| {
            let same_zone = broker.zone.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(zone));
            same_zone || !broker.members.contains_key(&MASTER_ID)
        });
        kept.then_some(BrokerView { name, broker, viewer: self.viewer })
    }
}

/// A broker name as a client sees it.
#[derive(Clone, Copy, Debug)]
pub struct BrokerView<'a> {
    name: &'a BrokerName,
    broker: &'a Broker,
    viewer: Viewer,
}

impl<'a> BrokerView<'a> {
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name.as_str()
    }

    #[must_use]
    pub fn cluster(&self) -> &'a ClusterName {
        &self.broker.cluster
    }

    #[must_use]
    pub fn acting_master(&self) -> bool {
        self.broker.acting_master
    }

    #[must_use]
    pub fn zone(&self) -> Option<&'a str> {
        self.broker.zone.as_deref()
    }

    /// Ids and addresses, smallest id first.
    pub fn addresses(&self) -> impl Iterator<Item = (i64, &'a str)> {
        let viewer = self.viewer;
        self.broker.members.iter().map(move |(id, member)| {
            let loopback = member.loopback.as_deref().filter(|_| viewer == Viewer::Loopback);
            (*id, loopback.unwrap_or(&member.address))
        })
    }
}

impl Routes {
    /// Where the queues of a topic are, `None` if no broker has it.
    #[must_use]
    pub fn route(&self, topic: &str, viewer: Viewer) -> Option<Route<'_>> {
        let queues = self.topics.get(topic)?;
        Some(Route { queues, brokers: &self.brokers, viewer, zone: None })
    }

    /// Every broker name, in the order of the names.
    pub fn brokers(&self, viewer: Viewer) -> impl Iterator<Item = BrokerView<'_>> {
        self.brokers.iter().map(move |(name, broker)| BrokerView { name, broker, viewer })
    }

    /// Clusters with the names of their brokers.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<&ClusterName, Vec<&BrokerName>> {
        let mut clusters: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, broker) in &self.brokers {
            clusters.entry(&broker.cluster).or_default().push(name);
        }
        clusters
    }

    /// The members of a broker name, `None` if that cluster has none of this name.
    #[must_use]
    pub fn members(&self, cluster: &str, broker: &str, viewer: Viewer) -> Option<BrokerView<'_>> {
        let (name, broker) = self.brokers.get_key_value(broker)?;
        (broker.cluster.as_str() == cluster).then_some(BrokerView { name, broker, viewer })
    }

    /// All topics, in no order.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// Topics with queues on a broker of the cluster, in no order.
    pub fn topics_of_cluster<'a>(&'a self, cluster: &'a str) -> impl Iterator<Item = &'a TopicName> {
        self.topics_where(move |row| row.iter().any(|data| self.is_in(data, cluster)))
    }

    /// Topics of a kind, in no order. Brokers that disagree are not asked: the first one's flag counts.
    pub fn topics_of_kind(&self, kind: TopicKind) -> impl Iterator<Item = &TopicName> {
        self.topics_where(move |row| {
            let flag = row.first().map_or(0, |data| data.sys_flag);
            match kind {
                TopicKind::Unit => flag & UNIT != 0,
                TopicKind::UnitSubscription => flag & UNIT_SUBSCRIPTION != 0,
                TopicKind::UnitSubscriptionNotUnit => flag & (UNIT | UNIT_SUBSCRIPTION) == UNIT_SUBSCRIPTION,
            }
        })
    }

    pub(super) fn is_in(&self, data: &QueueData, cluster: &str) -> bool {
        self.brokers.get(&data.broker).is_some_and(|broker| broker.cluster.as_str() == cluster)
    }

    fn topics_where<'a>(&'a self, keep: impl Fn(&[QueueData]) -> bool + 'a) -> impl Iterator<Item = &'a TopicName> {
        self.topics.iter().filter(move |(_, row)| keep(row)).map(|(topic, _)| topic)
    }
}
