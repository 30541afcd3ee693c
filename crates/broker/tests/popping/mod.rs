//! A broker over a real log, and a consumer that pops from it: what the stories about popping share.

use std::path::Path;
use std::sync::Arc;

use broker::ops::ack::{self, Outcome};
use broker::ops::pop::turn::Pops;
use broker::ops::pop::{Begin, Plan, Request};
use broker::ops::send;
use broker::{Broker, Machines, Settings, Transactions};
use model::receipt_handle::{Origin, ReceiptHandle};
use model::record::message::Message;
use model::{GroupConfig, GroupName, Millis, QueueOffset, Timestamp, TopicConfig, TopicName, properties};
use store::{Log, Options, Read, Staged};

pub const START: Timestamp = Timestamp(1_700_000_000_000);
pub const INVISIBLE: Millis = Millis(10_000);

pub fn at(millis: u64) -> Timestamp {
    START.after(Millis(millis))
}

pub fn settings() -> Settings {
    Settings {
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
    }
}

pub fn open(folder: &Path) -> Broker {
    let machines = Arc::new(Machines::new(&settings()));
    let options = Options { segment_bytes: 64 * 1024, reader_threads: 1, ..Options::new(folder) };
    let log = Log::open(options, machines.clone(), Arc::new(|| START)).expect("the log opens");
    start(machines, log)
}

pub fn start(machines: Arc<Machines>, log: Arc<Log>) -> Broker {
    let broker = Broker::start(settings(), machines, log, START).expect("the broker starts");
    let mut staged = Staged::default();
    broker.begin_create_topic(TopicConfig::new(TopicName::trusted("orders"), 2), &mut staged);
    if !staged.is_empty() {
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    broker
}

pub fn again(broker: Broker, folder: &Path) -> Broker {
    broker.log().close();
    drop(broker);
    open(folder)
}

pub fn send(broker: &Broker, queue_id: i32, properties: &[u8], body: &[u8]) {
    let request = send::Request {
        topic: "orders",
        default_topic: "TBW102",
        default_queues: 4,
        queue_id,
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

/// A message as a consumer has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Got {
    pub body: String,
    pub origin: Origin,
    pub queue: i32,
    pub offset: QueueOffset,
    pub popped_at: Timestamp,
    /// How often it was delivered before.
    pub attempts: i32,
    pub ordered: bool,
}

pub const ALL: Request<'static> = Request {
    group: "g",
    topic: "orders",
    queue_id: -1,
    max_messages: 32,
    max_bytes: 256 * 1024,
    invisible: INVISIBLE,
    begin: Begin::Oldest,
    expression: "*",
    kind: None,
    order: None,
};

pub fn plan(broker: &Broker, request: &Request<'_>, now: Timestamp, pops: &Pops) -> Plan {
    broker.plan_pop(request, now, Read::Wait, pops).expect("allowed")
}

pub fn pop_as(broker: &Broker, request: &Request<'_>, now: Timestamp) -> Vec<Got> {
    let (mut staged, mut pops, mut records) = (Staged::default(), Pops::default(), Vec::new());
    let plan = plan(broker, request, now, &pops);
    if plan.parts.is_empty() {
        return Vec::new();
    }
    broker.read_popped(&plan, Read::Wait, &mut records).expect("readable");
    broker.begin_pop(&plan, &mut staged, &mut pops).expect("nobody else pops");
    broker.stage_acks(&pops, &mut staged);
    broker.append_and_wait(&mut staged).expect("the disk has room");
    broker.pops_appended(&mut pops);
    let (mut got, mut rest) = (Vec::new(), &records[..]);
    for part in &plan.parts {
        for (index, offset) in part.offsets().enumerate() {
            let message = Message::parse(rest).expect("a record");
            assert_eq!((message.topic(), message.queue_offset()), ("orders", offset));
            let handle = properties::find(message.properties(), "POP_CK").map(ReceiptHandle::parse);
            assert_eq!(handle.is_some(), part.origin != Origin::Topic, "retries bring their handle");
            if let Some(handle) = handle {
                let handle = handle.expect("a handle");
                assert_eq!((handle.offset, handle.origin, handle.start), (offset, part.origin, part.start));
            }
            got.push(Got {
                body: String::from_utf8(message.body().to_vec()).expect("text"),
                origin: part.origin,
                queue: part.queue.0.cast_signed(),
                offset,
                popped_at: plan.popped_at,
                attempts: part.counts.get(index).map_or(message.reconsume_times(), |count| count.cast_signed()),
                ordered: request.order.is_some(),
            });
            rest = &rest[message.bytes().len()..];
        }
    }
    assert!(rest.is_empty());
    got
}

pub fn named<'a>(got: &Got, topic: &'a TopicName) -> ack::Request<'a> {
    let (queue_id, offset) = (got.queue, got.offset.to_wire());
    ack::Request { group: "g", topic: topic.as_str(), queue_id, offset, popped_at: got.popped_at, ordered: got.ordered }
}

pub fn topic_of(got: &Got) -> TopicName {
    match got.origin {
        Origin::Topic => TopicName::trusted("orders"),
        Origin::RetryV1 => TopicName::pop_retry_of("g", "orders"),
        Origin::RetryV2 => TopicName::pop_retry_v2_of("g", "orders"),
    }
}

pub fn ack(broker: &Broker, got: &Got) -> Outcome {
    let (mut staged, mut pops) = (Staged::default(), Pops::default());
    let outcome = broker.begin_ack(&named(got, &topic_of(got)), &mut pops).expect("a place that exists");
    broker.stage_acks(&pops, &mut staged);
    if !staged.is_empty() {
        broker.append_and_wait(&mut staged).expect("the disk has room");
    }
    broker.pops_appended(&mut pops);
    outcome
}

/// Runs the job until what it appends is applied.
pub fn redeliver(broker: &Broker, now: Timestamp) {
    broker.redeliver(now, &mut Staged::default());
    // A record behind the job's own: when it is applied, so are they.
    let mut staged = Staged::default();
    let used = model::record::system::System::Used { when: START, topics: vec![], groups: vec![] };
    staged.system(&used);
    broker.append_and_wait(&mut staged).expect("the disk has room");
}

pub fn set_group(broker: &Broker, retry_max: i32) {
    let config = GroupConfig { retry_max, ..GroupConfig::new(GroupName::trusted("g")) };
    let mut staged = Staged::default();
    staged.system(&model::record::system::System::GroupChanged { config });
    broker.append_and_wait(&mut staged).expect("the disk has room");
}
