//! ReceiveMessage (grpc.md section 10): a pop that waits for messages, answered as a stream.
//!
//! Messages are taken and their record appended without a wait in between, so that a client that leaves while it waits takes
//! nothing. What was taken and could not be told is given back as soon as that is durable.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use broker::ops::ack;
use broker::ops::pop::{Begin, Part, Plan, Request};
use bytes::Bytes;
use model::receipt_handle::{Origin, ReceiptHandle};
use model::record::{self, message::Message};
use model::{Millis, Timestamp, TopicName};
use store::{Appended, Read, ReadError};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::codegen::tokio_stream::Stream;
use tracing::warn;
use wire::grpc::v2::receive_message_response::Content;
use wire::grpc::v2::{Code, ReceiveMessageRequest, ReceiveMessageResponse, Resource, Status};

use super::ack::INVISIBLE_MAX;
use super::queue_of;
use crate::grpc::Door;
use crate::grpc::caller::Caller;
use crate::grpc::check;
use crate::grpc::message::{millis_of, moment, span, told};
use crate::grpc::poll::Waiting;
use crate::grpc::sessions::{Session, expression_of};
use crate::grpc::status::{Refusal, ok};

/// Messages of one answer.
const BATCH_MAX: usize = 32;

/// Bytes of records of one answer; the first message always fits.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The shortest invisible time a client may choose.
const INVISIBLE_MIN: Millis = Millis(10_000);

/// The invisible time of a message whose client leaves it to us.
const INVISIBLE_OURS: Millis = Millis(60_000);

/// What was taken and not told comes again after this.
const UNTOLD: Millis = Millis(1_000);

/// A poll waits at least and at most this long.
const POLLING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));

/// How long a client that does not say waits for any other answer.
const REQUEST_TIMEOUT: Millis = Millis(3_000);

/// A poll is answered this long before its client gives up, or a tenth of its time if that is shorter.
const ANSWER_EARLY: Duration = Duration::from_millis(500);

/// A refusal is held this long: some clients ask again at once, whatever the answer is.
const REFUSE_AFTER: Duration = Duration::from_millis(200);

/// How often a pop is planned anew because others were faster on each of its queues.
const TRIES_MAX: usize = 8;

/// Any queue of the broker: what clients name here has no meaning.
const ANY: i32 = -1;

/// What a client asks for, to be looked for on another thread perhaps.
#[derive(Clone)]
struct Asked {
    group: String,
    topic: Resource,
    max_messages: usize,
    invisible: Millis,
    expression: String,
    kind: &'static str,
    /// The group is ordered, and the name of the attempt.
    order: Option<String>,
}

/// What one look has brought.
enum Looked {
    Found(Batch),
    Nothing(Box<Plan>),
    /// Others were faster.
    Contended,
    /// It needs the disk.
    Cold,
}

/// Messages that are taken, and told when that is durable.
struct Batch {
    messages: Vec<wire::grpc::v2::Message>,
    appended: Option<Appended>,
    untold: Untold,
}

/// Messages taken that nobody has been told of; dropping it gives them back.
struct Untold {
    door: Arc<Door>,
    group: String,
    popped_at: Timestamp,
    ordered: bool,
    appended: Option<Appended>,
    /// Topic, queue and offset of each, the next to be told last.
    messages: Vec<(TopicName, i32, i64)>,
}

/// The answer.
pub struct Answer {
    status: Option<Status>,
    messages: std::vec::IntoIter<wire::grpc::v2::Message>,
    delivered_at: Option<Timestamp>,
    untold: Option<Untold>,
}

pub async fn receive(door: &Arc<Door>, caller: &Caller<'_>, request: &ReceiveMessageRequest) -> Answer {
    let status = match try_receive(door, caller, request).await {
        Ok(Some(batch)) => {
            return Answer {
                status: Some(ok()),
                messages: batch.messages.into_iter(),
                delivered_at: Some(door.now()),
                untold: Some(batch.untold),
            };
        }
        Ok(None) => Refusal::new(Code::MessageNotFound, "no new message").told(caller),
        Err(refusal) => {
            tokio::time::sleep(REFUSE_AFTER).await;
            refusal.told(caller)
        }
    };
    Answer::refused(status, door.now())
}

async fn try_receive(
    door: &Arc<Door>,
    caller: &Caller<'_>,
    request: &ReceiveMessageRequest,
) -> Result<Option<Batch>, Refusal> {
    let session = session(door, caller);
    let asked = asked(door, request)?;
    let deadline = Instant::now() + polling(caller, request, session.as_deref())?;
    loop {
        let looked = match asked.look(door, Read::Nowait)? {
            Looked::Cold => asked.look_cold(door).await?,
            looked => looked,
        };
        let plan = match looked {
            Looked::Found(batch) => {
                door.durable_or_refuse(batch.appended).await?;
                return Ok(Some(batch));
            }
            Looked::Nothing(plan) if !plan.more => plan,
            Looked::Nothing(_) | Looked::Contended | Looked::Cold => {
                tokio::task::yield_now().await;
                if Instant::now() >= deadline {
                    return Ok(None);
                }
                continue;
            }
        };
        let poll = door.gateway.broker.poll_of(&plan, ANY);
        let Ok(mut waiting) = Waiting::begin(door, &poll) else {
            let text = "polling full: too many clients of the group wait already, ask again later";
            return Err(Refusal::new(Code::TooManyRequests, text));
        };
        tokio::select! {
            () = waiting.woken() => {}
            () = tokio::time::sleep_until(deadline) => return Ok(None),
            () = door.closed() => return Ok(None),
            () = ended(session.as_deref()) => return Ok(None),
        }
    }
}

/// The client's session, if it has one; hearing from it keeps it.
fn session(door: &Door, caller: &Caller<'_>) -> Option<Arc<Session>> {
    door.sessions.heard(caller.client_id, door.now())
}

async fn ended(session: Option<&Session>) {
    match session {
        Some(session) => session.ended().await,
        None => std::future::pending().await,
    }
}

fn asked(door: &Door, request: &ReceiveMessageRequest) -> Result<Asked, Refusal> {
    let resource = request.message_queue.as_ref().and_then(|queue| queue.topic.as_ref());
    let topic = check::topic(resource, &door.gateway.broker.settings)?;
    let group = check::group(request.group.as_ref())?;
    let known = door.gateway.broker.machines.groups.get(group);
    let ordered = known.is_some_and(|group| group.config.consume_message_orderly);
    let invisible = if request.auto_renew {
        INVISIBLE_OURS
    } else {
        let wanted = request.invisible_duration.as_ref().map_or(Millis(0), millis_of);
        let illegal = |text: String| Err(Refusal::new(Code::IllegalInvisibleTime, text));
        if wanted < INVISIBLE_MIN {
            return illegal(format!("the invisible time is too small, min is {} ms", INVISIBLE_MIN.0));
        }
        if wanted > INVISIBLE_MAX {
            return illegal(format!("the invisible time is too large, max is {} ms", INVISIBLE_MAX.0));
        }
        wanted
    };
    let (expression, kind) = expression_of(request.filter_expression.as_ref());
    let batch = usize::try_from(request.batch_size).unwrap_or(0);
    Ok(Asked {
        group: group.to_owned(),
        topic: resource.cloned().unwrap_or_else(|| Resource { name: topic.to_owned(), ..Resource::default() }),
        max_messages: if batch == 0 { BATCH_MAX } else { batch.min(BATCH_MAX) },
        invisible,
        expression: expression.to_owned(),
        kind,
        order: ordered.then(|| request.attempt_id.clone().unwrap_or_default()),
    })
}

/// How long to wait for messages (grpc.md section 10.2).
fn polling(
    caller: &Caller<'_>,
    request: &ReceiveMessageRequest,
    session: Option<&Session>,
) -> Result<Duration, Refusal> {
    let wanted = request.long_polling_timeout.as_ref().map(|span| Duration::from(millis_of(span)));
    let Some(remaining) = caller.timeout else { return Ok(wanted.unwrap_or(POLLING.1).clamp(POLLING.0, POLLING.1)) };
    let settings = session.and_then(Session::settings);
    let other = settings.and_then(|settings| settings.request_timeout).as_ref().map_or(REQUEST_TIMEOUT, millis_of);
    let wanted = wanted.unwrap_or_else(|| remaining.saturating_sub(Duration::from(other) / 2));
    let polling = wanted.clamp(POLLING.0, POLLING.1);
    if remaining < POLLING.0 && polling > remaining {
        let code = if caller.knows_polling_time() { Code::IllegalPollingTime } else { Code::BadRequest };
        let text =
            format!("the deadline time remaining is not enough for polling: allow {} s or more", POLLING.0.as_secs());
        return Err(Refusal::new(code, text));
    }
    Ok(polling.min(remaining.saturating_sub(ANSWER_EARLY.min(remaining / 10))))
}

impl Asked {
    fn request(&self) -> Request<'_> {
        Request {
            group: &self.group,
            topic: &self.topic.name,
            queue_id: ANY,
            max_messages: self.max_messages,
            max_bytes: ANSWER_BYTES_MAX,
            invisible: self.invisible,
            begin: Begin::Newest,
            expression: &self.expression,
            kind: Some(self.kind),
            order: self.order.as_deref(),
        }
    }

    /// Takes what is there.
    fn look(&self, door: &Arc<Door>, mode: Read) -> Result<Looked, Refusal> {
        let broker = &door.gateway.broker;
        for _ in 0..TRIES_MAX {
            let now = door.now();
            let taken = door.with_scratch(|scratch| {
                let plan = match broker.plan_pop(&self.request(), now, mode, &scratch.pops) {
                    Ok(plan) => plan,
                    Err(broker::ops::pop::Error::Read(ReadError::WouldBlock)) => return Ok(Some(Looked::Cold)),
                    Err(error) => return Err(Refusal::from(error)),
                };
                if plan.parts.is_empty() {
                    return Ok(Some(Looked::Nothing(Box::new(plan))));
                }
                let mut records = Vec::new();
                match broker.read_popped(&plan, mode, &mut records) {
                    Ok(()) => {}
                    Err(ReadError::WouldBlock) => return Ok(Some(Looked::Cold)),
                    Err(error) => return Err(broker::ops::pop::Error::from(error).into()),
                }
                if broker.begin_pop(&plan, &mut scratch.staged, &mut scratch.pops).is_err() {
                    return Ok(None);
                }
                let appended = door.append(scratch)?;
                Ok(Some(Looked::Found(self.batch(door, &plan, records.into(), appended))))
            });
            if let Some(looked) = taken? {
                return Ok(looked);
            }
        }
        Ok(Looked::Contended)
    }

    /// The same on a thread that may read the disk.
    async fn look_cold(&self, door: &Arc<Door>) -> Result<Looked, Refusal> {
        let (tell, looked) = oneshot::channel();
        let (own, asked) = (Arc::clone(door), self.clone());
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            // What nobody waits for any more is given back, which needs the runtime.
            let _inside = runtime.enter();
            let _ = tell.send(asked.look(&own, Read::Wait));
        };
        let busy = |text: String| Refusal::new(Code::TooManyRequests, text);
        door.gateway.broker.log().run_cold(Box::new(work)).map_err(|full| busy(full.to_string()))?;
        looked.await.map_err(|_| busy("the broker is shutting down".to_owned()))?
    }

    fn batch(&self, door: &Arc<Door>, plan: &Plan, records: Bytes, appended: Option<Appended>) -> Batch {
        let (mut messages, mut untold) = (Vec::new(), Vec::new());
        // Messages in order stay where they are, and the batch counts their deliveries.
        let counts = |part: &'_ Part, index: usize| part.counts.get(index).copied();
        let places = plan
            .parts
            .iter()
            .flat_map(|part| part.offsets().enumerate().map(move |(index, offset)| (part, index, offset)));
        let mut rest = &records[..];
        for (part, index, offset) in places {
            let Some((_, len)) = record::peek(rest) else { break };
            let (bytes, behind) = rest.split_at(len);
            rest = behind;
            let popped_from = match part.origin {
                Origin::Topic => TopicName::trusted(&self.topic.name),
                Origin::RetryV1 => TopicName::pop_retry_of(&self.group, &self.topic.name),
                Origin::RetryV2 => TopicName::pop_retry_v2_of(&self.group, &self.topic.name),
            };
            untold.push((popped_from, queue_of(part.queue), offset.to_wire()));
            let Some(message) = Message::parse(bytes) else {
                warn!(topic = self.topic.name, %offset, "a record that is no message is left out");
                continue;
            };
            let handle = ReceiptHandle {
                start: part.start,
                popped_at: plan.popped_at,
                invisible: plan.invisible,
                ordered: plan.is_ordered(),
                origin: part.origin,
                broker_name: &door.gateway.broker.settings.broker_name,
                queue: part.queue,
                offset,
            };
            let mut message = told(&message, records.slice_ref(message.body()), &self.topic);
            if let Some(system) = &mut message.system_properties {
                system.receipt_handle = Some(handle.to_text());
                system.invisible_duration = Some(span(plan.invisible));
                if let Some(count) = counts(part, index) {
                    system.delivery_attempt = Some(i32::try_from(count).unwrap_or(i32::MAX).saturating_add(1));
                }
            }
            messages.push(message);
        }
        untold.reverse();
        let (group, popped_at, ordered) = (self.group.clone(), plan.popped_at, plan.is_ordered());
        let untold = Untold { door: Arc::clone(door), group, popped_at, ordered, appended, messages: untold };
        Batch { messages, appended, untold }
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (door, messages) = (Arc::clone(&self.door), std::mem::take(&mut self.messages));
        let (group, appended) = (std::mem::take(&mut self.group), self.appended);
        let (popped_at, ordered) = (self.popped_at, self.ordered);
        runtime.spawn(async move {
            // Before its record is applied a message is not in flight, and cannot be given back.
            if door.durable(appended).await.is_ok() {
                give_back(&door, &group, (popped_at, ordered), &messages);
            }
        });
    }
}

/// Makes messages visible again soon.
fn give_back(door: &Door, group: &str, (popped_at, ordered): (Timestamp, bool), messages: &[(TopicName, i32, i64)]) {
    let given_back = door.with_scratch(|scratch| {
        for (topic, queue_id, offset) in messages {
            let (topic, queue_id, offset) = (topic.as_str(), *queue_id, *offset);
            let request = ack::Request { group, topic, queue_id, offset, popped_at, ordered };
            let (staged, pops) = (&mut scratch.staged, &mut scratch.pops);
            // What cannot be given back comes again when its invisible time ends.
            let _ = door.gateway.broker.begin_change_invisible(&request, UNTOLD, door.now(), staged, pops);
        }
        door.append(scratch)
    });
    if let Err(error) = given_back {
        warn!(group, %error, messages = messages.len(), "messages nobody was told of wait for their invisible time");
    }
}

impl Answer {
    /// An answer without messages.
    pub fn refused(status: Status, now: Timestamp) -> Answer {
        Answer { status: Some(status), messages: Vec::new().into_iter(), delivered_at: Some(now), untold: None }
    }
}

impl Stream for Answer {
    type Item = Result<ReceiveMessageResponse, tonic::Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let content = if let Some(status) = self.status.take() {
            Content::Status(status)
        } else if let Some(message) = self.messages.next() {
            if let Some(untold) = &mut self.untold {
                untold.messages.pop();
            }
            Content::Message(message)
        } else if let Some(at) = self.delivered_at.take() {
            Content::DeliveryTimestamp(moment(at))
        } else {
            if let Some(untold) = &mut self.untold {
                untold.messages.clear();
            }
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(ReceiveMessageResponse { content: Some(content) })))
    }
}
