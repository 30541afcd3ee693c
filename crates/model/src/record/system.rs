//! System records: the facts we keep beside messages. Small, typed, versioned; everything durable that is not a message.
//!
//! `size u32 | magic u32 | kind u16 | version u16 | fields`. An unknown kind or version is an error of its own: a log
//! written by a newer Kerolox is refused, not misread.

use std::collections::BTreeMap;

use super::codec::{Malformed, Put, Reader};
use super::pop::{Acked, InvisibleChanged, OrderedBatch, Popped};
use super::{PREFIX_LEN, u32_at};
use crate::config::{GroupConfig, TopicConfig, TopicFilterType};
use crate::name::{GroupName, TopicName};
use crate::offset::{LogOffset, QueueId, QueueOffset, TopicId};
use crate::time::Timestamp;

/// `KXSR`.
pub const MAGIC: u32 = 0x4B58_5352;

const VERSION: u16 = 1;
const FIELDS_AT: usize = PREFIX_LEN + 4;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// A topic was created (`id` is `None`: the offset of this record becomes its id) or its configuration changed.
    TopicChanged {
        id: Option<TopicId>,
        config: TopicConfig,
    },
    /// A topic was deleted with its queues and the offsets of all groups on it.
    TopicDeleted {
        id: TopicId,
    },
    GroupChanged {
        config: GroupConfig,
    },
    GroupDeleted {
        name: GroupName,
        with_offsets: bool,
    },
    /// Consumer offsets of one group. `version` grows with each decision, and the higher one wins: records of two threads
    /// may reach the log in another order than they were decided in.
    OffsetsCommitted {
        group: GroupName,
        version: u64,
        offsets: Vec<CommittedOffset>,
    },
    /// As `TimerStored` without a topic and a key. Not written any more.
    TimerScheduled {
        due: Timestamp,
    },
    /// As `TimerStored` without a topic. Not written any more.
    TimerSet {
        due: Timestamp,
        key: u64,
    },
    /// The message record just before this one waits under a timer topic until `due`, to go to `topic`. It can be recalled by
    /// `key`, unless that is 0.
    TimerStored {
        topic: TopicId,
        due: Timestamp,
        key: u64,
    },
    /// The message record just before this one takes the place of the timer at `from`, whose segment goes.
    TimerMoved {
        from: LogOffset,
        due: Timestamp,
        key: u64,
    },
    /// Timers with this key that are due in the same second as `due` shall not be delivered.
    TimerRecalled {
        due: Timestamp,
        key: u64,
    },
    /// As `TimersEnded` without topics. Not written any more.
    TimersDone {
        timers: Vec<LogOffset>,
    },
    /// Timers that have been delivered, recalled or given up, by the log offset of their message record, and how many of them
    /// were for which topic.
    TimersEnded {
        timers: Vec<LogOffset>,
        topics: Vec<(TopicId, u32)>,
    },
    /// Where numbering of a queue goes on, written before the queue's last message leaves with its segment.
    QueueReached {
        topic: TopicId,
        queue: QueueId,
        next: QueueOffset,
    },
    /// A key of the name server's configuration; `None` deletes it.
    KvChanged {
        namespace: String,
        key: String,
        value: Option<String>,
    },
    /// The message record just before this one is a half message for `topic`; a producer is asked about it at `check_at`.
    HalfStored {
        topic: TopicId,
        check_at: Timestamp,
    },
    /// The message record just before this one is where the half message `half` (its first log offset) is kept from now on.
    HalfKept {
        half: LogOffset,
        topic: TopicId,
        /// Of its first record.
        queue_offset: QueueOffset,
        /// Store time of its first record.
        stored: Timestamp,
        checks: u32,
        check_at: Timestamp,
    },
    /// What became of a half message, by its first log offset.
    HalfResolved {
        half: LogOffset,
        resolution: Resolution,
    },
    /// Producers have been asked about these half messages, and will be again at `next`.
    HalvesChecked {
        next: Timestamp,
        halves: Vec<LogOffset>,
    },
    /// Topics and groups that were in use at the moment `when`. Noted once a day at most, for those who clean up.
    Used {
        when: Timestamp,
        topics: Vec<TopicId>,
        groups: Vec<GroupName>,
    },
    Popped(Popped),
    Acked(Acked),
    InvisibleChanged(InvisibleChanged),
    OrderedBatch(OrderedBatch),
    /// How a group asks for the messages of a topic: by popping or by pulling. `share` is the command's own number.
    RequestModeChanged {
        topic: TopicName,
        group: GroupName,
        pop: bool,
        share: i32,
    },
}

/// How a half message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The message record just before the mark is the real message.
    Committed,
    RolledBack,
    /// Nobody answered: the message record just before the mark keeps it for people to look at.
    GivenUp,
}

/// The next offset a group wants from a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub topic: TopicId,
    pub queue: QueueId,
    pub offset: QueueOffset,
}

/// Why bytes are not a system record this version reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("system record of kind {kind}, version {version} was written by a newer kerolox")]
    Newer { kind: u16, version: u16 },
}

impl System {
    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u32(0);
        out.put_u32(MAGIC);
        out.extend_from_slice(&self.kind().to_be_bytes());
        out.extend_from_slice(&VERSION.to_be_bytes());
        self.put_fields(out);
        let len = u32::try_from(out.len() - start).expect("system records are small");
        out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    }

    /// Reads the whole record that `bytes` is.
    pub fn decode(bytes: &[u8]) -> Result<System, DecodeError> {
        if u32_at(bytes, 4) != Some(MAGIC) || bytes.len() < FIELDS_AT {
            return Err(Malformed { at: 0 }.into());
        }
        let kind = u16::from_be_bytes([bytes[8], bytes[9]]);
        let version = u16::from_be_bytes([bytes[10], bytes[11]]);
        let newer = DecodeError::Newer { kind, version };
        if version != VERSION {
            return Err(newer);
        }
        let mut fields = Reader::new(&bytes[FIELDS_AT..]);
        let system = match kind {
            1 => {
                let id = match fields.u64()? {
                    u64::MAX => None,
                    id => Some(TopicId(LogOffset(id))),
                };
                System::TopicChanged { id, config: read_topic(&mut fields)? }
            }
            2 => System::TopicDeleted { id: TopicId(LogOffset(fields.u64()?)) },
            3 => System::GroupChanged { config: read_group(&mut fields)? },
            4 => System::GroupDeleted { name: GroupName::trusted(fields.text()?), with_offsets: fields.bool()? },
            5 => System::OffsetsCommitted {
                group: GroupName::trusted(fields.text()?),
                version: fields.u64()?,
                offsets: read_offsets(&mut fields)?,
            },
            6 => System::TimerScheduled { due: Timestamp(fields.i64()?) },
            7 => System::TimersDone { timers: read_log_offsets(&mut fields)? },
            8 => System::QueueReached {
                topic: TopicId(LogOffset(fields.u64()?)),
                queue: QueueId(fields.u32()?),
                next: QueueOffset(fields.u64()?),
            },
            9 => {
                let (namespace, key) = (fields.text()?.to_owned(), fields.text()?.to_owned());
                let value = if fields.bool()? { Some(fields.text()?.to_owned()) } else { None };
                System::KvChanged { namespace, key, value }
            }
            10 => System::HalfStored { topic: TopicId(LogOffset(fields.u64()?)), check_at: Timestamp(fields.i64()?) },
            11 => System::HalfKept {
                half: LogOffset(fields.u64()?),
                topic: TopicId(LogOffset(fields.u64()?)),
                queue_offset: QueueOffset(fields.u64()?),
                stored: Timestamp(fields.i64()?),
                checks: fields.u32()?,
                check_at: Timestamp(fields.i64()?),
            },
            12 => System::HalfResolved {
                half: LogOffset(fields.u64()?),
                resolution: match fields.u8()? {
                    0 => Resolution::Committed,
                    1 => Resolution::RolledBack,
                    2 => Resolution::GivenUp,
                    _ => return Err(Malformed { at: FIELDS_AT + 8 }.into()),
                },
            },
            13 => System::HalvesChecked { next: Timestamp(fields.i64()?), halves: read_log_offsets(&mut fields)? },
            35 => {
                let when = Timestamp(fields.i64()?);
                let topics = (0..fields.u32()?).map(|_| fields.u64().map(|id| TopicId(LogOffset(id))));
                let topics = topics.collect::<Result<_, _>>()?;
                let groups = (0..fields.u32()?).map(|_| fields.text().map(GroupName::trusted));
                System::Used { when, topics, groups: groups.collect::<Result<_, _>>()? }
            }
            15 => System::TimerSet { due: Timestamp(fields.i64()?), key: fields.u64()? },
            16 => {
                System::TimerMoved { from: LogOffset(fields.u64()?), due: Timestamp(fields.i64()?), key: fields.u64()? }
            }
            18 => System::TimerStored {
                topic: TopicId(LogOffset(fields.u64()?)),
                due: Timestamp(fields.i64()?),
                key: fields.u64()?,
            },
            19 => {
                let timers = read_log_offsets(&mut fields)?;
                let topics = (0..fields.u32()?).map(|_| Ok((TopicId(LogOffset(fields.u64()?)), fields.u32()?)));
                System::TimersEnded { timers, topics: topics.collect::<Result<_, Malformed>>()? }
            }
            17 => System::TimerRecalled { due: Timestamp(fields.i64()?), key: fields.u64()? },
            20 => System::Popped(Popped::read(&mut fields)?),
            21 => System::Acked(Acked::read(&mut fields)?),
            22 => System::InvisibleChanged(InvisibleChanged::read(&mut fields)?),
            23 => System::OrderedBatch(OrderedBatch::read(&mut fields)?),
            30 => System::RequestModeChanged {
                topic: TopicName::trusted(fields.text()?),
                group: GroupName::trusted(fields.text()?),
                pop: fields.bool()?,
                share: fields.i32()?,
            },
            _ => return Err(newer),
        };
        if !fields.is_empty() {
            return Err(Malformed { at: bytes.len() }.into());
        }
        Ok(system)
    }

    fn kind(&self) -> u16 {
        match self {
            System::TopicChanged { .. } => 1,
            System::TopicDeleted { .. } => 2,
            System::GroupChanged { .. } => 3,
            System::GroupDeleted { .. } => 4,
            System::OffsetsCommitted { .. } => 5,
            System::TimerScheduled { .. } => 6,
            System::TimersDone { .. } => 7,
            System::QueueReached { .. } => 8,
            System::KvChanged { .. } => 9,
            System::Popped(_) => 20,
            System::Acked(_) => 21,
            System::InvisibleChanged(_) => 22,
            System::OrderedBatch(_) => 23,
            System::RequestModeChanged { .. } => 30,
            System::HalfStored { .. } => 10,
            System::HalfKept { .. } => 11,
            System::HalfResolved { .. } => 12,
            System::HalvesChecked { .. } => 13,
            System::TimerSet { .. } => 15,
            System::TimerMoved { .. } => 16,
            System::TimerRecalled { .. } => 17,
            System::TimerStored { .. } => 18,
            System::TimersEnded { .. } => 19,
            System::Used { .. } => 35,
        }
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        match self {
            System::TopicChanged { id, config } => {
                out.put_u64(id.map_or(u64::MAX, |id| id.0.0));
                put_topic(out, config);
            }
            System::TopicDeleted { id } => out.put_u64(id.0.0),
            System::GroupChanged { config } => put_group(out, config),
            System::GroupDeleted { name, with_offsets } => {
                out.put_text(name.as_str());
                out.put_bool(*with_offsets);
            }
            System::OffsetsCommitted { group, version, offsets } => {
                out.put_text(group.as_str());
                out.put_u64(*version);
                put_count(out, offsets.len());
                for entry in offsets {
                    out.put_u64(entry.topic.0.0);
                    out.put_u32(entry.queue.0);
                    out.put_u64(entry.offset.0);
                }
            }
            System::TimerScheduled { due } => out.put_i64(due.0),
            System::TimerSet { due, key } | System::TimerRecalled { due, key } => {
                out.put_i64(due.0);
                out.put_u64(*key);
            }
            System::TimerStored { topic, due, key } => {
                out.put_u64(topic.0.0);
                out.put_i64(due.0);
                out.put_u64(*key);
            }
            System::TimerMoved { from, due, key } => {
                out.put_u64(from.0);
                out.put_i64(due.0);
                out.put_u64(*key);
            }
            System::TimersDone { timers } => {
                put_count(out, timers.len());
                timers.iter().for_each(|timer| out.put_u64(timer.0));
            }
            System::TimersEnded { timers, topics } => {
                put_count(out, timers.len());
                timers.iter().for_each(|timer| out.put_u64(timer.0));
                put_count(out, topics.len());
                for (topic, count) in topics {
                    out.put_u64(topic.0.0);
                    out.put_u32(*count);
                }
            }
            System::QueueReached { topic, queue, next } => {
                out.put_u64(topic.0.0);
                out.put_u32(queue.0);
                out.put_u64(next.0);
            }
            System::KvChanged { namespace, key, value } => {
                out.put_text(namespace);
                out.put_text(key);
                out.put_bool(value.is_some());
                if let Some(value) = value {
                    out.put_text(value);
                }
            }
            System::HalfStored { topic, check_at } => {
                out.put_u64(topic.0.0);
                out.put_i64(check_at.0);
            }
            System::HalfKept { half, topic, queue_offset, stored, checks, check_at } => {
                out.put_u64(half.0);
                out.put_u64(topic.0.0);
                out.put_u64(queue_offset.0);
                out.put_i64(stored.0);
                out.put_u32(*checks);
                out.put_i64(check_at.0);
            }
            System::HalfResolved { half, resolution } => {
                out.put_u64(half.0);
                out.put_u8(match resolution {
                    Resolution::Committed => 0,
                    Resolution::RolledBack => 1,
                    Resolution::GivenUp => 2,
                });
            }
            System::HalvesChecked { next, halves } => {
                out.put_i64(next.0);
                put_count(out, halves.len());
                halves.iter().for_each(|half| out.put_u64(half.0));
            }
            System::Used { when, topics, groups } => {
                out.put_i64(when.0);
                put_count(out, topics.len());
                topics.iter().for_each(|topic| out.put_u64(topic.0.0));
                put_count(out, groups.len());
                groups.iter().for_each(|group| out.put_text(group.as_str()));
            }
            System::Popped(popped) => popped.put(out),
            System::Acked(acked) => acked.put(out),
            System::InvisibleChanged(changed) => changed.put(out),
            System::OrderedBatch(batch) => batch.put(out),
            System::RequestModeChanged { topic, group, pop, share } => {
                out.put_text(topic.as_str());
                out.put_text(group.as_str());
                out.put_bool(*pop);
                out.put_i32(*share);
            }
        }
    }
}

/// Appends the fields of a topic's configuration; also used by what the broker's projections save.
pub fn put_topic(out: &mut Vec<u8>, config: &TopicConfig) {
    out.put_text(config.name.as_str());
    out.put_u32(config.read_queues);
    out.put_u32(config.write_queues);
    out.put_u32(config.perm);
    out.put_u8(match config.filter_type {
        TopicFilterType::SingleTag => 0,
        TopicFilterType::MultiTag => 1,
    });
    out.put_u32(config.sys_flag);
    out.put_bool(config.order);
    put_attributes(out, &config.attributes);
}

/// Reads what [`put_topic`] wrote.
pub fn read_topic(fields: &mut Reader<'_>) -> Result<TopicConfig, Malformed> {
    Ok(TopicConfig {
        name: TopicName::trusted(fields.text()?),
        read_queues: fields.u32()?,
        write_queues: fields.u32()?,
        perm: fields.u32()?,
        filter_type: if fields.u8()? == 1 { TopicFilterType::MultiTag } else { TopicFilterType::SingleTag },
        sys_flag: fields.u32()?,
        order: fields.bool()?,
        attributes: read_attributes(fields)?,
    })
}

/// Appends the fields of a group's configuration.
pub fn put_group(out: &mut Vec<u8>, config: &GroupConfig) {
    out.put_text(config.name.as_str());
    out.put_bool(config.consume_enable);
    out.put_bool(config.consume_from_min_enable);
    out.put_bool(config.consume_broadcast_enable);
    out.put_bool(config.consume_message_orderly);
    out.put_u32(config.retry_queues);
    out.put_i32(config.retry_max);
    out.put_i64(config.broker_id);
    out.put_i64(config.which_broker_when_consume_slowly);
    out.put_bool(config.notify_consumer_ids_changed);
    out.put_u32(config.sys_flag);
    out.put_u32(config.consume_timeout_minutes);
    put_attributes(out, &config.attributes);
}

/// Reads what [`put_group`] wrote.
pub fn read_group(fields: &mut Reader<'_>) -> Result<GroupConfig, Malformed> {
    Ok(GroupConfig {
        name: GroupName::trusted(fields.text()?),
        consume_enable: fields.bool()?,
        consume_from_min_enable: fields.bool()?,
        consume_broadcast_enable: fields.bool()?,
        consume_message_orderly: fields.bool()?,
        retry_queues: fields.u32()?,
        retry_max: fields.i32()?,
        broker_id: fields.i64()?,
        which_broker_when_consume_slowly: fields.i64()?,
        notify_consumer_ids_changed: fields.bool()?,
        sys_flag: fields.u32()?,
        consume_timeout_minutes: fields.u32()?,
        attributes: read_attributes(fields)?,
    })
}

fn read_offsets(fields: &mut Reader<'_>) -> Result<Vec<CommittedOffset>, Malformed> {
    let count = fields.u32()?;
    (0..count)
        .map(|_| {
            Ok(CommittedOffset {
                topic: TopicId(LogOffset(fields.u64()?)),
                queue: QueueId(fields.u32()?),
                offset: QueueOffset(fields.u64()?),
            })
        })
        .collect()
}

fn read_log_offsets(fields: &mut Reader<'_>) -> Result<Vec<LogOffset>, Malformed> {
    let count = fields.u32()?;
    (0..count).map(|_| fields.u64().map(LogOffset)).collect()
}

fn put_attributes(out: &mut Vec<u8>, attributes: &BTreeMap<String, String>) {
    put_count(out, attributes.len());
    for (name, value) in attributes {
        out.put_text(name);
        out.put_text(value);
    }
}

fn read_attributes(fields: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Malformed> {
    let count = fields.u32()?;
    (0..count).map(|_| Ok((fields.text()?.to_owned(), fields.text()?.to_owned()))).collect()
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_u32(u32::try_from(count).expect("collections are far below 4 Gi entries"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pop::{AckMark, Batch, OpenMessage, Run};
    use crate::time::Millis;

    fn run(deltas: Vec<u16>) -> Run {
        let (start, next) = (QueueOffset(7), QueueOffset(800));
        Run { topic: TopicId(LogOffset(48)), queue: QueueId(3), start, next, lowest: LogOffset(900), deltas }
    }

    #[test]
    fn every_kind_reads_back_as_it_was_written() {
        let topic = TopicId(LogOffset(48));
        let mut config = TopicConfig::new(TopicName::trusted("orders"), 8);
        config.attributes.insert("flush".into(), "async".into());
        let facts = [
            System::TopicChanged { id: None, config: config.clone() },
            System::TopicChanged { id: Some(topic), config },
            System::TopicDeleted { id: topic },
            System::GroupChanged { config: GroupConfig::new(GroupName::trusted("billing")) },
            System::GroupDeleted { name: GroupName::trusted("billing"), with_offsets: true },
            System::OffsetsCommitted {
                group: GroupName::trusted("billing"),
                version: 11,
                offsets: vec![CommittedOffset { topic, queue: QueueId(3), offset: QueueOffset(7) }],
            },
            System::TimerScheduled { due: Timestamp(1_700_000_000_000) },
            System::TimersDone { timers: vec![LogOffset(1), LogOffset(2)] },
            System::TimerSet { due: Timestamp(1_700_000_000_000), key: 7 },
            System::TimerStored { topic, due: Timestamp(1_700_000_000_000), key: 7 },
            System::TimersEnded { timers: vec![LogOffset(1), LogOffset(2)], topics: vec![(topic, 2)] },
            System::TimerMoved { from: LogOffset(3), due: Timestamp(1_700_000_000_000), key: u64::MAX },
            System::TimerRecalled { due: Timestamp(1_700_000_000_000), key: 7 },
            System::QueueReached { topic, queue: QueueId(1), next: QueueOffset(9) },
            System::KvChanged { namespace: "ORDER_TOPIC_CONFIG".into(), key: "orders".into(), value: None },
            System::KvChanged { namespace: "n".into(), key: "k".into(), value: Some("v".into()) },
            System::Popped(Popped {
                group: GroupName::trusted("billing"),
                version: 12,
                popped_at: Timestamp(1_700_000_000_000),
                invisible: Millis(60_000),
                runs: vec![run(vec![0, 1, 2]), run(vec![0, 3, 700])],
            }),
            System::RequestModeChanged {
                topic: TopicName::trusted("orders"),
                group: GroupName::trusted("billing"),
                pop: true,
                share: -1,
            },
            System::Acked(Acked {
                group: GroupName::trusted("billing"),
                marks: vec![AckMark { topic, queue: QueueId(3), base: QueueOffset(7), bits: 5 }],
            }),
            System::InvisibleChanged(InvisibleChanged {
                group: GroupName::trusted("billing"),
                topic,
                queue: QueueId(3),
                offset: QueueOffset(8),
                due: Timestamp(1_700_000_000_001),
            }),
            System::OrderedBatch(OrderedBatch {
                group: GroupName::trusted("billing"),
                version: 13,
                topic,
                queue: QueueId(3),
                batch: Batch {
                    attempt: "a-1".into(),
                    popped_at: Timestamp(1_700_000_000_000),
                    next: QueueOffset(9),
                    open: vec![OpenMessage { offset: QueueOffset(8), visible_at: Timestamp(5), delivered: 2 }],
                },
            }),
            System::HalfStored { topic, check_at: Timestamp(6_000) },
            System::HalfKept {
                half: LogOffset(7),
                topic,
                queue_offset: QueueOffset(3),
                stored: Timestamp(5),
                checks: 2,
                check_at: Timestamp(6_000),
            },
            System::HalfResolved { half: LogOffset(7), resolution: Resolution::Committed },
            System::HalfResolved { half: LogOffset(7), resolution: Resolution::RolledBack },
            System::HalfResolved { half: LogOffset(7), resolution: Resolution::GivenUp },
            System::HalvesChecked { next: Timestamp(9), halves: vec![LogOffset(7), LogOffset(8)] },
            System::Used { when: Timestamp(1), topics: vec![topic], groups: vec![GroupName::trusted("billing")] },
        ];
        for fact in facts {
            let mut bytes = Vec::new();
            fact.encode(&mut bytes);
            assert_eq!(System::decode(&bytes), Ok(fact.clone()));
            assert!(System::decode(&bytes[..bytes.len() - 1]).is_err(), "a cut record is refused: {fact:?}");
        }
    }

    #[test]
    fn a_record_of_a_newer_kerolox_is_named_not_misread() {
        let mut bytes = Vec::new();
        System::TimerScheduled { due: Timestamp(1) }.encode(&mut bytes);
        bytes[9] = 200;
        assert_eq!(System::decode(&bytes), Err(DecodeError::Newer { kind: 200, version: 1 }));
    }
}
