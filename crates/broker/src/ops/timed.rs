//! How a message becomes timed: what its properties ask for, and how it is staged when it has to wait (semantics.md
//! section 11).
//!
//! The same for every message that is about to become visible: a send now, a half message when it is committed. Exact times
//! are kept to the millisecond; only the property consumers see is the second of the reference.

use model::properties::{self, key};
use model::record::message::NewMessage;
use model::record::system::System;
use model::{QueueId, Timestamp};
use store::{Staged, key_hash};

use crate::broker::Broker;
use crate::ops::send::{Content, Error};
use crate::state::timers::{NO_KEY, Slot};
use crate::state::topics::{Topic, system_topic};

/// What the properties of a message say about time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish<'a> {
    level: i32,
    bad_level: Option<&'a [u8]>,
    delay_secs: Option<&'a [u8]>,
    delay_ms: Option<&'a [u8]>,
    deliver_ms: Option<&'a [u8]>,
    /// It has been timed before: a message that was delivered and is sent on keeps its properties.
    delivered: bool,
    recalls: Option<&'a [u8]>,
}

/// When a message becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    /// After the delay of a level of the table.
    Level(u32),
    /// At that moment.
    At(Timestamp),
    /// When its producer says commit, who is asked at this moment. A delay begins with the commit.
    Committed {
        check_at: Timestamp,
    },
    /// Never: it takes back another message, that is due in this second and has this key.
    Recall {
        due: Timestamp,
        key: u64,
    },
}

impl<'a> Wish<'a> {
    /// The wish of a stored message.
    pub fn of(properties: &'a [u8]) -> Wish<'a> {
        let mut wish = Wish::default();
        for (name, value) in properties::iter(properties) {
            wish.note(name, value);
        }
        wish
    }

    /// Notes a property. False: it says nothing about time.
    pub fn note(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        match name {
            b"DELAY" => match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
                Some(level) => self.level = level,
                None => self.bad_level = Some(value),
            },
            b"TIMER_DELAY_SEC" => self.delay_secs = Some(value),
            b"TIMER_DELAY_MS" => self.delay_ms = Some(value),
            b"TIMER_DELIVER_MS" => self.deliver_ms = Some(value),
            b"TIMER_OUT_MS" => self.delivered = true,
            b"TIMER_DEL_UNIQKEY" => self.recalls = Some(value),
            _ => return false,
        }
        true
    }

    /// Whether a batch must not hold it.
    pub fn is_any(&self) -> bool {
        self.level > 0 || self.exact().is_some()
    }

    /// A level wins over an exact time, whose properties go.
    pub fn is_overruled(&self) -> bool {
        self.level > 0 && self.exact().is_some()
    }

    /// Whether the property asks for an exact time.
    pub fn is_exact(name: &[u8]) -> bool {
        matches!(name, b"TIMER_DELAY_SEC" | b"TIMER_DELAY_MS" | b"TIMER_DELIVER_MS")
    }

    /// The first property of the three that is there.
    fn exact(&self) -> Option<(&'static str, &'a [u8])> {
        let all = [
            ("TIMER_DELAY_SEC", self.delay_secs),
            ("TIMER_DELAY_MS", self.delay_ms),
            ("TIMER_DELIVER_MS", self.deliver_ms),
        ];
        all.into_iter().filter(|_| !self.delivered).find_map(|(name, value)| Some((name, value?)))
    }
}

impl Broker {
    /// When a message for `topic` with this wish becomes visible, if it is stored now.
    pub(crate) fn when(&self, wish: &Wish<'_>, topic: &Topic, now: Timestamp) -> Result<When, Error> {
        if let Some(value) = wish.bad_level {
            return Err(not_a_number("DELAY", value));
        }
        match self.settings.clamp_level(wish.level) {
            0 => {}
            level => return Ok(When::Level(level)),
        }
        let Some((name, value)) = wish.exact() else { return Ok(When::Now) };
        let number = std::str::from_utf8(value).ok().and_then(|value| value.parse::<i64>().ok());
        let Some(number) = number else {
            return Err(not_a_number(name, value));
        };
        let due = match name {
            "TIMER_DELAY_SEC" => now.0.saturating_add(number.saturating_mul(1_000)),
            "TIMER_DELAY_MS" => now.0.saturating_add(number),
            _ => number,
        };
        let due = Timestamp(due);
        let max = self.settings.delay_max;
        if due.since(now) > max {
            return Err(Error::TooFar { delay: due.since(now), max });
        }
        match wish.recalls {
            Some(_) if due <= now => Err(Error::RecallTooLate),
            Some(recalls) => Ok(When::Recall { due, key: key_of_marker(topic, recalls) }),
            None if due <= now => Ok(When::Now),
            None => Ok(When::At(due)),
        }
    }

    /// Stages a message for its queue, or to wait until its time. Answers the index of the message's entry.
    pub(crate) fn stage_at<'k>(
        &self,
        when: When,
        topic: &Topic,
        unique_key: &str,
        content: Content<'_, impl Iterator<Item = &'k str>>,
        now: Timestamp,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        match when {
            When::Now => self.stage_now(topic, content, staged),
            When::Level(level) => self.stage_delayed(level, topic, content, now, staged),
            When::At(due) => {
                let fact = System::TimerStored { topic: topic.id, due, key: timer_key(topic, unique_key) };
                topic.traffic.begin_timed().count_scheduled(due.since(content.message.born_timestamp));
                self.stage_waiting(system_topic::TIMER, QueueId(0), Some(due), content, fact, staged)
            }
            When::Committed { check_at } => {
                let fact = System::HalfStored { topic: topic.id, check_at };
                self.stage_half(unique_key, content, &fact, staged)
            }
            When::Recall { due, key } => {
                let recalled = System::TimerRecalled { due, key };
                self.stage_waiting(system_topic::TIMER, QueueId(0), Some(due), content, recalled, staged)
            }
        }
    }

    /// Stages a message that waits for the delay of a level.
    pub(crate) fn stage_delayed<'k>(
        &self,
        level: u32,
        topic: &Topic,
        content: Content<'_, impl Iterator<Item = &'k str>>,
        now: Timestamp,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let due = now.after(self.settings.delay_of(level));
        let fact = System::TimerStored { topic: topic.id, due, key: NO_KEY };
        topic.traffic.begin_timed().count_scheduled(due.since(content.message.born_timestamp));
        self.stage_waiting(system_topic::SCHEDULE, QueueId(level - 1), None, content, fact, staged)
    }

    /// Stages a record under a topic of ours, and the fact that says what it waits for.
    fn stage_waiting<'k>(
        &self,
        under: &'static str,
        queue_id: QueueId,
        exact: Option<Timestamp>,
        content: Content<'_, impl Iterator<Item = &'k str>>,
        fact: System,
        staged: &mut Staged,
    ) -> Result<usize, Error> {
        let topic = self.machines.topics.get(under).expect("system topics exist from the start");
        let real = content.message;
        let message = NewMessage { topic: under, queue_id, ..*real };
        let with_real_place = |out: &mut Vec<u8>| {
            (content.properties)(out);
            if let Some(due) = exact {
                properties::push(out, key::TIMER_OUT_MS, &Slot::of(due).0.0.to_string());
            }
            properties::push(out, key::REAL_TOPIC, real.topic);
            properties::push(out, key::REAL_QID, &real.queue_id.to_string());
        };
        let waiting = Content { message: &message, properties: &with_real_place, ..content };
        let entry = self.stage_now(&topic, waiting, staged)?;
        staged.system(&fact);
        Ok(entry)
    }
}

fn not_a_number(name: &'static str, value: &[u8]) -> Error {
    Error::NotANumber { name, value: String::from_utf8_lossy(value).chars().take(64).collect() }
}

/// What a message is recalled by. It stands in the log.
pub(crate) fn timer_key(topic: &Topic, unique_key: &str) -> u64 {
    key_hash(topic.id, unique_key).max(NO_KEY + 1)
}

/// The key in a producer's own delete marker: `unique key`, or `topic+unique key`.
fn key_of_marker(topic: &Topic, marker: &[u8]) -> u64 {
    let marker = String::from_utf8_lossy(marker);
    let own = marker.strip_prefix(topic.config.name.as_str()).and_then(|rest| rest.strip_prefix('+'));
    timer_key(topic, own.unwrap_or(&marker))
}
