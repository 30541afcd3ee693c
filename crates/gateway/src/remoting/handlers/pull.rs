//! Pulls (11, 361).

use broker::ops::pull::{self, Filter, Plan, Request, Status};
use model::{Millis, Timestamp};
use store::{Read, ReadError};
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::pull::{PullHeader, SYS_FLAG_COMMIT_OFFSET, SYS_FLAG_SUBSCRIPTION, SYS_FLAG_SUSPEND};
use wire::remoting::reply::pull::{PullAnswer, begin_pull};

use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Hold, Outcome, Wait};
use crate::remoting::status;
use crate::remoting::turn::{Call, Pass, Turn};

/// Bytes of one answer, as the reference has them for messages in memory; clients ask for the same.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A pull is held no longer than this, whatever the client asks for.
const HOLD_MAX: Millis = Millis(60_000);

pub fn pull(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(PullHeader, header, turn);
    let call = Call::of(header);
    let filter = if fields.sys_flag & SYS_FLAG_SUBSCRIPTION != 0 {
        Filter::Given {
            expression: fields.subscription.as_deref().unwrap_or_default(),
            kind: fields.expression_type.as_deref(),
        }
    } else {
        Filter::Subscribed { by: turn.peer.mailbox.id, version: fields.sub_version }
    };
    let request = Request {
        group: &fields.consumer_group,
        topic: &fields.topic,
        queue_id: fields.queue_id,
        offset: fields.queue_offset,
        max_messages: usize::try_from(fields.max_msg_nums).unwrap_or(1),
        max_bytes: ANSWER_BYTES_MAX,
        filter,
        commit: (fields.sys_flag & SYS_FLAG_COMMIT_OFFSET != 0).then_some(fields.commit_offset),
    };
    let (mode, broker) = (turn.mode, &gateway.broker);
    turn.buffers.units.clear();
    let plan = match broker.plan_pull(&request, turn.pass == Pass::First, mode, &mut turn.buffers.units) {
        Ok(plan) => plan,
        Err(pull::Error::Read(ReadError::WouldBlock)) if mode == Read::Nowait => {
            return Outcome::Elsewhere(Elsewhere::Cold);
        }
        Err(pull::Error::Read(ReadError::NotFound { .. })) if turn.pass != Pass::Last => {
            return once_more(gateway, header, turn);
        }
        Err(error) => {
            turn.refuse(call, status::of_pull(&error), error);
            return Outcome::Done;
        }
    };
    if plan.may_wait() && fields.sys_flag & SYS_FLAG_SUSPEND != 0 {
        let deadline = match turn.pass {
            Pass::First => Some(deadline(turn.now, fields.suspend_timeout_millis)),
            Pass::Again { deadline } => Some(deadline),
            Pass::Full | Pass::Last => None,
        };
        if let Some(deadline) = deadline.filter(|deadline| *deadline > turn.now) {
            let interest = plan.subscription.interest();
            let wait = Wait::Queue { queue: plan.queue, offset: plan.max, interest };
            return Outcome::Hold(Hold { wait, deadline });
        }
    }
    let mark = begin_pull(call.encoding, call.opaque, &answer(&plan), turn.out);
    match broker.read_planned(&plan, &turn.buffers.units, mode, turn.out) {
        Ok(()) => {
            mark.finish(turn.out);
            Outcome::Done
        }
        Err(ReadError::WouldBlock) if mode == Read::Nowait => {
            mark.abandon(turn.out);
            Outcome::Elsewhere(Elsewhere::Cold)
        }
        Err(ReadError::NotFound { .. }) if turn.pass != Pass::Last => {
            mark.abandon(turn.out);
            once_more(gateway, header, turn)
        }
        Err(error) => {
            mark.abandon(turn.out);
            tracing::error!(topic = %request.topic, queue = request.queue_id, %error, "messages cannot be read");
            turn.refuse(call, status::of_read(&error), error);
            Outcome::Done
        }
    }
}

/// Retention was faster than this pull: it takes messages out of the index before it moves the log's start. The next look at
/// the queue, and the last, finds where it begins now.
fn once_more(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let pass = std::mem::replace(&mut turn.pass, Pass::Last);
    let outcome = pull(gateway, header, turn);
    turn.pass = pass;
    outcome
}

fn deadline(now: Timestamp, suspend_millis: i64) -> Timestamp {
    now.after(Millis(u64::try_from(suspend_millis).unwrap_or(0)).min(HOLD_MAX))
}

fn answer(plan: &Plan) -> PullAnswer<'static> {
    let (code, remark) = match plan.status {
        Status::Found => (ResponseCode::SUCCESS, "FOUND"),
        Status::NoMatchedMessage => (ResponseCode::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"),
        Status::NoMessageInQueue if plan.may_wait() => (ResponseCode::PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE"),
        Status::NoMessageInQueue => (ResponseCode::PULL_OFFSET_MOVED, "NO_MESSAGE_IN_QUEUE"),
        Status::OffsetOverflowOne => (ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"),
        Status::OffsetOverflowBadly => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY"),
        Status::OffsetTooSmall => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL"),
        Status::OffsetReset => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_RESET"),
    };
    PullAnswer {
        code,
        remark: Some(remark),
        next_begin_offset: plan.next.to_wire(),
        min_offset: plan.min.to_wire(),
        max_offset: plan.max.to_wire(),
        suggest_which_broker_id: 0,
        topic_sys_flag: plan.topic_sys_flag.cast_signed(),
        group_sys_flag: plan.group_sys_flag.cast_signed(),
    }
}
