//! A small, fast remoting client: for the command line, for peers, for benches and tests.
//!
//! [`Connection`] is the ordinary one: many calls share a socket, answers find their caller by `opaque`, the server's
//! own requests go to a callback. [`Pipeline`] is driven by one task that stages and receives many frames per wake; it
//! is what a load generator needs. [`ops`] has a method for each operation our own tools use.
//!
//! Deliberately absent: groups, rebalance, retries, TLS, connection pools. Those belong to the official clients, which
//! are what users run.

#![allow(clippy::disallowed_methods, reason = "one of the two crates that open sockets")]

pub mod connection;
mod error;
pub mod ops;
pub mod pipeline;
pub mod prepared;
pub mod request;

pub use connection::{Answer, Connection, Options, Pending, ServerRequest};
pub use error::Error;
pub use pipeline::Pipeline;
pub use prepared::PreparedSend;
pub use request::Request;
