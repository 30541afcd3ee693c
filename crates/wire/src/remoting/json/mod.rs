//! The JSON of the protocol: fastjson 1.2's dialect in, compact JSON out.
//!
//! Peers write what fastjson 1.2 accepts, which is wider than JSON (bare and object keys, single
//! quotes, comments, `$ref`). [`dialect`] turns it into standard JSON text in one pass, serde_json
//! reads that, and [`lenient`] converts between kinds on the way into our structs. [`write`] writes
//! the few bodies whose keys are no JSON.

pub mod dialect;
pub mod escape;
pub mod lenient;
pub mod reference;
pub mod write;

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use dialect::{DialectError, Limits};
use lenient::Lenient;
use reference::ReferenceError;

/// Why a body could not be read.
#[derive(Debug, Error)]
pub enum JsonError {
    /// Not even fastjson's JSON, or beyond the limits.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// Its references cannot be followed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// JSON, but not of this body's shape.
    #[error("json does not fit: {0}")]
    Shape(#[from] serde_json::Error),
}

/// Reads a body. Unknown members are skipped, missing and null ones are the default.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    read_within(bytes, Limits::USUAL)
}

/// Reads a body within `limits`.
pub fn read_within<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, JsonError> {
    let text = dialect::to_standard(bytes, limits)?;
    if memchr::memmem::find(text.as_bytes(), b"\"$ref\"").is_some() {
        let resolved = reference::resolve(&serde_json::from_str::<Value>(&text)?)?;
        return Ok(T::deserialize(Lenient(resolved))?);
    }
    Ok(T::deserialize(Lenient(&mut serde_json::Deserializer::from_str(&text)))?)
}
