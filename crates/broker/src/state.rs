//! What the broker keeps: plain structs, `now` passed in, no I/O. Durable machines are projections of the log.

pub mod arrivals;
pub mod batches;
pub mod clients;
pub mod groups;
pub mod halves;
pub mod inflight;
pub mod kv;
pub mod offsets;
pub mod polls;
pub mod queue_locks;
pub mod request_modes;
pub mod shared_map;
pub mod timers;
pub mod topics;
pub mod traffic;
pub mod usage;
