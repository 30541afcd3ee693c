//! The fields of each operation: one struct a request or answer, read from a [`Header`].
//!
//! Names are the protocol's, spelled once, in the file of their operation. Unknown fields are
//! ignored, as every peer does. A required field that is absent and a value of the wrong kind are
//! errors that name the field; range checks belong to the broker.

pub mod client;
mod fields;
pub mod group;
pub mod message;
pub mod namesrv;
pub mod offset;
pub mod pop;
pub mod pull;
pub mod send;
pub mod stats;
pub mod topic;

use std::borrow::Cow;
use std::str::FromStr;

use thiserror::Error;

use super::command::Text;

/// Why the fields of a header do not make a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldError {
    /// A required field is not there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field has a value that is not of its kind.
    #[error("field {field} has the malformed value {value:?}")]
    Malformed {
        /// The field's name.
        field: &'static str,
        /// Its value, cut to [`VALUE_SHOWN`] characters.
        value: String,
    },
}

/// Characters of a malformed value shown in the error.
pub const VALUE_SHOWN: usize = 64;

impl FieldError {
    #[cold]
    fn malformed(field: &'static str, value: Text<'_>) -> FieldError {
        FieldError::Malformed { field, value: value.to_cow().chars().take(VALUE_SHOWN).collect() }
    }
}

/// A required text.
fn string<'h>(value: Option<Text<'h>>, field: &'static str) -> Result<Cow<'h, str>, FieldError> {
    value.map(|text| text.to_cow()).ok_or(FieldError::Missing(field))
}

/// A required number.
fn number<T: FromStr>(value: Option<Text<'_>>, field: &'static str) -> Result<T, FieldError> {
    optional_number(value, field)?.ok_or(FieldError::Missing(field))
}

/// A number that may be absent. White space around it is an error, as in Java.
fn optional_number<T: FromStr>(value: Option<Text<'_>>, field: &'static str) -> Result<Option<T>, FieldError> {
    let Some(text) = value else { return Ok(None) };
    let number = match text.as_plain() {
        Some(plain) => plain.parse(),
        None => text.to_cow().parse(),
    };
    number.map(Some).map_err(|_| FieldError::malformed(field, text))
}

/// Java's `Boolean.valueOf`: `true` in any case is true, all else (C++ writes `0`) is false.
fn boolean(value: Text<'_>) -> bool {
    value.raw().eq_ignore_ascii_case("true") || (value.is_escaped() && value.to_cow().eq_ignore_ascii_case("true"))
}
