//! Which handler serves a code, and what happens to a request that cannot be answered at once: a pull is held, and what
//! needs the disk or a new topic goes on on another thread.

use std::sync::Arc;

use broker::Broker;
use broker::ops::pop::poll::Poll;
use broker::ops::topic::Change;
use broker::state::arrivals::{Interest, TooMany};
use broker::state::clients::ConnectionId;
use model::{QueueOffset, Timestamp, TopicConfig};
use store::{AppendError, QueueSlot, Read, Staged};
use tracing::warn;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame;
use wire::remoting::reply::Response;

use super::Gateway;
use super::core::Core;
use super::handlers::{admin, assignment, client, namesrv, offset, pop, pull, query, reply, send, transaction};
use super::held::{HeldPull, WaitsFor};
use super::status;
use super::turn::{Buffers, Call, Pass, Peer, Turn};

/// How a handler leaves a request.
pub enum Outcome {
    /// Answered, or its answer waits for the turn's append.
    Done,
    Hold(Hold),
    Elsewhere(Elsewhere),
}

/// A pull or a pop that found nothing yet.
pub struct Hold {
    pub wait: Wait,
    pub deadline: Timestamp,
}

/// What it waits for.
pub enum Wait {
    /// A message in one queue; `offset` was its end when it was looked at.
    Queue { queue: QueueSlot, offset: QueueOffset, interest: Interest },
    /// Something to pop.
    Pop(Poll),
}

impl Wait {
    /// Whether there is something now.
    #[must_use]
    pub fn is_over(&self, broker: &Broker, now: Timestamp) -> bool {
        match self {
            Wait::Queue { queue, offset, .. } => broker.has_beyond(*queue, *offset),
            Wait::Pop(poll) => broker.may_pop(poll, now),
        }
    }
}

/// Why a request goes on on another thread.
pub enum Elsewhere {
    /// It has to read the disk.
    Cold,
    /// A topic must be created first.
    Topic(Box<TopicConfig>),
}

/// Serves one request.
pub fn dispatch(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    match header.request_code() {
        RequestCode::SEND_MESSAGE | RequestCode::SEND_MESSAGE_V2 | RequestCode::SEND_BATCH_MESSAGE => {
            send::send(gateway, header, body, turn)
        }
        RequestCode::PULL_MESSAGE | RequestCode::LITE_PULL_MESSAGE => pull::pull(gateway, header, turn),
        RequestCode::CONSUMER_SEND_MSG_BACK => send::send_back(gateway, header, turn),
        RequestCode::SEND_REPLY_MESSAGE | RequestCode::SEND_REPLY_MESSAGE_V2 => {
            reply::reply(gateway, header, body, turn)
        }
        RequestCode::RECALL_MESSAGE => send::recall(gateway, header, turn),
        RequestCode::END_TRANSACTION => transaction::end(gateway, header, turn),
        code => {
            let served = pop::serve(gateway, code, header, body, turn)
                .or_else(|| offset::serve(gateway, code, header, turn))
                .or_else(|| assignment::serve(gateway, code, header, body, turn))
                .or_else(|| query::serve(gateway, code, header, turn))
                .or_else(|| client::serve(gateway, code, header, body, turn))
                .or_else(|| admin::serve(gateway, code, header, body, turn))
                .or_else(|| namesrv::serve(gateway, code, header, body, turn));
            served.unwrap_or_else(|| {
                let remark = format!(" request type {} not supported", code.0);
                turn.refuse(Call::of(header), ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark);
                Outcome::Done
            })
        }
    }
}

/// What became of a pull that shall be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Held,
    /// Something has arrived meanwhile: look again.
    Over,
    /// As many wait as may.
    Full,
}

/// Keeps a fruitless pull.
#[must_use]
pub fn hold(core: &Core, connection: ConnectionId, frame: &[u8], hold: &Hold) -> Kept {
    let broker = &core.gateway.broker;
    let (id, waits_for) = match &hold.wait {
        Wait::Queue { queue, interest, .. } => {
            let arrivals = &broker.machines.arrivals;
            let Ok(id) = arrivals.wait(*queue, interest.clone(), core.handle.clone()) else { return full() };
            // Register first, then look again: what arrived in between has woken nobody.
            if hold.wait.is_over(broker, core.now()) {
                arrivals.cancel(*queue, id);
                return Kept::Over;
            }
            (id, WaitsFor::Queue(*queue))
        }
        Wait::Pop(poll) => match broker.wait_to_pop(poll, core.now(), core.handle.clone()) {
            Ok(Some(id)) => (id, WaitsFor::Pop(poll.key.clone())),
            Ok(None) => return Kept::Over,
            Err(TooMany) => return full(),
        },
    };
    broker.counters.pulls_held.add(1);
    let pull = HeldPull { connection, waits_for, frame: frame.to_vec(), deadline: hold.deadline };
    core.held.borrow_mut().hold(id, pull);
    Kept::Held
}

fn full() -> Kept {
    warn!("a pull is answered at once: too many wait for the same messages already");
    Kept::Full
}

/// Serves a request on a thread that may wait; its answers come back through the connection's mailbox.
pub fn elsewhere(gateway: &Arc<Gateway>, peer: &Peer, call: Call, frame: Vec<u8>, pass: Pass, reason: Elsewhere) {
    let cold = matches!(reason, Elsewhere::Cold);
    let (own, of) = (Arc::clone(gateway), peer.clone());
    let work = move || serve_waiting(&own, &of, call, &frame, pass, reason);
    if !cold {
        tokio::task::spawn_blocking(work);
    } else if let Err(busy) = gateway.broker.log().run_cold(Box::new(work)) {
        let mut answer = Vec::new();
        if !call.oneway {
            let remark = format!("[OVERLOAD]system busy, start flow control for a while: {busy}");
            Response::new(call.opaque, ResponseCode::SYSTEM_BUSY).remark(remark).write(call.encoding, &mut answer);
        }
        peer.mailbox.deliver_answers(&answer, &[], &[]);
    }
}

/// A topic may be missing twice for one request: the topic itself, then its group's dead-letter topic.
const TRIES_MAX: usize = 3;

fn serve_waiting(gateway: &Gateway, peer: &Peer, call: Call, bytes: &[u8], pass: Pass, reason: Elsewhere) {
    let (mut buffers, mut out, mut held, mut marks) = (Buffers::default(), Vec::new(), Vec::new(), Vec::new());
    let frame = frame::next_frame(bytes).ok().flatten().expect("it was a whole frame when it came");
    let header = Header::parse(&frame).expect("it was parsed when it came");
    let now = (gateway.clock)();
    let mut turn = Turn { peer, now, mode: Read::Wait, pass, buffers: &mut buffers, out: &mut out };
    if let Err(error) = try_waiting(gateway, &header, frame.body, &mut turn, reason) {
        turn.refuse(call, status::of_append(&error), status::append_remark(&error));
    }
    if turn.finish(&gateway.broker, &gateway.send_answers, &mut held, &mut marks) {
        gateway.broker.log().end_turn();
    }
    peer.mailbox.deliver_answers(&out, &held, &marks);
}

/// Creates what is missing and serves the request. On an error it is not answered.
fn try_waiting(
    gateway: &Gateway,
    header: &Header<'_>,
    body: &[u8],
    turn: &mut Turn<'_>,
    mut reason: Elsewhere,
) -> Result<(), AppendError> {
    for _ in 0..TRIES_MAX {
        if let Elsewhere::Topic(config) = reason {
            create_topic(gateway, *config)?;
        }
        match dispatch(gateway, header, body, turn) {
            Outcome::Done => return Ok(()),
            // Whoever reads the disk has waited enough: answered without a message.
            Outcome::Hold(_) => {
                turn.pass = Pass::Last;
                reason = Elsewhere::Cold;
            }
            Outcome::Elsewhere(next) => reason = next,
        }
    }
    // Deleted as fast as it is created, by somebody else.
    turn.refuse(Call::of(header), ResponseCode::SYSTEM_BUSY, "the topic does not stay: send again");
    Ok(())
}

fn create_topic(gateway: &Gateway, config: TopicConfig) -> Result<(), AppendError> {
    let mut staged = Staged::default();
    match gateway.broker.begin_create_topic(config, &mut staged) {
        Change::Nothing => Ok(()),
        Change::Staged => gateway.broker.append_and_wait(&mut staged),
    }
}
