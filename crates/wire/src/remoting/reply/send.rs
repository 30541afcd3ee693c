//! The answer to a send, 205 bytes of which a dozen change.
//!
//! What stays the same for a broker (its address, region and trace switch) is formatted once, in
//! [`SendAnswers`].

use std::net::{IpAddr, SocketAddr};

use super::{BinaryBlock, FrameMark, Value, push_binary_head, push_decimal, push_json_head, push_json_tail};
use crate::remoting::code::ResponseCode;
use crate::remoting::command::FLAG_RESPONSE;
use crate::remoting::frame::Encoding;
use crate::remoting::json::escape::push_escaped;

/// Writes the answers of one broker to sends.
#[derive(Debug, Clone)]
pub struct SendAnswers {
    /// Address and port in upper-case hex: the front of every message id.
    host: Vec<u8>,
    region: String,
    trace_on: bool,
    /// The JSON between message id and queue offset.
    middle: Vec<u8>,
}

/// Where a message was stored, as its sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The queue it is in.
    pub queue_id: i32,
    /// Its place in the queue; of a batch the first one's.
    pub queue_offset: i64,
    /// Positions in the log: one, or one for each message of a batch. Must not be empty.
    pub log_offsets: &'a [i64],
    /// The client's own message id, when it gave one.
    pub transaction_id: Option<&'a str>,
    /// By which the message can be taken back until its delivery time, if it has one.
    pub recall_handle: Option<&'a str>,
    /// What else there is to say; of a reply, why its requester does not have it.
    pub remark: Option<&'a str>,
}

impl SendAnswers {
    /// Answers that name `store_host` in message ids. `region` is what consumers see as
    /// `MSG_REGION`; `trace_on` tells clients to trace.
    pub fn new(store_host: SocketAddr, region: &str, trace_on: bool) -> SendAnswers {
        let mut host = Vec::new();
        match store_host.ip() {
            IpAddr::V4(ip) => push_hex(&ip.octets(), &mut host),
            IpAddr::V6(ip) => push_hex(&ip.octets(), &mut host),
        }
        push_hex(&u32::from(store_host.port()).to_be_bytes(), &mut host);

        let mut middle = format!("\",\"TRACE_ON\":\"{trace_on}\",\"MSG_REGION\":\"").into_bytes();
        push_escaped(region, &mut middle);
        middle.extend_from_slice(b"\",\"queueOffset\":\"");
        SendAnswers { host, region: region.to_owned(), trace_on, middle }
    }

    /// Appends the answer to a stored send. `code` is one of those that carry these fields: 0, 10,
    /// 11, 12, and 1 to a reply that could not be pushed.
    pub fn stored(&self, encoding: Encoding, opaque: i32, code: ResponseCode, stored: &Stored<'_>, out: &mut Vec<u8>) {
        assert!(!stored.log_offsets.is_empty(), "an answer names what was stored");
        let mark = FrameMark::begin(encoding, out);
        match encoding {
            Encoding::Json => {
                push_json_head(code.0, out);
                out.extend_from_slice(b",\"extFields\":{\"queueId\":\"");
                push_decimal(stored.queue_id.into(), out);
                if let Some(transaction_id) = stored.transaction_id {
                    out.extend_from_slice(b"\",\"transactionId\":\"");
                    push_escaped(transaction_id, out);
                }
                out.extend_from_slice(b"\",\"msgId\":\"");
                self.push_message_ids(stored.log_offsets, out);
                out.extend_from_slice(&self.middle);
                push_decimal(stored.queue_offset, out);
                if let Some(handle) = stored.recall_handle {
                    out.extend_from_slice(b"\",\"recallHandle\":\"");
                    push_escaped(handle, out);
                }
                out.extend_from_slice(b"\"}");
                push_json_tail(FLAG_RESPONSE, opaque, stored.remark, out);
            }
            Encoding::Binary => {
                push_binary_head(code.0, FLAG_RESPONSE, opaque, stored.remark, out);
                let mut ids = Vec::new();
                self.push_message_ids(stored.log_offsets, &mut ids);
                let ids = String::from_utf8(ids).expect("hex digits and commas");
                let block = BinaryBlock::begin(out);
                block.field("queueId", &stored.queue_id.into(), out);
                if let Some(transaction_id) = stored.transaction_id {
                    block.field("transactionId", &transaction_id.into(), out);
                }
                block.field("msgId", &Value::from(ids), out);
                self.push_region(&block, out);
                block.field("queueOffset", &stored.queue_offset.into(), out);
                if let Some(handle) = stored.recall_handle {
                    block.field("recallHandle", &handle.into(), out);
                }
                block.finish(out);
            }
        }
        mark.header_done(out);
        mark.finish(out);
    }

    /// Appends the answer to a refused send. It too carries region and trace switch.
    pub fn refused(&self, encoding: Encoding, opaque: i32, code: ResponseCode, remark: &str, out: &mut Vec<u8>) {
        super::Response::new(opaque, code)
            .remark(remark)
            .field("TRACE_ON", self.trace_on)
            .field("MSG_REGION", self.region.as_str())
            .write(encoding, out);
    }

    /// The id of the message at `log_offset`: 32 upper-case hex digits, 56 for an IPv6 address.
    pub fn message_id(&self, log_offset: i64) -> String {
        let mut id = Vec::new();
        self.push_message_ids(&[log_offset], &mut id);
        String::from_utf8(id).expect("hex digits")
    }

    fn push_message_ids(&self, log_offsets: &[i64], out: &mut Vec<u8>) {
        for (at, log_offset) in log_offsets.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.host);
            push_hex(&log_offset.to_be_bytes(), out);
        }
    }

    fn push_region(&self, block: &BinaryBlock, out: &mut Vec<u8>) {
        block.field("TRACE_ON", &self.trace_on.into(), out);
        block.field("MSG_REGION", &self.region.as_str().into(), out);
    }
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}
