//! A message in the words of this protocol, and as a record: the same names as remoting clients use (grpc.md section 7.3).

use bytes::Bytes;
use md5::{Digest as _, Md5};
use model::properties::{self, key};
use model::record::message::{self as record, sys_flag};
use model::{Millis, Timestamp, message_id};
use prost_types::{Duration, Timestamp as Moment};
use wire::grpc::v2::{DeadLetterQueue, Digest, DigestType, Encoding, Message, MessageType, Resource, SystemProperties};

use super::check;

const MESSAGE_GROUP: &str = "__SHARDINGKEY";
const DELIVER_MS: &str = "TIMER_DELIVER_MS";
const BORN_HOST: &str = "__BORNHOST";
const BORN_TIMESTAMP: &str = "BORN_TIMESTAMP";
const TRACE_CONTEXT: &str = "TRACE_CONTEXT";
const PRIORITY: &str = "_SYS_MSG_PRIORITY_";
const LITE_TOPIC: &str = "__LITE_TOPIC";

/// Half messages of this protocol belong to the producers of their topic.
const TRUE: &str = "true";

/// Appends the properties string of a message that has been checked.
pub fn push_properties(message: &Message, system: &SystemProperties, topic: &str, out: &mut Vec<u8>) {
    for (name, value) in &message.user_properties {
        properties::push(out, name, value);
    }
    let mut push = |name, value: &str| {
        if !value.is_empty() {
            properties::push(out, name, value);
        }
    };
    push(key::UNIQ_KEY, &system.message_id);
    push(key::TAGS, system.tag.as_deref().unwrap_or_default());
    push(key::KEYS, &system.keys.join(" "));
    push(MESSAGE_GROUP, system.message_group.as_deref().unwrap_or_default());
    push(TRACE_CONTEXT, system.trace_context.as_deref().unwrap_or_default());
    push(BORN_HOST, &system.born_host);
    if let Some(born) = &system.born_timestamp {
        push(BORN_TIMESTAMP, &moment_of(born).0.to_string());
    }
    match check::type_of(system) {
        MessageType::Transaction => {
            push(key::TRAN_MSG, TRUE);
            push(key::PGROUP, topic);
            if let Some(recovery) = &system.orphaned_transaction_recovery_duration {
                push(key::CHECK_IMMUNITY_SECS, &(millis_of(recovery).0 / 1_000).to_string());
            }
        }
        MessageType::Delay => {
            let due = system.delivery_timestamp.as_ref().map_or(Timestamp(0), moment_of);
            push(DELIVER_MS, &due.0.to_string());
        }
        MessageType::Priority => push(PRIORITY, &system.priority.unwrap_or(0).to_string()),
        MessageType::Lite | MessageType::Fifo | MessageType::Normal | MessageType::Unspecified => {}
    }
}

/// The system flag of a message.
pub fn sys_flag_of(system: &SystemProperties) -> i32 {
    if system.body_encoding() == Encoding::Gzip { sys_flag::COMPRESSED } else { 0 }
}

/// A record as this protocol tells it. `body` are the bytes of its body; `topic` is what the client calls its topic.
pub fn told(record: &record::Message<'_>, body: Bytes, topic: &Resource) -> Message {
    let mut told = Message { topic: Some(topic.clone()), ..Message::default() };
    let mut system = SystemProperties {
        body_digest: Some(digest_of(&body)),
        born_timestamp: Some(moment(record.born_timestamp())),
        born_host: record.born_host().to_string(),
        store_timestamp: Some(moment(record.store_timestamp())),
        store_host: record.store_host().to_string(),
        queue_id: record.queue_id().0.cast_signed(),
        queue_offset: Some(record.queue_offset().to_wire()),
        delivery_attempt: Some(record.reconsume_times().max(0).saturating_add(1)),
        ..SystemProperties::default()
    };
    system.set_body_encoding(match record.sys_flag() & sys_flag::COMPRESSED {
        0 => Encoding::Identity,
        _ => Encoding::Gzip,
    });
    let mut kind = MessageType::Normal;
    let mut dead = DeadLetterQueue::default();
    for (name, value) in properties::iter(record.properties()) {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else { continue };
        note(name, value, &mut system, &mut kind, &mut dead);
        // The reference shows its transaction id and the message group twice; so do we.
        if !check::is_reserved(name) || matches!(name, key::TRANSACTION_ID | MESSAGE_GROUP) {
            told.user_properties.insert(name.to_owned(), value.to_owned());
        }
    }
    if system.message_id.is_empty() {
        system.message_id = message_id::offset_id(record.store_host(), record.log_offset());
    }
    system.set_message_type(kind);
    system.dead_letter_queue = (!dead.topic.is_empty()).then_some(dead);
    told.system_properties = Some(system);
    told.body = body;
    told
}

/// Notes what one property says to the system.
fn note(name: &str, value: &str, system: &mut SystemProperties, kind: &mut MessageType, dead: &mut DeadLetterQueue) {
    match name {
        key::UNIQ_KEY => value.clone_into(&mut system.message_id),
        key::TAGS => system.tag = Some(value.to_owned()),
        key::KEYS => system.keys = value.split(' ').filter(|key| !key.is_empty()).map(str::to_owned).collect(),
        MESSAGE_GROUP => {
            system.message_group = Some(value.to_owned());
            if *kind == MessageType::Normal {
                *kind = MessageType::Fifo;
            }
        }
        TRACE_CONTEXT => system.trace_context = Some(value.to_owned()),
        BORN_HOST => value.clone_into(&mut system.born_host),
        BORN_TIMESTAMP => {
            if let Ok(born) = value.parse() {
                system.born_timestamp = Some(moment(Timestamp(born)));
            }
        }
        DELIVER_MS => {
            if let Ok(due) = value.parse() {
                system.delivery_timestamp = Some(moment(Timestamp(due)));
            }
            if *kind != MessageType::Transaction {
                *kind = MessageType::Delay;
            }
        }
        key::TRAN_MSG if value == TRUE => *kind = MessageType::Transaction,
        PRIORITY => {
            system.priority = value.parse().ok();
            if *kind == MessageType::Normal {
                *kind = MessageType::Priority;
            }
        }
        LITE_TOPIC => system.lite_topic = Some(value.to_owned()),
        key::DLQ_ORIGIN_TOPIC => value.clone_into(&mut dead.topic),
        key::DLQ_ORIGIN_MESSAGE_ID => value.clone_into(&mut dead.message_id),
        _ => {}
    }
}

/// MD5 in capitals: the one form that every client reads in the same way (grpc.md section 10.4).
fn digest_of(body: &[u8]) -> Digest {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut checksum = String::with_capacity(32);
    for byte in Md5::digest(body) {
        checksum.push(char::from(DIGITS[usize::from(byte >> 4)]));
        checksum.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    Digest { r#type: DigestType::Md5.into(), checksum }
}

/// A moment in the words of protobuf.
pub fn moment(at: Timestamp) -> Moment {
    let nanos = at.0.rem_euclid(1_000) * 1_000_000;
    Moment { seconds: at.0.div_euclid(1_000), nanos: i32::try_from(nanos).expect("less than a second") }
}

/// A moment out of the words of protobuf, to the millisecond.
pub fn moment_of(moment: &Moment) -> Timestamp {
    Timestamp(moment.seconds.saturating_mul(1_000).saturating_add(i64::from(moment.nanos / 1_000_000)))
}

/// A span in the words of protobuf.
pub fn span(millis: Millis) -> Duration {
    let nanos = millis.0 % 1_000 * 1_000_000;
    Duration {
        seconds: i64::try_from(millis.0 / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).expect("less than a second"),
    }
}

/// A span out of the words of protobuf; what is negative is nothing.
pub fn millis_of(span: &Duration) -> Millis {
    let millis = span.seconds.saturating_mul(1_000).saturating_add(i64::from(span.nanos / 1_000_000));
    Millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests;
