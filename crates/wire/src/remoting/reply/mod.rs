//! Writes whole frames: answers to clients, requests to clients and of our own client.
//!
//! [`Response`] and [`Request`] are for everything; sends and pulls have writers of their own
//! ([`send`], [`pull`]) that allocate nothing. All append to a `Vec<u8>` so that the answers of one
//! turn leave in one write.
//!
//! JSON is laid out as fastjson does it: no white space, members in alphabetical order, absent ones
//! left out, every field a string. An answer goes out in the encoding of its request.

pub mod pull;
pub mod send;

use std::borrow::Cow;

use super::code::{Language, RequestCode, ResponseCode, VERSION};
use super::command::{FLAG_ONEWAY, FLAG_RESPONSE};
use super::frame::Encoding;
use super::json::escape::{push_escaped, push_string};

/// An answer.
#[derive(Debug, Clone)]
pub struct Response<'a>(Command<'a>);

impl<'a> Response<'a> {
    /// An answer to the request with this `opaque`.
    pub fn new(opaque: i32, code: ResponseCode) -> Response<'a> {
        Response(Command::new(code.0, opaque, FLAG_RESPONSE))
    }

    /// Text for humans: why it failed, and what to do about it.
    pub fn remark(mut self, remark: impl Into<Cow<'a, str>>) -> Response<'a> {
        self.0.remark = Some(remark.into());
        self
    }

    /// One field. An empty value reads as absent where the encoding is binary.
    pub fn field(mut self, name: &'a str, value: impl Into<Value<'a>>) -> Response<'a> {
        self.0.fields.push((name, value.into()));
        self
    }

    /// Many fields, as the structs in [`super::header`] give them.
    pub fn fields<V: Into<Value<'a>>>(mut self, fields: impl IntoIterator<Item = (&'a str, V)>) -> Response<'a> {
        self.0.fields.extend(fields.into_iter().map(|(name, value)| (name, value.into())));
        self
    }

    /// The body; empty by default.
    pub fn body(mut self, body: impl Into<Cow<'a, [u8]>>) -> Response<'a> {
        self.0.body = body.into();
        self
    }

    /// Appends the frame.
    pub fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        self.0.write(encoding, out);
    }
}

/// A question of ours: to a client on its connection, or of our own client.
#[derive(Debug, Clone)]
pub struct Request<'a>(Command<'a>);

impl<'a> Request<'a> {
    /// A request to be answered with this `opaque`.
    pub fn new(opaque: i32, code: RequestCode) -> Request<'a> {
        Request(Command::new(code.0, opaque, 0))
    }

    /// Asks for no answer.
    pub fn oneway(mut self) -> Request<'a> {
        self.0.flag |= FLAG_ONEWAY;
        self
    }

    /// One field. An empty value reads as absent where the encoding is binary.
    pub fn field(mut self, name: &'a str, value: impl Into<Value<'a>>) -> Request<'a> {
        self.0.fields.push((name, value.into()));
        self
    }

    /// Many fields, as the structs in [`super::header`] give them.
    pub fn fields<V: Into<Value<'a>>>(mut self, fields: impl IntoIterator<Item = (&'a str, V)>) -> Request<'a> {
        self.0.fields.extend(fields.into_iter().map(|(name, value)| (name, value.into())));
        self
    }

    /// The body; empty by default.
    pub fn body(mut self, body: impl Into<Cow<'a, [u8]>>) -> Request<'a> {
        self.0.body = body.into();
        self
    }

    /// Appends the frame.
    pub fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        self.0.write(encoding, out);
    }
}

/// The value of a field; on the wire always a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A number, written in decimal.
    Number(i64),
    /// `true` or `false`.
    Bool(bool),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Value::Text(text)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::Number(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl Value<'_> {
    fn push(&self, out: &mut Vec<u8>, push_text: fn(&str, &mut Vec<u8>)) {
        match self {
            Value::Text(text) => push_text(text, out),
            Value::Number(number) => push_decimal(*number, out),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
        }
    }
}

#[derive(Debug, Clone)]
struct Command<'a> {
    code: i32,
    opaque: i32,
    flag: i32,
    remark: Option<Cow<'a, str>>,
    fields: Vec<(&'a str, Value<'a>)>,
    body: Cow<'a, [u8]>,
}

impl<'a> Command<'a> {
    fn new(code: i32, opaque: i32, flag: i32) -> Command<'a> {
        Command { code, opaque, flag, remark: None, fields: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    fn write(&self, encoding: Encoding, out: &mut Vec<u8>) {
        let mark = FrameMark::begin(encoding, out);
        match encoding {
            Encoding::Json => {
                push_json_head(self.code, out);
                if !self.fields.is_empty() {
                    out.extend_from_slice(b",\"extFields\":{");
                    for (at, (name, value)) in self.fields.iter().enumerate() {
                        if at > 0 {
                            out.push(b',');
                        }
                        push_string(name, out);
                        out.extend_from_slice(b":\"");
                        value.push(out, push_escaped);
                        out.push(b'"');
                    }
                    out.push(b'}');
                }
                push_json_tail(self.flag, self.opaque, self.remark.as_deref(), out);
            }
            Encoding::Binary => {
                push_binary_head(self.code, self.flag, self.opaque, self.remark.as_deref(), out);
                let block = BinaryBlock::begin(out);
                for (name, value) in &self.fields {
                    block.field(name, value, out);
                }
                block.finish(out);
            }
        }
        mark.header_done(out);
        out.extend_from_slice(&self.body);
        mark.finish(out);
    }
}

/// A frame that is being written: where it starts, so that its lengths can be filled in.
#[derive(Debug, Clone, Copy)]
#[must_use = "a frame without its length breaks the stream"]
pub struct FrameMark {
    at: usize,
    encoding: Encoding,
}

impl FrameMark {
    fn begin(encoding: Encoding, out: &mut Vec<u8>) -> FrameMark {
        let at = out.len();
        out.extend_from_slice(&[0; 8]);
        FrameMark { at, encoding }
    }

    fn header_done(&self, out: &mut [u8]) {
        let len = u32::try_from(out.len() - self.at - 8).expect("a header is far below 16 MiB");
        assert!(len < 1 << 24, "a header of {len} bytes does not fit its frame");
        let word = u32::from(self.encoding.byte()) << 24 | len;
        out[self.at + 4..self.at + 8].copy_from_slice(&word.to_be_bytes());
    }

    /// Fills in the frame's length: everything behind the mark is the body. Returns the bytes of
    /// the frame.
    pub fn finish(self, out: &mut [u8]) -> usize {
        let len = out.len() - self.at;
        let announced = u32::try_from(len - 4).expect("a frame is far below 4 GiB");
        out[self.at..self.at + 4].copy_from_slice(&announced.to_be_bytes());
        len
    }

    /// Takes back what has been written of the frame.
    pub fn abandon(self, out: &mut Vec<u8>) {
        out.truncate(self.at);
    }
}

fn push_json_head(code: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"code\":");
    push_decimal(code.into(), out);
}

fn push_json_tail(flag: i32, opaque: i32, remark: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"flag\":");
    push_decimal(flag.into(), out);
    out.extend_from_slice(b",\"language\":\"JAVA\",\"opaque\":");
    push_decimal(opaque.into(), out);
    if let Some(remark) = remark {
        out.extend_from_slice(b",\"remark\":");
        push_string(remark, out);
    }
    // The version is VERSION; a test compares.
    out.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":479}");
}

fn push_binary_head(code: i32, flag: i32, opaque: i32, remark: Option<&str>, out: &mut Vec<u8>) {
    // Java cuts codes of the pop family in the same way; a peer with such a header cannot pop.
    out.extend_from_slice(&(code as i16).to_be_bytes());
    out.push(Language::JAVA.number());
    out.extend_from_slice(&(VERSION as i16).to_be_bytes());
    out.extend_from_slice(&opaque.to_be_bytes());
    out.extend_from_slice(&flag.to_be_bytes());
    let remark = remark.unwrap_or_default();
    push_len4(remark.len(), out);
    out.extend_from_slice(remark.as_bytes());
}

/// The fields of a binary header, behind their common length.
struct BinaryBlock {
    at: usize,
}

impl BinaryBlock {
    fn begin(out: &mut Vec<u8>) -> BinaryBlock {
        out.extend_from_slice(&[0; 4]);
        BinaryBlock { at: out.len() }
    }

    fn field(&self, name: &str, value: &Value<'_>, out: &mut Vec<u8>) {
        let name_len = u16::try_from(name.len()).expect("field names are short and ours");
        out.extend_from_slice(&name_len.to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        value.push(out, |text, out| out.extend_from_slice(text.as_bytes()));
        let value_len = u32::try_from(out.len() - at - 4).expect("a value is far below 16 MiB");
        out[at..at + 4].copy_from_slice(&value_len.to_be_bytes());
    }

    fn finish(self, out: &mut [u8]) {
        let len = u32::try_from(out.len() - self.at).expect("a header is far below 16 MiB");
        out[self.at - 4..self.at].copy_from_slice(&len.to_be_bytes());
    }
}

fn push_len4(len: usize, out: &mut Vec<u8>) {
    let len = u32::try_from(len).expect("a text is far below 16 MiB");
    out.extend_from_slice(&len.to_be_bytes());
}

/// Appends `number` in decimal.
fn push_decimal(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
