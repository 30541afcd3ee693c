//! Frames, as little of them as an answer needs: where one ends, its `code`, its `opaque`.
//!
//! `opaque` is searched from the end of the JSON header, because every known client writes it behind `extFields`. A
//! real server must parse; that difference is part of what the floor is for.

use memchr::memmem;

/// Largest frame accepted, bytes with its length word. Bodies end at 4 MiB; the rest is room for headers.
pub const FRAME_MAX: usize = 6 * 1024 * 1024;

/// A complete frame, borrowed from the read buffer.
pub struct Frame<'a> {
    header: &'a [u8],
    pub code: i32,
    pub opaque: &'a [u8],
}

/// Why a connection must be closed.
#[derive(Debug)]
pub struct Unreadable;

/// Splits the first frame off `bytes`: its length in bytes, or `None` while it is incomplete.
pub fn complete_len(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    let Some(word) = bytes.first_chunk::<4>() else { return Ok(None) };
    let len = 4 + u32::from_be_bytes(*word) as usize;
    if !(8..=FRAME_MAX).contains(&len) {
        return Err(Unreadable);
    }
    Ok((len <= bytes.len()).then_some(len))
}

impl<'a> Frame<'a> {
    /// Reads a complete frame, length word included. Only JSON headers are understood.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let word = bytes.get(4..8).and_then(|word| word.first_chunk::<4>()).ok_or(Unreadable)?;
        let [0, high, middle, low] = *word else { return Err(Unreadable) };
        let header_len = u32::from_be_bytes([0, high, middle, low]) as usize;
        let header = bytes.get(8..8 + header_len).ok_or(Unreadable)?;
        let code = match header.strip_prefix(br#"{"code":"#) {
            Some(rest) => digits(rest),
            None => after(header, br#""code":"#).ok_or(Unreadable)?,
        };
        let code = number(code).and_then(|code| i32::try_from(code).ok()).ok_or(Unreadable)?;
        let at = memmem::rfind(header, br#""opaque":"#).ok_or(Unreadable)?;
        Ok(Self { header, code, opaque: digits(&header[at + br#""opaque":"#.len()..]) })
    }

    /// The number in the ext field written as `"name":"digits"`; `quoted` is `"name":"`.
    pub fn ext_number(&self, quoted: &[u8]) -> Option<i64> {
        number(after(self.header, quoted)?)
    }
}

fn after<'a>(header: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    memmem::find(header, key).map(|at| digits(&header[at + key.len()..]))
}

fn digits(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b'-')).unwrap_or(bytes.len());
    &bytes[..end]
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// An answer ready but for its `opaque`: copied in two pieces around it.
pub struct Answer {
    before_opaque: Vec<u8>,
    after_opaque: Vec<u8>,
    body: Vec<u8>,
}

impl Answer {
    /// `ext` is the JSON object of ext fields.
    pub fn new(code: i32, ext: &str, body: Vec<u8>) -> Self {
        Self {
            before_opaque: format!(r#"{{"code":{code},"extFields":{ext},"flag":1,"language":"JAVA","opaque":"#).into(),
            after_opaque: br#","serializeTypeCurrentRPC":"JSON","version":479}"#.into(),
            body,
        }
    }

    /// A valid answer to any send, always for the same message.
    pub fn to_send() -> Self {
        let ext = r#"{"queueId":"0","TRACE_ON":"true","MSG_REGION":"DefaultRegion","msgId":"7F00000100002A9F0000000000000000","queueOffset":"0"}"#;
        Self::new(0, ext, Vec::new())
    }

    /// The route of every topic: this server.
    pub fn to_route(port: u16, queues: u32) -> Self {
        let body = format!(
            r#"{{"brokerDatas":[{{"brokerAddrs":{{"0":"127.0.0.1:{port}"}},"brokerName":"floor","cluster":"DefaultCluster","enableActingMaster":false}}],"filterServerTable":{{}},"queueDatas":[{{"brokerName":"floor","perm":6,"readQueueNums":{queues},"topicSysFlag":0,"writeQueueNums":{queues}}}]}}"#
        );
        Self::new(0, "{}", body.into())
    }

    /// Appends the frame for the request with this `opaque`.
    pub fn write(&self, opaque: &[u8], out: &mut Vec<u8>) {
        self.write_head(opaque, self.body.len(), out);
        out.extend_from_slice(&self.body);
    }

    /// Appends the frame up to its body of `body_len` bytes, which the caller sends.
    pub fn write_head(&self, opaque: &[u8], body_len: usize, out: &mut Vec<u8>) {
        let header_len = self.before_opaque.len() + opaque.len() + self.after_opaque.len();
        let word = |len: usize| u32::try_from(len).expect("frames are far below 4 GiB").to_be_bytes();
        out.extend_from_slice(&word(4 + header_len + body_len));
        out.extend_from_slice(&word(header_len));
        out.extend_from_slice(&self.before_opaque);
        out.extend_from_slice(opaque);
        out.extend_from_slice(&self.after_opaque);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(header: &str, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&u32::try_from(4 + header.len() + body.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&u32::try_from(header.len()).unwrap().to_be_bytes());
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn a_frame_is_complete_only_with_its_last_byte() {
        let bytes = frame(r#"{"code":310,"opaque":7}"#, b"body");
        for cut in 0..bytes.len() {
            assert_eq!(complete_len(&bytes[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert_eq!(complete_len(&bytes).unwrap(), Some(bytes.len()));
    }

    #[test]
    fn code_and_opaque_are_found_in_any_order_and_ext_fields_by_name() {
        for header in [
            r#"{"code":11,"extFields":{"queueOffset":"42"},"flag":0,"opaque":-9}"#,
            r#"{"flag":0,"extFields":{"queueOffset":"42"},"code":11,"opaque":-9,"version":1}"#,
        ] {
            let bytes = frame(header, b"");
            let frame = Frame::read(&bytes).unwrap();
            assert_eq!((frame.code, frame.opaque), (11, &b"-9"[..]));
            assert_eq!(frame.ext_number(br#""queueOffset":""#), Some(42));
        }
    }

    #[test]
    fn an_answer_carries_the_opaque_and_states_its_lengths() {
        let mut out = Vec::new();
        Answer::new(0, "{}", b"abc".to_vec()).write(b"12", &mut out);
        assert_eq!(complete_len(&out).unwrap(), Some(out.len()));
        assert_eq!(Frame::read(&out).unwrap().opaque, b"12");
        assert!(out.ends_with(b"}abc"));
    }

    #[test]
    fn binary_headers_and_absurd_lengths_are_refused() {
        let mut bytes = frame(r#"{"code":1,"opaque":1}"#, b"");
        bytes[4] = 1;
        assert!(Frame::read(&bytes).is_err());
        assert!(complete_len(&u32::MAX.to_be_bytes()).is_err());
    }
}
