//! Writes JSON as fastjson does where that is not JSON: number keys without quotes, and objects as
//! keys.
//!
//! A map with number keys needs nothing; one with objects as keys serializes each key as a string
//! made by [`object_key`].

use std::io::{self, Write};

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

/// In front of a key whose text is written as it is, provided that it is an object's. No name may
/// contain a control character; one that does nevertheless cannot break the text around it.
const OBJECT_KEY: char = '\u{1}';

/// The string that stands for the object `key` when it is used as a key.
pub fn object_key<T: Serialize>(key: &T) -> String {
    let text = serde_json::to_string(key).expect("a struct of texts and numbers is valid json");
    format!("{OBJECT_KEY}{text}")
}

/// `value` in fastjson's dialect.
pub fn to_dialect<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let formatter = Dialect { key: Key::None };
    value
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .expect("bodies are structs, lists and maps with keys that are texts or numbers");
    out
}

/// `value` in standard JSON, compact. Doubles have a decimal point in both.
pub fn to_standard<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("bodies are structs, lists and maps with keys that are texts or numbers")
}

/// serde_json gives a number key to the formatter as a string; this one waits for what is inside
/// before it writes the quote.
struct Dialect {
    key: Key,
}

enum Key {
    /// Not inside a key.
    None,
    /// Inside a key, nothing written.
    Begun,
    /// Inside a number key: no quotes.
    Number,
    /// Inside an object key: its text so far.
    Object(Vec<u8>),
    /// Inside a string key, its quote is written.
    Quoted,
}

impl Formatter for Dialect {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.key = Key::Begun;
        if first { Ok(()) } else { writer.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.key = Key::None;
        Ok(())
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.key {
            Key::None => writer.write_all(b"\""),
            _ => Ok(()),
        }
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match &self.key {
            Key::None | Key::Quoted => writer.write_all(b"\""),
            Key::Begun => writer.write_all(b"\"\""),
            Key::Number => Ok(()),
            Key::Object(text) if is_object(text) => writer.write_all(text),
            Key::Object(text) => serde_json::to_writer(writer, &String::from_utf8_lossy(text)).map_err(io::Error::from),
        }
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        match &mut self.key {
            Key::Object(text) => {
                text.extend_from_slice(fragment.as_bytes());
                return Ok(());
            }
            Key::Begun => {
                self.key = Key::Quoted;
                writer.write_all(b"\"")?;
            }
            _ => {}
        }
        writer.write_all(fragment.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match (&mut self.key, &escape) {
            (Key::Begun, CharEscape::AsciiControl(byte)) if char::from(*byte) == OBJECT_KEY => {
                self.key = Key::Object(Vec::new());
                return Ok(());
            }
            (Key::Object(text), CharEscape::Quote) => {
                text.push(b'"');
                return Ok(());
            }
            (Key::Object(text), CharEscape::ReverseSolidus) => {
                text.push(b'\\');
                return Ok(());
            }
            (Key::Object(text), _) => return CompactFormatter.write_char_escape(text, escape),
            (Key::Begun, _) => {
                self.key = Key::Quoted;
                writer.write_all(b"\"")?;
            }
            _ => {}
        }
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn write_i32<W: ?Sized + Write>(&mut self, writer: &mut W, value: i32) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }

    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        if let Key::Begun = self.key {
            self.key = Key::Number;
        }
        write!(writer, "{value}")
    }
}

fn is_object(text: &[u8]) -> bool {
    text.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Queue {
        name: &'static str,
        id: i32,
    }

    fn text<T: Serialize>(value: &T) -> String {
        String::from_utf8(to_dialect(value)).unwrap()
    }

    #[test]
    fn number_keys_have_no_quotes_and_text_keys_do() {
        assert_eq!(text(&BTreeMap::from([(0_i64, "x"), (-1, "y")])), r#"{-1:"y",0:"x"}"#);
        assert_eq!(text(&BTreeMap::from([(7_i32, 1.0)])), "{7:1.0}");
        assert_eq!(text(&BTreeMap::from([("", 0), ("\"k\n", 1), ("k", 2)])), r#"{"":0,"\"k\n":1,"k":2}"#);
    }

    #[test]
    fn an_object_key_is_written_as_it_is() {
        let key = object_key(&Queue { name: "say \"hi\"\\", id: 3 });
        let map = BTreeMap::from([(key, BTreeMap::from([("m", 1)]))]);
        assert_eq!(text(&map), r#"{{"name":"say \"hi\"\\","id":3}:{"m":1}}"#);
    }

    #[test]
    fn a_name_that_looks_like_an_object_key_breaks_nothing() {
        let names = ["\u{1}", "\u{1}x", "\u{1}{\"a\":1},\"b\":2", "\u{1}{", "x\u{1}{}", "\u{1}\n\u{1}"];
        for name in names {
            let json = to_dialect(&BTreeMap::from([(name, 1)]));
            let read = crate::remoting::json::read::<BTreeMap<String, i32>>(&json).unwrap();
            assert_eq!(read.into_values().collect::<Vec<_>>(), [1], "{}", String::from_utf8_lossy(&json));
        }
    }
}
