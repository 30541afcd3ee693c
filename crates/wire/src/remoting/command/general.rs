//! Any JSON header: fastjson's dialect, through serde_json. Slow, complete, and the fast parser's
//! oracle.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{FIELDS_MAX, Header, HeaderError, Language, Source, Span};
use crate::remoting::frame::Encoding;
use crate::remoting::json::dialect::{self, Limits};

pub(super) fn parse<'a>(bytes: &[u8]) -> Result<Header<'a>, HeaderError> {
    let standard = dialect::to_standard(bytes, Limits::USUAL).map_err(|error| match error {
        dialect::DialectError::NotUtf8(_) => HeaderError::NotUtf8,
        error => HeaderError::Json(error),
    })?;
    let members: Members<'_> = serde_json::from_str(&standard).map_err(|_| HeaderError::NotAnObject)?;

    let mut header = Header::new(Encoding::Json, Source::Binary(&[]));
    let mut texts = String::new();
    for (name, value) in &members.0 {
        match name.as_str() {
            "code" => header.code = integer(value, "code")?,
            "flag" => header.flag = integer(value, "flag")?,
            "opaque" => header.opaque = integer(value, "opaque")?,
            "version" => header.version = integer(value, "version")?,
            "language" => header.language = language(value),
            "remark" => header.remark = Some(push(&mut texts, &text(value))),
            "extFields" => {
                header.fields.clear();
                let fields: Members<'_> =
                    serde_json::from_str(value.get()).map_err(|_| HeaderError::Member("extFields"))?;
                debug_assert!(fields.0.len() <= FIELDS_MAX, "the dialect's limit of keys is not above this one");
                for (key, value) in &fields.0 {
                    let key = push(&mut texts, key);
                    let value = push(&mut texts, &text(value));
                    header.fields.push(key, value)?;
                }
            }
            _ => {}
        }
    }
    header.source = Source::Text(Cow::Owned(texts));
    Ok(header)
}

fn push(texts: &mut String, text: &str) -> Span {
    let start = texts.len();
    texts.push_str(text);
    Span::new(start, texts.len(), false)
}

/// A string's content, or the JSON text of anything else. There are no nulls left, see
/// [`dialect`].
fn text(value: &RawValue) -> Cow<'_, str> {
    let raw = value.get();
    if raw.starts_with('"') {
        return Cow::Owned(serde_json::from_str(raw).expect("a raw value is valid json"));
    }
    Cow::Borrowed(raw)
}

fn integer(value: &RawValue, name: &'static str) -> Result<i32, HeaderError> {
    text(value).parse().map_err(|_| HeaderError::Member(name))
}

/// By name or by number; peers disagree.
fn language(value: &RawValue) -> Language {
    let text = text(value);
    match text.parse() {
        Ok(number) => Language::from_number(number),
        Err(_) => Language::from_name(&text),
    }
}

/// An object's members as they stand, repeated names included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Err(E::invalid_type(de::Unexpected::Unit, &self))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}
