//! What can go wrong between a request and its answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wire::remoting::code::ResponseCode;

/// Why there is no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: Arc<io::Error> },
    /// The connection ended; whether the server did what was asked is unknown.
    #[error("the connection was closed")]
    Closed,
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// The server answered, and it was a refusal.
    #[error("{code}: {remark}")]
    Refused { code: ResponseCode, remark: String },
    /// The answer is not what the operation's answer looks like.
    #[error("malformed answer: {0}")]
    Malformed(String),
}

impl Error {
    /// The code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<ResponseCode> {
        match self {
            Error::Refused { code, .. } => Some(*code),
            Error::Connect { .. } | Error::Closed | Error::Deadline(_) | Error::Malformed(_) => None,
        }
    }
}
