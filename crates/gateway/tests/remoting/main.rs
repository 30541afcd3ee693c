//! The handlers over a real broker and log, without sockets: frames go in, answers come out.

mod codes;
mod forward;
mod host;
mod recordings;
