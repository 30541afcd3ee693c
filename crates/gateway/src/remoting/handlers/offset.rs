//! Offsets: of a group (14, 15) and of a queue (29, 30, 31, 32).

use broker::ops::consumer_offset::{Committed, Request};
use model::{QueueOffset, Timestamp};
use store::{Boundary, Read, ReadError};
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::offset::{
    GetEarliestMsgStoretime, GetMaxOffset, GetMinOffset, QueryConsumerOffset, SearchOffsetByTimestamp,
    UpdateConsumerOffset,
};
use wire::remoting::reply::Response;

use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

/// Serves the codes of this file.
pub fn serve(gateway: &Gateway, code: RequestCode, header: &Header<'_>, turn: &mut Turn<'_>) -> Option<Outcome> {
    let serve = match code {
        RequestCode::QUERY_CONSUMER_OFFSET => query,
        RequestCode::UPDATE_CONSUMER_OFFSET => update,
        RequestCode::GET_MAX_OFFSET => max,
        RequestCode::GET_MIN_OFFSET => min,
        RequestCode::SEARCH_OFFSET_BY_TIMESTAMP => search,
        RequestCode::GET_EARLIEST_MSG_STORETIME => earliest,
        _ => return None,
    };
    Some(serve(gateway, header, turn))
}

fn query(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QueryConsumerOffset, header, turn);
    let request = Request { group: &fields.consumer_group, topic: &fields.topic, queue_id: fields.queue_id };
    match gateway.broker.consumer_offset(request, fields.set_zero_if_not_found.unwrap_or(true)) {
        Ok(offset) => answer_offset(header, offset, turn),
        Err(error) => turn.refuse(Call::of(header), status::of_consumer_offset(&error), error),
    }
    Outcome::Done
}

fn update(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(UpdateConsumerOffset, header, turn);
    let call = Call::of(header);
    let request = Request { group: &fields.consumer_group, topic: &fields.topic, queue_id: fields.queue_id };
    let committed = if call.oneway {
        gateway.broker.note_consumer_offset(request, fields.commit_offset).map(|()| Committed::Noted)
    } else {
        gateway.broker.begin_commit_offset(request, fields.commit_offset, &mut turn.buffers.staged)
    };
    match committed {
        Ok(Committed::Staged) => turn.done_when_durable(call),
        Ok(Committed::Noted) => turn.done(call),
        Err(error) => turn.refuse(call, status::of_consumer_offset(&error), error),
    }
    Outcome::Done
}

fn max(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetMaxOffset, header, turn);
    answer_offset(header, gateway.broker.queue_bounds(&fields.topic, fields.queue_id).max, turn);
    Outcome::Done
}

fn min(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetMinOffset, header, turn);
    answer_offset(header, gateway.broker.queue_bounds(&fields.topic, fields.queue_id).min, turn);
    Outcome::Done
}

fn search(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(SearchOffsetByTimestamp, header, turn);
    let upper = fields.boundary_type.as_deref().is_some_and(|boundary| boundary.eq_ignore_ascii_case("upper"));
    let boundary = if upper { Boundary::Upper } else { Boundary::Lower };
    let at = Timestamp(fields.timestamp);
    match gateway.broker.offset_at(&fields.topic, fields.queue_id, at, boundary, turn.mode) {
        Ok(offset) => answer_offset(header, offset, turn),
        Err(error) => return cold_or_refused(header, &error, turn),
    }
    Outcome::Done
}

fn earliest(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetEarliestMsgStoretime, header, turn);
    let call = Call::of(header);
    match gateway.broker.earliest_store_time(&fields.topic, fields.queue_id, turn.mode) {
        Ok(stored) => {
            let timestamp = stored.map_or(-1, |stored| stored.0);
            turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).field("timestamp", timestamp));
        }
        Err(error) => return cold_or_refused(header, &error, turn),
    }
    Outcome::Done
}

fn answer_offset(header: &Header<'_>, offset: QueueOffset, turn: &mut Turn<'_>) {
    let call = Call::of(header);
    turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).field("offset", offset.to_wire()));
}

/// A read that would block goes on elsewhere; any other error is answered.
pub(super) fn cold_or_refused(header: &Header<'_>, error: &ReadError, turn: &mut Turn<'_>) -> Outcome {
    if matches!(error, ReadError::WouldBlock) && turn.mode == Read::Nowait {
        return Outcome::Elsewhere(Elsewhere::Cold);
    }
    turn.refuse(Call::of(header), status::of_read(error), error);
    Outcome::Done
}
