//! Answers that could not wait for the disk any longer: the same fields, another code.
//!
//! A send becomes FLUSH_DISK_TIMEOUT (10), which clients report as stored with weaker durability; anything else becomes
//! SYSTEM_BUSY (2), and its sender asks again. Both mean "unknown": the record may still become durable.

use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::frame;
use wire::remoting::reply::Response;

/// Appends the answers in `frames` to `out` in their late form.
pub fn rewrite(mut frames: &[u8], out: &mut Vec<u8>) {
    while let Ok(Some(answer)) = frame::next_frame(frames) {
        let header = Header::parse(&answer).expect("we wrote it");
        let sent = header.field("msgId").is_some();
        let code = if sent { ResponseCode::FLUSH_DISK_TIMEOUT } else { ResponseCode::SYSTEM_BUSY };
        let mut late = Response::new(header.opaque, code).remark("the disk has not confirmed the write in time");
        let fields: Vec<_> = header.fields().map(|(name, value)| (name.to_cow(), value.to_cow())).collect();
        for (name, value) in &fields {
            late = late.field(name, &**value);
        }
        late.write(answer.encoding, out);
        frames = &frames[answer.len..];
    }
}

#[cfg(test)]
mod tests {
    use wire::remoting::frame::Encoding;

    use super::*;

    #[test]
    fn a_late_send_keeps_its_fields_and_anything_else_is_busy() {
        let mut frames = Vec::new();
        Response::new(7, ResponseCode::SUCCESS)
            .field("msgId", "A")
            .field("queueId", 3)
            .write(Encoding::Json, &mut frames);
        Response::new(8, ResponseCode::SUCCESS).write(Encoding::Binary, &mut frames);
        let mut late = Vec::new();
        rewrite(&frames, &mut late);

        let first = frame::next_frame(&late).expect("a frame").expect("whole");
        let header = Header::parse(&first).expect("a header");
        assert_eq!((header.opaque, header.response_code()), (7, ResponseCode::FLUSH_DISK_TIMEOUT));
        assert_eq!(header.field("queueId").and_then(|value| value.as_plain()), Some("3"));
        let second = frame::next_frame(&late[first.len..]).expect("a frame").expect("whole");
        assert_eq!(second.encoding, Encoding::Binary);
        let header = Header::parse(&second).expect("a header");
        assert_eq!((header.opaque, header.response_code()), (8, ResponseCode::SYSTEM_BUSY));
    }
}
