//! A request at the broker: what the gateway does for the wire, without the wire.

use std::sync::Arc;

use broker::Broker;
use broker::ops::{consumer_offset, end_transaction, heartbeat, pull, recall, reset_offset, send, send_back};
use broker::state::clients::{Client, ConnectionId};
use model::recall_handle;
use model::record::message::Message;
use model::record::system::{Resolution, System};
use model::{GroupName, LogOffset, QueueId, Timestamp, TopicName};
use store::{AppendError, Read, Staged};

use super::mailbox::{OfClient, Posted};
use super::{Node, Process, Waiting, stage_topic};
use crate::body;
use crate::op::{self, Answer, Op, Queue, Seen, When};
use crate::plan::{Hasty, Planted};
use crate::wanted::{self, Wanted};

mod pops;

/// What became of a request at the broker.
#[derive(Debug)]
pub enum Served {
    /// Answered at once.
    Now(Answer),
    /// [`Node::answers`] answers it.
    Later,
    /// Refused.
    Refused,
}

/// Answered when the log has reached an end.
struct Ready {
    end: LogOffset,
    durable: bool,
}

const HOST: &str = "127.0.0.1:40000";

/// The group of all producers of transactions.
const PRODUCERS: &str = "producers";

/// Messages of one pull.
const PULL_MAX: usize = 32;

impl Node {
    /// Serves a request of `client`; `call` comes back with the answer.
    pub fn serve(&mut self, call: usize, client: u32, op: &Op) -> Served {
        let (now, planted) = (self.now(), self.planted);
        let Some(process) = &mut self.process else { return Served::Refused };
        process.staged.clear();
        let Process { broker, staged, .. } = process;
        if let Op::SendHalf { .. } | Op::EndTransaction { .. } | Op::Heartbeat = op {
            heartbeat(broker, client, &self.posted, now, staged);
        }
        let asked = match op {
            Op::Send { to, ids, when } => send(broker, *to, ids, *when, now, staged),
            &Op::Recall { to, id, due } => recall(broker, to, id, due, now, staged),
            Op::SendHalf { to, id } => send_half(broker, *to, *id, now, staged),
            &Op::EndTransaction { half, queue_offset, commit, asked, .. } => {
                let in_two = planted == Some(Planted::CommitInTwo);
                end_transaction(broker, End { half, queue_offset, commit, asked, in_two }, now, staged)
            }
            Op::Heartbeat => Some(Done::Now(Answer::Done)),
            Op::Pull { group, from, offset, commit } => pull(broker, group, *from, *offset, *commit).map(Done::Now),
            &Op::Pop { max, invisible } => pops::pop(broker, max, invisible, now, staged),
            Op::Ack { messages } => pops::ack(broker, messages, staged),
            Op::Hide { message, invisible } => pops::hide(broker, message, *invisible, now, staged),
            &Op::Scan { from, offset, wanted } => scan(broker, from, offset, &wanted::ALL[wanted]).map(Done::Now),
            Op::Commit { group, queue, offset, answered } => {
                let answered = *answered && planted != Some(Planted::OffsetsOutsideLog);
                commit(broker, group, *queue, *offset, answered, staged)
            }
            Op::AskOffset { group, queue } => ask_offset(broker, group, *queue).map(Done::Now),
            Op::SendBack { group, message } => send_back(broker, group, message, now, staged),
            Op::Lock { group, queue } => {
                let named = vec![(TopicName::trusted(queue.0), QueueId(queue.1))];
                let held = broker.lock_queues(&GroupName::trusted(group), &client.to_string(), named, now);
                Some(Done::Now(Answer::Locked(!held.is_empty())))
            }
            Op::Unlock { group, queue } => {
                let named = [(TopicName::trusted(queue.0), QueueId(queue.1))];
                broker.unlock_queues(&GroupName::trusted(group), &client.to_string(), &named);
                Some(Done::Now(Answer::Done))
            }
            Op::Create { topic } => {
                let queues = op::TOPICS.iter().find(|(name, _)| name == topic).map_or(1, |(_, queues)| *queues);
                stage_topic(broker, topic, queues, staged);
                staged_or_done(broker, staged)
            }
            Op::Delete { topic } => {
                let _ = broker.begin_delete_topic(topic, staged).expect("no system topic");
                staged_or_done(broker, staged)
            }
            Op::Reset { group, topic, to } => {
                let target = reset_offset::Target::Time(*to);
                let request = reset_offset::Request { group, topic, queue_id: -1, target };
                broker.begin_reset_offset(request, Read::Wait, staged).ok().and_then(|resets| {
                    let resets = resets.iter().map(|(queue, offset)| (queue.0, offset.0)).collect();
                    append(broker, staged, Answer::Reset(resets))
                })
            }
        };
        match asked {
            None => Served::Refused,
            Some(Done::Now(answer)) => Served::Now(answer),
            Some(Done::When(_, answer)) if is_hasty(op, planted) => Served::Now(answer),
            Some(Done::When(Ready { end, durable }, answer)) => {
                process.waiting.push(Waiting { call, end, durable, answer });
                Served::Later
            }
        }
    }
}

/// A bug put in: requests like this one are answered before they are durable.
fn is_hasty(op: &Op, planted: Option<Planted>) -> bool {
    let kind = match op {
        Op::Pop { .. } => Hasty::Pop,
        Op::Ack { .. } => Hasty::Ack,
        Op::Recall { .. } => Hasty::Recall,
        Op::EndTransaction { .. } => Hasty::EndTransaction,
        _ => return false,
    };
    planted == Some(Planted::NotAwaited(kind))
}

/// A request that was not refused.
enum Done {
    Now(Answer),
    When(Ready, Answer),
}

fn append(broker: &Broker, staged: &mut Staged, answer: Answer) -> Option<Done> {
    let appended = broker.log().append(staged).ok()?;
    Some(Done::When(Ready { end: appended.end, durable: appended.durable }, answer))
}

fn staged_or_done(broker: &Broker, staged: &mut Staged) -> Option<Done> {
    if staged.is_empty() { Some(Done::Now(Answer::Done)) } else { append(broker, staged, Answer::Done) }
}

fn send(broker: &Broker, to: Queue, ids: &[u64], when: When, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let bodies: Vec<_> = ids.iter().map(|id| body::of(*id)).collect();
    let whole = bodies.concat();
    let wish = match when {
        When::Now => String::new(),
        When::Level(level) => format!("DELAY\u{1}{level}\u{2}"),
        When::At(due) => {
            format!("UNIQ_KEY\u{1}{}\u{2}TIMER_DELIVER_MS\u{1}{}\u{2}", unique_key(ids[0]), due.0)
        }
    };
    let own: Vec<_> = ids.iter().map(|id| wanted::properties_of(*id)).collect();
    let properties = if let [own] = &own[..] { format!("{own}{wish}") } else { wish };
    let request = request_of(to, properties.as_bytes(), &whole, now);
    let ticket = if let [_] = ids {
        broker.begin_send(&request, now, staged).ok()?
    } else {
        let inner =
            bodies.iter().zip(&own).map(|(body, own)| Ok(send::Inner { flag: 0, properties: own.as_bytes(), body }));
        broker.begin_send_batch(&request, inner, now, staged).ok()?
    };
    let appended = broker.log().append(staged).ok()?;
    let waits = matches!(when, When::Level(_)) || ticket.due.is_some();
    let first = (!waits).then(|| staged.entry(ticket.entry).queue_offset.0);
    let durable = appended.durable && ticket.wait_durable;
    Some(Done::When(Ready { end: appended.end, durable }, Answer::Sent { first }))
}

/// What the producer of a message with an exact time calls it.
fn unique_key(id: u64) -> String {
    format!("{id:032X}")
}

fn recall(broker: &Broker, to: Queue, id: u64, due: Timestamp, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let mut handle = Vec::new();
    recall_handle::push(&mut handle, to.0, &broker.settings.broker_name, due, &unique_key(id));
    let handle = std::str::from_utf8(&handle).expect("base64");
    let recalled = broker.begin_recall(recall::Request { topic: to.0, handle }, now, staged).ok()?;
    assert_eq!(recalled, unique_key(id));
    append(broker, staged, Answer::Done)
}

fn send_half(broker: &Broker, to: Queue, id: u64, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let body = body::of(id);
    let properties = format!("{}TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{PRODUCERS}\u{2}", wanted::properties_of(id));
    let request = request_of(to, properties.as_bytes(), &body, now);
    let ticket = broker.begin_send(&request, now, staged).ok()?;
    let appended = broker.log().append(staged).ok()?;
    let entry = staged.entry(ticket.entry);
    let answer = Answer::Half { at: entry.at, queue_offset: entry.queue_offset.0 };
    Some(Done::When(Ready { end: appended.end, durable: appended.durable && ticket.wait_durable }, answer))
}

/// A producer of transactions shows itself: from now on it can be asked.
fn heartbeat(broker: &Broker, client: u32, posted: &Posted, now: Timestamp, staged: &mut Staged) {
    let heard = Client {
        connection: ConnectionId(u64::from(client)),
        client_id: client.to_string(),
        address: HOST.parse().expect("an address"),
        language: "RUST".to_owned(),
        version: 0,
        heard: now,
        mailbox: Arc::new(OfClient { client, posted: posted.clone() }),
    };
    let producers = vec![GroupName::trusted(PRODUCERS)];
    broker.begin_heartbeat(heartbeat::Request { client: heard, producers, consumers: Vec::new() }, staged);
}

/// The end of a transaction.
struct End {
    half: LogOffset,
    queue_offset: u64,
    commit: bool,
    asked: bool,
    /// As two appends: a bug put in.
    in_two: bool,
}

fn end_transaction(broker: &Broker, end: End, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let verdict = if end.commit { end_transaction::Verdict::Commit } else { end_transaction::Verdict::Rollback };
    let request = end_transaction::Request {
        producer_group: PRODUCERS,
        half: end.half,
        queue_offset: end.queue_offset.cast_signed(),
        verdict,
        from_check: end.asked,
    };
    let mut reserved = Vec::new();
    match broker.begin_end_transaction(request, now, Read::Wait, staged, &mut reserved).ok()? {
        end_transaction::Outcome::Before => Some(Done::Now(Answer::Done)),
        end_transaction::Outcome::Staged if end.in_two && staged.len() > 1 => {
            staged.truncate(1);
            let message = broker.log().append(staged).ok()?;
            let resolution = Resolution::Committed;
            staged.clear();
            staged.system(&System::HalfResolved { half: end.half, resolution });
            broker.log().append(staged).ok()?;
            Some(Done::When(Ready { end: message.end, durable: true }, Answer::Done))
        }
        end_transaction::Outcome::Staged => append(broker, staged, Answer::Done).or_else(|| {
            broker.release_halves(&reserved);
            None
        }),
    }
}

fn request_of<'a>(to: Queue, properties: &'a [u8], body: &'a [u8], now: Timestamp) -> send::Request<'a> {
    send::Request {
        topic: to.0,
        default_topic: "TBW102",
        default_queues: 4,
        queue_id: to.1.cast_signed(),
        sys_flag: 0,
        flag: 0,
        born_timestamp: now,
        born_host: HOST.parse().expect("an address"),
        properties,
        reconsume_times: 0,
        max_reconsume_times: None,
        body,
    }
}

fn pull(broker: &Broker, group: &str, from: Queue, offset: u64, commit: Option<u64>) -> Option<Answer> {
    let filter = pull::Filter::Given { expression: "*", kind: None };
    let (plan, found) = pull_with(broker, group, from, offset, filter, commit)?;
    let reset = plan.status == pull::Status::OffsetReset;
    Some(Answer::Pulled { found, next: plan.next.0, min: plan.min.0, max: plan.max.0, reset })
}

fn scan(broker: &Broker, from: Queue, offset: u64, wanted: &Wanted) -> Option<Answer> {
    let filter = pull::Filter::Given { expression: wanted.expression, kind: wanted.kind };
    let (plan, found) = pull_with(broker, op::SCANNERS, from, offset, filter, None)?;
    Some(Answer::Scanned { found, next: plan.next.0, min: plan.min.0 })
}

fn pull_with(
    broker: &Broker,
    group: &str,
    from: Queue,
    offset: u64,
    filter: pull::Filter<'_>,
    commit: Option<u64>,
) -> Option<(pull::Plan, Vec<Seen>)> {
    let request = pull::Request {
        group,
        topic: from.0,
        queue_id: from.1.cast_signed(),
        offset: offset.cast_signed(),
        max_messages: PULL_MAX,
        max_bytes: 64 * 1_024,
        filter,
        commit: commit.map(u64::cast_signed),
    };
    let mut units = Vec::new();
    let plan = broker.plan_pull(&request, true, Read::Wait, &mut units).ok()?;
    let mut bytes = Vec::new();
    broker.read_planned(&plan, &units, Read::Wait, &mut bytes).ok()?;
    let mut rest = &bytes[..];
    let found = units.iter().map(|unit| {
        let (record, after) = rest.split_at(unit.len as usize);
        rest = after;
        seen(from, record)
    });
    let found = found.collect::<Option<Vec<_>>>()?;
    Some((plan, found))
}

/// A stored record as a consumer of `queue` sees it.
pub fn seen(queue: Queue, record: &[u8]) -> Option<Seen> {
    seen_as(queue, queue.0, record)
}

/// As [`seen`]; the record names `topic`.
fn seen_as(queue: Queue, topic: &str, record: &[u8]) -> Option<Seen> {
    let message = Message::parse(record)?;
    let in_place = message.topic() == topic && message.queue_id().0 == queue.1;
    Some(Seen {
        queue,
        offset: message.queue_offset().0,
        at: message.log_offset(),
        id: if in_place { body::id_of(message.body()) } else { None },
        attempt: message.reconsume_times(),
        stored: message.store_timestamp(),
    })
}

fn commit(
    broker: &Broker,
    group: &str,
    queue: Queue,
    offset: u64,
    answered: bool,
    staged: &mut Staged,
) -> Option<Done> {
    let request = consumer_offset::Request { group, topic: queue.0, queue_id: queue.1.cast_signed() };
    if !answered {
        broker.note_consumer_offset(request, offset.cast_signed()).ok()?;
        return Some(Done::Now(Answer::Done));
    }
    let _ = broker.begin_commit_offset(request, offset.cast_signed(), staged).ok()?;
    staged_or_done(broker, staged)
}

fn ask_offset(broker: &Broker, group: &str, queue: Queue) -> Option<Answer> {
    let request = consumer_offset::Request { group, topic: queue.0, queue_id: queue.1.cast_signed() };
    let offset = match broker.consumer_offset(request, false) {
        Ok(offset) => Some(offset.0),
        Err(consumer_offset::Error::NotFound { .. }) => None,
        Err(_) => return None,
    };
    Some(Answer::Offset { offset, max: broker.queue_bounds(queue.0, queue.1.cast_signed()).max.0 })
}

fn send_back(broker: &Broker, group: &str, message: &Seen, now: Timestamp, staged: &mut Staged) -> Option<Done> {
    let request = send_back::Request { group, at: message.at, delay_level: 0, max_reconsume_times: None };
    // The retry topic or the dead-letter topic may have to be created first.
    for _ in 0..2 {
        match broker.begin_send_back(request, now, Read::Wait, staged) {
            Ok(send_back::Outcome::Staged) => return append(broker, staged, Answer::Done),
            Err(send_back::Error::Send(send::Error::NeedsTopic(config))) => {
                create_and_wait(broker, *config, staged).ok()?;
            }
            Ok(send_back::Outcome::Dropped) | Err(_) => return None,
        }
    }
    None
}

fn create_and_wait(broker: &Broker, config: model::TopicConfig, staged: &mut Staged) -> Result<(), AppendError> {
    staged.clear();
    let _ = broker.begin_create_topic(config, staged);
    let created = broker.append_and_wait(staged);
    staged.clear();
    created
}
