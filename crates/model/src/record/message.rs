//! The message record: version 1 of the stored record (message-format.md section 1), version 2 for long retry topics.
//!
//! Three fields are unknown until the log numbers the record: queue offset, log offset and store time. [`encode`] leaves
//! them zero, [`number`] fills them in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::{u32_at, u64_at};
use crate::offset::{LogOffset, QueueId, QueueOffset};
use crate::time::Timestamp;

pub const MAGIC_V1: u32 = 0xDAA3_20A7;
pub const MAGIC_V2: u32 = 0xDAA3_20AB;

/// Largest properties string, in bytes: its length is an `int16` on the wire.
pub const PROPERTIES_LEN_MAX: usize = 32_767;

/// Bits of the system flag (message-format.md section 2).
pub mod sys_flag {
    pub const COMPRESSED: i32 = 1;
    pub const MULTI_TAGS: i32 = 2;
    pub const TRANSACTION_MASK: i32 = 12;
    pub const TRANSACTION_COMMITTED: i32 = 8;
    pub const BORN_HOST_V6: i32 = 16;
    pub const STORE_HOST_V6: i32 = 32;
}

/// A message about to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    pub topic: &'a str,
    pub queue_id: QueueId,
    /// The user's flag, opaque.
    pub flag: i32,
    /// The producer's system flag; the host bits are set here.
    pub sys_flag: i32,
    pub born_timestamp: Timestamp,
    pub born_host: SocketAddr,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    /// Log offset of the half message a committed message came from, else zero.
    pub prepared_offset: LogOffset,
    pub body: &'a [u8],
}

impl<'a> NewMessage<'a> {
    /// A stored message, to be stored again: change what is different.
    #[must_use]
    pub fn again(message: &Message<'a>) -> NewMessage<'a> {
        NewMessage {
            topic: message.topic(),
            queue_id: message.queue_id(),
            flag: message.flag(),
            sys_flag: message.sys_flag(),
            born_timestamp: message.born_timestamp(),
            born_host: message.born_host(),
            store_host: message.store_host(),
            reconsume_times: message.reconsume_times(),
            prepared_offset: message.prepared_offset(),
            body: message.body(),
        }
    }
}

/// Why a message cannot be a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("properties of {len} bytes exceed the limit of {PROPERTIES_LEN_MAX} bytes")]
    PropertiesTooLong { len: usize },
    #[error("topic of {len} bytes exceeds the limit of 255 bytes")]
    TopicTooLong { len: usize },
}

/// Appends the record of `message` to `out`; `properties` appends the properties string. Answers where it stands.
/// On an error `out` is as before.
pub fn encode(
    out: &mut Vec<u8>,
    message: &NewMessage<'_>,
    properties: impl FnOnce(&mut Vec<u8>),
) -> Result<Range<usize>, EncodeError> {
    let topic = message.topic.as_bytes();
    if topic.len() > 255 {
        return Err(EncodeError::TopicTooLong { len: topic.len() });
    }
    let start = out.len();
    let (born, store) = (canonical(message.born_host), canonical(message.store_host));
    let mut flag = message.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
    flag |= if born.is_ipv6() { sys_flag::BORN_HOST_V6 } else { 0 };
    flag |= if store.is_ipv6() { sys_flag::STORE_HOST_V6 } else { 0 };
    let v2 = topic.len() > crate::name::TOPIC_LEN_MAX;
    let crc = if message.body.is_empty() { 0 } else { crc32fast::hash(message.body) & 0x7FFF_FFFF };

    out.reserve(256 + topic.len() + message.body.len());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(if v2 { MAGIC_V2 } else { MAGIC_V1 }).to_be_bytes());
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(&message.queue_id.0.to_be_bytes());
    out.extend_from_slice(&message.flag.to_be_bytes());
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&flag.to_be_bytes());
    out.extend_from_slice(&message.born_timestamp.0.to_be_bytes());
    put_host(out, born);
    out.extend_from_slice(&[0; 8]);
    put_host(out, store);
    out.extend_from_slice(&message.reconsume_times.to_be_bytes());
    out.extend_from_slice(&message.prepared_offset.0.to_be_bytes());
    out.extend_from_slice(&u32::try_from(message.body.len()).expect("bodies are below 4 GiB").to_be_bytes());
    out.extend_from_slice(message.body);
    let topic_len = u16::try_from(topic.len()).expect("checked above");
    if v2 {
        out.extend_from_slice(&topic_len.to_be_bytes());
    } else {
        out.push(u8::try_from(topic_len).expect("at most 127"));
    }
    out.extend_from_slice(topic);
    let properties_at = out.len() + 2;
    out.extend_from_slice(&[0; 2]);
    properties(out);
    let properties_len = out.len() - properties_at;
    if properties_len > PROPERTIES_LEN_MAX {
        out.truncate(start);
        return Err(EncodeError::PropertiesTooLong { len: properties_len });
    }
    let short = u16::try_from(properties_len).expect("checked above");
    out[properties_at - 2..properties_at].copy_from_slice(&short.to_be_bytes());
    let len = u32::try_from(out.len() - start).expect("records are far below 4 GiB");
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    Ok(start..out.len())
}

/// Fills what only the log knows, in place.
///
/// # Panics
/// If `record` is not a message record made by [`encode`].
pub fn number(record: &mut [u8], queue: QueueOffset, at: LogOffset, stored: Timestamp) {
    let flag = i32::from_be_bytes(record[36..40].try_into().expect("four bytes"));
    let store_time_at = 48 + host_len(flag & sys_flag::BORN_HOST_V6 != 0);
    record[20..28].copy_from_slice(&queue.0.to_be_bytes());
    record[28..36].copy_from_slice(&at.0.to_be_bytes());
    record[store_time_at..store_time_at + 8].copy_from_slice(&stored.0.to_be_bytes());
}

/// A message record, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    store_time_at: usize,
    body: (usize, usize),
    topic: (usize, usize),
    properties: (usize, usize),
}

impl<'a> Message<'a> {
    /// Reads the record that starts `bytes`. `None` is damage: a length that leads outside, or another magic.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Message<'a>> {
        let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let bytes = bytes.get(..len)?;
        let v2 = match u32_at(bytes, 4)? {
            MAGIC_V1 => false,
            MAGIC_V2 => true,
            _ => return None,
        };
        let flag = u32_at(bytes, 36)?.cast_signed();
        let store_time_at = 48 + host_len(flag & sys_flag::BORN_HOST_V6 != 0);
        let reconsume_at = store_time_at + 8 + host_len(flag & sys_flag::STORE_HOST_V6 != 0);
        let body_at = reconsume_at + 16;
        let body_len = usize::try_from(u32_at(bytes, reconsume_at + 12)?).ok()?;
        let topic_len_at = body_at.checked_add(body_len)?;
        let (topic_at, topic_len) = if v2 {
            let high = usize::from(*bytes.get(topic_len_at)?);
            (topic_len_at + 2, high << 8 | usize::from(*bytes.get(topic_len_at + 1)?))
        } else {
            (topic_len_at + 1, usize::from(*bytes.get(topic_len_at)?))
        };
        let properties_at = topic_at + topic_len + 2;
        let size = bytes.get(properties_at - 2..properties_at)?;
        let properties_len = usize::from(u16::from_be_bytes([size[0], size[1]]));
        if properties_at + properties_len != len || std::str::from_utf8(&bytes[topic_at..topic_at + topic_len]).is_err()
        {
            return None;
        }
        Some(Message {
            bytes,
            store_time_at,
            body: (body_at, body_len),
            topic: (topic_at, topic_len),
            properties: (properties_at, properties_len),
        })
    }

    /// The whole record.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[must_use]
    pub fn queue_id(&self) -> QueueId {
        QueueId(self.u32(12))
    }

    #[must_use]
    pub fn flag(&self) -> i32 {
        self.u32(16).cast_signed()
    }

    #[must_use]
    pub fn queue_offset(&self) -> QueueOffset {
        QueueOffset(self.u64(20))
    }

    #[must_use]
    pub fn log_offset(&self) -> LogOffset {
        LogOffset(self.u64(28))
    }

    #[must_use]
    pub fn sys_flag(&self) -> i32 {
        self.u32(36).cast_signed()
    }

    #[must_use]
    pub fn born_timestamp(&self) -> Timestamp {
        Timestamp(self.u64(40).cast_signed())
    }

    #[must_use]
    pub fn born_host(&self) -> SocketAddr {
        self.host(48, self.sys_flag() & sys_flag::BORN_HOST_V6 != 0)
    }

    #[must_use]
    pub fn store_timestamp(&self) -> Timestamp {
        Timestamp(self.u64(self.store_time_at).cast_signed())
    }

    #[must_use]
    pub fn store_host(&self) -> SocketAddr {
        self.host(self.store_time_at + 8, self.sys_flag() & sys_flag::STORE_HOST_V6 != 0)
    }

    #[must_use]
    pub fn reconsume_times(&self) -> i32 {
        self.u32(self.body.0 - 16).cast_signed()
    }

    #[must_use]
    pub fn prepared_offset(&self) -> LogOffset {
        LogOffset(self.u64(self.body.0 - 12))
    }

    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.body.0..self.body.0 + self.body.1]
    }

    #[must_use]
    pub fn topic(&self) -> &'a str {
        std::str::from_utf8(&self.bytes[self.topic.0..self.topic.0 + self.topic.1]).expect("checked by parse")
    }

    #[must_use]
    pub fn properties(&self) -> &'a [u8] {
        &self.bytes[self.properties.0..self.properties.0 + self.properties.1]
    }

    fn u32(&self, at: usize) -> u32 {
        u32_at(self.bytes, at).expect("parse has checked the length")
    }

    fn u64(&self, at: usize) -> u64 {
        u64_at(self.bytes, at).expect("parse has checked the length")
    }

    fn host(&self, at: usize, v6: bool) -> SocketAddr {
        let ip_len = if v6 { 16 } else { 4 };
        let port = u16::try_from(self.u32(at + ip_len) & 0xFFFF).expect("masked");
        let ip = &self.bytes[at..at + ip_len];
        let ip = if v6 {
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).expect("sixteen bytes")))
        } else {
            IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).expect("four bytes")))
        };
        SocketAddr::new(ip, port)
    }
}

/// A client that connects over a dual-stack socket has an IPv4 address in IPv6 clothes; older clients decode only IPv4.
fn canonical(host: SocketAddr) -> SocketAddr {
    SocketAddr::new(host.ip().to_canonical(), host.port())
}

fn host_len(v6: bool) -> usize {
    if v6 { 20 } else { 8 }
}

fn put_host(out: &mut Vec<u8>, host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&u32::from(host.port()).to_be_bytes());
}

#[cfg(test)]
mod tests;
