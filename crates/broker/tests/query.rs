//! Queries over a real log, beside retention.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::ops::query::KeyQuery;
use broker::ops::send;
use broker::{Broker, Machines, Settings, Transactions};
use model::{LogOffset, Millis, Timestamp, TopicConfig, TopicName};
use store::{Log, Options, Read, Staged};

const START: Timestamp = Timestamp(1_700_000_000_000);
const SEGMENT: u64 = 64 * 1024;

fn open(folder: &Path) -> Broker {
    let settings = Settings {
        cluster: "DefaultCluster".to_owned(),
        broker_name: "broker-a".to_owned(),
        region: "DefaultRegion".to_owned(),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        auto_create_topics: true,
        auto_create_groups: true,
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
    let options = Options { segment_bytes: SEGMENT, reader_threads: 1, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(|| START)).expect("the log opens");
    Broker::start(settings, machines, log, START).expect("the broker starts")
}

/// Fills a segment with messages whose key is its number.
fn fill_segment(broker: &Broker, number: u64) {
    let properties = format!("KEYS\x01k{number}\x02");
    let mut staged = Staged::default();
    while broker.log().end() < LogOffset((number + 1) * SEGMENT) {
        let request = send::Request {
            topic: "orders",
            default_topic: "TBW102",
            default_queues: 4,
            queue_id: 0,
            sys_flag: 0,
            flag: 0,
            born_timestamp: START,
            born_host: "127.0.0.1:40000".parse().expect("an address"),
            properties: properties.as_bytes(),
            reconsume_times: 0,
            max_reconsume_times: None,
            body: &[7; 500],
        };
        staged.clear();
        (0..8).for_each(|_| {
            broker.begin_send(&request, START, &mut staged).expect("taken");
        });
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
}

/// The index named messages whose segment went before they were read: the whole query failed.
#[test]
fn a_query_beside_retention_answers_what_is_left() {
    const SEGMENTS: u64 = 40;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let mut staged = Staged::default();
    broker.begin_create_topic(TopicConfig::new(TopicName::trusted("orders"), 1), &mut staged);
    broker.append_and_wait(&mut staged).expect("the disk has room");
    (0..=SEGMENTS).for_each(|number| fill_segment(&broker, number));
    broker.log().keep();

    let trimmed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let queries = scope.spawn(|| {
            let mut out = Vec::new();
            for number in 0..SEGMENTS {
                let key = &*format!("k{number}");
                let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
                let query = KeyQuery { topic: "orders", key, unique: false, max: 64, from, to };
                // Until they are gone; some lie across the border of two segments.
                loop {
                    out.clear();
                    let last = trimmed.load(Ordering::Acquire);
                    let found = broker.query_message(&query, Read::Wait, &mut out).expect("answered");
                    if found == 0 || last {
                        break;
                    }
                }
            }
        });
        for number in 1..=SEGMENTS {
            broker.log().trim(LogOffset(number * SEGMENT)).expect("trimmed");
        }
        trimmed.store(true, Ordering::Release);
        queries.join().expect("all queries were answered");
    });
}
