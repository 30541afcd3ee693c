//! Pop consumption in bodies: acks of many messages (200151), server-side assignment (400), request modes (401, 402).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies;
use super::queue::MessageQueue;

/// The request 200151.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BatchAckRequest {
    pub broker_name: String,
    pub acks: Vec<BatchAck>,
}

/// Messages of one pop of one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchAck {
    #[serde(rename = "c")]
    pub consumer_group: String,
    #[serde(rename = "t")]
    pub topic: String,
    /// 0, 1 or 2: from the topic, or from the group's retry topic in version 1 or 2 of its name.
    #[serde(rename = "r")]
    pub retry: String,
    #[serde(rename = "so")]
    pub start_offset: i64,
    #[serde(rename = "q")]
    pub queue_id: i32,
    #[serde(rename = "rq")]
    pub revive_queue_id: i32,
    #[serde(rename = "pt")]
    pub pop_time: i64,
    #[serde(rename = "it")]
    pub invisible_time: i64,
    /// Base64 of a set of offsets, each minus the start offset: bit n of byte m means 8m + n.
    #[serde(rename = "b")]
    pub bit_set: String,
}

/// Longest bit set that is looked at: 32 messages that a filter has chosen among thousands.
const BIT_SET_BYTES_MAX: usize = 1_024;

impl BatchAck {
    /// The offsets it acks. `None`: the bit set is not base64, or longer than a pop can make it.
    pub fn offsets(&self) -> Option<Vec<i64>> {
        let bytes = base64(&self.bit_set)?;
        let bits = bytes
            .iter()
            .enumerate()
            .flat_map(|(index, byte)| (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| index * 8 + bit));
        bits.map(|bit| self.start_offset.checked_add(i64::try_from(bit).ok()?)).collect()
    }
}

impl BatchAck {
    /// The bit set of offsets not below `start`. `None`: one of them lies below it, or farther than a pop looks.
    #[must_use]
    pub fn bit_set_of(start: u64, offsets: &[u64]) -> Option<String> {
        let mut set = Vec::new();
        for offset in offsets {
            let bit = usize::try_from(offset.checked_sub(start)?).ok()?;
            if bit / 8 >= BIT_SET_BYTES_MAX {
                return None;
            }
            set.resize(set.len().max(bit / 8 + 1), 0_u8);
            set[bit / 8] |= 1 << (bit % 8);
        }
        Some(to_base64(&set))
    }
}

fn to_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        (0..=group.len()).for_each(|digit| text.push(char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize])));
        (group.len()..3).for_each(|_| text.push('='));
    }
    text
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    if text.len() > BIT_SET_BYTES_MAX * 4 / 3 {
        return None;
    }
    let (mut out, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits & 0xFF) as u8);
        }
    }
    Some(out)
}

/// The request 400: which queues shall this client have?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueryAssignment {
    pub client_id: String,
    pub consumer_group: String,
    pub message_model: String,
    pub strategy_name: String,
    pub topic: String,
}

/// The answer to 400. Without a list the client keeps what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Assignments {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_queue_assignments: Option<Vec<Assignment>>,
}

/// A queue and how to read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Assignment {
    pub message_queue: MessageQueue,
    /// `PULL` or `POP`.
    pub mode: String,
}

/// The request 401, and an entry of the answer to 402.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestMode {
    pub consumer_group: String,
    pub mode: String,
    pub pop_share_queue_num: i32,
    pub topic: String,
}

/// The answer to 402: by topic, then by group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestModes {
    pub message_request_mode_map: BTreeMap<String, BTreeMap<String, RequestMode>>,
}

bodies! {
    to_standard: BatchAckRequest, QueryAssignment, Assignments, RequestMode, RequestModes;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ack_names_offsets_by_bits() {
        let body = br#"{"acks":[{"b":"Aw==","c":"G","it":6000,"pt":1795563777781,"q":1,"r":"0","rq":1,"so":10,"t":"T"}],"brokerName":"broker-a"}"#;
        let request = BatchAckRequest::read(body).unwrap();
        assert_eq!(request.acks[0].offsets(), Some(vec![10, 11]));
        let far = BatchAck { bit_set: "AAAAAAAB".into(), ..BatchAck::default() };
        assert_eq!(far.offsets(), Some(vec![40]));
        let broken = BatchAck { bit_set: "A*".into(), ..BatchAck::default() };
        assert_eq!(broken.offsets(), None);
        assert_eq!(BatchAck::bit_set_of(10, &[10, 11]), Some("Aw==".to_owned()));
        assert_eq!(BatchAck::bit_set_of(10, &[9]), None);
        assert_eq!(BatchAck::bit_set_of(0, &[100_000]), None);
        for offsets in [vec![7], vec![7, 15, 16], vec![8, 40, 41, 63]] {
            let bit_set = BatchAck::bit_set_of(7, &offsets).unwrap();
            let read = BatchAck { bit_set, start_offset: 7, ..BatchAck::default() }.offsets().unwrap();
            assert_eq!(read, offsets.iter().map(|offset| offset.cast_signed()).collect::<Vec<_>>());
        }
        let long = BatchAck { bit_set: "A".repeat(10_000), ..BatchAck::default() };
        assert_eq!(long.offsets(), None);
    }

    #[test]
    fn an_assignment_is_written_as_the_reference_does() {
        let queue = MessageQueue { broker_name: "broker-a".into(), queue_id: -1, topic: "T".into() };
        let one = Assignment { message_queue: queue, mode: "POP".into() };
        let answer = Assignments { message_queue_assignments: Some(vec![one]) };
        let json = r#"{"messageQueueAssignments":[{"messageQueue":{"brokerName":"broker-a","queueId":-1,"topic":"T"},"mode":"POP"}]}"#;
        assert_eq!(String::from_utf8(answer.to_json()).unwrap(), json);
        assert_eq!(Assignments::default().to_json(), b"{}");
    }
}
