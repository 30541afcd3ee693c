//! Transactions over a real log: invisible until committed, resolved once, checked, kept by restarts and by retention.

use std::any::Any;
use std::sync::Arc;

use broker::notice::{Mailbox, Notice, TransactionCheck};
use broker::ops::end_transaction::{self, Outcome, Verdict};
use broker::ops::{resume_half, send};
use broker::state::clients::{Client, ConnectionId};
use broker::{Broker, Machines, Settings, Transactions};
use model::record::message::Message;
use model::{GroupName, LogOffset, Millis, QueueOffset, Timestamp, TopicConfig, TopicName, properties};
use parking_lot::Mutex;
use store::{Log, Options, Policy, Read, Staged};

const START: Timestamp = Timestamp(1_700_000_000_000);
const DELAY: Millis = Millis(1_000);
const GROUP: &str = "billing";

fn settings() -> Settings {
    Settings {
        cluster: "DefaultCluster".to_owned(),
        broker_name: "broker-a".to_owned(),
        region: "DefaultRegion".to_owned(),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        auto_create_topics: true,
        auto_create_groups: true,
        default_queues: 8,
        auto_created_topics_max: 100,
        delay_levels: vec![DELAY],
        delay_max: Millis(86_400_000),
        message_bytes_max: 1024 * 1024,
        flush_async: false,
        transactions: Transactions { checks_max: 2, halves_max: 100, ..Transactions::default() },
        retention: Millis(72 * 3_600_000),
    }
}

fn open(folder: &std::path::Path) -> Broker {
    let machines = Arc::new(Machines::new(&settings()));
    let options = Options { segment_bytes: 64 * 1024, reader_threads: 1, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(|| START)).expect("the log opens");
    let broker = Broker::start(settings(), machines, log, START).expect("the broker starts");
    let mut staged = Staged::default();
    broker.begin_create_topic(TopicConfig::new(TopicName::trusted("orders"), 2), &mut staged);
    if !staged.is_empty() {
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    broker
}

fn request<'a>(properties: &'a [u8], body: &'a [u8]) -> send::Request<'a> {
    send::Request {
        topic: "orders",
        default_topic: "TBW102",
        default_queues: 4,
        queue_id: 1,
        sys_flag: 4,
        flag: 0,
        born_timestamp: START,
        born_host: "127.0.0.1:40000".parse().expect("an address"),
        properties,
        reconsume_times: 0,
        max_reconsume_times: None,
        body,
    }
}

/// A half message as its producer knows it.
#[derive(Clone, Copy, Debug)]
struct Sent {
    half: LogOffset,
    queue_offset: QueueOffset,
}

fn send_half(broker: &Broker, more: &str, body: &[u8]) -> Sent {
    let properties = format!("TRAN_MSG\x01true\x02PGROUP\x01{GROUP}\x02TAGS\x01paid\x02{more}");
    let mut staged = Staged::default();
    let ticket = broker.begin_send(&request(properties.as_bytes(), body), START, &mut staged).expect("taken");
    broker.append_and_wait(&mut staged).expect("the disk has room");
    let entry = staged.entry(ticket.entry);
    Sent { half: entry.at, queue_offset: entry.queue_offset }
}

fn say(sent: Sent, verdict: Verdict) -> end_transaction::Request<'static> {
    end_transaction::Request {
        producer_group: GROUP,
        half: sent.half,
        queue_offset: sent.queue_offset.to_wire(),
        verdict,
        from_check: false,
    }
}

fn end_at(broker: &Broker, request: end_transaction::Request<'_>, now: Timestamp) -> Result<Outcome, String> {
    let (mut staged, mut reserved) = (Staged::default(), Vec::new());
    let outcome = broker.begin_end_transaction(request, now, Read::Wait, &mut staged, &mut reserved);
    if !staged.is_empty() {
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    outcome.map_err(|error| error.to_string())
}

fn end(broker: &Broker, sent: Sent, verdict: Verdict) -> Result<Outcome, String> {
    end_at(broker, say(sent, verdict), START)
}

/// The records of a queue, in order.
fn records(broker: &Broker, topic: &str, queue: i32) -> Vec<Vec<u8>> {
    let Some(slot) = broker.slot_of(topic, queue) else { return Vec::new() };
    let (mut records, mut from) = (Vec::new(), broker.log().bounds(slot).min);
    loop {
        // One call answers units of one segment.
        let mut units = Vec::new();
        broker.log().units(slot, from, 100, Read::Wait, &mut units).expect("readable");
        if units.is_empty() {
            return records;
        }
        from = QueueOffset(from.0 + units.len() as u64);
        for unit in units {
            let mut record = Vec::new();
            broker.log().read(unit.at, unit.len, Read::Wait, &mut record).expect("readable");
            records.push(record);
        }
    }
}

fn bodies(broker: &Broker, topic: &str, queue: i32) -> Vec<String> {
    let body =
        |record: &Vec<u8>| String::from_utf8_lossy(Message::parse(record).expect("a message").body()).into_owned();
    records(broker, topic, queue).iter().map(body).collect()
}

fn orders(broker: &Broker) -> Vec<String> {
    bodies(broker, "orders", 1)
}

/// A producer that keeps what it is asked.
#[derive(Default)]
struct Producer {
    asked: Mutex<Vec<TransactionCheck>>,
}

impl Mailbox for Producer {
    fn post(&self, notice: Notice) -> bool {
        if let Notice::CheckTransaction(check) = notice {
            self.asked.lock().push(check);
        }
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn producer(broker: &Broker, id: u64) -> Arc<Producer> {
    let producer = Arc::new(Producer::default());
    let client = Client {
        connection: ConnectionId(id),
        client_id: format!("client-{id}"),
        address: "127.0.0.1:40000".parse().expect("an address"),
        language: "JAVA".to_owned(),
        version: 479,
        heard: START,
        mailbox: producer.clone(),
    };
    broker.clients.producer_heard(&client, GroupName::trusted(GROUP));
    producer
}

fn after(secs: u64) -> Timestamp {
    START.after(Millis::from_secs(secs))
}

#[test]
fn a_half_message_is_seen_when_it_is_committed_and_never_when_it_is_rolled_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let (first, second) = (send_half(&broker, "UNIQ_KEY\x01U1\x02", b"first"), send_half(&broker, "", b"second"));
    assert_eq!(orders(&broker), [""; 0]);
    assert_eq!(end(&broker, second, Verdict::Rollback), Ok(Outcome::Staged));
    assert_eq!(end(&broker, first, Verdict::Commit), Ok(Outcome::Staged));
    assert_eq!(orders(&broker), ["first"]);

    let record = &records(&broker, "orders", 1)[0];
    let message = Message::parse(record).expect("a message");
    let (commit_bits, from) = (message.sys_flag() & 12, message.prepared_offset());
    assert_eq!((commit_bits, from, message.queue_offset()), (8, first.half, QueueOffset(0)));
    let given = ["TRAN_MSG", "PGROUP", "REAL_TOPIC", "REAL_QID", "__transactionId__", "UNIQ_KEY", "TAGS"]
        .map(|name| properties::find(message.properties(), name).unwrap_or("none"));
    assert_eq!(given, ["true", GROUP, "orders", "1", "U1", "U1", "paid"]);
    let half = &records(&broker, "RMQ_SYS_TRANS_HALF_TOPIC", 0)[0];
    assert_eq!(Message::parse(half).expect("a message").sys_flag() & 12, 0);
}

#[test]
fn what_was_said_first_counts_and_saying_it_again_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let (paid, cancelled) = (send_half(&broker, "", b"paid"), send_half(&broker, "", b"cancelled"));
    assert_eq!(end(&broker, paid, Verdict::Commit), Ok(Outcome::Staged));
    assert_eq!(end(&broker, cancelled, Verdict::Rollback), Ok(Outcome::Staged));
    for _ in 0..2 {
        assert_eq!(end(&broker, paid, Verdict::Commit), Ok(Outcome::Before));
        assert_eq!(end(&broker, cancelled, Verdict::Rollback), Ok(Outcome::Before));
        assert!(end(&broker, paid, Verdict::Rollback).is_err_and(|error| error.contains("was committed")));
        assert!(end(&broker, cancelled, Verdict::Commit).is_err_and(|error| error.contains("rolled back")));
    }
    assert_eq!(orders(&broker), ["paid"]);
}

#[test]
fn two_commits_in_one_read_make_one_message_and_a_failed_append_gives_the_half_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let sent = send_half(&broker, "", b"once");
    let (mut staged, mut reserved) = (Staged::default(), Vec::new());
    let commit = say(sent, Verdict::Commit);
    let mut begin =
        |staged: &mut Staged| broker.begin_end_transaction(commit, START, Read::Wait, staged, &mut reserved);
    assert!(matches!(begin(&mut staged), Ok(Outcome::Staged)));
    assert!(matches!(begin(&mut staged), Err(end_transaction::Error::Busy(_))));
    // As if the append had failed.
    staged.clear();
    assert_eq!(reserved, [sent.half]);
    broker.release_halves(&reserved);
    assert_eq!(end(&broker, sent, Verdict::Commit), Ok(Outcome::Staged));
    assert_eq!(orders(&broker), ["once"]);
}

#[test]
fn an_end_that_names_another_half_is_refused_and_the_half_waits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let sent = send_half(&broker, "", b"half");
    let commit = say(sent, Verdict::Commit);
    let wrong = [
        (end_transaction::Request { producer_group: "other", ..commit }, "producer group wrong"),
        (end_transaction::Request { queue_offset: 7, ..commit }, "state table offset wrong"),
        (end_transaction::Request { half: LogOffset(sent.half.0 + 1), ..commit }, "no half message"),
    ];
    for (request, remark) in wrong {
        let error = end_at(&broker, request, START).expect_err("refused");
        assert!(error.contains(remark), "{error}");
    }
    // An ordinary message is no half message, whatever a client says.
    let mut staged = Staged::default();
    let ordinary = request(b"PGROUP\x01billing\x02", b"ordinary");
    let ticket = broker.begin_send(&ordinary, START, &mut staged).expect("taken");
    broker.append_and_wait(&mut staged).expect("the disk has room");
    let entry = staged.entry(ticket.entry);
    let named = Sent { half: entry.at, queue_offset: entry.queue_offset };
    assert!(end(&broker, named, Verdict::Commit).is_err_and(|error| error.contains("no half message")));
    assert_eq!(end(&broker, sent, Verdict::Commit), Ok(Outcome::Staged));
}

#[test]
fn half_messages_without_a_producer_group_or_beyond_the_limit_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let mut staged = Staged::default();
    let nameless = broker.begin_send(&request(b"TRAN_MSG\x01true\x02", b"half"), START, &mut staged);
    assert!(matches!(nameless, Err(send::Error::NoProducerGroup)));
    for _ in 0..100 {
        send_half(&broker, "", b"half");
    }
    let properties = b"TRAN_MSG\x01true\x02PGROUP\x01billing\x02";
    let refused = broker.begin_send(&request(properties, b"one too many"), START, &mut staged);
    assert!(matches!(refused, Err(send::Error::TooManyHalves { max: 100, .. })));
    // A consumer that gives a committed message back sends an ordinary one.
    let back = send::Request { reconsume_times: 1, ..request(b"TRAN_MSG\x01true\x02DELAY\x011\x02", b"again") };
    assert!(broker.begin_send(&back, START, &mut staged).is_ok());
}

#[test]
fn a_delay_begins_with_the_commit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let sent = send_half(&broker, "DELAY\x011\x02", b"later");
    let mut staged = Staged::default();
    broker.deliver_timed(after(60), &mut staged);
    assert_eq!(orders(&broker), [""; 0]);
    let committed = after(100);
    assert_eq!(end_at(&broker, say(sent, Verdict::Commit), committed), Ok(Outcome::Staged));
    broker.deliver_timed(committed.after(Millis(DELAY.0 - 1)), &mut staged);
    assert_eq!(orders(&broker), [""; 0]);
    assert_eq!(end(&broker, sent, Verdict::Commit), Ok(Outcome::Before), "while the delay lasts, too");
    broker.deliver_timed(committed.after(DELAY), &mut staged);
    // The delivery is not awaited: a message behind it is.
    send_half(&broker, "", b"behind");
    assert_eq!(orders(&broker), ["later"]);
}

#[test]
fn producers_of_the_group_are_asked_in_turn_until_the_message_is_given_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let sent = send_half(&broker, "UNIQ_KEY\x01U1\x02", b"half");
    let mut staged = Staged::default();
    broker.check_halves(after(3_600), &mut staged);
    assert_eq!(broker.machines.halves.lock().get(sent.half).map(|half| half.checks), Some(0), "nobody was there");

    let producers = [producer(&broker, 1), producer(&broker, 2)];
    let asked = || producers.each_ref().map(|producer| producer.asked.lock().len());
    broker.check_halves(after(3_600 + 29), &mut staged);
    assert_eq!(asked(), [0, 0]);
    broker.check_halves(after(3_600 + 30), &mut staged);
    assert_eq!(asked().iter().sum::<usize>(), 1);
    broker.check_halves(after(3_600 + 60), &mut staged);
    assert_eq!(asked(), [1, 1], "each time another one");
    let question = producers[0].asked.lock()[0].clone();
    let record = Message::parse(&question.record).expect("a message");
    assert_eq!((question.half, question.queue_offset), (sent.half, sent.queue_offset));
    assert_eq!((record.topic(), record.queue_id().0, record.body()), ("orders", 1, &b"half"[..]));
    assert_eq!(question.unique_key, "U1");

    // The limit of this broker is two checks.
    broker.check_halves(after(3_600 + 90), &mut staged);
    assert_eq!(asked(), [1, 1]);
    assert_eq!(bodies(&broker, "TRANS_CHECK_MAX_TIME_TOPIC", 0), ["half"]);
    assert!(broker.machines.halves.lock().is_empty());
    assert!(end(&broker, sent, Verdict::Commit).is_err_and(|error| error.contains("given up")));
}

/// Found by the kill loop: the age was taken from the producer's clock, and a half message of one that lagged behind for days
/// was given up before anybody was asked.
#[test]
fn a_half_message_is_as_old_as_we_say_not_its_producer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let asked = producer(&broker, 1);
    let mut staged = Staged::default();
    let born_timestamp = Timestamp(1);
    let late = send::Request { born_timestamp, ..request(b"TRAN_MSG\x01true\x02PGROUP\x01billing\x02", b"half") };
    broker.begin_send(&late, START, &mut staged).expect("taken");
    broker.append_and_wait(&mut staged).expect("the disk has room");
    broker.check_halves(after(6), &mut staged);
    assert_eq!(asked.asked.lock().len(), 1);
    broker.check_halves(after(73 * 3_600), &mut staged);
    assert_eq!(asked.asked.lock().len(), 1);
    assert!(broker.machines.halves.lock().is_empty(), "older than messages are kept");
}

#[test]
fn a_half_message_says_itself_when_it_is_checked_and_then_only_checks_count() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let asked = producer(&broker, 1);
    let sent = send_half(&broker, "CHECK_IMMUNITY_TIME_IN_SECONDS\x01100\x02", b"slow");
    let mut staged = Staged::default();
    broker.check_halves(after(99), &mut staged);
    assert_eq!(asked.asked.lock().len(), 0);
    broker.check_halves(after(100), &mut staged);
    assert_eq!(asked.asked.lock().len(), 1);
    let late = end_at(&broker, say(sent, Verdict::Commit), after(101));
    assert!(late.is_err_and(|error| error.contains("CHECK_IMMUNITY")));
    let answer = end_transaction::Request { from_check: true, ..say(sent, Verdict::Commit) };
    assert_eq!(end_at(&broker, answer, after(101)), Ok(Outcome::Staged));
    assert_eq!(orders(&broker), ["slow"]);
}

#[test]
fn a_message_given_up_can_be_resumed_and_is_committed_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let asked = producer(&broker, 1);
    let sent = send_half(&broker, "", b"half");
    let mut staged = Staged::default();
    for round in 0..3 {
        broker.check_halves(after(100 * (round + 1)), &mut staged);
    }
    assert_eq!((asked.asked.lock().len(), broker.machines.halves.lock().len()), (2, 0));
    let record = &records(&broker, "TRANS_CHECK_MAX_TIME_TOPIC", 0)[0];
    let dead = Message::parse(record).expect("a message").log_offset();
    let resume = || {
        let (mut staged, mut reserved) = (Staged::default(), Vec::new());
        broker.begin_resume_half(dead, after(500), &mut staged, &mut reserved)?;
        broker.append_and_wait(&mut staged).expect("the disk has room");
        Ok::<_, resume_half::Error>(())
    };
    for _ in 0..2 {
        resume().expect("it was given up, then it waits");
        assert_eq!(broker.machines.halves.lock().len(), 1, "one half, however often it is resumed");
    }
    broker.check_halves(after(500), &mut staged);
    let question = asked.asked.lock().pop().expect("asked again");
    assert_eq!(question.half, sent.half, "by its old name");
    let answer = Sent { half: question.half, queue_offset: question.queue_offset };
    assert_eq!(end(&broker, answer, Verdict::Commit), Ok(Outcome::Staged));
    assert!(matches!(resume(), Err(resume_half::Error::Committed(half)) if half == sent.half));
    assert_eq!(orders(&broker), ["half"]);
}

#[test]
fn half_messages_and_their_checks_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    producer(&broker, 1);
    let (kept, ended) = (send_half(&broker, "", b"kept"), send_half(&broker, "", b"ended"));
    let mut staged = Staged::default();
    broker.check_halves(after(6), &mut staged);
    assert_eq!(end(&broker, ended, Verdict::Commit), Ok(Outcome::Staged));
    broker.log().close();
    drop(broker);

    let broker = open(folder.path());
    let half = broker.machines.halves.lock().get(kept.half).expect("it waits");
    assert_eq!((half.checks, half.due), (1, after(36)));
    assert_eq!(broker.machines.halves.lock().len(), 1);
    assert_eq!(end(&broker, ended, Verdict::Commit), Ok(Outcome::Before));
    assert_eq!(end(&broker, kept, Verdict::Commit), Ok(Outcome::Staged));
    assert_eq!(orders(&broker), ["ended", "kept"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test takes away what the store can do without")]
fn a_half_message_outlives_its_segment_and_keeps_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let sent = send_half(&broker, "", b"patient");
    let mut staged = Staged::default();
    let body = vec![b'x'; 16 * 1024];
    for _ in 0..12 {
        broker.begin_send(&request(b"", &body), START, &mut staged).expect("taken");
        broker.append_and_wait(&mut staged).expect("the disk has room");
        staged.clear();
    }
    broker.log().keep();
    let policy = Policy { bytes_max: Some(64 * 1024), ..Policy::default() };
    let start = broker.retain(&policy, START, &mut staged).expect("retention runs");
    assert!(start > sent.half, "the segment of the half message is gone: {start}");

    // The log alone says it, too: without checkpoints.
    broker.log().close();
    drop(broker);
    std::fs::remove_dir_all(folder.path().join("state")).expect("there are checkpoints");
    let broker = open(folder.path());
    assert_eq!(end(&broker, sent, Verdict::Commit), Ok(Outcome::Staged));
    assert!(orders(&broker).last().is_some_and(|body| body == "patient"));
}
