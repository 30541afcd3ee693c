//! The JSON bodies, one struct each, in the file of their subject.
//!
//! Every struct reads tolerantly ([`super::json::read`]): members in any order, unknown ones
//! skipped, missing and null ones at their default, numbers in strings. `to_json` writes what the
//! peers' oldest readers understand: compact, nulls left out, and number and object keys bare where
//! remoting-frame.md section 11.3 lists them so. Values are not judged here.
//!
//! A consumer's running info (307) has no struct: it is passed on byte for byte.

pub mod batch;
pub mod connection;
pub mod group;
pub mod heartbeat;
pub mod kv;
pub mod lock;
pub mod offset;
pub mod pop;
pub mod queue;
pub mod register;
pub mod route;
pub mod stats;
pub mod timer;
pub mod topic;
pub mod unused;

/// Gives bodies their `to_json`: in fastjson's dialect, or in standard JSON.
macro_rules! bodies {
    ($($form:ident: $($type:ty),+;)+) => {
        $($(impl $type {
            /// The body's bytes, compact.
            pub fn to_json(&self) -> Vec<u8> {
                $crate::remoting::json::write::$form(self)
            }

            /// Reads the body.
            pub fn read(bytes: &[u8]) -> Result<Self, $crate::remoting::json::JsonError> {
                $crate::remoting::json::read(bytes)
            }
        })+)+
    };
}

use bodies;
