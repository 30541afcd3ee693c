//! The clients of one life of the broker: they run until it dies or they have done their share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use client::ops::{Pull, QueueRef, Send, Sent};
use client::{Answer, Connection, Error, Options, Request};
use model::message_id::log_offset_of;
use model::record::message::Message;
use tokio::task::JoinSet;
use wire::remoting::code::{RequestCode, ResponseCode};

use super::history::{BATCH, History, Id, QUEUES, Queue, Sender, Spot, TOPICS};

/// The group that commits offsets.
pub const GROUP: &str = "KillLoopConsumers";

/// Messages of one sender in one life: more would only fill the disk.
const SHARE: u64 = 1_200;

/// Sends in flight of a pipelined sender.
const WINDOW: usize = 32;

/// Commits of one consumer in one life.
const ROUNDS: usize = 400;

/// Starts the clients. They all end when the broker does.
pub async fn start(address: &str, history: &Arc<History>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let connect = || async {
        let options = Options { deadline: Duration::from_secs(20), ..Options::default() };
        Connection::open(address, &options).await.expect("the broker is ready")
    };
    // A sender's last digit is its topic.
    for sender in [10, 20, 11] {
        clients.spawn(one_by_one(connect().await, Sender(sender), Arc::clone(history)));
    }
    for sender in [30, 31] {
        clients.spawn(pipelined(connect().await, Sender(sender), Arc::clone(history)));
    }
    clients.spawn(batches(connect().await, Sender(12), Arc::clone(history)));
    for topic in 0..TOPICS.len() {
        clients.spawn(consume(connect().await, topic, Arc::clone(history)));
    }
    clients
}

fn message<'a>(id: Id, properties: &'a str, body: &'a str) -> Send<'a> {
    Send {
        producer_group: "KillLoopProducers",
        topic: TOPICS[id.sender.topic()],
        queue_id: id.queue(),
        default_queues: QUEUES,
        properties,
        body: body.as_bytes(),
        born_ms: 1_700_000_000_000,
    }
}

/// Notes how a send ended. False: the broker is gone.
fn note(ids: &[Id], answer: Result<Answer, Error>, history: &History) -> bool {
    match answer.and_then(Sent::of) {
        Ok(sent) => {
            let log_offsets: Vec<_> =
                sent.msg_id.split(',').map(|id| log_offset_of(id).expect("an offset id")).collect();
            assert_eq!(log_offsets.len(), ids.len(), "message ids of one answer");
            for ((id, log_offset), offset) in ids.iter().zip(log_offsets).zip(sent.queue_offset..) {
                let queue = u32::try_from(sent.queue_id).expect("positive");
                history.answered(*id, queue, Spot { offset, log_offset: log_offset.0 });
            }
            true
        }
        Err(Error::Closed | Error::Connect { .. }) => false,
        Err(error) => {
            history.refused(error.to_string());
            true
        }
    }
}

async fn one_by_one(connection: Connection, sender: Sender, history: Arc<History>) {
    for _ in 0..SHARE {
        let ids = history.tries(sender, 1);
        let (properties, body) = (format!("KEYS\u{1}{}\u{2}", ids[0].key()), ids[0].body());
        let pending = connection.begin_send(&message(ids[0], &properties, &body)).await;
        let answer = match pending {
            Ok(pending) => pending.await,
            Err(error) => Err(error),
        };
        if !note(&ids, answer, &history) {
            return;
        }
    }
}

async fn pipelined(connection: Connection, sender: Sender, history: Arc<History>) {
    let mut window = VecDeque::new();
    for _ in 0..SHARE {
        let ids = history.tries(sender, 1);
        let (properties, body) = (format!("KEYS\u{1}{}\u{2}", ids[0].key()), ids[0].body());
        let Ok(pending) = connection.begin_send(&message(ids[0], &properties, &body)).await else { break };
        window.push_back((ids, pending));
        if window.len() >= WINDOW {
            let (ids, pending) = window.pop_front().expect("just filled");
            note(&ids, pending.await, &history);
        }
    }
    // Answers that came before the end count, even if the socket is closed by now.
    for (ids, pending) in window {
        note(&ids, pending.await, &history);
    }
}

async fn batches(connection: Connection, sender: Sender, history: Arc<History>) {
    for _ in 0..SHARE / BATCH {
        let ids = history.tries(sender, BATCH);
        let body = batch_body(&ids);
        let queue = i64::from(ids[0].queue());
        let request = Request::new(RequestCode::SEND_BATCH_MESSAGE)
            .field("a", "KillLoopProducers")
            .field("b", TOPICS[sender.topic()])
            .field("c", "TBW102")
            .field("d", QUEUES)
            .field("e", queue)
            .field("f", 0)
            .field("g", 1_700_000_000_000i64)
            .field("h", 0)
            .field("i", "")
            .field("j", 0)
            .field("k", false)
            .field("m", true)
            .body(&body);
        if !note(&ids, connection.call(&request).await, &history) {
            return;
        }
    }
}

/// A client batch: size, magic, CRC and flag (zero), body, properties of each message.
fn batch_body(ids: &[Id]) -> Vec<u8> {
    let mut batch = Vec::new();
    for id in ids {
        let (body, properties) = (id.body(), format!("KEYS\u{1}{}\u{2}", id.key()));
        let len = |len: usize| u32::try_from(len).expect("short");
        batch.extend_from_slice(&len(4 + 12 + 4 + body.len() + 2 + properties.len()).to_be_bytes());
        batch.extend_from_slice(&[0; 12]);
        batch.extend_from_slice(&len(body.len()).to_be_bytes());
        batch.extend_from_slice(body.as_bytes());
        batch.extend_from_slice(&u16::try_from(properties.len()).expect("short").to_be_bytes());
        batch.extend_from_slice(properties.as_bytes());
    }
    batch
}

/// Pulls behind the last commit of each queue in turn, and commits with an answer what it has seen.
async fn consume(connection: Connection, topic: usize, history: Arc<History>) {
    for round in 0..ROUNDS {
        let id = u32::try_from(round % QUEUES as usize).expect("small");
        let queue = (topic, id);
        let at = QueueRef { topic: TOPICS[topic], queue_id: id };
        let from = history.commit(queue).tried;
        let pulled = match pull(&connection, queue, from, Duration::from_millis(20), &history).await {
            Ok(pulled) => pulled,
            // Nothing has been sent to it yet.
            Err(Error::Refused { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => continue,
            Err(Error::Closed | Error::Connect { .. }) => return,
            Err(error) => {
                history.refused(format!("pull: {error}"));
                continue;
            }
        };
        if pulled <= from {
            continue;
        }
        history.commit_tried(queue, pulled);
        match connection.commit_offset(GROUP, at, pulled).await {
            Ok(()) => history.commit_answered(queue, pulled),
            Err(Error::Closed | Error::Connect { .. }) => return,
            Err(error) => history.refused(format!("commit: {error}")),
        }
    }
}

/// Pulls once and tells the history. Answers the offset behind what was found.
pub async fn pull(
    connection: &Connection,
    queue: Queue,
    from: i64,
    suspend: Duration,
    history: &History,
) -> Result<i64, Error> {
    let pull = Pull {
        consumer_group: GROUP,
        topic: TOPICS[queue.0],
        queue_id: queue.1,
        offset: from,
        max_messages: 32,
        subscription: "*",
        suspend,
    };
    let pulled = connection.pull(&pull).await?;
    let mut records = &pulled.records[..];
    let mut expected = from;
    while !records.is_empty() {
        let message = Message::parse(records).expect("records, back to back");
        assert_eq!(i64::try_from(message.queue_offset().0), Ok(expected), "gap: a pull of {queue:?} from {from}");
        history.seen(queue, &message);
        expected += 1;
        records = &records[message.bytes().len()..];
    }
    if pulled.code == ResponseCode::PULL_OFFSET_MOVED {
        // Retention has taken what was asked for.
        assert!(pulled.next_offset <= pulled.min_offset.max(0), "moved beyond the oldest message: {pulled:?}");
        return Ok(pulled.next_offset);
    }
    assert!(
        pulled.records.is_empty() || pulled.next_offset == expected,
        "{queue:?} from {from}: {}",
        pulled.next_offset
    );
    Ok(expected)
}
