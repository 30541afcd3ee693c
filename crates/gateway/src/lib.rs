//! gateway

#![allow(clippy::disallowed_methods, reason = "the gateway listens and reads the clock for the broker")]

pub mod http;
pub mod listen;
