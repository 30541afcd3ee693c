//! Receipt handles: by what a consumer names a message it has popped (semantics.md section 13).
//!
//! `startOffset popTime invisibleTime reviveQueue retry brokerName queueId queueOffset`, with single spaces; proxies append
//! the log offset. Clients build most of them by themselves from the answer to a pop, so the form is the protocol's.

use crate::offset::{QueueId, QueueOffset};
use crate::time::{Millis, Timestamp};

/// The revive queue of ordered pops; all others may be any number, we use 0.
pub const ORDERED: i32 = 999;

/// Longest text that is looked at: numbers and one name.
const TEXT_LEN_MAX: usize = 1_024;

/// Which topic of a group a message was popped from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The topic itself.
    Topic,
    /// Its retry topic, `%RETRY%group_topic`.
    RetryV1,
    /// Its retry topic, `%RETRY%group+topic`.
    RetryV2,
}

/// A handle, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptHandle<'a> {
    /// The first offset the pop looked at.
    pub start: QueueOffset,
    pub popped_at: Timestamp,
    pub invisible: Millis,
    pub ordered: bool,
    pub origin: Origin,
    pub broker_name: &'a str,
    pub queue: QueueId,
    pub offset: QueueOffset,
}

impl Origin {
    /// The digit that stands for it.
    #[must_use]
    pub fn digit(self) -> char {
        match self {
            Origin::Topic => '0',
            Origin::RetryV1 => '1',
            Origin::RetryV2 => '2',
        }
    }

    #[must_use]
    pub fn from_digit(digit: &str) -> Option<Origin> {
        match digit {
            "0" => Some(Origin::Topic),
            "1" => Some(Origin::RetryV1),
            "2" => Some(Origin::RetryV2),
            _ => None,
        }
    }
}

impl<'a> ReceiptHandle<'a> {
    /// Reads a handle. `None`: it is none.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<ReceiptHandle<'a>> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let mut parts = text.split(' ');
        let mut next = || parts.next();
        let start = QueueOffset(next()?.parse().ok()?);
        let popped_at = Timestamp(next()?.parse().ok()?);
        let invisible = Millis(next()?.parse().ok()?);
        let ordered = next()?.parse::<i32>().ok()? == ORDERED;
        let origin = Origin::from_digit(next()?)?;
        let broker_name = next()?;
        let (queue, offset) = (QueueId(next()?.parse().ok()?), QueueOffset(next()?.parse().ok()?));
        Some(ReceiptHandle { start, popped_at, invisible, ordered, origin, broker_name, queue, offset })
    }

    /// The text of the handle.
    #[must_use]
    pub fn to_text(&self) -> String {
        let ReceiptHandle { start, popped_at, invisible, ordered, origin, broker_name, queue, offset } = self;
        let revive = if *ordered { ORDERED } else { 0 };
        let (popped_at, invisible, origin) = (popped_at.0, invisible.0, origin.digit());
        format!("{start} {popped_at} {invisible} {revive} {origin} {broker_name} {queue} {offset}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back_with_and_without_a_log_offset() {
        let text = "7 1795563264504 20000 999 1 broker-a 3 9";
        let handle = ReceiptHandle::parse(text).expect("a handle");
        let expected = ReceiptHandle {
            start: QueueOffset(7),
            popped_at: Timestamp(1_795_563_264_504),
            invisible: Millis(20_000),
            ordered: true,
            origin: Origin::RetryV1,
            broker_name: "broker-a",
            queue: QueueId(3),
            offset: QueueOffset(9),
        };
        assert_eq!(handle, expected);
        assert_eq!(handle.to_text(), text);
        assert_eq!(ReceiptHandle::parse(&format!("{text} 312")), Some(expected));
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        for text in ["", "junk", "1 2 3", "7 1 2 0 3 b 3 9", "-7 1 2 0 0 b 3 9", &"9".repeat(2_000)] {
            assert_eq!(ReceiptHandle::parse(text), None, "{text}");
        }
    }
}
