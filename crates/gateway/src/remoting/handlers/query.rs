//! Finding messages: by log offset (33), by key and by unique key (12).

use broker::ops::query::KeyQuery;
use model::{LogOffset, Timestamp};
use store::ReadError;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::message::{QueryMessage, ViewMessage};
use wire::remoting::reply::Response;

use super::decode;
use super::offset::cold_or_refused;
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

/// Messages a search by unique key asks for at least: a resent message has the key of the first attempt.
const UNIQUE_MAX: usize = 32;

/// Serves the codes of this file.
pub fn serve(gateway: &Gateway, code: RequestCode, header: &Header<'_>, turn: &mut Turn<'_>) -> Option<Outcome> {
    let serve = match code {
        RequestCode::VIEW_MESSAGE_BY_ID => view,
        RequestCode::QUERY_MESSAGE => query,
        _ => return None,
    };
    Some(serve(gateway, header, turn))
}

fn view(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ViewMessage, header, turn);
    let call = Call::of(header);
    let at = LogOffset(u64::try_from(fields.offset).unwrap_or(u64::MAX));
    let mut record = Vec::new();
    match gateway.broker.view_message(at, turn.mode, &mut record) {
        Ok(()) => turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(record)),
        Err(ReadError::NotFound { at }) => {
            let remark = format!("can not find message by the offset, {at}");
            turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
        }
        Err(error) => return cold_or_refused(header, &error, turn),
    }
    Outcome::Done
}

fn query(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QueryMessage, header, turn);
    let call = Call::of(header);
    let unique = fields.unique_key_query.unwrap_or(false);
    let asked = usize::try_from(fields.max_num).unwrap_or(1);
    let query = KeyQuery {
        topic: &fields.topic,
        key: &fields.key,
        unique,
        max: if unique { asked.max(UNIQUE_MAX) } else { asked },
        from: Timestamp(fields.begin_timestamp),
        to: Timestamp(fields.end_timestamp),
    };
    let mut records = Vec::new();
    match gateway.broker.query_message(&query, turn.mode, &mut records) {
        Ok(0) => turn.refuse(call, ResponseCode::QUERY_NOT_FOUND, "can not find message, maybe time range not correct"),
        Ok(_) => {
            let log = gateway.broker.log();
            let response = Response::new(call.opaque, ResponseCode::SUCCESS)
                .field("indexLastUpdateTimestamp", turn.now.0)
                .field("indexLastUpdatePhyoffset", log.committed().0.cast_signed())
                .body(records);
            turn.answer(call, response);
        }
        Err(error) => return cold_or_refused(header, &error, turn),
    }
    Outcome::Done
}
