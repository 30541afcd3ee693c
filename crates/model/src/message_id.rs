//! Message ids (message-format.md section 4). The offset id says where a message is stored: host, port and log offset.

use std::net::{IpAddr, SocketAddr};

use crate::offset::LogOffset;

/// Appends the offset id in upper-case hex: 32 characters for an IPv4 host, 56 for IPv6.
pub fn push_offset_id(out: &mut Vec<u8>, store_host: SocketAddr, at: LogOffset) {
    match store_host.ip().to_canonical() {
        IpAddr::V4(ip) => push_hex(out, &ip.octets()),
        IpAddr::V6(ip) => push_hex(out, &ip.octets()),
    }
    push_hex(out, &u32::from(store_host.port()).to_be_bytes());
    push_hex(out, &at.0.to_be_bytes());
}

/// The offset id as text.
#[must_use]
pub fn offset_id(store_host: SocketAddr, at: LogOffset) -> String {
    let mut out = Vec::with_capacity(56);
    push_offset_id(&mut out, store_host, at);
    String::from_utf8(out).expect("hex is ASCII")
}

/// The log offset inside an offset id. `None` if the text is not one.
#[must_use]
pub fn log_offset_of(id: &str) -> Option<LogOffset> {
    if id.len() != 32 && id.len() != 56 || !id.is_ascii() {
        return None;
    }
    u64::from_str_radix(&id[id.len() - 16..], 16).ok().map(LogOffset)
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_id_is_host_port_and_position_in_hex() {
        let host = "127.0.0.1:10911".parse().expect("an address");
        let id = offset_id(host, LogOffset(846));
        assert_eq!(id, "7F00000100002A9F000000000000034E");
        assert_eq!(log_offset_of(&id), Some(LogOffset(846)));
        assert_eq!(log_offset_of("7F0000010000"), None);
    }
}
