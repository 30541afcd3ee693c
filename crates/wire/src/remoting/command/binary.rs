//! The binary header, big-endian:
//!
//! ```text
//! code i16 · language u8 · version i16 · opaque i32 · flag i32
//! remark length i32, bytes · block length i32, { key length i16, key, value length i32, value }*
//! ```
//!
//! A zero-length remark, key or value stands for null. Codes of the pop family do not fit 16 bits
//! and arrive cut; they are not guessed back.

use super::{Header, HeaderError, Language, Source, Span};
use crate::remoting::frame::Encoding;

pub(super) fn parse(bytes: &[u8]) -> Result<Header<'_>, HeaderError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut header = Header::new(Encoding::Binary, Source::Binary(bytes));
    header.code = i32::from(i16::from_be_bytes(cursor.array("code")?));
    header.language = Language::from_number(i64::from(cursor.array::<1>("language")?[0]));
    header.version = i32::from(i16::from_be_bytes(cursor.array("version")?));
    header.opaque = i32::from_be_bytes(cursor.array("opaque")?);
    header.flag = i32::from_be_bytes(cursor.array("flag")?);

    let len = cursor.len4("remark")?;
    header.remark = cursor.text(len, "remark")?;

    let len = cursor.len4("fields")?;
    let end = cursor.at.checked_add(len).filter(|end| *end <= bytes.len()).ok_or(HeaderError::Truncated("fields"))?;
    cursor.bytes = &bytes[..end];
    while cursor.at < end {
        let len = u16::from_be_bytes(cursor.array("fields")?);
        let key = cursor.text(usize::from(len), "fields")?;
        let len = cursor.len4("fields")?;
        let value = cursor.text(len, "fields")?;
        if let (Some(key), Some(value)) = (key, value) {
            header.fields.push(key, value)?;
        }
    }
    Ok(header)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], HeaderError> {
        let array = *self.bytes[self.at..].first_chunk().ok_or(HeaderError::Truncated(part))?;
        self.at += N;
        Ok(array)
    }

    /// A four-byte length. A negative one is far beyond the header.
    fn len4(&mut self, part: &'static str) -> Result<usize, HeaderError> {
        Ok(u32::from_be_bytes(self.array(part)?) as usize)
    }

    fn text(&mut self, len: usize, part: &'static str) -> Result<Option<Span>, HeaderError> {
        let Some(text) = self.bytes[self.at..].get(..len) else { return Err(HeaderError::Truncated(part)) };
        std::str::from_utf8(text).map_err(|_| HeaderError::NotUtf8)?;
        let start = self.at;
        self.at += len;
        Ok((len > 0).then(|| Span::new(start, self.at, false)))
    }
}
