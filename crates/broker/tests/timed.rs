//! Delayed messages over a real log, by each durability rule: not early, once, at their real place.

use std::sync::Arc;

use broker::ops::send;
use broker::{Broker, Machines, Settings};
use model::record::message::Message;
use model::{Millis, QueueOffset, Timestamp, TopicConfig, TopicName, properties};
use store::{Log, Options, Read, Staged, SyncRule};

const START: Timestamp = Timestamp(1_700_000_000_000);
const DELAY: Millis = Millis(1_000);

fn open(folder: &std::path::Path, sync: SyncRule) -> Broker {
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
        message_bytes_max: 1024 * 1024,
        flush_async: sync == SyncRule::Async,
        retention: Millis(72 * 3_600_000),
    };
    let machines = Arc::new(Machines::new(&settings));
    let options = Options { segment_bytes: 1024 * 1024, reader_threads: 1, sync, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(|| START)).expect("the log opens");
    let broker = Broker::start(settings, machines, log, START).expect("the broker starts");
    let mut staged = Staged::default();
    broker.begin_create_topic(TopicConfig::new(TopicName::trusted("orders"), 1), &mut staged);
    if !staged.is_empty() {
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    broker
}

fn send(broker: &Broker, properties: &[u8], body: &[u8]) {
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
    let mut staged = Staged::default();
    broker.begin_send(&request, START, &mut staged).expect("taken");
    broker.append_and_wait(&mut staged).expect("the disk has room");
}

/// The bodies in the queue, in order.
fn bodies(broker: &Broker) -> Vec<Vec<u8>> {
    let slot = broker.slot_of("orders", 0).expect("the queue exists");
    let (mut units, mut bodies) = (Vec::new(), Vec::new());
    broker.log().units(slot, QueueOffset::ZERO, 100, Read::Wait, &mut units).expect("readable");
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
