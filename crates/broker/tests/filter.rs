//! SQL92 subscriptions over a real log: what a pull hands out, where it goes on, and what it counts.

use std::sync::Arc;

use broker::ops::pull::{self, Filter, Plan, Status};
use broker::ops::send;
use broker::state::traffic::Filtered;
use broker::{Broker, Machines, Settings, Transactions};
use model::record::message::Message;
use model::{GroupConfig, GroupName, Millis, Timestamp, TopicConfig, TopicName, properties};
use store::{Log, Options, Read, Staged};
use tempfile::TempDir;

const START: Timestamp = Timestamp(1_700_000_000_000);
const TOPIC: &str = "orders";
const GROUP: &str = "billing";

struct World {
    broker: Broker,
    _folder: TempDir,
}

impl World {
    /// A broker with one topic of one queue and one group.
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
        let topic = TopicConfig::new(TopicName::trusted(TOPIC), 1);
        world.change(|staged| world.broker.begin_change_topic(topic, "", staged).expect("legal"));
        let group = GroupConfig::new(GroupName::trusted(GROUP));
        world.change(|staged| world.broker.begin_change_group(group, staged).expect("legal"));
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

    /// One message per amount; `None` has no such property.
    fn send(&self, amounts: impl IntoIterator<Item = Option<u32>>) {
        let mut staged = Staged::default();
        for amount in amounts {
            let mut string = Vec::new();
            properties::push(&mut string, "TAGS", "paid");
            if let Some(amount) = amount {
                properties::push(&mut string, "amount", &amount.to_string());
            }
            let request = send::Request {
                topic: TOPIC,
                default_topic: "TBW102",
                default_queues: 4,
                queue_id: 0,
                sys_flag: 0,
                flag: 0,
                born_timestamp: START,
                born_host: "127.0.0.1:40000".parse().expect("an address"),
                properties: &string,
                reconsume_times: 0,
                max_reconsume_times: None,
                body: b"an order",
            };
            self.broker.begin_send(&request, START, &mut staged).expect("taken");
        }
        self.broker.append_and_wait(&mut staged).expect("the disk has room");
    }

    fn plan(&self, expression: &str, offset: i64, first_pass: bool) -> (Plan, Vec<String>) {
        let request = pull::Request {
            group: GROUP,
            topic: TOPIC,
            queue_id: 0,
            offset,
            max_messages: 32,
            max_bytes: 1024 * 1024,
            filter: Filter::Given { expression, kind: Some("SQL92") },
            commit: None,
        };
        let (mut units, mut out) = (Vec::new(), Vec::new());
        let plan = self.broker.plan_pull(&request, first_pass, Read::Wait, &mut units).expect("allowed");
        if !plan.may_wait() {
            self.broker.read_planned(&plan, &units, Read::Wait, &mut out).expect("readable");
        }
        let (mut amounts, mut rest) = (Vec::new(), &out[..]);
        while let Some(message) = Message::parse(rest) {
            amounts.push(properties::find(message.properties(), "amount").unwrap_or("none").to_owned());
            rest = &rest[message.bytes().len()..];
        }
        (plan, amounts)
    }

    fn pull(&self, expression: &str, offset: i64) -> (Status, u64, Vec<String>) {
        let (plan, amounts) = self.plan(expression, offset, true);
        (plan.status, plan.next.0, amounts)
    }

    fn counted(&self) -> Filtered {
        let mut counted = Filtered::default();
        self.broker.machines.topics.get(TOPIC).expect("created").traffic.for_each_taken(|group, taken| {
            assert_eq!(group.as_str(), GROUP);
            counted = taken.filters.reading();
        });
        counted
    }
}

fn texts<const N: usize>(amounts: [u32; N]) -> Vec<String> {
    amounts.iter().map(u32::to_string).collect()
}

#[test]
fn only_what_matches_is_handed_out_and_the_rest_is_counted() {
    let world = World::new();
    world.send([Some(10), None, Some(200), Some(3_000), Some(20)]);
    assert_eq!(world.pull("amount BETWEEN 20 AND 200", 0), (Status::Found, 5, texts([200, 20])));
    assert_eq!(world.counted(), Filtered { examined: 5, dropped: 3, failed: 0 });
    assert_eq!(world.pull("amount IS NULL AND TAGS = 'paid'", 0), (Status::Found, 5, vec!["none".to_owned()]));
    // A tag is no number.
    assert_eq!(world.pull("TAGS > 5", 0), (Status::NoMatchedMessage, 5, Vec::new()));
    assert_eq!(world.counted(), Filtered { examined: 15, dropped: 12, failed: 5 });
}

#[test]
fn a_full_answer_goes_on_behind_its_last_message() {
    let world = World::new();
    world.send((0..300).map(Some));
    let (status, next, amounts) = world.pull("amount >= 100", 0);
    assert_eq!((status, next, amounts.len()), (Status::Found, 132, 32));
    let (_, next, more) = world.pull("amount >= 100", 132);
    assert_eq!((next, more[0].as_str()), (164, "132"));
}

#[test]
fn a_filter_that_matches_nothing_looks_at_a_bounded_number_of_messages() {
    let world = World::new();
    world.send((0..1_000).map(Some));
    assert_eq!(world.pull("amount < 0", 0), (Status::NoMatchedMessage, 800, Vec::new()));
    assert_eq!(world.pull("amount < 0", 800), (Status::NoMatchedMessage, 1_000, Vec::new()));
}

#[test]
fn a_held_pull_sleeps_through_a_few_messages_it_does_not_want() {
    let world = World::new();
    world.send([Some(1), Some(2)]);
    let (plan, _) = world.plan("amount > 5", 0, true);
    assert!(!plan.may_wait(), "the first answer moves the client's offset");
    let (plan, _) = world.plan("amount > 5", 0, false);
    assert!(plan.may_wait(), "woken in vain");
    world.send((0..64).map(|_| Some(3)));
    let (plan, _) = world.plan("amount > 5", 0, false);
    assert!(!plan.may_wait(), "too many to look at again and again");
    assert_eq!(plan.next.0, 66);
    world.send([Some(6)]);
    let (_, amounts) = world.plan("amount > 5", 0, false);
    assert_eq!(amounts, texts([6]));
}
