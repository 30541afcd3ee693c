//! Whether a name server is the one in this process: `NAMESRV_ADDR` is set for all tools of a machine, ours included.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use client::Error;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// Where our own name server is.
#[derive(Clone, Copy, Debug)]
pub struct OwnNamesrv {
    /// The address it listens on, with the port it really has.
    pub bound: SocketAddr,
    /// What clients are told; it may be one that this machine does not have.
    pub advertised: IpAddr,
}

impl OwnNamesrv {
    /// Whether the name of `host:port` leads here.
    pub(super) async fn is_named(&self, host_port: &str, deadline: Duration) -> Result<bool, Error> {
        let failed = |source| Error::Connect { address: host_port.to_owned(), source: Arc::new(source) };
        let found = timeout(deadline, lookup_host(host_port)).await.map_err(|_| Error::Deadline(deadline))?;
        Ok(found.map_err(failed)?.any(|address| self.is_at(address)))
    }

    fn is_at(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let bound = self.bound.ip();
        let same_address = match bound.is_unspecified() {
            true => ip == self.advertised || is_local(ip),
            false => ip == bound,
        };
        same_address && address.port() == self.bound.port()
    }
}

/// Whether this machine has the address.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || source_towards(ip).is_ok_and(|source| source == ip)
}

/// The address the system would send from. A datagram socket only looks up the route; towards oneself it is the same
/// address. (Binding to it proves less: some machines may bind what they do not have.)
fn source_towards(ip: IpAddr) -> io::Result<IpAddr> {
    let any = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((ip, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(bound: &str) -> OwnNamesrv {
        OwnNamesrv { bound: bound.parse().expect("an address"), advertised: Ipv4Addr::new(203, 0, 113, 5).into() }
    }

    #[test]
    fn on_all_addresses_it_is_found_under_each_of_this_machine_and_the_advertised_one() {
        let own = own("0.0.0.0:9876");
        let mine = source_towards(Ipv4Addr::new(192, 0, 2, 1).into()).unwrap_or(Ipv4Addr::LOCALHOST.into());
        let is_at = |address: &str| own.is_at(address.parse().expect("an address"));
        assert!(own.is_at(SocketAddr::new(mine, 9876)), "{mine}");
        for address in ["127.0.0.1:9876", "0.0.0.0:9876", "203.0.113.5:9876", "[::1]:9876", "[::ffff:127.0.0.1]:9876"] {
            assert!(is_at(address), "{address}");
        }
        for address in ["127.0.0.1:9877", "203.0.113.6:9876"] {
            assert!(!is_at(address), "{address}");
        }
    }

    #[test]
    fn on_one_address_another_name_server_may_have_the_same_port_on_the_next() {
        let own = own("127.0.0.2:9876");
        assert!(own.is_at("127.0.0.2:9876".parse().expect("an address")));
        assert!(!own.is_at("127.0.0.1:9876".parse().expect("an address")));
    }

    #[tokio::test]
    async fn names_are_looked_up_and_a_wrong_one_says_which() {
        let own = own("0.0.0.0:9876");
        assert!(own.is_named("localhost:9876", Duration::from_secs(10)).await.expect("every machine has it"));
        let error = own.is_named("no.such.host.invalid:9876", Duration::from_secs(10)).await.expect_err("reserved");
        assert!(error.to_string().starts_with("cannot connect to no.such.host.invalid:9876: "), "{error}");
    }
}
