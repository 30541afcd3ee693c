//! What an operator may set, and the bounds of the table. A route table is fed by others, so each of its
//! dimensions has an end.

use crate::network::Network;

/// Configuration of the name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Networks whose brokers may register. Brokers of the Java family bring no identity, so the address is
    /// all there is; who may register can draw all traffic of a topic. Default: loopback.
    pub accept_brokers: Vec<Network>,
    /// Clients on loopback are told the loopback address of our own broker: the advertised one may be
    /// unreachable from inside a container or behind a firewall. Default: yes.
    pub loopback_route: bool,
    /// Topics in one registration. The largest clusters we know have some 60,000; a registration of 16 MiB
    /// cannot hold more than this either.
    pub topics_per_registration_max: usize,
    /// Topics in all. Our own broker is exempt: its limits are its own.
    pub topics_max: usize,
    /// Queues of one topic on one broker. The largest preset one (`BenchmarkTest`) has 1,024.
    pub queues_per_topic_max: u32,
    /// Queues in all, over all brokers. Our own broker is exempt.
    pub queues_max: u64,
    /// Broker processes in all.
    pub members_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            accept_brokers: vec![Network::LOOPBACK_V4, Network::LOOPBACK_V6],
            loopback_route: true,
            topics_per_registration_max: 150_000,
            topics_max: 300_000,
            queues_per_topic_max: 65_536,
            queues_max: 16_000_000,
            members_max: 1_024,
        }
    }
}
