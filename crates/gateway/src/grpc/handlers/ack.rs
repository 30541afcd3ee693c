//! AckMessage and ChangeInvisibleDuration (grpc.md section 11).
//!
//! Push consumers repeat both without end unless they are told OK or INVALID_RECEIPT_HANDLE; whatever cannot be helped is one
//! of the two.

use broker::ops::ack::{Outcome, Request};
use model::Millis;
use model::receipt_handle::ReceiptHandle;
use wire::grpc::v2::{
    AckMessageEntry, AckMessageRequest, AckMessageResponse, AckMessageResultEntry, ChangeInvisibleDurationRequest,
    ChangeInvisibleDurationResponse, ClientType, Code, Status,
};

use super::{handle, queue_of};
use crate::grpc::Door;
use crate::grpc::append::Scratch;
use crate::grpc::caller::Caller;
use crate::grpc::check;
use crate::grpc::message::millis_of;
use crate::grpc::status::{Refusal, common, of_ack, ok};

/// Acks of one request; above it somebody asks for megabytes of work with one call.
const ENTRIES_MAX: usize = 4_096;

/// A message can be kept invisible for so long at a time.
pub const INVISIBLE_MAX: Millis = Millis(12 * 3_600_000);

/// A push consumer gets a failed message back no sooner: Node says milliseconds where it means seconds.
const NACK_MIN: Millis = Millis(1_000);

pub async fn ack(door: &Door, caller: &Caller<'_>, request: AckMessageRequest) -> Result<AckMessageResponse, Refusal> {
    let topic = check::topic(request.topic.as_ref(), &door.gateway.broker.settings)?;
    let group = check::group(request.group.as_ref())?;
    if request.entries.is_empty() || request.entries.len() > ENTRIES_MAX {
        let text = format!("a request has 1 to {ENTRIES_MAX} entries, this one has {}", request.entries.len());
        return Err(Refusal::new(Code::BadRequest, text));
    }
    let (statuses, appended) = door.with_scratch(|scratch| {
        let each = |entry| match begin_ack(door, group, topic, entry, scratch) {
            Ok(()) => ok(),
            Err(refusal) => refusal.told(caller),
        };
        let statuses: Vec<_> = request.entries.iter().map(each).collect();
        Ok::<_, Refusal>((statuses, door.append(scratch)?))
    })?;
    door.durable_or_refuse(appended).await?;
    let status = Some(common(&statuses));
    let result = |(entry, status): (AckMessageEntry, Status)| AckMessageResultEntry {
        message_id: entry.message_id,
        receipt_handle: entry.receipt_handle,
        status: Some(status),
    };
    let entries = request.entries.into_iter().zip(statuses).map(result).collect();
    Ok(AckMessageResponse { status, entries })
}

fn begin_ack(
    door: &Door,
    group: &str,
    topic: &str,
    entry: &AckMessageEntry,
    scratch: &mut Scratch,
) -> Result<(), Refusal> {
    let (handle, popped_from) = handle(&entry.receipt_handle, group, topic)?;
    let request = named(&handle, group, popped_from.as_str());
    match door.gateway.broker.begin_ack(&request, &mut scratch.pops) {
        Ok(Outcome::Staged) => Ok(()),
        Ok(Outcome::Late) if door.now() < handle.popped_at.after(handle.invisible) => Ok(()),
        Ok(Outcome::Late) => Err(expired()),
        Err(error) => of_ack(&error),
    }
}

/// The message was acked before, or is handed out again.
fn expired() -> Refusal {
    let text = "the receipt handle is expired: the message is acked, or will come again with another handle";
    Refusal::new(Code::InvalidReceiptHandle, text)
}

fn named<'a>(handle: &ReceiptHandle<'_>, group: &'a str, topic: &'a str) -> Request<'a> {
    let (queue_id, offset) = (queue_of(handle.queue), handle.offset.to_wire());
    Request { group, topic, queue_id, offset, popped_at: handle.popped_at, ordered: handle.ordered }
}

/// Clients take the handle of the answer for the message's, whatever the status is.
pub async fn change_invisible(
    door: &Door,
    caller: &Caller<'_>,
    request: ChangeInvisibleDurationRequest,
) -> ChangeInvisibleDurationResponse {
    match try_change(door, caller, &request).await {
        Ok(receipt_handle) => ChangeInvisibleDurationResponse { status: Some(ok()), receipt_handle },
        Err(refusal) => {
            let status = Some(refusal.told(caller));
            ChangeInvisibleDurationResponse { status, receipt_handle: request.receipt_handle }
        }
    }
}

async fn try_change(
    door: &Door,
    caller: &Caller<'_>,
    request: &ChangeInvisibleDurationRequest,
) -> Result<String, Refusal> {
    let topic = check::topic(request.topic.as_ref(), &door.gateway.broker.settings)?;
    let group = check::group(request.group.as_ref())?;
    let asked = request.invisible_duration.as_ref().map_or(Millis(0), millis_of);
    if asked > INVISIBLE_MAX {
        let text = format!("the invisible time is too large, max is {} ms", INVISIBLE_MAX.0);
        return Err(Refusal::new(Code::IllegalInvisibleTime, text));
    }
    let now = door.now();
    let session = door.sessions.heard(caller.client_id, now);
    let pushed = session.is_some_and(|session| session.client_type() == Some(ClientType::PushConsumer));
    let invisible = if pushed { asked.max(NACK_MIN) } else { asked };
    let (handle, popped_from) = handle(&request.receipt_handle, group, topic)?;
    let appended = door.with_scratch(|scratch| {
        let message = named(&handle, group, popped_from.as_str());
        let (staged, pops) = (&mut scratch.staged, &mut scratch.pops);
        match door.gateway.broker.begin_change_invisible(&message, invisible, now, staged, pops) {
            Ok(Outcome::Staged) => Ok(door.append(scratch)?),
            Ok(Outcome::Late) => Err(expired()),
            Err(error) => of_ack(&error).map(|()| None),
        }
    })?;
    door.durable_or_refuse(appended).await?;
    Ok(ReceiptHandle { popped_at: now, invisible, ..handle }.to_text())
}
