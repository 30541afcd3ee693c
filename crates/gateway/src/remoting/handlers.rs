//! Handlers: decode, call one operation, encode. No decision about messaging is made here.

pub mod admin;
pub mod assignment;
pub mod client;
pub mod namesrv;
pub mod notice;
pub mod offset;
pub mod pop;
pub mod pull;
pub mod query;
pub mod reply;
pub mod send;
pub mod transaction;

use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::FieldError;

use super::dispatch::Outcome;
use super::turn::{Call, Turn};

/// Refuses a request whose fields cannot be read.
fn malformed(header: &Header<'_>, error: &FieldError, turn: &mut Turn<'_>) -> Outcome {
    turn.refuse(Call::of(header), ResponseCode::SYSTEM_ERROR, error);
    Outcome::Done
}

/// Refuses a changing command from afar: there are no users yet who could prove who they are.
fn only_local(header: &Header<'_>, turn: &mut Turn<'_>) -> Option<Outcome> {
    if turn.peer.is_local() {
        return None;
    }
    let remark = format!(
        "request {} changes the broker: until users exist it is accepted from the broker's own machine only, not from {}",
        header.request_code(),
        turn.peer.address.ip()
    );
    turn.refuse(Call::of(header), ResponseCode::NO_PERMISSION, remark);
    Some(Outcome::Done)
}

/// Decodes a header struct or refuses the request.
macro_rules! decode {
    ($type:ident, $header:expr, $turn:expr) => {
        match $type::decode($header) {
            Ok(fields) => fields,
            Err(error) => return $crate::remoting::handlers::malformed($header, &error, $turn),
        }
    };
}
use decode;
