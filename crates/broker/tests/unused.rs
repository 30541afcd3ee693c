//! Topics and groups nobody uses, over a real log: what is used is not among them, also after a restart.

use std::sync::Arc;

use broker::ops::send;
use broker::ops::unused::Unused;
use broker::{Broker, Machines, Settings, Transactions};
use model::{GroupConfig, GroupName, Millis, Timestamp, TopicConfig, TopicName};
use store::{Log, Options, Staged};

const START: Timestamp = Timestamp(1_700_000_000_000);
const MONTH: Millis = Millis(30 * 24 * 3_600_000);

fn day(days: u64) -> Timestamp {
    START.after(Millis(days * 24 * 3_600_000))
}

fn settings() -> Settings {
    Settings {
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
    }
}

fn open(folder: &std::path::Path, now: Timestamp) -> Broker {
    let settings = settings();
    let machines = Arc::new(Machines::new(&settings));
    let options = Options { segment_bytes: 1024 * 1024, reader_threads: 1, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(move || now)).expect("the log opens");
    Broker::start(settings, machines, log, now).expect("the broker starts")
}

fn change(broker: &Broker, stage: impl FnOnce(&mut Staged)) {
    let mut staged = Staged::default();
    stage(&mut staged);
    broker.append_and_wait(&mut staged).expect("appended");
}

fn note(broker: &Broker, now: Timestamp) {
    broker.note_use(now, &mut Staged::default()).expect("noted");
    // The job does not wait for its record; anything that does comes behind it.
    change(broker, |staged| {
        let config = TopicConfig::new(TopicName::trusted(&format!("%RETRY%wait{}", now.0)), 1);
        broker.begin_create_topic(config, staged);
    });
}

fn send(broker: &Broker, topic: &str, now: Timestamp) {
    let request = send::Request {
        topic,
        default_topic: "TBW102",
        default_queues: 4,
        queue_id: 0,
        sys_flag: 0,
        flag: 0,
        born_timestamp: now,
        born_host: "127.0.0.1:5000".parse().expect("an address"),
        properties: b"",
        reconsume_times: 0,
        max_reconsume_times: None,
        body: b"body",
    };
    change(broker, |staged| {
        broker.begin_send(&request, now, staged).expect("accepted");
    });
}

fn names(unused: &Unused) -> (Vec<&str>, Vec<&str>) {
    let topics = unused.topics.iter().map(|(name, _)| name.as_str()).collect();
    (topics, unused.groups.iter().map(|(name, _)| name.as_str()).collect())
}

#[test]
fn what_nobody_used_for_a_month_is_listed_and_what_was_used_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path(), START);
    for topic in ["busy", "idle"] {
        let config = TopicConfig::new(TopicName::trusted(topic), 1);
        change(&broker, |staged| {
            broker.begin_change_topic(config, "", staged).expect("legal");
        });
    }
    let config = GroupConfig::new(GroupName::trusted("billing"));
    change(&broker, |staged| {
        broker.begin_change_group(config, staged).expect("legal");
    });
    assert_eq!(names(&broker.unused(MONTH, day(90))), (vec![], vec![]), "not looked at yet");
    note(&broker, day(0));
    send(&broker, "busy", day(20));
    assert_eq!(names(&broker.unused(MONTH, day(30))), (vec!["idle"], vec!["billing"]), "moved since the last note");
    note(&broker, day(20));
    assert_eq!(names(&broker.unused(MONTH, day(29))), (vec![], vec![]));
    assert_eq!(names(&broker.unused(MONTH, day(30))), (vec!["idle"], vec!["billing"]));
    assert_eq!(names(&broker.unused(MONTH, day(50))), (vec!["busy", "idle"], vec!["billing"]));

    broker.log().close();
    drop(broker);
    let broker = open(folder.path(), day(31));
    assert_eq!(names(&broker.unused(MONTH, day(31))), (vec!["idle"], vec!["billing"]), "a restart is no use");
}
