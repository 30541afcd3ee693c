//! Data directories that older builds wrote open, and nothing in them is lost: a test for each golden directory.
//!
//! They were written by those builds' own `Broker` with segments of 64 KiB, and copied as a killed process leaves them: the first
//! segment is gone, so that only the checkpoint knows some of the facts; a message and an offset came behind the checkpoint.
//! Lines of a golden file: `file NAME LENGTH`, then `OFFSET HEX` for what is not zero.
#![allow(clippy::disallowed_methods, reason = "the directories are put there file by file")]

use std::path::Path;
use std::sync::Arc;

use broker::ops::consumer_offset;
use broker::{Broker, Machines, Settings, Transactions};
use model::record::message::Message;
use model::record::system::System;
use model::{Millis, Timestamp};
use store::{Log, Options, Read, Staged};

/// When the golden directories were written.
const START: Timestamp = Timestamp(1_700_000_000_000);

fn at(millis: u64) -> Timestamp {
    START.after(Millis(millis))
}

fn unpack(golden: &str, folder: &Path) {
    let mut file: Option<(&str, Vec<u8>)> = None;
    let write = |file: Option<(&str, Vec<u8>)>| {
        let Some((name, bytes)) = file else { return };
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("within the folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    };
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        if let Some(line) = line.strip_prefix("file ") {
            let (name, len) = line.split_once(' ').expect("a name and a length");
            write(file.replace((name, vec![0; len.parse().expect("a length")])));
            continue;
        }
        let (offset, hex) = line.split_once(' ').expect("an offset and bytes");
        let offset: usize = offset.parse().expect("an offset");
        let (_, bytes) = file.as_mut().expect("a file line came before");
        for (index, pair) in hex.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).expect("hex");
            bytes[offset + index] = u8::from_str_radix(pair, 16).expect("hex");
        }
    }
    write(file);
}

fn open(folder: &Path) -> Broker {
    let settings = Settings {
        cluster: "DefaultCluster".to_owned(),
        broker_name: "broker-a".to_owned(),
        region: "DefaultRegion".to_owned(),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        auto_create_topics: true,
        auto_create_groups: false,
        default_queues: 8,
        auto_created_topics_max: 100,
        delay_levels: vec![Millis(1_000)],
        delay_max: Millis(86_400_000),
        message_bytes_max: 1024 * 1024,
        flush_async: false,
        transactions: Transactions::default(),
        retention: Millis(72 * 3_600_000),
    };
    let machines = Arc::new(Machines::new(&settings));
    let options = Options { segment_bytes: 64 * 1024, reader_threads: 1, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(|| START)).expect("the log opens");
    Broker::start(settings, machines, log, START).expect("the broker starts")
}

/// Opens the directory of `golden`, looks at it with `check`, and again after a checkpoint of this build.
fn open_twice(golden: &str, check: impl Fn(&Broker)) -> (tempfile::TempDir, Broker) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    unpack(golden, folder.path());
    let broker = open(folder.path());
    check(&broker);
    // Closing takes a checkpoint.
    broker.log().close();
    drop(broker);
    let broker = open(folder.path());
    check(&broker);
    (folder, broker)
}

/// The bodies in queue 0 of the topic, from the oldest on.
fn bodies(broker: &Broker) -> Vec<String> {
    let slot = broker.slot_of("orders", 0).expect("the queue exists");
    let mut from = broker.log().bounds(slot).min;
    let mut bodies = Vec::new();
    loop {
        let mut units = Vec::new();
        broker.log().units(slot, from, 100, Read::Wait, &mut units).expect("readable");
        if units.is_empty() {
            return bodies;
        }
        from.0 += units.len() as u64;
        for unit in units {
            let mut record = Vec::new();
            broker.log().read(unit.at, unit.len, Read::Wait, &mut record).expect("readable");
            let message = Message::parse(&record).expect("a message");
            bodies.push(String::from_utf8(message.body().to_vec()).expect("text"));
        }
    }
}

/// Delivers what is due at `now`, until it is applied.
fn deliver(broker: &Broker, now: Timestamp) {
    broker.deliver_timed(now, &mut Staged::default());
    // A record behind the job's own: when it is applied, so are they.
    let mut staged = Staged::default();
    staged.system(&System::Used { when: START, topics: vec![], groups: vec![] });
    broker.append_and_wait(&mut staged).expect("the disk has room");
}

/// What every golden directory has.
fn check_common(broker: &Broker) {
    let machines = &broker.machines;
    assert_eq!(machines.topics.get("orders").expect("a topic").config.read_queues, 2);
    assert_eq!(machines.groups.get("billing").expect("a group").config.retry_max, 7);
    assert_eq!(machines.kv.lock().get("ORDER_TOPIC_CONFIG", "orders"), Some("broker-a:2"));
    let asked = consumer_offset::Request { group: "billing", topic: "orders", queue_id: 0 };
    assert_eq!(broker.consumer_offset(asked, false).expect("known").0, 2);
}

#[test]
fn a_directory_of_the_first_delays_opens() {
    let (_folder, broker) = open_twice(include_str!("3f86e9f.txt"), |broker| {
        check_common(broker);
        assert_eq!(bodies(broker), ["before", "after"]);
        assert!(broker.machines.halves.lock().is_empty());
        assert!(broker.machines.inflight.lock().counts().is_empty());
    });
    deliver(&broker, at(999));
    assert_eq!(bodies(&broker), ["before", "after"]);
    deliver(&broker, at(1_000));
    assert_eq!(bodies(&broker), ["before", "after", "later"]);
}

#[test]
fn a_directory_of_the_last_build_without_sections_opens() {
    let (_folder, broker) = open_twice(include_str!("a02ac0a.txt"), |broker| {
        check_common(broker);
        let machines = &broker.machines;
        assert_eq!(bodies(broker), ["before", "popped", "after"]);
        let orders = machines.topics.id_of("orders").expect("a topic");
        assert_eq!(machines.usage.lock().of_topic(orders), Some(START));
        assert_eq!(machines.halves.lock().by_topic().collect::<Vec<_>>(), [(orders, 1)]);
        let inflight = machines.inflight.lock().counts();
        assert_eq!(
            inflight.iter().map(|(group, topic, count)| (group.as_str(), *topic, *count)).collect::<Vec<_>>(),
            [("billing", orders, 1)]
        );
        let mode = machines.request_modes.lock().of("orders", "billing").expect("set");
        assert!(mode.pop);
        assert_eq!(mode.share, 3);
    });
    deliver(&broker, at(1_999));
    assert_eq!(bodies(&broker), ["before", "popped", "after", "later"]);
    deliver(&broker, at(2_000));
    assert_eq!(bodies(&broker), ["before", "popped", "after", "later", "exactly"]);
}
