//! The handlers over a real broker and log, without sockets: frames go in, answers come out.

#![allow(clippy::disallowed_methods, reason = "the page and the recordings are files")]

mod admission;
mod codes;
mod forward;
mod host;
mod pages;
mod pop;
mod recordings;
mod reply;
mod timers;
mod transaction;
