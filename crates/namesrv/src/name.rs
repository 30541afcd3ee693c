//! Names and addresses as brokers report them, checked at the door.
//!
//! Wider than what a client may create: a broker's own topics are named after its host (dots) and after
//! retry groups of pop (plus signs). What a name must never hold is anything that could break out of the
//! JSON text older clients split by hand.

use std::sync::Arc;

/// Longest name of a topic, broker or cluster in bytes: a topic's length on disk is one byte.
const NAME_LEN_MAX: usize = 255;

/// Longest `host:port`: a DNS name of 253, a colon and five digits.
const ADDRESS_LEN_MAX: usize = 259;

/// Whether a broker may report `name` as the name of a topic, a cluster or itself.
pub(crate) fn is_legal(name: &str) -> bool {
    let legal = |c: char| !c.is_control() && !c.is_whitespace() && !"\"'\\{}[]<>,;".contains(c);
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.chars().all(legal)
}

/// Whether `address` is `host:port` with a port clients can connect to.
pub(crate) fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%[]".contains(&byte);
    address.len() <= ADDRESS_LEN_MAX
        && !host.is_empty()
        && host.bytes().all(legal)
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// An error text must not repeat a megabyte that somebody sent as a name.
pub(crate) fn shortened(name: &str) -> String {
    const SHOWN_CHARS: usize = 100;
    name.chars().take(SHOWN_CHARS).flat_map(char::escape_default).collect()
}

/// The name a master and its replicas share. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerName(Arc<str>);

/// The name of a set of brokers. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

macro_rules! checked_at_the_door {
    ($name:ident) => {
        impl $name {
            pub(crate) fn trusted(name: &str) -> $name {
                $name(name.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        model::text_like!($name);
    };
}
checked_at_the_door!(BrokerName);
checked_at_the_door!(ClusterName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_real_brokers_pass_and_what_breaks_text_does_not() {
        for name in ["broker-a", "ip-10-0-0-1.ec2.internal", "%RETRY%group+topic", "订单", &"n".repeat(255)] {
            assert!(is_legal(name), "{name}");
        }
        for name in ["", "a b", "a\nb", "a\"b", "a,b", "a}", "a\\b", &"n".repeat(256)] {
            assert!(!is_legal(name), "{name}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for address in ["127.0.0.1:10911", "broker.example:1", "[::1]:10911", "::1:10911"] {
            assert!(is_address(address), "{address}");
        }
        for address in ["", "10911", ":10911", "a:", "a:0", "a:65536", "a:+1", "a,0:\"b\":1", "a b:1"] {
            assert!(!is_address(address), "{address}");
        }
    }
}
