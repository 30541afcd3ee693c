//! The header of a command: who speaks, what is asked or answered, and the fields of the operation.
//!
//! A JSON header of the usual compact shape is read by [`fast`] in one pass, borrowed and without
//! an allocation. Whatever that parser does not know goes to [`general`], which reads all of
//! fastjson's dialect through serde_json; the two agree on everything the fast one accepts, and
//! tests and a fuzz target hold them to it. [`binary`] reads the other encoding.
//!
//! Nothing here knows which fields an operation has: see [`super::header`].

mod binary;
mod fast;
mod general;

use std::borrow::Cow;
use std::ops::Range;

use thiserror::Error;

use super::code::{Language, RequestCode, ResponseCode};
use super::frame::{Encoding, Frame, HEADER_LEN_MAX};
use super::json::dialect::DialectError;
use super::json::escape;

/// Bit of `flag`: this is an answer.
pub const FLAG_RESPONSE: i32 = 1;
/// Bit of `flag`: the sender wants no answer, not even to an error.
pub const FLAG_ONEWAY: i32 = 2;

/// Fields kept without an allocation. Sends have 14 to 19, signed ones three more.
const INLINE_FIELDS: usize = 32;

/// Fields of one header, at most.
const FIELDS_MAX: usize = 10_000;

/// A header's text as it stands on the wire, perhaps with JSON escapes inside.
#[derive(Debug, Clone, Copy)]
pub struct Text<'h> {
    raw: &'h str,
    escaped: bool,
}

impl<'h> Text<'h> {
    /// A text without escapes.
    pub fn plain(text: &'h str) -> Text<'h> {
        Text { raw: text, escaped: false }
    }

    /// The text, when the wire has no escape in it.
    pub fn as_plain(&self) -> Option<&'h str> {
        (!self.escaped).then_some(self.raw)
    }

    /// The text as the wire has it.
    pub fn raw(&self) -> &'h str {
        self.raw
    }

    /// Whether the wire has an escape in it.
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Appends the unescaped text, always valid UTF-8.
    pub fn unescape_into(&self, out: &mut Vec<u8>) {
        if self.escaped {
            escape::unescape_into(self.raw, out);
        } else {
            out.extend_from_slice(self.raw.as_bytes());
        }
    }

    /// The unescaped text, borrowed where the wire has no escape.
    pub fn to_cow(&self) -> Cow<'h, str> {
        if self.escaped { Cow::Owned(escape::unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether the unescaped text is `other`.
    pub fn is(&self, other: &str) -> bool {
        if self.escaped { escape::unescape(self.raw) == other } else { self.raw == other }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_cow() == other.to_cow()
    }
}

impl Eq for Text<'_> {}

/// Why bytes are not a header. The Java decoder closes the connection for each of these.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Longer than a frame's header may be.
    #[error("header of {0} bytes exceeds the limit of {HEADER_LEN_MAX}")]
    TooLarge(usize),
    /// More fields than any operation has.
    #[error("header has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// A text of a binary header, or a whole JSON one, is not UTF-8.
    #[error("header is not utf-8")]
    NotUtf8,
    /// A binary header ends inside the named part.
    #[error("binary header ends inside its {0}")]
    Truncated(&'static str),
    /// Not even fastjson's JSON.
    #[error(transparent)]
    Json(#[from] DialectError),
    /// JSON, but no object.
    #[error("header is not a json object")]
    NotAnObject,
    /// A member has a value of the wrong kind or out of range.
    #[error("header member {0} is malformed")]
    Member(&'static str),
}

/// A piece of the header's text: its position in the upper half, its length in the lower one, whose
/// top bit says that there are escapes inside. One word, so that it travels in a register.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span(u64);

impl Span {
    const ESCAPED: u64 = 1 << 31;

    /// Positions are far below 2 GiB: [`HEADER_LEN_MAX`].
    fn new(start: usize, end: usize, escaped: bool) -> Span {
        Span((start as u64) << 32 | (end - start) as u64 | if escaped { Span::ESCAPED } else { 0 })
    }

    fn range(self) -> Range<usize> {
        let start = (self.0 >> 32) as usize;
        start..start + (self.0 as u32 & !(Span::ESCAPED as u32)) as usize
    }

    fn is_escaped(self) -> bool {
        self.0 & Span::ESCAPED != 0
    }
}

/// What the spans point into.
#[derive(Debug, Clone)]
enum Source<'a> {
    /// The wire's JSON, or what the general parser read.
    Text(Cow<'a, str>),
    /// A binary header. Its texts are UTF-8, what lies between them is not.
    Binary(&'a [u8]),
}

/// The operation's fields in the order of the wire.
#[derive(Debug, Clone)]
struct Fields {
    inline: [(Span, Span); INLINE_FIELDS],
    len: usize,
    /// Those from the 33rd on.
    spill: Vec<(Span, Span)>,
}

impl Fields {
    fn new() -> Fields {
        Fields { inline: [(Span::default(), Span::default()); INLINE_FIELDS], len: 0, spill: Vec::new() }
    }

    fn push(&mut self, key: Span, value: Span) -> Result<(), HeaderError> {
        match self.inline.get_mut(self.len) {
            Some(slot) => *slot = (key, value),
            None if self.len < FIELDS_MAX => self.spill.push((key, value)),
            None => return Err(HeaderError::TooManyFields),
        }
        self.len += 1;
        Ok(())
    }

    fn clear(&mut self) {
        self.len = 0;
        self.spill.clear();
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &(Span, Span)> {
        self.inline[..self.len.min(INLINE_FIELDS)].iter().chain(&self.spill)
    }
}

/// A parsed header. Its texts borrow from the frame, except where the general parser had to rewrite.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    /// How it was written down; answer the same way.
    pub encoding: Encoding,
    /// Request or response code, see [`Header::is_response`].
    pub code: i32,
    /// The sender's language.
    pub language: Language,
    /// Ordinal of the sender's protocol version; 0 when it does not say.
    pub version: i32,
    /// Correlates an answer with its request. Any value, also negative.
    pub opaque: i32,
    /// Sum of the `FLAG_` bits; others are ignored.
    pub flag: i32,
    source: Source<'a>,
    remark: Option<Span>,
    fields: Fields,
}

impl<'a> Header<'a> {
    /// Reads the header of `frame`.
    pub fn parse(frame: &Frame<'a>) -> Result<Header<'a>, HeaderError> {
        match frame.encoding {
            Encoding::Json => Header::parse_json(frame.header),
            Encoding::Binary => Header::parse_binary(frame.header),
        }
    }

    /// Reads a JSON header.
    pub fn parse_json(bytes: &'a [u8]) -> Result<Header<'a>, HeaderError> {
        let mut header = Header::of_text(bytes)?;
        // Filled in place: a header is 600 bytes, and each hand-over would copy it.
        match fast::parse_into(&mut header) {
            Some(()) => Ok(header),
            None => general::parse(bytes),
        }
    }

    /// Reads a JSON header with the fast parser alone: `None` for a shape it leaves to the general
    /// one. Apart from [`Header::parse_json`] so that the two can be compared.
    pub fn parse_json_fast(bytes: &'a [u8]) -> Result<Option<Header<'a>>, HeaderError> {
        let mut header = Header::of_text(bytes)?;
        Ok(fast::parse_into(&mut header).map(|()| header))
    }

    /// Reads a JSON header with the general parser alone.
    pub fn parse_json_general(bytes: &'a [u8]) -> Result<Header<'a>, HeaderError> {
        check_len(bytes)?;
        general::parse(bytes)
    }

    /// Reads a binary header.
    pub fn parse_binary(bytes: &'a [u8]) -> Result<Header<'a>, HeaderError> {
        check_len(bytes)?;
        binary::parse(bytes)
    }

    /// An empty header over JSON text.
    fn of_text(bytes: &'a [u8]) -> Result<Header<'a>, HeaderError> {
        check_len(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|_| HeaderError::NotUtf8)?;
        Ok(Header::new(Encoding::Json, Source::Text(Cow::Borrowed(text))))
    }

    fn new(encoding: Encoding, source: Source<'a>) -> Header<'a> {
        Header {
            encoding,
            code: 0,
            language: Language::OTHER,
            version: 0,
            opaque: 0,
            flag: 0,
            source,
            remark: None,
            fields: Fields::new(),
        }
    }

    /// The code of a request.
    pub fn request_code(&self) -> RequestCode {
        RequestCode(self.code)
    }

    /// The code of an answer.
    pub fn response_code(&self) -> ResponseCode {
        ResponseCode(self.code)
    }

    /// Whether this answers a request of ours.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether the sender wants no answer.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }

    /// Text for humans; the reason, in an answer that is an error.
    pub fn remark(&self) -> Option<Text<'_>> {
        self.remark.map(|span| self.text(span))
    }

    /// The field named `name`; the last one where a peer repeats itself.
    pub fn field(&self, name: &str) -> Option<Text<'_>> {
        let (_, value) = self.fields.iter().rev().find(|(key, _)| self.text(*key).raw == name)?;
        Some(self.text(*value))
    }

    /// All fields in the order of the wire. Names are never escaped.
    pub fn fields(&self) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
        self.fields.iter().map(|(key, value)| (self.text(*key), self.text(*value)))
    }

    /// How many fields there are.
    pub fn field_count(&self) -> usize {
        self.fields.len
    }

    /// The fields, for readers that look at all names and few values.
    pub(super) fn spans(&self) -> impl Iterator<Item = (&[u8], Span)> {
        let bytes = match &self.source {
            Source::Text(text) => text.as_bytes(),
            Source::Binary(bytes) => bytes,
        };
        self.fields.iter().map(|(key, value)| (&bytes[key.range()], *value))
    }

    /// The text of one of the [`Header::spans`].
    pub(super) fn text(&self, span: Span) -> Text<'_> {
        let range = span.range();
        let raw = match &self.source {
            Source::Text(text) => &text[range],
            Source::Binary(bytes) => std::str::from_utf8(&bytes[range]).expect("checked when the header was parsed"),
        };
        Text { raw, escaped: span.is_escaped() }
    }
}

/// The same command: equal members, and equal fields in the same order.
impl PartialEq for Header<'_> {
    fn eq(&self, other: &Self) -> bool {
        let members =
            |header: &Self| (header.encoding, header.code, header.language, header.version, header.opaque, header.flag);
        members(self) == members(other) && self.remark() == other.remark() && self.fields().eq(other.fields())
    }
}

fn check_len(bytes: &[u8]) -> Result<(), HeaderError> {
    if bytes.len() > HEADER_LEN_MAX { Err(HeaderError::TooLarge(bytes.len())) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
