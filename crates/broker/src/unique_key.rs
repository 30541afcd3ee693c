//! Unique keys for messages whose producer sent none (Node does not). Layout: message-format.md section 4.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Timestamp;

/// Makes unique keys: address, process, a number drawn at start, and a counter.
#[derive(Debug)]
pub struct UniqueKeys {
    prefix: [u8; 10],
    counter: AtomicU64,
}

impl UniqueKeys {
    /// Keys of a process on `host` started at `now`. The start time stands where the reference has a class loader's hash, so
    /// that keys of two runs differ.
    #[must_use]
    pub fn new(host: IpAddr, now: Timestamp) -> UniqueKeys {
        let ip = match host.to_canonical() {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(ip) => {
                let octets = ip.octets();
                [octets[12], octets[13], octets[14], octets[15]]
            }
        };
        let pid = std::process::id().to_be_bytes();
        let seed = now.0.to_be_bytes();
        let prefix = [ip[0], ip[1], ip[2], ip[3], pid[2], pid[3], seed[4], seed[5], seed[6], seed[7]];
        UniqueKeys { prefix, counter: AtomicU64::new(0) }
    }

    /// The next key, 32 characters of upper-case hex.
    pub fn next(&self) -> [u8; 32] {
        let count = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut key = [0; 32];
        for (index, byte) in self.prefix.iter().chain(&count[2..]).enumerate() {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            key[2 * index] = DIGITS[usize::from(byte >> 4)];
            key[2 * index + 1] = DIGITS[usize::from(byte & 15)];
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_characters_and_never_repeat() {
        let keys = UniqueKeys::new("10.0.0.1".parse().expect("an address"), Timestamp(7));
        let (first, second) = (keys.next(), keys.next());
        assert!(first.starts_with(b"0A000001") && first.is_ascii());
        assert_ne!(first, second);
    }
}
