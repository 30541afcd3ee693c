//! Popping (200050), looking (200052), acks (200051, 200151), invisible times (200053), whether there is something (200054),
//! and who waits (200055).

use broker::ops::pop::{Begin, Error, Plan, Request};
use broker::ops::{ack, pop};
use model::receipt_handle::{self, Origin, ReceiptHandle};
use model::{Millis, Timestamp, TopicName};
use store::{Read, ReadError};
use wire::remoting::body::pop::{BatchAck, BatchAckRequest};
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::pop::{
    AckMessage, ChangeInvisible, ChangeInvisibleAnswer, Notification, NotificationAnswer, PeekMessage, PollingInfo,
    PollingInfoAnswer, PopAnswer, PopMessage,
};
use wire::remoting::reply::Response;

use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Hold, Outcome, Wait};
use crate::remoting::status;
use crate::remoting::turn::{Call, Pass, Turn};

/// Bytes of one answer, as for pulls.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A pop is held no longer than this, whatever the client asks for.
const HOLD_MAX: Millis = Millis(60_000);

/// A held pop is answered this long before its client gives up.
const ANSWER_EARLY: Millis = Millis(50);

/// A request that has been on its way for this long beyond its poll time has nobody waiting for it.
const TOO_LATE: Millis = Millis(500);

/// Acks of one batch; above it somebody asks for megabytes of work with one frame.
const BATCH_ACKS_MAX: usize = 4_096;

/// How often a pop is planned anew because others were faster on each of its queues.
const TRIES_MAX: usize = 8;

/// Serves the codes of this file.
pub fn serve(
    gateway: &Gateway,
    code: RequestCode,
    header: &Header<'_>,
    body: &[u8],
    turn: &mut Turn<'_>,
) -> Option<Outcome> {
    Some(match code {
        RequestCode::POP_MESSAGE => pop(gateway, header, turn),
        RequestCode::ACK_MESSAGE => ack(gateway, header, turn),
        RequestCode::BATCH_ACK_MESSAGE => batch_ack(gateway, header, body, turn),
        RequestCode::CHANGE_MESSAGE_INVISIBLETIME => change_invisible(gateway, header, turn),
        RequestCode::PEEK_MESSAGE => peek(gateway, header, turn),
        RequestCode::NOTIFICATION => notification(gateway, header, turn),
        RequestCode::POLLING_INFO => polling_info(gateway, header, turn),
        _ => return None,
    })
}

fn pop(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(PopMessage, header, turn);
    let order = (fields.order == Some(true)).then(|| fields.attempt_id.as_deref().unwrap_or_default());
    let born = fields.born_time.filter(|born| *born > 0).map_or(turn.now, Timestamp);
    let gives_up = born.after(millis(fields.poll_time));
    if turn.pass == Pass::First && turn.now.since(gives_up) > TOO_LATE {
        return nothing(header, turn, "pop message is timeout too much: ask again");
    }
    let request = Request {
        group: &fields.consumer_group,
        topic: &fields.topic,
        queue_id: fields.queue_id,
        max_messages: usize::try_from(fields.max_msg_nums).unwrap_or(0),
        max_bytes: ANSWER_BYTES_MAX,
        invisible: millis(fields.invisible_time),
        begin: if fields.init_mode == 0 { Begin::Oldest } else { Begin::Newest },
        expression: fields.exp.as_deref().unwrap_or("*"),
        kind: fields.exp_type.as_deref(),
        order,
    };
    for _ in 0..TRIES_MAX {
        let plan = match gateway.broker.plan_pop(&request, turn.now, turn.mode, &turn.buffers.pops) {
            Ok(plan) => plan,
            Err(error) => return refused(header, turn, &error),
        };
        if plan.parts.is_empty() {
            return found_nothing(gateway, header, &fields, &plan, gives_up, turn);
        }
        turn.buffers.records.clear();
        if let Err(error) = gateway.broker.read_popped(&plan, turn.mode, &mut turn.buffers.records) {
            return refused(header, turn, &error.into());
        }
        let (staged, pops) = (&mut turn.buffers.staged, &mut turn.buffers.pops);
        if gateway.broker.begin_pop(&plan, staged, pops).is_ok() {
            answer_found(header, &plan, turn);
            return Outcome::Done;
        }
    }
    nothing(header, turn, "others were faster: ask again")
}

fn answer_found(header: &Header<'_>, plan: &Plan, turn: &mut Turn<'_>) {
    let entry = |part: &pop::Part, offsets: String| format!("{} {} {offsets}", part.origin.digit(), part.queue);
    let starts: Vec<_> = plan.parts.iter().map(|part| entry(part, part.start.to_string())).collect();
    let list = |part: &pop::Part| part.offsets().map(|offset| offset.to_string()).collect::<Vec<_>>().join(",");
    let offsets: Vec<_> = plan.parts.iter().map(|part| entry(part, list(part))).collect();
    let answer = PopAnswer {
        start_offset_info: Some(starts.join(";").into()),
        msg_offset_info: Some(offsets.join(";").into()),
        order_count_info: plan.is_ordered().then(|| order_counts(plan).into()),
        ..empty(plan)
    };
    let call = Call::of(header);
    let records = std::mem::take(&mut turn.buffers.records);
    let response = Response::new(call.opaque, ResponseCode::SUCCESS).remark("FOUND").fields(answer.fields());
    turn.answer_when_durable(call, response.body(&records[..]));
    turn.buffers.records = records;
}

fn found_nothing(
    gateway: &Gateway,
    header: &Header<'_>,
    fields: &PopMessage<'_>,
    plan: &Plan,
    gives_up: Timestamp,
    turn: &mut Turn<'_>,
) -> Outcome {
    if let Some(deadline) = deadline(turn, gives_up).filter(|_| !plan.more) {
        let wait = Wait::Pop(gateway.broker.poll_of(plan, fields.queue_id));
        return Outcome::Hold(Hold { wait, deadline });
    }
    let call = Call::of(header);
    let answer = PopAnswer {
        start_offset_info: Some("".into()),
        msg_offset_info: Some("".into()),
        order_count_info: plan.is_ordered().then(|| "".into()),
        ..empty(plan)
    };
    let (code, remark) = match turn.pass {
        Pass::Full => (ResponseCode::POLLING_FULL, "as many pops of the group wait as may: ask again later"),
        Pass::First | Pass::Again { .. } | Pass::Last if plan.more => {
            (ResponseCode::POLLING_TIMEOUT, "NO_MATCHED_MESSAGE")
        }
        Pass::First | Pass::Again { .. } | Pass::Last => (ResponseCode::POLLING_TIMEOUT, "NO_MESSAGE_IN_QUEUE"),
    };
    let response = Response::new(call.opaque, code).remark(remark);
    turn.answer(call, response.fields(answer.fields()));
    Outcome::Done
}

/// Until when a question that found nothing is held. `None`: it is answered now.
fn deadline(turn: &Turn<'_>, gives_up: Timestamp) -> Option<Timestamp> {
    let deadline = match turn.pass {
        Pass::First => Some(hold_until(turn.now, gives_up)),
        Pass::Again { deadline } => Some(deadline),
        Pass::Full | Pass::Last => None,
    };
    deadline.filter(|deadline| *deadline > turn.now)
}

fn hold_until(now: Timestamp, gives_up: Timestamp) -> Timestamp {
    now.after(Millis(gives_up.since(now).0.saturating_sub(ANSWER_EARLY.0)).min(HOLD_MAX))
}

/// How often the messages of an ordered pop were handed out before: each that was, then the least of each queue, by which
/// older clients count.
fn order_counts(plan: &Plan) -> String {
    let mut entries = Vec::new();
    for part in &plan.parts {
        let (origin, queue) = (part.origin.digit(), part.queue);
        let again = part.offsets().zip(&part.counts).filter(|(_, count)| **count > 0);
        entries.extend(again.map(|(offset, count)| format!("{origin} qo{queue}%{offset} {count}")));
        entries.push(format!("{origin} {queue} {}", part.counts.iter().min().unwrap_or(&0)));
    }
    entries.join(";")
}

fn empty(plan: &Plan) -> PopAnswer<'static> {
    PopAnswer {
        pop_time: plan.popped_at.0,
        invisible_time: i64::try_from(plan.invisible.0).unwrap_or(i64::MAX),
        revive_qid: if plan.is_ordered() { receipt_handle::ORDERED } else { 0 },
        rest_num: i64::try_from(plan.rest).unwrap_or(i64::MAX),
        ..NONE
    }
}

/// Clients read these fields whatever the code is.
const NONE: PopAnswer<'static> = PopAnswer {
    pop_time: 0,
    invisible_time: 0,
    revive_qid: 0,
    rest_num: 0,
    start_offset_info: None,
    msg_offset_info: None,
    order_count_info: None,
};

fn nothing(header: &Header<'_>, turn: &mut Turn<'_>, remark: &'static str) -> Outcome {
    let call = Call::of(header);
    let response = Response::new(call.opaque, ResponseCode::POLLING_TIMEOUT).remark(remark);
    turn.answer(call, response.fields(NONE.fields()));
    Outcome::Done
}

fn refused(header: &Header<'_>, turn: &mut Turn<'_>, error: &Error) -> Outcome {
    if matches!(error, Error::Read(ReadError::WouldBlock)) && turn.mode == Read::Nowait {
        return Outcome::Elsewhere(Elsewhere::Cold);
    }
    let call = Call::of(header);
    let response = Response::new(call.opaque, status::of_pop(error)).remark(error.to_string());
    turn.answer(call, response.fields(NONE.fields()));
    Outcome::Done
}

fn ack(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(AckMessage, header, turn);
    let call = Call::of(header);
    let Some(handle) = ReceiptHandle::parse(&fields.extra_info) else { return bad_handle(call, turn) };
    let (group, topic) = (&*fields.consumer_group, &*fields.topic);
    let request = named(group, topic, (fields.queue_id, fields.offset), &handle);
    match gateway.broker.begin_ack(&request, &mut turn.buffers.pops) {
        Ok(ack::Outcome::Staged) => turn.done_when_durable(call),
        Ok(ack::Outcome::Late) => turn.done(call),
        Err(error) => turn.refuse(call, status::of_ack(&error), error),
    }
    Outcome::Done
}

/// A message as its handle names it. Its place stands beside it, too.
fn named<'a>(
    group: &'a str,
    topic: &'a str,
    (queue_id, offset): (i32, i64),
    handle: &ReceiptHandle<'_>,
) -> ack::Request<'a> {
    ack::Request { group, topic, queue_id, offset, popped_at: handle.popped_at, ordered: handle.ordered }
}

fn bad_handle(call: Call, turn: &mut Turn<'_>) -> Outcome {
    let remark = "extraInfo is not a receipt handle: give back what the pop has answered, in eight fields";
    turn.refuse(call, ResponseCode::MESSAGE_ILLEGAL, remark);
    Outcome::Done
}

fn batch_ack(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let request = match BatchAckRequest::read(body) {
        Ok(request) => request,
        Err(error) => {
            turn.refuse(call, ResponseCode::SYSTEM_ERROR, format_args!("unreadable body: {error}"));
            return Outcome::Done;
        }
    };
    if request.acks.is_empty() || request.acks.len() > BATCH_ACKS_MAX {
        let remark = format_args!("a batch has 1 to {BATCH_ACKS_MAX} acks, this one has {}", request.acks.len());
        let code = if request.acks.is_empty() { ResponseCode::NO_MESSAGE } else { ResponseCode::MESSAGE_ILLEGAL };
        turn.refuse(call, code, remark);
        return Outcome::Done;
    }
    let mut staged = false;
    for entry in &request.acks {
        match ack_entry(gateway, entry, turn) {
            Ok(some) => staged |= some,
            Err((code, remark)) => {
                // As the reference: what came before it in the batch is acked.
                turn.refuse(call, code, remark);
                return Outcome::Done;
            }
        }
    }
    if staged {
        turn.done_when_durable(call)
    } else {
        turn.done(call)
    }
    Outcome::Done
}

fn ack_entry(gateway: &Gateway, entry: &BatchAck, turn: &mut Turn<'_>) -> Result<bool, (ResponseCode, String)> {
    let malformed = |what: &str| (ResponseCode::MESSAGE_ILLEGAL, format!("an ack of the batch has a malformed {what}"));
    let offsets = entry.offsets().ok_or_else(|| malformed("bit set (b)"))?;
    let retry = match Origin::from_digit(&entry.retry).ok_or_else(|| malformed("retry flag (r)"))? {
        Origin::Topic => None,
        Origin::RetryV1 => Some(TopicName::pop_retry_of(&entry.consumer_group, &entry.topic)),
        Origin::RetryV2 => Some(TopicName::pop_retry_v2_of(&entry.consumer_group, &entry.topic)),
    };
    let mut staged = false;
    for offset in offsets {
        let request = ack::Request {
            group: &entry.consumer_group,
            topic: retry.as_ref().map_or(&*entry.topic, TopicName::as_str),
            queue_id: entry.queue_id,
            offset,
            popped_at: Timestamp(entry.pop_time),
            ordered: entry.revive_queue_id == receipt_handle::ORDERED,
        };
        let outcome = gateway.broker.begin_ack(&request, &mut turn.buffers.pops);
        staged |= outcome.map_err(|error| (status::of_ack(&error), error.to_string()))? == ack::Outcome::Staged;
    }
    Ok(staged)
}

fn change_invisible(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ChangeInvisible, header, turn);
    let call = Call::of(header);
    let Some(handle) = ReceiptHandle::parse(&fields.extra_info) else { return bad_handle(call, turn) };
    let (group, topic) = (&*fields.consumer_group, &*fields.topic);
    let request = named(group, topic, (fields.queue_id, fields.offset), &handle);
    let (now, invisible) = (turn.now, millis(fields.invisible_time));
    let (staged, pops) = (&mut turn.buffers.staged, &mut turn.buffers.pops);
    let outcome = gateway.broker.begin_change_invisible(&request, invisible, now, staged, pops);
    let answer = match (&outcome, handle.ordered) {
        (_, false) => {
            ChangeInvisibleAnswer { pop_time: now.0, invisible_time: fields.invisible_time.max(0), revive_qid: 0 }
        }
        // The handle of a batch stays as it is, but for the time until which it is good.
        (Ok(ack::Outcome::Staged), true) => ChangeInvisibleAnswer {
            pop_time: handle.popped_at.0,
            invisible_time: now.after(invisible).0.saturating_sub(handle.popped_at.0),
            revive_qid: receipt_handle::ORDERED,
        },
        (_, true) => ChangeInvisibleAnswer { pop_time: 0, invisible_time: 0, revive_qid: 0 },
    };
    let response = Response::new(call.opaque, ResponseCode::SUCCESS).fields(answer.fields());
    match outcome {
        Ok(ack::Outcome::Staged) => turn.answer_when_durable(call, response),
        Ok(ack::Outcome::Late) => turn.answer(call, response),
        Err(error) => {
            let none = ChangeInvisibleAnswer { pop_time: 0, invisible_time: 0, revive_qid: 0 };
            let response = Response::new(call.opaque, status::of_ack(&error)).remark(error.to_string());
            turn.answer(call, response.fields(none.fields()));
        }
    }
    Outcome::Done
}

fn peek(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(PeekMessage, header, turn);
    let request = Request {
        group: &fields.consumer_group,
        topic: &fields.topic,
        queue_id: fields.queue_id,
        max_messages: usize::try_from(fields.max_msg_nums).unwrap_or(0),
        max_bytes: ANSWER_BYTES_MAX,
        invisible: Millis(0),
        begin: Begin::Oldest,
        expression: "*",
        kind: None,
        order: None,
    };
    let mut records = Vec::new();
    let seen = match gateway.broker.peek(&request, turn.mode, &mut records) {
        Ok(seen) => seen,
        Err(error) => return refused(header, turn, &error),
    };
    let (code, remark) = match seen.messages {
        0 => (ResponseCode::PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE"),
        _ => (ResponseCode::SUCCESS, "FOUND"),
    };
    let call = Call::of(header);
    let answer = PopAnswer { rest_num: i64::try_from(seen.rest).unwrap_or(i64::MAX), ..NONE };
    turn.answer(call, Response::new(call.opaque, code).remark(remark).fields(answer.fields()).body(&records[..]));
    Outcome::Done
}

fn notification(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(Notification, header, turn);
    let call = Call::of(header);
    let order = (fields.order == Some(true)).then(|| fields.attempt_id.as_deref().unwrap_or_default());
    let (group, topic) = (&*fields.consumer_group, &*fields.topic);
    let poll = match gateway.broker.poll_for_notification(group, topic, fields.queue_id, order) {
        Ok(poll) => poll,
        Err(error) => {
            turn.refuse(call, status::of_pop(&error), error);
            return Outcome::Done;
        }
    };
    let has_msg = gateway.broker.may_pop(&poll, turn.now);
    let born = fields.born_time.filter(|born| *born > 0).map_or(turn.now, Timestamp);
    if let Some(deadline) = deadline(turn, born.after(millis(fields.poll_time))).filter(|_| !has_msg) {
        return Outcome::Hold(Hold { wait: Wait::Pop(poll), deadline });
    }
    let answer = NotificationAnswer { has_msg, polling_full: Some(turn.pass == Pass::Full) };
    turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).fields(answer.fields()));
    Outcome::Done
}

fn polling_info(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(PollingInfo, header, turn);
    let call = Call::of(header);
    match gateway.broker.waiting_pops(&fields.consumer_group, &fields.topic, fields.queue_id) {
        Ok(count) => {
            let answer = PollingInfoAnswer { polling_num: i32::try_from(count).unwrap_or(i32::MAX) };
            turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).fields(answer.fields()));
        }
        Err(error) => turn.refuse(call, status::of_pop(&error), error),
    }
    Outcome::Done
}

fn millis(value: i64) -> Millis {
    Millis(u64::try_from(value).unwrap_or(0))
}
