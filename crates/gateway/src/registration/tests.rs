//! A name server of a few lines: what it is sent, and what happens when it refuses, forgets, hangs or goes away.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use broker::{Settings, Transactions};
use model::{LogOffset, Millis, Timestamp, TopicConfig, TopicId, TopicName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::remoting::body::register::RegisterBrokerBody;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::reply::Response;

use super::*;

/// Nothing here takes long; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// No full registration by the clock, unless a test asks for it.
const CALM: Pace =
    Pace { every: Duration::from_secs(3_600), retry: Duration::from_millis(1), deadline: Duration::from_secs(10) };

const NOT_OURS: OwnNamesrv = OwnNamesrv {
    bound: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
    advertised: IpAddr::V4(Ipv4Addr::LOCALHOST),
};

static NOW: AtomicI64 = AtomicI64::new(1_795_561_500_000);

/// Each reading is a millisecond later.
fn now() -> Timestamp {
    Timestamp(NOW.fetch_add(1, Ordering::Relaxed))
}

/// Our side: topics and their changes, without a log.
struct Ours {
    machines: Arc<Machines>,
    changes: Arc<Changes>,
    next: Mutex<u64>,
}

impl Ours {
    fn new() -> Ours {
        let settings = Settings {
            cluster: "DefaultCluster".to_owned(),
            broker_name: "broker-a".to_owned(),
            region: "DefaultRegion".to_owned(),
            store_host: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 10_911),
            auto_create_topics: true,
            auto_create_groups: true,
            default_queues: 8,
            auto_created_topics_max: 100,
            delay_levels: vec![Millis(1_000)],
            delay_max: Millis(86_400_000),
            message_bytes_max: 4 << 20,
            flush_async: false,
            transactions: Transactions::default(),
            retention: Millis(1_000),
        };
        Ours { machines: Arc::new(Machines::new(&settings)), changes: Arc::new(Changes::new(now)), next: Mutex::new(1) }
    }

    fn with(topics: &[&str]) -> Ours {
        let ours = Ours::new();
        topics.iter().for_each(|topic| ours.put(topic, 4));
        ours
    }

    /// As the log's thread does it: the topic is there, then the change is reported.
    fn put(&self, topic: &str, queues: u32) {
        let name = TopicName::trusted(topic);
        let mut next = self.next.lock().expect("no test panics here");
        let at = LogOffset(*next);
        *next += 1;
        self.machines.topics.changed(at, Some(TopicId(at)), TopicConfig::new(name.clone(), queues));
        self.changes.changed(&name);
    }

    fn link(&self, namesrv: &Namesrv, pace: Pace) -> Link {
        let address = namesrv.listener.local_addr().expect("bound").to_string();
        let (machines, changes) = (Arc::clone(&self.machines), Arc::clone(&self.changes));
        Link { pace, ..Link::new(address, broker_a(), machines, changes, NOT_OURS) }
    }

    fn start(&self, namesrv: &Namesrv, pace: Pace) -> Registrar {
        Registrar::start([self.link(namesrv, pace)].into_iter())
    }
}

/// The broker of the recordings.
fn broker_a() -> Registration {
    Registration {
        cluster: "DefaultCluster".to_owned(),
        broker_name: "broker-a".to_owned(),
        broker_address: "127.0.0.1:10911".to_owned(),
        ha_address: "127.0.0.1:10912".to_owned(),
        broker_id: 0,
    }
}

/// A request as it came.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    code: RequestCode,
    opaque: i32,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    fn read(frame: &[u8]) -> Option<(Asked, usize)> {
        let frame = next_frame(frame).expect("a frame")?;
        let header = Header::parse(&frame).expect("a header");
        let fields = header.fields().map(|(name, value)| (name.to_cow().into_owned(), value.to_cow().into_owned()));
        let fields = fields.collect();
        let asked = Asked { code: header.request_code(), opaque: header.opaque, fields, body: frame.body.to_vec() };
        Some((asked, frame.len))
    }

    /// The counter of the version, and the topics.
    fn registered(&self) -> (i64, Vec<String>) {
        assert_eq!(self.code, RequestCode::REGISTER_BROKER);
        let body = RegisterBrokerBody::read_any(&self.body, 479).expect("a registration");
        let wrapper = body.topic_config_serialize_wrapper;
        (wrapper.data_version.counter, wrapper.topic_config_table.into_keys().collect())
    }
}

struct Namesrv {
    listener: TcpListener,
}

impl Namesrv {
    async fn start() -> Namesrv {
        Namesrv { listener: TcpListener::bind("127.0.0.1:0").await.expect("a port") }
    }

    async fn accept(&self) -> Peer {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("in time").expect("a connection");
        Peer { stream, input: Vec::new() }
    }
}

/// The name server's end of a connection.
struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Peer {
    async fn next(&mut self) -> Asked {
        let next = async {
            loop {
                if let Some((asked, len)) = Asked::read(&self.input) {
                    self.input.drain(..len);
                    return asked;
                }
                assert_ne!(self.stream.read_buf(&mut self.input).await.expect("readable"), 0, "the connection ended");
            }
        };
        timeout(PATIENCE, next).await.expect("a request in time")
    }

    async fn answer(&mut self, asked: &Asked, code: ResponseCode) {
        let mut out = Vec::new();
        Response::new(asked.opaque, code).write(Encoding::Json, &mut out);
        self.stream.write_all(&out).await.expect("writable");
    }

    /// Takes the next request and accepts it.
    async fn take(&mut self) -> Asked {
        let asked = self.next().await;
        self.answer(&asked, ResponseCode::SUCCESS).await;
        asked
    }
}

fn recorded(path: &str) -> Asked {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/remoting"));
    let bytes = fs::read(root.join(path)).unwrap_or_else(|error| {
        panic!("no recording {path}: {error}; the recordings lie in shared/golden beside the checkout")
    });
    Asked::read(&bytes).expect("a whole frame").0
}

/// The topics of a recorded registration as ours.
fn topics_of(body: &RegisterBrokerBody) -> Vec<Arc<Topic>> {
    let ours = Ours::new();
    for (place, topic) in (1..).zip(body.topic_config_serialize_wrapper.topic_config_table.values()) {
        let queues = |count: i32| u32::try_from(count).expect("not negative");
        let config = TopicConfig {
            read_queues: queues(topic.read_queue_nums),
            write_queues: queues(topic.write_queue_nums),
            perm: queues(topic.perm),
            attributes: topic.attributes.clone(),
            ..TopicConfig::new(TopicName::trusted(&topic.topic_name), 1)
        };
        ours.machines.topics.changed(LogOffset(place), Some(TopicId(LogOffset(place))), config);
    }
    ours.machines.topics.all()
}

#[tokio::test]
async fn registering_and_leaving_are_what_the_reference_sends() {
    let mut ours = Ours::new();
    let namesrv = Namesrv::start().await;
    for (path, has_one_topic) in [
        ("broker-5.3.3/001-103-during-start.request.bin", false),
        ("broker-5.3.3/002-103-during-auto-create-by-first-send.request.bin", true),
        ("broker-5.3.3/006-103-during-retry-delivered.request.bin", false),
        ("broker-5.3.3/008-103-updatetopicperm.request.bin", true),
        ("broker-5.5.0/001-103-during-start.request.bin", false),
        ("broker-5.5.0/003-103-during-create-topic.request.bin", true),
    ] {
        let theirs = recorded(path);
        let body = RegisterBrokerBody::read_any(&theirs.body, 479).expect("a registration");
        let wrapper = &body.topic_config_serialize_wrapper;
        // They take the time of the request for the static topics that do not exist.
        let started = wrapper.mapping_data_version.expect("always there").timestamp;
        ours.changes = Arc::new(Changes::new(now).started_at(Timestamp(started)));

        let link = ours.link(&namesrv, CALM);
        let options = Options::default();
        let (connection, mut peer) = tokio::join!(Connection::open(&link.namesrv, &options), namesrv.accept());
        let connection = connection.expect("it listens");
        let topics = topics_of(&body);
        let (sent, asked) = tokio::join!(link.send(&connection, wrapper.data_version, &topics), peer.take());

        sent.expect("accepted");
        assert_eq!(RegisterBrokerBody::read_any(&asked.body, 479).expect("ours"), body, "{path}");
        let without_checksum = |asked: &Asked| {
            let mut fields = asked.fields.clone();
            fields.remove("bodyCrc32").map(|_| fields)
        };
        assert_eq!(without_checksum(&asked), without_checksum(&theirs), "{path}");
        if has_one_topic {
            // More topics stand in the order of a Java hash map.
            assert_eq!(String::from_utf8_lossy(&asked.body), String::from_utf8_lossy(&theirs.body), "{path}");
            assert_eq!(asked.fields, theirs.fields, "{path}");
        }

        let (left, asked) = tokio::join!(connection.unregister_broker(&link.registration), peer.take());
        left.expect("accepted");
        let theirs = recorded("broker-5.3.3/007-104-during-done.request.bin");
        assert_eq!((asked.code, asked.fields, asked.body), (theirs.code, theirs.fields, theirs.body));
    }
}

#[tokio::test]
async fn all_topics_come_first_then_changes_alone_and_at_the_end_the_broker_leaves() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let registrar = ours.start(&namesrv, CALM);
    let mut peer = namesrv.accept().await;
    let (first, topics) = peer.take().await.registered();
    assert_eq!(topics, ["T1", "T2"]);

    ours.put("T3", 8);
    let (second, topics) = peer.take().await.registered();
    assert_eq!(topics, ["T3"]);
    assert!(second > first, "a name server skips a version it has seen: {second} after {first}");

    let end = tokio::spawn(registrar.end());
    assert_eq!(peer.take().await.code, RequestCode::UNREGISTER_BROKER);
    end.await.expect("it ends");
}

#[tokio::test]
async fn changes_that_come_during_a_request_travel_together_under_their_own_version() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let _registrar = ours.start(&namesrv, CALM);
    let mut peer = namesrv.accept().await;
    let all = peer.next().await;
    ours.put("T3", 4);
    ours.put("T4", 4);
    let version = ours.changes.version().counter;
    // Newer than what travels: a change under this version may still be on its way.
    ours.changes.next_version();
    peer.answer(&all, ResponseCode::SUCCESS).await;
    assert_eq!(peer.take().await.registered(), (version, vec!["T3".to_owned(), "T4".to_owned()]));
}

#[tokio::test]
async fn a_name_server_that_forgot_us_refuses_the_change_and_gets_everything() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let _registrar = ours.start(&namesrv, CALM);
    let mut peer = namesrv.accept().await;
    peer.take().await;
    ours.put("T3", 4);
    let change = peer.next().await;
    peer.answer(&change, ResponseCode::SYSTEM_ERROR).await;
    assert_eq!(peer.take().await.registered().1, ["T1", "T2", "T3"]);
}

#[tokio::test]
async fn more_changes_than_are_kept_become_everything() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let _registrar = ours.start(&namesrv, CALM);
    let mut peer = namesrv.accept().await;
    let all = peer.next().await;
    (0..2_000).for_each(|topic| ours.put(&format!("new-{topic}"), 1));
    peer.answer(&all, ResponseCode::SUCCESS).await;
    assert_eq!(peer.take().await.registered().1.len(), 2_002);
}

#[tokio::test]
async fn after_a_restart_of_the_name_server_everything_comes_again_over_a_new_connection() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let _registrar = ours.start(&namesrv, CALM);
    let mut peer = namesrv.accept().await;
    peer.take().await;
    drop(peer);
    ours.put("T3", 4);
    let mut peer = namesrv.accept().await;
    assert_eq!(peer.take().await.registered().1, ["T1", "T2", "T3"]);
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_tried_again_and_others_are_not_delayed() {
    let ours = Ours::with(&["T1", "T2"]);
    let (hanging, well) = (Namesrv::start().await, Namesrv::start().await);
    let hasty = Pace { deadline: Duration::from_millis(20), ..CALM };
    let _registrar = Registrar::start([ours.link(&hanging, hasty), ours.link(&well, CALM)].into_iter());
    let _silent = hanging.accept().await;
    well.accept().await.take().await;
    hanging.accept().await.take().await;
}

#[tokio::test]
async fn unchanged_topics_are_registered_again_under_the_same_version() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let _registrar = ours.start(&namesrv, Pace { every: Duration::from_millis(5), ..CALM });
    let mut peer = namesrv.accept().await;
    let first = peer.take().await.registered();
    assert_eq!(peer.take().await.registered(), first);
    // A deletion is a change that no request carries.
    ours.changes.next_version();
    let deadline = Instant::now() + PATIENCE;
    while peer.take().await.registered().0 == first.0 {
        assert!(Instant::now() < deadline, "the version stays");
    }
}

#[tokio::test]
async fn many_topics_are_several_requests_each_of_a_version_of_its_own() {
    let ours = Ours::new();
    (0..TOPICS_PER_REQUEST + 1).for_each(|topic| ours.put(&format!("topic-{topic}"), 1));
    let namesrv = Namesrv::start().await;
    let _registrar = ours.start(&namesrv, CALM);
    let mut peer = namesrv.accept().await;
    let (first, second) = (peer.take().await.registered(), peer.take().await.registered());
    assert_eq!((first.1.len(), second.1.len()), (TOPICS_PER_REQUEST, 1));
    assert!(second.0 > first.0);
}

#[tokio::test]
async fn at_our_own_name_server_nothing_is_registered() {
    let ours = Ours::with(&["T1", "T2"]);
    let namesrv = Namesrv::start().await;
    let bound = namesrv.listener.local_addr().expect("bound");
    let own = OwnNamesrv { bound, advertised: bound.ip() };
    let mut registrar = Registrar::start([Link { own, ..ours.link(&namesrv, CALM) }].into_iter());
    timeout(PATIENCE, registrar.links.join_next()).await.expect("the task ends by itself");
}

#[tokio::test]
async fn a_failure_is_told_once_until_it_is_another_or_it_works() {
    let namesrv = Namesrv::start().await;
    let mut link = Ours::new().link(&namesrv, CALM);
    link.failed(&Error::Closed);
    let told = link.logged;
    link.failed(&Error::Deadline(Duration::from_secs(1)));
    assert_eq!(link.logged, told);
    link.failed(&Error::Refused { code: ResponseCode::NO_PERMISSION, remark: "why".to_owned() });
    assert_ne!(link.logged, told);
    link.worked(1);
    assert_eq!(link.logged, Logged::Registered);
}
