//! What a client may ask, one file an operation. An operation checks, plans (pure) and stages; it never waits.

pub mod ack;
pub mod broker_info;
pub mod broker_stats;
pub mod change_invisible;
pub mod clone_offset;
pub mod consume_stats;
pub mod consume_time;
pub mod consumer_offset;
pub mod end_transaction;
pub mod group;
pub(crate) mod half;
pub mod heartbeat;
pub mod lock;
pub mod pop;
pub mod pull;
pub mod query;
pub mod queue_offset;
pub mod recall;
pub mod reset_offset;
pub mod resume_half;
pub mod send;
pub mod send_back;
pub(crate) mod timed;
pub mod topic;
pub mod topic_stats;
pub mod unused;
