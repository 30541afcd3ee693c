//! Protocol bytes to structs and back.
//!
//! What a peer sends becomes borrowed or plain structs here, and what we answer becomes bytes. The
//! crate knows no socket, no file, no clock and no task, and it decides nothing about messaging: a
//! value that is well-formed but forbidden passes, the broker refuses it.

pub mod grpc;
pub mod remoting;
