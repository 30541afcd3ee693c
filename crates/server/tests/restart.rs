//! The real binary ends and begins again: by SIGTERM under load, on a directory it must not open, with delayed messages on
//! their way. What kill -9 does at random moments is in `kill_loop`.

#![allow(clippy::disallowed_methods, reason = "starts the binary, looks at its files, and reads the clock")]

mod running;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::ops::{Pull, QueueRef, Send, Sent};
use client::{Connection, Error, Options, Request};
use model::message_id::log_offset_of;
use model::record::message::Message;
use rustix::process::Signal;
use tokio::task::JoinSet;
use wire::remoting::code::{RequestCode, ResponseCode};

use running::{Broker, Home, last_lines, report};

const TOPIC: &str = "Restart";

/// What the drain may take, and a margin for the machine.
const END_MAX: Duration = Duration::from_secs(6);

const SENDERS: u32 = 8;

async fn connect(broker: &Broker) -> Connection {
    let options = Options { deadline: Duration::from_secs(20), ..Options::default() };
    Connection::open(&broker.address(), &options).await.expect("it serves")
}

fn message<'a>(queue_id: u32, properties: &'a str, body: &'a str) -> Send<'a> {
    let producer_group = "RestartProducers";
    Send { producer_group, topic: TOPIC, queue_id, default_queues: 8, properties, body: body.as_bytes(), born_ms: 1 }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("not that far")
}

/// All messages of a queue: body and store time by queue offset.
async fn drain(connection: &Connection, topic: &str, queue_id: u32) -> BTreeMap<i64, (String, i64)> {
    let mut found = BTreeMap::new();
    let max = connection.max_offset(QueueRef { topic, queue_id }).await.expect("it serves");
    let mut offset = 0;
    while offset < max {
        let pull = Pull {
            consumer_group: "RestartConsumers",
            topic,
            queue_id,
            offset,
            max_messages: 32,
            subscription: "*",
            suspend: Duration::ZERO,
        };
        let pulled = connection.pull(&pull).await.expect("it serves");
        let mut records = &pulled.records[..];
        assert!(!records.is_empty(), "nothing at {offset} of {max}");
        while let Some(message) = Message::parse(records) {
            let body = String::from_utf8(message.body().to_vec()).expect("text");
            found.insert(offset, (body, message.store_timestamp().0));
            offset += 1;
            records = &records[message.bytes().len()..];
        }
    }
    found
}

/// What one sender saw: its answered messages, and how the others ended.
#[derive(Default)]
struct Sender {
    answered: Vec<(String, Sent)>,
    refused_after: Vec<ResponseCode>,
    closed: bool,
}

async fn send_until_refused(
    connection: Connection,
    queue: u32,
    count: Arc<AtomicU64>,
    signalled: Arc<AtomicBool>,
) -> Sender {
    let mut seen = Sender::default();
    for number in 0u64.. {
        let body = format!("sender {queue} message {number}");
        match connection.send(&message(queue, "", &body)).await {
            Ok(sent) => {
                seen.answered.push((body, sent));
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Refused { code, remark }) => {
                assert!(signalled.load(Ordering::SeqCst), "refused before the signal: {code}: {remark}");
                seen.refused_after.push(code);
                // A client tries another broker; this one asks twice to see that it stays so.
                if seen.refused_after.len() == 2 {
                    break;
                }
            }
            Err(Error::Closed) => {
                assert!(signalled.load(Ordering::SeqCst), "closed before the signal");
                seen.closed = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_no_answer_and_ends_well() {
    let mut home = Home::new(&[]);
    let mut broker = home.start();
    let count = Arc::new(AtomicU64::new(0));
    let signalled = Arc::new(AtomicBool::new(false));
    connect(&broker).await.create_topic(TOPIC, SENDERS).await.expect("created");
    let mut senders = JoinSet::new();
    for queue in 0..SENDERS {
        let (count, signalled) = (Arc::clone(&count), Arc::clone(&signalled));
        senders.spawn(send_until_refused(connect(&broker).await, queue, count, signalled));
    }
    while count.load(Ordering::Relaxed) < 500 {
        assert!(!senders.is_empty());
        tokio::task::yield_now().await;
    }
    signalled.store(true, Ordering::SeqCst);
    broker.signal(Signal::TERM);
    let code = tokio::task::block_in_place(|| broker.exit_code_within(END_MAX));
    assert_eq!(code, Some(0), "{}", last_lines(&home.log(), 20));

    let mut seen = Vec::new();
    while let Some(sender) = senders.join_next().await {
        seen.push(sender.expect("no sender met what it must not"));
    }
    for sender in &seen {
        assert!(sender.closed || !sender.refused_after.is_empty(), "it ended without a word");
        let other: Vec<_> =
            sender.refused_after.iter().filter(|code| **code != ResponseCode::SERVICE_NOT_AVAILABLE).collect();
        assert!(other.is_empty(), "refused with {other:?}, and clients act on 14 only");
    }

    let broker = home.start();
    let connection = connect(&broker).await;
    let mut queues = Vec::new();
    for queue in 0..SENDERS {
        queues.push(drain(&connection, TOPIC, queue).await);
    }
    for (body, sent) in seen.iter().flat_map(|sender| &sender.answered) {
        let queue = usize::try_from(sent.queue_id).expect("positive");
        let found = queues[queue].get(&sent.queue_offset).map(|(body, _)| body);
        assert_eq!(found, Some(body), "lost: {sent:?}");
    }
    report(&format!(
        "SIGTERM under load: {} answered, all there; {} refused with 14, {} closed",
        seen.iter().map(|sender| sender.answered.len()).sum::<usize>(),
        seen.iter().filter(|sender| !sender.refused_after.is_empty()).count(),
        seen.iter().filter(|sender| sender.closed).count(),
    ));
}

/// Starts a broker that must refuse to, and answers what it wrote.
fn refused(home: &Home) -> String {
    let before = home.log().len();
    let mut broker = home.spawn_on(None);
    assert!(!broker.wait_ready(), "it serves");
    assert_eq!(broker.exit_code_within(END_MAX), Some(4), "{}", last_lines(&home.log(), 20));
    home.log().split_off(before)
}

#[test]
fn a_directory_in_use_is_refused_and_its_user_goes_on() {
    let mut home = Home::new(&[]);
    let mut broker = home.start();
    let text = refused(&home);
    let wanted = format!("the data directory {} is in use by another kerolox", home.data().display());
    assert!(text.contains(&wanted) && text.contains("--data DIR"), "{text}");
    broker.signal(Signal::TERM);
    assert_eq!(broker.exit_code_within(END_MAX), Some(0));
}

#[test]
fn a_directory_of_a_newer_format_is_refused_and_left_alone() {
    let mut home = Home::new(&[]);
    home.start().kill();
    let file = home.data().join("node.toml");
    let text = std::fs::read_to_string(&file).expect("it says what the directory is");
    let newer = text.replace("format_version = 1", "format_version = 1000");
    assert_ne!(newer, text);
    std::fs::write(&file, &newer).expect("written");

    let text = refused(&home);
    assert!(text.contains("1000") && text.contains("start the kerolox that wrote it"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), newer);
}

/// Sends `count` messages one after another, so that each is below what a later batch says is committed. Answers their
/// log offsets.
async fn send_some(broker: &Broker, count: u64) -> Vec<u64> {
    let connection = connect(broker).await;
    let mut offsets = Vec::new();
    for number in 0..count {
        let body = format!("message {number} {}", "x".repeat(500));
        let sent = connection.send(&message(0, "", &body)).await.expect("sent");
        offsets.push(log_offset_of(&sent.msg_id).expect("an offset id").0);
    }
    offsets
}

/// Flips a bit in the body of the message at this log offset.
fn damage(home: &Home, log_offset: u64) {
    let file = home.data().join("log").join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&file).expect("the first segment");
    bytes[usize::try_from(log_offset).expect("small") + 200] ^= 1;
    std::fs::write(&file, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_below_the_committed_end_is_named_with_file_and_offset() {
    let mut home = Home::new(&["storage.segment_bytes=1MiB"]);
    let broker = home.start();
    let offsets = send_some(&broker, 50).await;
    // Killed, so that no checkpoint of a clean end spares the next start the walk.
    broker.kill();
    damage(&home, offsets[25]);

    let text = refused(&home);
    assert!(text.contains(&format!("{:020}.log", 0)), "no file: {text}");
    let named = text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u64>().ok());
    let near = offsets[24]..=offsets[25];
    assert!(named.into_iter().any(|number| near.contains(&number)), "no offset in {near:?}: {text}");
    assert!(text.contains("kerolox store salvage"), "no remedy: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_salvaged_directory_serves_all_but_what_is_damaged() {
    let mut home = Home::new(&["storage.segment_bytes=1MiB"]);
    let broker = home.start();
    let offsets = send_some(&broker, 50).await;
    broker.kill();
    damage(&home, offsets[25]);
    refused(&home);

    let broken = home.data().with_extension("broken");
    std::fs::rename(home.data(), &broken).expect("renamed");
    let salvage = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerolox"));
        command.args(["store", "salvage"]).arg(&broken).arg(home.data()).output().expect("the binary was built")
    };
    let output = salvage();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("lost: log offsets") && text.contains("kerolox serve --data"), "{text}");
    let output = salvage();
    assert_eq!(output.status.code(), Some(2), "a directory that is there is not written over");

    let broker = home.start();
    let connection = connect(&broker).await;
    for (number, offset) in offsets.iter().enumerate() {
        let request = Request::new(RequestCode::VIEW_MESSAGE_BY_ID).field("offset", offset.cast_signed());
        let answer = connection.call(&request).await.expect("it serves");
        if number == 25 {
            assert_ne!(answer.code, ResponseCode::SUCCESS);
            continue;
        }
        assert_eq!(answer.code, ResponseCode::SUCCESS, "message {number}: {:?}", answer.remark);
        let message = Message::parse(&answer.body).expect("a record");
        assert!(message.body().starts_with(format!("message {number} ").as_bytes()));
    }
    let sent = connection.send(&message(0, "", "one more")).await.expect("sent");
    assert_eq!(sent.queue_offset, 50, "numbering goes on where it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_below_a_checkpoint_is_never_served_and_everything_else_is() {
    let mut home = Home::new(&["storage.segment_bytes=1MiB"]);
    let mut broker = home.start();
    let offsets = send_some(&broker, 50).await;
    broker.signal(Signal::TERM);
    let code = tokio::task::block_in_place(|| broker.exit_code_within(END_MAX));
    assert_eq!(code, Some(0));
    damage(&home, offsets[25]);

    let broker = home.start();
    let connection = connect(&broker).await;
    for (number, offset) in offsets.iter().enumerate() {
        let request = Request::new(RequestCode::VIEW_MESSAGE_BY_ID).field("offset", offset.cast_signed());
        let answer = connection.call(&request).await.expect("it serves");
        if number == 25 {
            let remark = answer.remark.unwrap_or_default();
            assert_eq!(answer.code, ResponseCode::SYSTEM_ERROR, "{remark}");
            assert!(remark.contains(&format!("{:020}.log", 0)), "the damage is named: {remark}");
            continue;
        }
        assert_eq!(answer.code, ResponseCode::SUCCESS, "message {number}: {:?}", answer.remark);
        let message = Message::parse(&answer.body).expect("a record");
        assert!(message.body().starts_with(format!("message {number} ").as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed_messages_survive_a_kill_and_come_once_and_not_early() {
    const COUNT: usize = 20;
    let mut home = Home::new(&["delay.levels=1s 2s"]);
    let broker = home.start();
    let connection = connect(&broker).await;
    connection.create_topic(TOPIC, 1).await.expect("created");
    let mut due = BTreeMap::new();
    for number in 0..COUNT {
        let level = number % 2 + 1;
        let body = format!("delayed {number}");
        let before = now_ms();
        connection.send(&message(0, &format!("DELAY\u{1}{level}\u{2}"), &body)).await.expect("sent");
        due.insert(body, before + 1_000 * i64::try_from(level).expect("small"));
    }
    broker.kill();

    let broker = home.start();
    let connection = connect(&broker).await;
    wait_for_offset(&connection, COUNT).await;
    let found = drain(&connection, TOPIC, 0).await;
    for (body, stored) in found.values() {
        let due = due.remove(body).unwrap_or_else(|| panic!("twice, or never sent: {body}"));
        assert!(*stored >= due, "early: {body} is due at {due} and was delivered at {stored}");
        assert!(*stored <= due + 10_000, "late: {body} is due at {due} and was delivered at {stored}");
    }
    assert!(due.is_empty(), "not delivered: {due:?}");

    // Once: neither another kill nor the next message of the same level brings one again.
    broker.kill();
    let broker = home.start();
    let connection = connect(&broker).await;
    connection.send(&message(0, "DELAY\u{1}2\u{2}", "the last one")).await.expect("sent");
    wait_for_offset(&connection, COUNT + 1).await;
    let found = drain(&connection, TOPIC, 0).await;
    assert_eq!(found.len(), COUNT + 1);
    assert_eq!(found.values().last().map(|(body, _)| body.as_str()), Some("the last one"));
}

/// Waits, by long polls, until the queue ends at `end` at least.
async fn wait_for_offset(connection: &Connection, end: usize) {
    let end = i64::try_from(end).expect("small");
    let at = QueueRef { topic: TOPIC, queue_id: 0 };
    for _ in 0..2 * end {
        let max = connection.max_offset(at).await.expect("it serves");
        if max >= end {
            return;
        }
        let pull = Pull {
            consumer_group: "RestartConsumers",
            topic: TOPIC,
            queue_id: 0,
            offset: max,
            max_messages: 32,
            subscription: "*",
            suspend: Duration::from_secs(5),
        };
        connection.pull(&pull).await.expect("it serves");
    }
    panic!("the queue did not reach {end}");
}
