//! The address clients are told to connect to.
//!
//! The route towards the internet decides: on a machine with several networks it is the one others most likely reach us on,
//! and no packet is sent to find it. Whether clients really reach it cannot be known from here; the banner shows it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs, UdpSocket};

/// A resolved address and how it came about, for the banner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// What goes into routes.
    pub address: Ipv4Addr,
    /// Why this one, in words.
    pub reason: String,
}

/// Resolves the setting `node.advertise`: "auto", an IPv4 address, or a host name that has one. The error is for people.
pub fn resolve(setting: &str) -> Result<Advertised, String> {
    if setting == "auto" {
        return Ok(detect());
    }
    if let Ok(address) = setting.parse::<Ipv4Addr>() {
        let wrong = address.is_unspecified() || address.is_broadcast() || address.is_multicast();
        return match wrong {
            true => Err(format!("node.advertise = \"{setting}\": clients cannot connect to this address")),
            false => Ok(Advertised { address, reason: "set by node.advertise".into() }),
        };
    }
    let addresses =
        (setting, 0).to_socket_addrs().map_err(|error| format!("node.advertise = \"{setting}\": {error}"))?;
    first_ipv4(addresses)
        .map(|address| Advertised { address, reason: format!("address of {setting}, set by node.advertise") })
        .ok_or_else(|| {
            format!("node.advertise = \"{setting}\": the name has no IPv4 address, and the protocol needs one")
        })
}

fn detect() -> Advertised {
    if let Ok(address) = towards_internet() {
        return Advertised { address, reason: "detected: this machine's address towards the internet".into() };
    }
    let own_name = host_name();
    let of_name = (own_name.as_str(), 0).to_socket_addrs().ok().and_then(first_ipv4);
    match of_name.filter(|address| !address.is_loopback()) {
        Some(address) => Advertised { address, reason: format!("detected: address of the host name {own_name}") },
        None => Advertised {
            address: Ipv4Addr::LOCALHOST,
            reason: "no network found: only clients on this machine can connect".into(),
        },
    }
}

/// The source address the system would use towards a public address. A datagram socket only looks up the route.
fn towards_internet() -> io::Result<Ipv4Addr> {
    // An address of the block for documentation (RFC 5737): routed like any other, and nobody's.
    const SOMEWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9);
    #[expect(clippy::disallowed_methods, reason = "asks for a route; carries no traffic")]
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(SOMEWHERE)?;
    match socket.local_addr()? {
        SocketAddr::V4(local) if !local.ip().is_unspecified() && !local.ip().is_loopback() => Ok(*local.ip()),
        local => Err(io::Error::other(format!("no usable source address: {local}"))),
    }
}

fn first_ipv4(addresses: impl Iterator<Item = SocketAddr>) -> Option<Ipv4Addr> {
    addresses.into_iter().find_map(|address| match address {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    })
}

/// The host's name, or "localhost" where it has none.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_address_is_taken_as_it_is() {
        assert_eq!(resolve("10.1.2.3").map(|found| found.address), Ok(Ipv4Addr::new(10, 1, 2, 3)));
        assert_eq!(resolve("localhost").map(|found| found.address), Ok(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn an_address_nobody_can_connect_to_is_refused() {
        for setting in ["0.0.0.0", "255.255.255.255", "224.0.0.1"] {
            let text = resolve(setting).expect_err(setting);
            assert_eq!(text, format!("node.advertise = \"{setting}\": clients cannot connect to this address"));
        }
        assert!(resolve("no.such.host.invalid").expect_err("reserved name").starts_with("node.advertise = \"no.such"));
    }

    #[test]
    fn detection_always_finds_an_address_and_says_why() {
        let found = resolve("auto").expect("detection cannot fail");
        assert!(!found.address.is_unspecified());
        assert!(!found.reason.is_empty());
        assert_eq!(found.address.is_loopback(), found.reason.starts_with("no network"));
    }
}
