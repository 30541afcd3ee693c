//! Facts in, answers compared with a literal; one file per subject.

mod admin;
mod invariants;
mod liveness;
mod lookup;
mod register;

use std::net::{IpAddr, Ipv4Addr};

use super::*;

pub(super) const A: &str = "127.0.0.1:10911";
pub(super) const B: &str = "127.0.0.1:20911";

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

/// A peer on loopback, by connection.
pub(super) fn peer(link: u64) -> Source {
    Source::Network { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), link: Link(link) }
}

pub(super) fn stranger(link: u64) -> Source {
    Source::Network { ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), link: Link(link) }
}

pub(super) fn version(counter: i64) -> DataVersion {
    DataVersion { state_version: 0, timestamp: 1, counter }
}

/// A readable and writable topic with `queues` queues.
pub(super) fn topic(name: &str, queues: u32) -> TopicEntry<'_> {
    TopicEntry { name, read_queues: queues, write_queues: queues, perm: 6, sys_flag: 0 }
}

/// A broker of cluster `c` at version 1.
pub(super) fn broker<'a>(name: &'a str, id: i64, address: &'a str, topics: &'a [TopicEntry<'a>]) -> Registration<'a> {
    Registration {
        cluster: "c",
        broker: name,
        id,
        address,
        ha_address: "",
        zone: None,
        acting_master: Some(false),
        timeout: None,
        version: version(1),
        topics,
    }
}

pub(super) fn member<'a>(broker: &'a str, address: &'a str) -> MemberId<'a> {
    MemberId { cluster: "c", broker, address }
}

/// (broker, read queues, write queues, permission) of a topic, empty when it has no route.
pub(super) fn queues(routes: &Routes, topic: &str) -> Vec<(String, u32, u32, u32)> {
    let Some(route) = routes.route(topic, Viewer::Other) else { return Vec::new() };
    route.queues().map(|q| (q.broker.to_string(), q.read_queues, q.write_queues, q.perm)).collect()
}

/// (broker, id, address) of every member.
pub(super) fn members(routes: &Routes, viewer: Viewer) -> Vec<(String, i64, String)> {
    let each = |b: BrokerView<'_>| b.addresses().map(|(id, a)| (b.name().to_owned(), id, a.to_owned())).collect();
    routes.brokers(viewer).flat_map(each as fn(BrokerView<'_>) -> Vec<_>).collect()
}

/// One line of [`queues`].
pub(super) fn q(broker: &str, queues: u32, perm: u32) -> (String, u32, u32, u32) {
    (broker.to_owned(), queues, queues, perm)
}

/// One line of [`members`].
pub(super) fn m(broker: &str, id: i64, address: &str) -> (String, i64, String) {
    (broker.to_owned(), id, address.to_owned())
}
