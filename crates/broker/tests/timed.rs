//! Delayed messages over a real log, by each durability rule: not early, once, at their real place.

use std::sync::Arc;

use broker::ops::{recall, send};
use broker::{Broker, Machines, Settings, Transactions};
use model::record::message::Message;
use model::{Millis, QueueOffset, Timestamp, TopicConfig, TopicName, properties, recall_handle};
use store::{Log, Options, Policy, Read, Staged, SyncRule};

const START: Timestamp = Timestamp(1_700_000_000_000);
const DELAY: Millis = Millis(1_000);

fn open(folder: &std::path::Path, sync: SyncRule) -> Broker {
    open_at(START, folder, sync)
}

/// Whatever happens, the clock shows `clock`.
fn open_at(clock: Timestamp, folder: &std::path::Path, sync: SyncRule) -> Broker {
    let settings = Settings {
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
        flush_async: sync == SyncRule::Async,
        transactions: Transactions::default(),
        retention: Millis(72 * 3_600_000),
    };
    let machines = Arc::new(Machines::new(&settings));
    let options = Options { segment_bytes: 1024 * 1024, reader_threads: 1, sync, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(move || clock)).expect("the log opens");
    let broker = Broker::start(settings, machines, log, clock).expect("the broker starts");
    let mut staged = Staged::default();
    broker.begin_create_topic(TopicConfig::new(TopicName::trusted("orders"), 1), &mut staged);
    if !staged.is_empty() {
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    broker
}

fn send(broker: &Broker, properties: &[u8], body: &[u8]) -> send::Ticket {
    let mut staged = Staged::default();
    let ticket = begin_send(broker, properties, body, &mut staged).expect("taken");
    broker.append_and_wait(&mut staged).expect("the disk has room");
    ticket
}

fn begin_send(
    broker: &Broker,
    properties: &[u8],
    body: &[u8],
    staged: &mut Staged,
) -> Result<send::Ticket, send::Error> {
    let request = send::Request {
        topic: "orders",
        default_topic: "TBW102",
        default_queues: 4,
        queue_id: 0,
        sys_flag: 0,
        flag: 0,
        born_timestamp: START,
        born_host: "127.0.0.1:40000".parse().expect("an address"),
        properties,
        reconsume_times: 0,
        max_reconsume_times: None,
        body,
    };
    broker.begin_send(&request, START, staged)
}

/// The bodies in the queue, in order.
fn bodies(broker: &Broker) -> Vec<Vec<u8>> {
    let slot = broker.slot_of("orders", 0).expect("the queue exists");
    let (mut units, mut bodies) = (Vec::<store::Unit>::new(), Vec::new());
    let end = broker.log().bounds(slot).max;
    // One answer does not go beyond a segment.
    while (units.len() as u64) < end.0 {
        let mut more = Vec::new();
        let next = QueueOffset(units.len() as u64);
        broker.log().units(slot, next, 100, Read::Wait, &mut more).expect("readable");
        units.append(&mut more);
    }
    for unit in units {
        let mut record = Vec::new();
        broker.log().read(unit.at, unit.len, Read::Wait, &mut record).expect("readable");
        let message = Message::parse(&record).expect("a message");
        assert_eq!(properties::find(message.properties(), "UNIQ_KEY").map(str::len), Some(32));
        bodies.push(message.body().to_vec());
    }
    bodies
}

fn a_delayed_message_comes_once_and_not_early(sync: SyncRule) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), sync);
    let mut staged = Staged::default();
    send(&broker, b"DELAY\x011\x02", b"later");
    send(&broker, b"", b"now");
    broker.deliver_timed(START.after(Millis(DELAY.0 - 1)), &mut staged);
    assert_eq!(bodies(&broker), [b"now"]);

    // A restart keeps it waiting.
    broker.log().close();
    drop(broker);
    let broker = open(folder.path(), sync);
    for _ in 0..2 {
        broker.deliver_timed(START.after(DELAY), &mut staged);
        send(&broker, b"", b"a record behind the delivery");
    }
    let [first, delivered, ..] = &bodies(&broker)[..] else { panic!("two messages at least") };
    assert_eq!((&first[..], &delivered[..]), (&b"now"[..], &b"later"[..]));
    assert_eq!(bodies(&broker).iter().filter(|body| *body == b"later").count(), 1);
}

#[test]
fn a_delayed_message_comes_once_and_not_early_by_the_group_rule() {
    a_delayed_message_comes_once_and_not_early(SyncRule::Group);
}

#[test]
fn a_delayed_message_comes_once_and_not_early_by_the_async_rule() {
    a_delayed_message_comes_once_and_not_early(SyncRule::Async);
}

/// The moment `ms` after the send.
fn after(ms: u64) -> Timestamp {
    START.after(Millis(ms))
}

fn handle(due: Timestamp, key: &str) -> String {
    let mut handle = Vec::new();
    recall_handle::push(&mut handle, "orders", "broker-a", due, key);
    String::from_utf8(handle).expect("base64 is ASCII")
}

#[test]
fn an_exact_time_is_kept_to_the_millisecond() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    let mut staged = Staged::default();
    let deliver = format!("TIMER_DELIVER_MS\x01{}\x02", after(1_501).0);
    assert_eq!(send(&broker, deliver.as_bytes(), b"third").due, Some(after(1_501)));
    assert_eq!(send(&broker, b"TIMER_DELAY_MS\x011500\x02", b"second").due, Some(after(1_500)));
    assert_eq!(send(&broker, b"TIMER_DELAY_SEC\x011\x02TIMER_DELAY_MS\x019\x02", b"first").due, Some(after(1_000)));
    assert_eq!(send(&broker, b"TIMER_DELAY_MS\x01-5\x02", b"past").due, None);
    for (now, delivered) in [(999, 1), (1_000, 2), (1_499, 2), (1_500, 3), (1_501, 4)] {
        broker.deliver_timed(after(now), &mut staged);
        send(&broker, b"", b"a record behind the delivery");
        assert_eq!(bodies(&broker).iter().filter(|body| body.len() < 7).count(), delivered, "after {now} ms");
    }
}

#[test]
fn a_level_wins_over_an_exact_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    let mut staged = Staged::default();
    assert_eq!(send(&broker, b"TIMER_DELAY_MS\x011\x02DELAY\x011\x02", b"later").due, None);
    broker.deliver_timed(after(DELAY.0 - 1), &mut staged);
    send(&broker, b"", b"now");
    assert_eq!(bodies(&broker), [b"now"]);
}

#[test]
fn times_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    let mut staged = Staged::default();
    let mut refusal = |properties: &[u8]| match begin_send(&broker, properties, b"x", &mut staged) {
        Err(error) => error.to_string(),
        Ok(ticket) => panic!("{ticket:?}"),
    };
    assert!(refusal(b"TIMER_DELAY_MS\x01soon\x02").contains("TIMER_DELAY_MS is \"soon\""));
    assert!(refusal(b"DELAY\x01soon\x02").contains("DELAY is \"soon\""));
    assert!(refusal(b"TIMER_DELAY_SEC\x0186401\x02").contains("exceeds the limit of 86400000 ms; see delay.max"));
    assert!(refusal(b"TIMER_DELIVER_MS\x019223372036854775807\x02").contains("exceeds the limit"));
    let late = b"TIMER_DELIVER_MS\x011\x02TIMER_DEL_UNIQKEY\x01K\x02";
    assert!(refusal(late).contains("due already"));
}

/// Twice: in one life, and with a restart between the recall and the time.
#[test]
fn a_recalled_message_never_comes() {
    for restart in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut broker = open(folder.path(), SyncRule::Group);
        let mut staged = Staged::default();
        send(&broker, b"UNIQ_KEY\x01AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x02TIMER_DELAY_MS\x015000\x02", b"recalled");
        send(&broker, b"UNIQ_KEY\x01BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\x02TIMER_DELAY_MS\x015000\x02", b"stays");
        let handle = handle(after(5_000), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let request = recall::Request { topic: "orders", handle: &handle };
        assert_eq!(broker.begin_recall(request, after(10), &mut staged).expect("taken").len(), 32);
        broker.append_and_wait(&mut staged).expect("the disk has room");
        staged.clear();
        if restart {
            broker.log().close();
            drop(broker);
            broker = open(folder.path(), SyncRule::Group);
        }
        broker.deliver_timed(after(5_000), &mut staged);
        send(&broker, b"", b"a record behind the delivery");
        assert_eq!(bodies(&broker)[0], b"stays");
        assert_eq!(bodies(&broker).len(), 2);
        assert!(broker.machines.timers.lock().is_empty());
        let late = broker.begin_recall(request, after(5_000), &mut staged);
        assert!(matches!(late, Err(recall::Error::TooLate { .. })));
    }
}

/// Found by the simulation: a message was delivered, the broker was started again with its clock set back, and then the recall
/// was answered as if it had come in time.
#[test]
fn what_an_earlier_process_has_delivered_cannot_be_recalled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open_at(after(5_000), folder.path(), SyncRule::Group);
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    send(&broker, format!("UNIQ_KEY\x01{key}\x02TIMER_DELAY_MS\x015000\x02").as_bytes(), b"delivered");
    broker.deliver_timed(after(5_000), &mut Staged::default());
    send(&broker, b"", b"a record behind the delivery");
    broker.log().close();
    drop(broker);
    let broker = open(folder.path(), SyncRule::Group);
    let handle = handle(after(5_000), key);
    let request = recall::Request { topic: "orders", handle: &handle };
    let late = broker.begin_recall(request, after(10), &mut Staged::default());
    assert!(matches!(late, Err(recall::Error::TooLate { .. })));
}

#[test]
fn a_producers_own_marker_takes_a_message_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    let mut staged = Staged::default();
    let time = format!("TIMER_DELIVER_MS\x01{}\x02", after(5_000).0);
    for key in ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"] {
        send(&broker, format!("UNIQ_KEY\x01{key}\x02{time}").as_bytes(), b"recalled");
    }
    for marker in ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "orders+BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"] {
        send(&broker, format!("TIMER_DEL_UNIQKEY\x01{marker}\x02{time}").as_bytes(), b"0");
    }
    broker.deliver_timed(after(9_000), &mut staged);
    send(&broker, b"", b"a record behind the delivery");
    assert_eq!(bodies(&broker).len(), 1);
}

/// Found by the simulation: retention took the lock of the timers inside a loop whose head still held it, and with the
/// first message that waited in an old segment all of the broker stood still.
#[test]
fn a_message_outlives_the_segment_it_waits_in() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    let mut staged = Staged::default();
    send(&broker, b"DELAY\x011\x02", b"later");
    for _ in 0..6 {
        send(&broker, b"", &[b'x'; 200 * 1024]);
    }
    broker.log().keep();
    let policy = Policy { keep: Millis(1), ..Policy::default() };
    let start = broker.retain(&policy, after(10), &mut staged).expect("the disk works");
    assert!(start.0 > 0, "the first segment is gone");
    broker.deliver_timed(after(1_000), &mut staged);
    send(&broker, b"", b"a record behind the delivery");
    let slot = broker.slot_of("orders", 0).expect("the queue exists");
    let (min, max) = (broker.log().bounds(slot).min, broker.log().bounds(slot).max);
    let (mut units, mut records) = (Vec::new(), Vec::new());
    broker.log().units(slot, min, 100, Read::Wait, &mut units).expect("readable");
    broker.log().read_units(&units, Read::Wait, &mut records).expect("readable");
    let later = records.windows(5).filter(|window| window == b"later").count();
    assert_eq!((later, max), (1, QueueOffset(8)));
}

/// Found by the simulation: what was due at once was one append however large, and with segments of 1 MiB or less it was
/// refused each time, for ever.
#[test]
fn more_is_due_at_once_than_an_append_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    for _ in 0..9 {
        send(&broker, b"DELAY\x011\x02", &[b'x'; 300 * 1024]);
    }
    broker.deliver_timed(after(1_000), &mut Staged::default());
    send(&broker, b"", b"a record behind the delivery");
    assert_eq!(broker.queue_bounds("orders", 0).max, QueueOffset(10));
}

#[test]
fn what_waits_is_counted_by_the_topic_it_will_go_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), SyncRule::Group);
    let orders = broker.machines.topics.id_of("orders").expect("it exists");
    let waiting = |broker: &Broker| -> Vec<_> { broker.machines.timers.lock().by_topic().collect() };
    send(&broker, b"DELAY\x011\x02", b"by level");
    let properties = b"UNIQ_KEY\x01CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC\x02TIMER_DELAY_MS\x011500\x02";
    let recalled = send(&broker, properties, b"recalled");
    send(&broker, b"TIMER_DELAY_SEC\x013600\x02", b"much later");
    assert_eq!(waiting(&broker), [(orders, 3)]);

    let mut staged = Staged::default();
    let handle = handle(recalled.due.expect("exact"), "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC");
    let request = recall::Request { topic: "orders", handle: &handle };
    broker.begin_recall(request, after(10), &mut staged).expect("in time");
    broker.append_and_wait(&mut staged).expect("the disk has room");
    broker.deliver_timed(after(2_000), &mut staged);
    send(&broker, b"", b"a record behind the delivery");
    assert_eq!(waiting(&broker), [(orders, 1)]);
    assert_eq!(broker.counters.timer_lateness_ms.reading().count(), 1);
    let topic = broker.machines.topics.get("orders").expect("it exists");
    let timed = topic.traffic.timed().expect("there were some");
    assert_eq!((timed.delay_secs.reading().count(), timed.delivered.get()), (3, 1));

    // A restart knows it.
    broker.log().close();
    drop(broker);
    let broker = open(folder.path(), SyncRule::Group);
    assert_eq!(waiting(&broker), [(orders, 1)]);
}
