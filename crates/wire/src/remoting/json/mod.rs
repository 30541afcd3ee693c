//! The JSON of the protocol: fastjson 1.2's dialect in, compact JSON out.
//!
//! Peers write what fastjson 1.2 accepts, which is wider than JSON (bare and object keys, single
//! quotes, comments, `$ref`). [`dialect`] turns it into standard JSON text in one pass; serde_json
//! reads the rest.

pub mod dialect;
pub mod escape;
