//! Clients that break the rules, by mistake or on purpose, against the real binary: each gets a clear answer or a closed
//! connection within its limits (RELIABILITY.md section 3.4), memory stays bounded, and everybody else goes on.
//!
//! `KEROLOX_IDLE_CONNECTIONS=10000` opens more idle connections than the 2,000 of every day.

#![allow(clippy::disallowed_methods, reason = "opens sockets to misuse them, and measures time")]

mod running;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::ops::{Pull, QueueRef, Send};
use client::{Connection, Error, Options, Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinHandle;
use wire::remoting::code::{RequestCode, ResponseCode};

use running::{Broker, Home, report};

/// A refused frame ends its connection at once; this leaves room for a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// The limit for the first frame is 10 s; it is looked at every 50 ms.
const FIRST_FRAME: Duration = Duration::from_secs(10);

const TOPIC: &str = "Honest";

async fn connect(broker: &Broker) -> Connection {
    let options = Options { deadline: Duration::from_secs(20), ..Options::default() };
    Connection::open(&broker.address(), &options).await.expect("it serves")
}

fn send<'a>(topic: &'a str, queue_id: u32, properties: &'a str, body: &'a [u8]) -> Send<'a> {
    Send { producer_group: "HostileTests", topic, queue_id, default_queues: 4, properties, body, born_ms: 1 }
}

/// A client that keeps the rules while others do not.
struct Honest {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Duration>>,
}

impl Honest {
    async fn start(broker: &Broker) -> Self {
        let connection = connect(broker).await;
        connection.create_topic(TOPIC, 4).await.expect("created");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                let sent =
                    connection.send(&send(TOPIC, 0, "", b"an honest message")).await.expect("others misbehave, not I");
                assert_eq!(sent.queue_offset, i64::try_from(took.len()).expect("few"), "nothing else is in my queue");
                took.push(began.elapsed());
            }
            took
        });
        Self { stop, task }
    }

    /// Ends it and prints how it fared.
    async fn finish(self, during: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.task.await.expect("every send was answered");
        took.sort();
        assert!(!took.is_empty(), "it sent while the others misbehaved");
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        report(&format!(
            "{during}: an honest client sent {} messages, p50 {:?}, p99 {:?}, longest {:?}",
            took.len(),
            at(50),
            at(99),
            at(100)
        ));
    }
}

/// A socket with no manners.
struct Raw(TcpStream);

impl Raw {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        Raw(stream)
    }

    /// Writes as far as the server lets us.
    fn write(&mut self, bytes: &[u8]) {
        drop(self.0.write_all(bytes));
    }

    /// How long until the server closes, and what it sent before. Panics if it does not within `max`.
    fn closed_within(&mut self, max: Duration, what: &str) -> (Duration, Vec<u8>) {
        let began = Instant::now();
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return (began.elapsed(), received),
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return (began.elapsed(), received),
            }
            assert!(began.elapsed() < max, "{what}: still open after {max:?}");
        }
    }
}

/// A frame: lengths, serialize type, header, body.
fn frame(kind: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(4 + header.len() + body.len()).expect("short");
    let word = u32::from(kind) << 24 | u32::try_from(header.len()).expect("short");
    [&len.to_be_bytes()[..], &word.to_be_bytes(), header, body].concat()
}

fn word(bytes: u32) -> [u8; 4] {
    bytes.to_be_bytes()
}

/// Streams in which no next frame can be found: the connection must end, without an answer.
fn hopeless() -> Vec<(&'static str, Vec<u8>)> {
    let mib20 = 20 * 1024 * 1024;
    let garbage: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    let header = |fields: &str| format!(r#"{{"code":10,"opaque":1,"flag":0,"language":"JAVA","version":479{fields}}}"#);
    vec![
        ("a frame of 20 MiB", [word(mib20), word(100)].concat()),
        ("a frame of 4 GiB", [word(u32::MAX), word(100)].concat()),
        ("a frame too short for a header length", [word(3), word(0)].concat()),
        ("a header longer than its frame", [word(100), word(200)].concat()),
        ("a header of 1 MiB", [word(2 * 1024 * 1024), word(1024 * 1024)].concat()),
        ("an unknown serialize type", frame(7, b"{}", b"")),
        ("garbage", garbage),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("a header that is no JSON", frame(0, b"code=10&opaque=1", b"")),
        ("a header that ends too early", frame(0, b"{\"code\":10,\"opaque\":", b"")),
        ("a binary header of noise", frame(1, &[0xFF; 64], b"")),
        ("deep JSON", frame(0, header(&format!(",\"extFields\":{}", "{\"a\":".repeat(20_000))).as_bytes(), b"")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_frames_end_their_connection_and_no_other() {
    let mut home = Home::new(&[]);
    let broker = home.start();
    let honest = Honest::start(&broker).await;
    let address = broker.ports.broker;
    let misbehave = tokio::task::spawn_blocking(move || {
        for (what, bytes) in hopeless() {
            let mut raw = Raw::connect(address);
            raw.write(&bytes);
            let (_, received) = raw.closed_within(SOON, what);
            assert!(received.is_empty(), "{what} was answered: {}", String::from_utf8_lossy(&received));
        }
        // The first half of a frame, and then no more of it: closed by us, or cut off.
        let half = &frame(0, &[b' '; 1000], b"")[..500];
        let mut closed = Raw::connect(address);
        closed.write(half);
        closed.0.shutdown(Shutdown::Write).expect("a socket");
        closed.closed_within(SOON, "half a frame");
        for _ in 0..50 {
            let mut gone = Raw::connect(address);
            gone.write(half);
        }
    });
    misbehave.await.expect("all were closed");
    honest.finish("broken frames").await;
}

/// The header of a request with 10,000 fields; our client does not make such.
fn many_fields(count: usize) -> Vec<u8> {
    let fields: Vec<String> = (0..count).map(|n| format!("\"f{n}\":\"\"")).collect();
    let fields = fields.join(",");
    format!(r#"{{"code":105,"opaque":1,"flag":0,"language":"JAVA","version":479,"extFields":{{{fields}}}}}"#)
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_fields_than_any_request_has_cost_nothing_but_their_connection() {
    let mut home = Home::new(&[]);
    let broker = home.start();
    let honest = Honest::start(&broker).await;
    let address = broker.ports.broker;
    let misbehave = tokio::task::spawn_blocking(move || {
        let mut raw = Raw::connect(address);
        for count in [9_000, 20_000] {
            raw.write(&frame(0, &many_fields(count), b""));
        }
        // Below the limit it is a request without the fields it needs, above there is no answer.
        let (_, received) = raw.closed_within(SOON, "20,000 fields");
        let text = String::from_utf8_lossy(&received);
        assert_eq!(text.matches("\"opaque\":1").count(), 1, "one answer: {text}");
    });
    misbehave.await.expect("closed");
    honest.finish("10,000 fields").await;
}

/// What a request is refused with; the connection must go on after it.
async fn refusal(connection: &Connection, request: &Request<'_>) -> (ResponseCode, String) {
    let answer = connection.call(request).await.expect("an answer, and an open connection");
    connection.max_offset(QueueRef { topic: TOPIC, queue_id: 0 }).await.expect("the connection goes on");
    (answer.code, answer.remark.unwrap_or_default())
}

async fn send_refusal(connection: &Connection, message: &Send<'_>) -> (ResponseCode, String) {
    let outcome = connection.send(message).await;
    connection.max_offset(QueueRef { topic: TOPIC, queue_id: 0 }).await.expect("the connection goes on");
    match outcome {
        Err(Error::Refused { code, remark }) => (code, remark),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_are_refused_with_the_code_clients_act_on() {
    let mut home = Home::new(&[]);
    let broker = home.start();
    let honest = Honest::start(&broker).await;
    let connection = connect(&broker).await;

    let (code, remark) = refusal(&connection, &Request::new(RequestCode(31_337))).await;
    assert_eq!(
        (code, remark.as_str()),
        (ResponseCode::REQUEST_CODE_NOT_SUPPORTED, " request type 31337 not supported")
    );

    let (code, remark) = send_refusal(&connection, &send(TOPIC, 4, "", b"x")).await;
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(remark.contains("request queueId[4] is illegal") && remark.contains(TOPIC), "{remark}");

    let long = "x".repeat(128);
    for name in ["../../../../etc/passwd", "with space", "semi;colon", "null\0byte", "中文", long.as_str()] {
        let (code, remark) = send_refusal(&connection, &send(name, 0, "", b"x")).await;
        assert_eq!(code, ResponseCode::INVALID_PARAMETER, "{name}: {remark}");
        let topic = connection.create_topic(name, 1).await.expect_err("an illegal name");
        assert_eq!(topic.code(), Some(ResponseCode::INVALID_PARAMETER), "{name}: {topic}");
    }

    let (code, remark) = send_refusal(&connection, &send(TOPIC, 1, "", b"")).await;
    assert_eq!(code, ResponseCode::MESSAGE_ILLEGAL, "an empty body: {remark}");
    let body = vec![b'x'; 4 * 1024 * 1024 + 1];
    let (code, remark) = send_refusal(&connection, &send(TOPIC, 1, "", &body)).await;
    assert_eq!(code, ResponseCode::MESSAGE_ILLEGAL);
    assert!(remark.contains("4194305") && remark.contains("4194304"), "{remark}");
    connection.send(&send(TOPIC, 1, "", &body[1..])).await.expect("4 MiB are allowed");

    let properties = format!("p\u{1}{}\u{2}", "v".repeat(32 * 1024));
    let (code, remark) = send_refusal(&connection, &send(TOPIC, 1, &properties, b"x")).await;
    assert_eq!(code, ResponseCode::MESSAGE_ILLEGAL, "properties above 32 KiB: {remark}");

    let pull = Pull {
        consumer_group: "HostileTests",
        topic: TOPIC,
        queue_id: 4,
        offset: 0,
        max_messages: 32,
        subscription: "*",
        suspend: Duration::ZERO,
    };
    let refused = connection.pull(&pull).await.expect_err("the topic has 4 queues");
    assert_eq!(refused.code(), Some(ResponseCode::INVALID_PARAMETER), "{refused}");
    for queue_id in ["x", "99999999999999999999"] {
        let request = Request::new(RequestCode::GET_MAX_OFFSET).field("topic", TOPIC).field("queueId", queue_id);
        let (code, remark) = refusal(&connection, &request).await;
        assert_ne!(code, ResponseCode::SUCCESS, "queue {queue_id}: {remark}");
    }
    honest.finish("refused requests").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_and_then_silence_is_closed_and_so_is_a_byte_now_and_then() {
    let mut home = Home::new(&[]);
    let broker = home.start();
    let honest = Honest::start(&broker).await;
    let address = broker.ports.broker;
    let silent = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let mut raws: Vec<_> = (0..20).map(|_| Raw::connect(address)).collect();
        for raw in raws.iter_mut().skip(1) {
            raw.write(&[0]);
        }
        for (number, raw) in raws.iter_mut().enumerate() {
            raw.closed_within(FIRST_FRAME + SOON, &format!("silence of connection {number}"));
        }
        let took = began.elapsed();
        assert!(took >= FIRST_FRAME - Duration::from_secs(1), "closed too early: {took:?}");
    });
    let dripping = tokio::task::spawn_blocking(move || {
        // A frame of 1,000 bytes, one every 100 ms: never silent, and never done.
        let bytes = frame(0, &[b' '; 1000], b"");
        let (began, mut raw, mut buffer) = (Instant::now(), Raw::connect(address), [0; 16]);
        for byte in bytes {
            if raw.0.write_all(&[byte]).is_err() {
                return;
            }
            match raw.0.read(&mut buffer) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                _ => return,
            }
            assert!(began.elapsed() < FIRST_FRAME + SOON, "a byte every 100 ms keeps a connection open for ever");
        }
    });
    silent.await.expect("all were closed");
    dripping.await.expect("closed");
    honest.finish("slow frames").await;
}

/// Reads whole frames until `count` have come. Answers the bytes.
fn read_frames(raw: &mut Raw, count: usize) -> usize {
    raw.0.set_read_timeout(Some(SOON)).expect("a socket");
    let (mut bytes, mut rest) = (0, vec![0; 512 * 1024]);
    for number in 0..count {
        let mut len = [0; 4];
        raw.0.read_exact(&mut len).unwrap_or_else(|error| panic!("answer {number} of {count}: {error}"));
        let len = usize::try_from(u32::from_be_bytes(len)).expect("a length");
        raw.0.read_exact(&mut rest[..len]).unwrap_or_else(|error| panic!("answer {number} of {count}: {error}"));
        bytes += len;
    }
    bytes
}

/// Asks for 256 KiB two thousand times and reads nothing. While it does not, it costs a few answers; when it does, it gets all.
async fn ask_and_not_read(during: &str, settings: &[&str]) {
    const ASKED: usize = 2_000;
    const MEMORY_KIB_MAX: u64 = 32 * 1024;
    let mut home = Home::new(settings);
    let broker = home.start();
    let connection = connect(&broker).await;
    let body = vec![b'x'; 60 * 1024];
    for _ in 0..64 {
        connection.send(&send("Large", 0, "", &body)).await.expect("sent");
    }
    let honest = Honest::start(&broker).await;
    let pull = Pull {
        consumer_group: "HostileTests",
        topic: "Large",
        queue_id: 0,
        offset: 0,
        max_messages: 32,
        subscription: "*",
        suspend: Duration::ZERO,
    };
    let one = connection.pull(&pull).await.expect("it answers").records.len();
    assert!(one > 128 * 1024, "an answer is large: {one}");
    let mut asking = Vec::new();
    for opaque in 0..ASKED {
        pull.request().write(i32::try_from(opaque).expect("few"), false, &mut asking);
    }

    let before = broker.memory_kib("VmHWM:");
    let mut raw = Raw::connect(broker.ports.broker);
    let mut writer = Raw(raw.0.try_clone().expect("a second handle"));
    let asking = tokio::task::spawn_blocking(move || writer.0.write_all(&asking));
    // Long enough for the broker to answer all of it, if it were careless.
    for _ in 0..200 {
        connection.pull(&pull).await.expect("others are served");
    }
    let grown = broker.memory_kib("VmHWM:") - before;
    report(&format!("{during}: at most {grown} KiB of memory more"));
    assert!(grown < MEMORY_KIB_MAX, "{grown} KiB for one client that does not read");
    honest.finish(during).await;

    let received = tokio::task::spawn_blocking(move || read_frames(&mut raw, ASKED)).await.expect("all answers came");
    assert!(received > ASKED * one);
    asking.await.expect("no panic").expect("all was taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_its_answers_costs_a_few_of_them() {
    ask_and_not_read("answers from memory, unread", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_more_when_they_come_from_the_disk() {
    ask_and_not_read("answers from disk, unread", &["storage.tail_cache_bytes=1MiB", "storage.segment_bytes=1MiB"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_thousands_of_requests_in_flight_gets_all_its_answers() {
    const COUNT: usize = 20_000;
    let mut home = Home::new(&[]);
    let broker = home.start();
    let options = Options { deadline: Duration::from_secs(20), in_flight_max: COUNT };
    let connection = Connection::open(&broker.address(), &options).await.expect("it serves");
    connection.create_topic(TOPIC, 4).await.expect("created");
    let mut pending = Vec::new();
    for _ in 0..COUNT {
        pending.push(connection.begin_send(&send(TOPIC, 0, "", b"one of many")).await.expect("open"));
    }
    for (number, pending) in pending.into_iter().enumerate() {
        let answer = tokio::time::timeout(Duration::from_secs(20), pending).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to request {number} of {COUNT}"));
        let sent = client::ops::Sent::of(answer.expect("open")).expect("stored");
        assert_eq!(usize::try_from(sent.queue_offset), Ok(number), "in order");
    }
}

/// Raises the soft limit of this process; the broker it starts inherits it. Answers the sockets there may be.
fn raise_descriptors(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let raised = wanted.min(most);
    setrlimit(
        Resource::Nofile,
        Rlimit { current: Some(raised.max(limit.current.unwrap_or(0))), maximum: limit.maximum },
    )
    .expect("up to the hard limit it is ours to set");
    raised
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_cost_little_and_disturb_nobody() {
    const KIB_EACH_MAX: u64 = 16;
    let wanted = std::env::var("KEROLOX_IDLE_CONNECTIONS").map_or(2_000, |count| count.parse().expect("a number"));
    let descriptors = raise_descriptors(wanted + 1_000);
    let count = usize::try_from(wanted.min(descriptors.saturating_sub(1_000))).expect("a count");
    assert!(count >= 500, "this shell allows {descriptors} open files: raise ulimit -Hn");
    let mut home = Home::new(&["limits.connections=20000"]);
    let broker = home.start();
    let honest = Honest::start(&broker).await;
    let before = broker.memory_kib("VmRSS:");
    let address = broker.ports.broker;
    let mut idle = tokio::task::spawn_blocking(move || (0..count).map(|_| Raw::connect(address)).collect::<Vec<_>>())
        .await
        .expect("all were accepted");
    // The last one is served: so all before it were taken over.
    let asked = tokio::task::spawn_blocking(move || {
        for raw in idle.iter_mut().rev().take(10) {
            let mut request = Vec::new();
            Request::new(RequestCode(31_337)).write(1, false, &mut request);
            raw.write(&request);
            raw.0.set_read_timeout(Some(SOON)).expect("a socket");
            raw.0.read_exact(&mut [0; 8]).expect("an answer");
        }
        idle
    });
    let idle = asked.await.expect("all were served");
    let grown = broker.memory_kib("VmRSS:").saturating_sub(before);
    report(&format!("{count} idle connections: {grown} KiB of memory"));
    assert!(grown < count as u64 * KIB_EACH_MAX, "{grown} KiB for {count} idle connections");
    drop(idle);
    honest.finish("idle connections").await;
}

/// Whether the broker answers on this socket.
fn is_served(raw: &mut Raw) -> bool {
    let mut request = Vec::new();
    Request::new(RequestCode(31_337)).write(1, false, &mut request);
    raw.write(&request);
    raw.0.set_read_timeout(Some(SOON)).expect("a socket");
    raw.0.read_exact(&mut [0; 8]).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_is_refused_beyond_the_limit_and_those_inside_go_on() {
    const LIMIT: usize = 50;
    let mut home = Home::new(&["limits.connections=50"]);
    let broker = home.start();
    let honest = Honest::start(&broker).await;
    let address = broker.ports.broker;
    let flood = tokio::task::spawn_blocking(move || {
        let mut raws: Vec<_> = (0..4 * LIMIT).map(|_| Raw::connect(address)).collect();
        let served = raws.iter_mut().filter_map(|raw| is_served(raw).then_some(())).count();
        assert_eq!(served, LIMIT - 1, "all places but the honest client's");
        drop(raws);
        // Places are free again as soon as the broker has seen the sockets close.
        let began = Instant::now();
        while !is_served(&mut Raw::connect(address)) {
            assert!(began.elapsed() < SOON, "no place after all others have left");
        }
    });
    flood.await.expect("the limit holds");
    assert!(home.log().contains("limits.connections"), "the operator can read why");
    honest.finish("a flood of connections").await;
}
