//! What tools are told, over a real log: messages are sent and pulled, and the numbers say so.

use std::sync::Arc;

use broker::ops::clone_offset;
use broker::ops::consume_stats::Asked;
use broker::ops::consumer_offset;
use broker::ops::pull::{self, Filter};
use broker::ops::send;
use broker::ops::topic::Change;
use broker::ops::topic_stats::{self, QueueStats};
use broker::{Broker, Machines, Settings, Transactions};
use model::{GroupConfig, GroupName, Millis, QueueId, QueueOffset, Timestamp, TopicConfig, TopicName};
use store::{Bounds, Log, Options, Read, Staged};
use tempfile::TempDir;

const START: Timestamp = Timestamp(1_700_000_000_000);
const TOPIC: &str = "orders";
const GROUP: &str = "billing";

fn at(secs: u64) -> Timestamp {
    START.after(Millis::from_secs(secs))
}

struct World {
    broker: Broker,
    _folder: TempDir,
}

impl World {
    /// A broker with one topic of two queues and one group.
    fn new() -> World {
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
        let folder = tempfile::tempdir().expect("a temporary folder");
        let machines = Arc::new(Machines::new(&settings));
        let options = Options { segment_bytes: 1024 * 1024, reader_threads: 1, ..Options::new(folder.path()) };
        let log = Log::open(options, machines.clone(), Arc::new(|| START)).expect("an empty log opens");
        let broker = Broker::start(settings, machines, log, START).expect("an empty broker starts");
        let world = World { broker, _folder: folder };
        let topic = TopicConfig::new(TopicName::trusted(TOPIC), 2);
        world.change(|staged| world.broker.begin_change_topic(topic, "", staged).expect("legal"));
        world.create_group(GROUP);
        world
    }

    fn change<T>(&self, stage: impl FnOnce(&mut Staged) -> T) -> T {
        let mut staged = Staged::default();
        let out = stage(&mut staged);
        if !staged.is_empty() {
            self.broker.append_and_wait(&mut staged).expect("the disk has room");
        }
        out
    }

    fn create_group(&self, name: &str) {
        let config = GroupConfig::new(GroupName::trusted(name));
        self.change(|staged| self.broker.begin_change_group(config, staged).expect("legal"));
    }

    fn send(&self, queue: i32, count: usize) {
        for _ in 0..count {
            let request = send::Request {
                topic: TOPIC,
                default_topic: "TBW102",
                default_queues: 4,
                queue_id: queue,
                sys_flag: 0,
                flag: 0,
                born_timestamp: START,
                born_host: "127.0.0.1:40000".parse().expect("an address"),
                properties: b"",
                reconsume_times: 0,
                max_reconsume_times: None,
                body: b"paid",
            };
            self.change(|staged| self.broker.begin_send(&request, START, staged).expect("taken"));
        }
    }

    /// Pulls from `offset` on as `group`; answers the number of messages.
    fn pull(&self, group: &str, queue: i32, offset: i64, max_messages: usize) -> usize {
        let request = pull::Request {
            group,
            topic: TOPIC,
            queue_id: queue,
            offset,
            max_messages,
            max_bytes: 1024 * 1024,
            filter: Filter::Given { expression: "*", kind: None },
            commit: None,
        };
        let (mut units, mut out) = (Vec::new(), Vec::new());
        let plan = self.broker.plan_pull(&request, true, Read::Wait, &mut units).expect("allowed");
        self.broker.read_planned(&plan, &units, Read::Wait, &mut out).expect("readable");
        units.len()
    }

    fn commit(&self, group: &str, queue: i32, offset: i64) {
        let request = consumer_offset::Request { group, topic: TOPIC, queue_id: queue };
        self.change(|staged| self.broker.begin_commit_offset(request, offset, staged).expect("allowed"));
    }

    /// Queue, end, committed, handed out.
    fn progress(&self, group: &str) -> Vec<(u32, u64, u64, u64)> {
        let progress = self.broker.consume_stats(group, Asked::Consumed, START, Read::Wait).expect("readable");
        let row =
            |of: &broker::ops::consume_stats::QueueProgress| (of.queue.0, of.end.0, of.committed.0, of.handed_out.0);
        progress.queues.iter().map(row).collect()
    }
}

#[test]
fn a_topic_tells_what_its_queues_hold() {
    let world = World::new();
    world.send(0, 3);
    let stats = world.broker.topic_stats(TOPIC, START, Read::Wait).expect("it exists");
    let full = Bounds { min: QueueOffset(0), max: QueueOffset(3) };
    let expected = [
        QueueStats { queue: QueueId(0), bounds: full, last_stored: Some(START) },
        QueueStats { queue: QueueId(1), bounds: Bounds::default(), last_stored: None },
    ];
    assert_eq!(stats.queues, expected);
    let unknown = world.broker.topic_stats("nowhere", START, Read::Wait);
    assert!(matches!(unknown, Err(topic_stats::Error::TopicNotFound(name)) if name == "nowhere"));
}

#[test]
fn a_group_is_told_its_lag_and_what_is_in_its_hands() {
    let world = World::new();
    world.send(0, 5);
    assert_eq!(world.pull(GROUP, 0, 0, 4), 4);
    world.commit(GROUP, 0, 3);
    assert_eq!(world.progress(GROUP), [(0, 5, 3, 4), (1, 0, 0, 0)]);
    let progress = world.broker.consume_stats(GROUP, Asked::Consumed, START, Read::Wait).expect("readable");
    assert_eq!((progress.queues[0].lag(), progress.queues[0].in_flight()), (2, 1));
    assert_eq!(progress.queues[0].last_consumed, Some(START));
    let waiting = progress.queues.iter().map(|queue| world.broker.waiting_since(queue));
    assert_eq!(
        waiting.collect::<Vec<_>>(),
        [[Some(START); 2], [None; 2]],
        "messages 3 and 4 wait; the other queue is empty"
    );
    assert_eq!(world.progress("nobody"), []);
}

#[test]
fn what_nobody_has_used_is_not_progress() {
    let world = World::new();
    world.commit(GROUP, 0, 0);
    assert_eq!(world.broker.topics_consumed_by(GROUP), []);
    world.send(1, 1);
    assert_eq!(world.broker.topics_consumed_by(GROUP), [], "the group has no offset in that queue");
    world.send(0, 1);
    assert_eq!(world.broker.topics_consumed_by(GROUP), [TopicName::trusted(TOPIC)]);
}

#[test]
fn counters_have_the_names_tools_ask_for() {
    let world = World::new();
    world.send(0, 30);
    world.pull(GROUP, 0, 0, 20);
    for second in 1..=20 {
        world.broker.sample(at(second));
    }
    let minute = |name: &str, key: &str| world.broker.broker_stats(name, key, at(20)).map(|of| of.minute.count);
    assert_eq!(minute("TOPIC_PUT_NUMS", TOPIC), Some(30));
    assert!(minute("TOPIC_PUT_SIZE", TOPIC).is_some_and(|bytes| bytes > 30 * 100));
    assert_eq!(minute("GROUP_GET_NUMS", &format!("{TOPIC}@{GROUP}")), Some(20));
    assert_eq!(minute("BROKER_PUT_NUMS", "DefaultCluster"), Some(30));
    assert_eq!(minute("BROKER_GET_NUMS", "DefaultCluster"), Some(20));
    assert_eq!(minute("TOPIC_PUT_NUMS", "nowhere"), None);
    assert_eq!(minute("GROUP_GET_NUMS", &format!("{TOPIC}@nobody")), None);
    assert_eq!(minute("TOPIC_PUT_LATENCY", TOPIC), None, "we count no such thing and say so");

    let rate = |now| world.broker.topic_stats(TOPIC, now, Read::Wait).expect("it exists").put_per_second;
    assert!((rate(at(20)) - 1.5).abs() < 1e-9, "30 messages in 20 s, not {}", rate(at(20)));
    for second in 21..=100 {
        world.broker.sample(at(second));
    }
    assert!(rate(at(100)).abs() < 1e-9, "a minute later nothing flows");
}

#[test]
fn a_group_begins_where_another_one_is() {
    let world = World::new();
    world.create_group("audit");
    world.send(0, 5);
    world.commit(GROUP, 0, 4);
    let request = clone_offset::Request { from: GROUP, to: "audit", topic: Some(TOPIC), unsubscribed_too: false };
    let begin = |request| world.change(|staged| world.broker.begin_clone_offset(request, staged));
    assert_eq!(begin(request).expect("allowed"), Change::Staged);
    assert_eq!(world.progress("audit"), [(0, 5, 4, 4), (1, 0, 0, 0)]);
    assert_eq!(begin(request).expect("allowed"), Change::Nothing, "it is there already");
    let to_nowhere = clone_offset::Request { topic: Some("nowhere"), ..request };
    assert!(matches!(begin(to_nowhere), Err(clone_offset::Error::TopicNotFound(_))));
    let to_nobody = clone_offset::Request { to: "nobody", ..request };
    assert!(matches!(begin(to_nobody), Err(clone_offset::Error::GroupNotFound(_))));
}

#[test]
fn a_list_of_topics_is_made_whole_or_not_at_all() {
    let world = World::new();
    let topic = |name: &str, queues| (TopicConfig::new(TopicName::trusted(name), queues), String::new());
    let begin = |topics: Vec<_>| world.change(|staged| world.broker.begin_change_topics(topics.into_iter(), staged));
    assert!(begin(vec![topic("a", 1), topic("b", 0)]).is_err());
    assert!(world.broker.machines.topics.get("a").is_none());
    assert_eq!(begin(vec![topic("a", 1), topic("b", 1)]).expect("legal"), Change::Staged);
    assert!(world.broker.machines.topics.get("a").is_some() && world.broker.machines.topics.get("b").is_some());
}

#[test]
fn the_delay_of_a_group_is_the_age_of_its_next_message() {
    let world = World::new();
    world.send(0, 2);
    world.commit(GROUP, 0, 1);
    let spans = world.broker.consume_time_spans(GROUP, TOPIC, at(30), Read::Wait).expect("it exists");
    assert_eq!((spans[0].first, spans[0].last, spans[0].consumed), (Some(START), Some(START), Some(START)));
    assert_eq!(spans[0].delay, Millis(30_000));
    assert_eq!((spans[1].first, spans[1].consumed, spans[1].delay), (None, None, Millis(0)));
    world.commit(GROUP, 0, 2);
    let spans = world.broker.consume_time_spans(GROUP, TOPIC, at(30), Read::Wait).expect("it exists");
    assert_eq!(spans[0].delay, Millis(0), "everything is consumed");
}

#[test]
fn the_broker_tells_how_it_is_doing() {
    let world = World::new();
    let before = world.broker.runtime_info(START);
    assert!(before.active && before.oldest_message.is_none() && before.disk.is_some());
    world.send(0, 10);
    world.pull(GROUP, 0, 0, 32);
    world.pull(GROUP, 1, 0, 32);
    let info = world.broker.runtime_info(at(10));
    assert_eq!((info.totals.messages_in, info.totals.messages_out), (10, 10));
    assert_eq!((info.totals.pulls_found, info.totals.pulls_missed), (1, 1));
    assert_eq!(info.oldest_message, Some(START));
    assert_eq!(info.uncommitted_bytes, 0);
    assert!((info.growth[0].messages_in().per_second() - 1.0).abs() < 1e-9);
}
