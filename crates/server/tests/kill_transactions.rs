//! The binary is killed while transactions run: a half message that was answered is not lost, what was rolled back is never
//! seen, and a commit is not torn: its message is there once, however often the commit is said.
//!
//! Moments are the machine's; power loss is the business of the store's crash harness.

#![allow(clippy::disallowed_methods, reason = "starts the binary, and waits for moments to kill it")]

#[path = "running/mod.rs"]
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::ops::{Pull, QueueRef, Send};
use client::{Connection, Error, Options, Request};
use model::message_id::log_offset_of;
use model::record::message::Message;
use tokio::task::JoinSet;
use wire::remoting::code::{RequestCode, ResponseCode};

use running::{Home, report};

const TOPIC: &str = "Paid";
const GROUP: &str = "KillTransactions";
const LIVES: u64 = 12;
const CLIENTS: u64 = 8;

/// A half message that was answered: how it is named.
#[derive(Clone, Copy)]
struct Half {
    log_offset: i64,
    queue_offset: i64,
}

/// Answered half messages, by their number.
type Halves = Arc<Mutex<BTreeMap<u64, Half>>>;

/// Every third is rolled back; every seventh is left for the end.
fn is_committed(number: u64) -> bool {
    !number.is_multiple_of(3)
}

fn waits_for_the_end(number: u64) -> bool {
    number.is_multiple_of(7)
}

fn options() -> Options {
    Options { deadline: Duration::from_secs(20), ..Options::default() }
}

async fn send_half(connection: &Connection, number: u64) -> Result<Half, Error> {
    let properties = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}UNIQ_KEY\u{1}{number:032}\u{2}");
    let body = number.to_string();
    let message = Send {
        producer_group: GROUP,
        topic: TOPIC,
        queue_id: 0,
        default_queues: 1,
        properties: &properties,
        body: body.as_bytes(),
        born_ms: 1_700_000_000_000,
    };
    let sent = connection.send(&message).await?;
    let at = log_offset_of(&sent.msg_id).expect("an offset id");
    Ok(Half { log_offset: at.0.cast_signed(), queue_offset: sent.queue_offset })
}

async fn end(connection: &Connection, half: Half, commit: bool) -> Result<(), Error> {
    let request = Request::new(RequestCode::END_TRANSACTION)
        .field("producerGroup", GROUP)
        .field("tranStateTableOffset", half.queue_offset)
        .field("commitLogOffset", half.log_offset)
        .field("commitOrRollback", if commit { 8 } else { 12 })
        .field("fromTransactionCheck", false);
    connection.call(&request).await?.success().map(drop)
}

/// One producer of one life: until the broker dies.
async fn produce(connection: Connection, first: u64, halves: Halves) {
    for number in first.. {
        let Ok(half) = send_half(&connection, number).await else { return };
        halves.lock().expect("nobody panics with it").insert(number, half);
        if !waits_for_the_end(number) && end(&connection, half, is_committed(number)).await.is_err() {
            return;
        }
    }
}

async fn messages(connection: &Connection) -> Vec<u64> {
    let queue = QueueRef { topic: TOPIC, queue_id: 0 };
    let max = connection.max_offset(queue).await.expect("it serves");
    let (mut numbers, mut offset) = (Vec::new(), 0);
    while offset < max {
        let pull = Pull {
            consumer_group: GROUP,
            topic: TOPIC,
            queue_id: 0,
            offset,
            max_messages: 32,
            subscription: "*",
            suspend: Duration::ZERO,
        };
        let pulled = connection.pull(&pull).await.expect("it serves");
        assert_eq!(pulled.code, ResponseCode::SUCCESS, "at {offset} of {max}");
        let mut records = &pulled.records[..];
        while let Some(message) = Message::parse(records) {
            numbers.push(std::str::from_utf8(message.body()).expect("text").parse().expect("a number"));
            records = &records[message.bytes().len()..];
        }
        offset = pulled.next_offset;
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_keep_their_word_when_the_broker_is_killed() {
    let mut home = Home::new(&["storage.segment_bytes=1MiB"]);
    let halves = Halves::default();
    let mut broker = home.start();
    Connection::open(&broker.address(), &options())
        .await
        .expect("it serves")
        .create_topic(TOPIC, 1)
        .await
        .expect("created");
    for life in 0..LIVES {
        let mut producers = JoinSet::new();
        for client in 0..CLIENTS {
            let connection = Connection::open(&broker.address(), &options()).await.expect("it serves");
            let first = (life * CLIENTS + client) * 1_000_000;
            producers.spawn(produce(connection, first, Arc::clone(&halves)));
        }
        tokio::time::sleep(Duration::from_millis(100 + 53 * life)).await;
        broker.kill();
        while producers.join_next().await.is_some() {}
        broker = home.start();
        let connection = Connection::open(&broker.address(), &options()).await.expect("it serves");
        let seen = messages(&connection).await;
        let wrong: Vec<_> = seen.iter().filter(|number| !is_committed(**number)).collect();
        assert!(wrong.is_empty(), "rolled back or not committed, and seen: {wrong:?}");
    }

    // Everybody says once more what was said, or never was: each half message is still known.
    let connection = Connection::open(&broker.address(), &options()).await.expect("it serves");
    let halves = halves.lock().expect("nobody panics with it").clone();
    for (number, half) in &halves {
        let ended = end(&connection, *half, is_committed(*number)).await;
        ended.unwrap_or_else(|error| panic!("half message {number} was answered and is lost: {error}"));
    }
    let seen = messages(&connection).await;
    let once: BTreeSet<_> = seen.iter().copied().collect();
    let expected: BTreeSet<_> = halves.keys().copied().filter(|number| is_committed(*number)).collect();
    assert_eq!(once.len(), seen.len(), "a commit made two messages");
    assert_eq!(expected.difference(&once).collect::<Vec<_>>(), [&0; 0], "committed and lost");
    // What was not answered was not committed, so there is nothing more.
    assert_eq!(once.difference(&expected).collect::<Vec<_>>(), [&0; 0], "seen, and never committed");
    report(&format!("{LIVES} kills, {} half messages answered, {} committed, 0 lost", halves.len(), expected.len()));
    assert!(halves.len() > 200, "too little load to mean anything");
}
