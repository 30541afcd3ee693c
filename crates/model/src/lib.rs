//! The nouns of Kerolox: names, offsets, times, configurations, and the bytes of a record.
//!
//! Pure ground: no async, no file, no socket, no clock. Every other crate may know this one; it knows none of them.

pub mod config;
pub mod filter;
pub mod message_id;
pub mod name;
pub mod offset;
pub mod properties;
pub mod recall_handle;
pub mod receipt_handle;
pub mod record;
pub mod tag;
pub mod time;

pub use config::{GroupConfig, TopicConfig, TopicFilterType};
pub use name::{GroupName, NameError, TopicName};
pub use offset::{LogOffset, QueueId, QueueOffset, TopicId};
pub use time::{Millis, Timestamp};
