//! The commands of `kerolox` that speak to a server over the wire: what they can do, anyone can do.
//!
//! Each command is a module with `Args` (clap) and `run`; the binary assembles them. Deliberately absent: `serve` and
//! everything else that needs the store in its own process.

#![allow(
    clippy::disallowed_methods,
    reason = "a command measures time, reads /proc and writes the report it was asked for"
)]

pub mod bench;
mod servers;
pub mod unused;
