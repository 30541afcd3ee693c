//! The answer to a pull: a header here, the stored records appended by the caller, in place.

use super::{BinaryBlock, FrameMark, push_binary_head, push_decimal, push_json_head, push_json_tail};
use crate::remoting::code::ResponseCode;
use crate::remoting::command::FLAG_RESPONSE;
use crate::remoting::frame::Encoding;

/// What a pull found. Every field is required by Java clients, also when nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullAnswer<'a> {
    /// 0, 19, 20 or 21.
    pub code: ResponseCode,
    /// The get status's name, for humans.
    pub remark: Option<&'a str>,
    /// Where to go on.
    pub next_begin_offset: i64,
    /// First queue offset that still exists.
    pub min_offset: i64,
    /// The visible end of the queue.
    pub max_offset: i64,
    /// Which broker id to ask next time; 0 is the master.
    pub suggest_which_broker_id: i64,
    /// Flags of the topic.
    pub topic_sys_flag: i32,
    /// Flags of the group.
    pub group_sys_flag: i32,
}

/// Appends the frame up to its body. Append the records and call [`FrameMark::finish`].
pub fn begin_pull(encoding: Encoding, opaque: i32, answer: &PullAnswer<'_>, out: &mut Vec<u8>) -> FrameMark {
    let mark = FrameMark::begin(encoding, out);
    let fields: [(&str, i64); 6] = [
        ("suggestWhichBrokerId", answer.suggest_which_broker_id),
        ("groupSysFlag", answer.group_sys_flag.into()),
        ("nextBeginOffset", answer.next_begin_offset),
        ("maxOffset", answer.max_offset),
        ("minOffset", answer.min_offset),
        ("topicSysFlag", answer.topic_sys_flag.into()),
    ];
    match encoding {
        Encoding::Json => {
            push_json_head(answer.code.0, out);
            out.extend_from_slice(b",\"extFields\":{\"");
            for (at, (name, number)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(b"\",\"");
                }
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":\"");
                push_decimal(number, out);
            }
            out.extend_from_slice(b"\"}");
            push_json_tail(FLAG_RESPONSE, opaque, answer.remark, out);
        }
        Encoding::Binary => {
            push_binary_head(answer.code.0, FLAG_RESPONSE, opaque, answer.remark, out);
            let block = BinaryBlock::begin(out);
            for (name, number) in fields {
                block.field(name, &number.into(), out);
            }
            block.finish(out);
        }
    }
    mark.header_done(out);
    mark
}
