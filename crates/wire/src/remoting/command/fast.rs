//! The usual JSON header in one pass: compact, quoted names, flat members, any order.
//!
//! Strings end at the next quote that no backslash escapes; most are shorter than 16 bytes, so the
//! search looks at two words before it calls memchr. Escapes are only noticed, not judged (see
//! [`super::escape`]). `None` means "not my shape", never "wrong".

use std::borrow::Cow;

use super::{Fields, Header, Language, Source, Span};
use crate::remoting::json::dialect::Limits;

/// Fills `header`, which is empty, from its own text.
pub(super) fn parse_into(header: &mut Header<'_>) -> Option<()> {
    let Source::Text(Cow::Borrowed(text)) = header.source else { return None };
    Walk { text, bytes: text.as_bytes(), at: 0, keys: 0 }.header(header)
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    keys: u32,
}

impl Walk<'_> {
    fn header(&mut self, header: &mut Header<'_>) -> Option<()> {
        self.expect(b'{')?;
        if !self.take(b'}') {
            loop {
                let key = self.key()?;
                self.member(key, header)?;
                if !self.take(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        // C++ ends its headers with a line feed.
        self.bytes[self.at..].iter().all(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).then_some(())
    }

    fn member(&mut self, key: Span, header: &mut Header<'_>) -> Option<()> {
        let name = &self.bytes[key.range()];
        match name {
            b"code" => header.code = self.integer()?,
            b"flag" => header.flag = self.integer()?,
            b"opaque" => header.opaque = self.integer()?,
            b"version" => header.version = self.integer()?,
            b"extFields" => {
                if !self.take_word(b"null") {
                    header.fields.clear();
                    self.fields(&mut header.fields)?;
                }
            }
            b"language" => {
                let span = self.string()?;
                // Escaped, or a number in quotes: rare enough for the general parser.
                if span.is_escaped() || self.bytes[span.range().start..].first()?.is_ascii_digit() {
                    return None;
                }
                header.language = Language::from_name(&self.text[span.range()]);
            }
            b"remark" => {
                if !self.take_word(b"null") {
                    header.remark = Some(self.string()?);
                }
            }
            _ => drop(self.scalar()?),
        }
        Some(())
    }

    fn fields(&mut self, fields: &mut Fields) -> Option<()> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let key = self.key()?;
            if let Some(value) = self.scalar()? {
                fields.push(key, value).ok()?;
            }
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b'}')
    }

    fn key(&mut self) -> Option<Span> {
        self.keys += 1;
        if self.keys > Limits::USUAL.keys {
            return None;
        }
        let key = self.string()?;
        // Nobody escapes names; so that they can be compared as they stand, none is escaped.
        if key.is_escaped() {
            return None;
        }
        self.expect(b':')?;
        Some(key)
    }

    /// A string, integer or boolean as its text; `Some(None)` for null.
    fn scalar(&mut self) -> Option<Option<Span>> {
        match self.bytes.get(self.at)? {
            b'"' => self.string().map(Some),
            b'-' | b'0'..=b'9' => self.digits().map(Some),
            _ => {
                let start = self.at;
                if self.take_word(b"null") {
                    return Some(None);
                }
                (self.take_word(b"true") || self.take_word(b"false")).then(|| Some(Span::new(start, self.at, false)))
            }
        }
    }

    fn string(&mut self) -> Option<Span> {
        self.expect(b'"')?;
        let start = self.at;
        let mut end = find_quote_or_backslash(self.bytes, start)?;
        let escaped = self.bytes[end] == b'\\';
        if escaped {
            loop {
                end += memchr::memchr(b'"', &self.bytes[end..])?;
                let backslashes = self.bytes[start..end].iter().rev().take_while(|byte| **byte == b'\\').count();
                if backslashes % 2 == 0 {
                    break;
                }
                end += 1;
            }
        }
        self.at = end + 1;
        Some(Span::new(start, end, escaped))
    }

    fn integer(&mut self) -> Option<i32> {
        let span = self.digits()?;
        let digits = &self.bytes[span.range()];
        let (negative, digits) = match digits {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        // Ten digits at most, so that the sum cannot overflow.
        if digits.len() > 10 {
            return None;
        }
        let value = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        i32::try_from(if negative { -value } else { value }).ok()
    }

    /// An integer as JSON spells it: no plus, no leading zero, and nothing of a fraction behind it.
    fn digits(&mut self) -> Option<Span> {
        let start = self.at;
        self.take(b'-');
        let first = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let leading_zero = self.at - first > 1 && self.bytes[first] == b'0';
        if self.at == first || leading_zero || !matches!(self.bytes.get(self.at), Some(b',' | b'}')) {
            return None;
        }
        Some(Span::new(start, self.at, false))
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Takes a literal that ends where a value must end.
    fn take_word(&mut self, word: &[u8]) -> bool {
        let rest = &self.bytes[self.at..];
        let found = rest.starts_with(word) && matches!(rest.get(word.len()), Some(b',' | b'}'));
        if found {
            self.at += word.len();
        }
        found
    }
}

/// Position of the first quote or backslash at or behind `at`.
fn find_quote_or_backslash(bytes: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..2 {
        let Some(word) = bytes[at..].first_chunk::<8>() else { break };
        let word = u64::from_le_bytes(*word);
        let hits = zero_bytes(word ^ repeat(b'"')) | zero_bytes(word ^ repeat(b'\\'));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', &bytes[at..]).map(|step| at + step)
}

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The top bit of each zero byte. Bits above the lowest one may be false; only that one is used.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(0x01)) & !word & repeat(0x80)
}
