//! The gRPC door over a real broker, log and socket: calls go in as clients make them, answers come out.

#![allow(clippy::disallowed_methods, reason = "connects to a listener of its own; the page is a file")]

mod client;
mod host;
mod life;
mod messages;
mod page;
mod refusals;
