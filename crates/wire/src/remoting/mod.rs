//! The RocketMQ remoting protocol: frames, headers in both encodings, JSON bodies, answers.
//!
//! A frame is cut by [`frame::next_frame`], its header is read by [`command::Header::parse`], the
//! fields of an operation by the struct in [`header`] with the operation's name, a JSON body by the
//! struct in [`body`]. Answers are written by [`reply`].

pub mod body;
pub mod code;
pub mod command;
pub mod frame;
pub mod header;
pub mod json;
pub mod reply;
