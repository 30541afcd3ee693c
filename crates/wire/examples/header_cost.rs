//! What a send costs in the codec, in nanoseconds: the header of a recorded 310 and its answer.
//!
//! `cargo run --release -p wire --example header_cost`

use std::hint::black_box;
use std::time::Instant;

use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::header::pull::PullHeader;
use wire::remoting::header::send::SendHeader;
use wire::remoting::reply::send::{SendAnswers, Stored};

/// Runs in a round: short enough to fit a time slice of a busy machine.
const RUNS: u32 = 500;
const ROUNDS: usize = 2_000;

/// A recorded send of the Java client 5.3.3.
const SEND: &[u8] = br#"{"code":310,"extFields":{"a":"PG_j53","b":"T_j53","c":"TBW102","d":"4","e":"0","f":"0","g":"1795561547375","h":"0","i":"KEYS\u0001kb\u0002UNIQ_KEY\u0001FD000000000000000000000000000002508E5FFD2B277B66FE6F0002\u0002WAIT\u0001true\u0002TAGS\u0001TagB\u0002","j":"0","k":"false","m":"false","n":"broker-a"},"flag":0,"language":"JAVA","opaque":12,"serializeTypeCurrentRPC":"JSON","version":479}"#;

/// A pull of the same client.
const PULL: &[u8] = br#"{"code":11,"extFields":{"queueId":"3","maxMsgNums":"32","sysFlag":"2","suspendTimeoutMillis":"15000","commitOffset":"0","topic":"T_j53","queueOffset":"4","expressionType":"TAG","subVersion":"1795561550000","consumerGroup":"CG_j53","maxMsgBytes":"2147483647"},"flag":0,"language":"JAVA","opaque":99,"serializeTypeCurrentRPC":"JSON","version":479}"#;

fn main() {
    let mut frame = Vec::new();
    frame.extend_from_slice(&(SEND.len() as u32 + 4 + 1024).to_be_bytes());
    frame.extend_from_slice(&(SEND.len() as u32).to_be_bytes());
    frame.extend_from_slice(SEND);
    frame.resize(frame.len() + 1024, b'x');

    measure("cut a frame", || {
        black_box(next_frame(black_box(&frame)).unwrap());
    });
    measure("check the utf-8 of a send header", || {
        black_box(std::str::from_utf8(black_box(SEND)).unwrap());
    });
    measure("parse a send header", || {
        black_box(Header::parse_json(black_box(SEND)).unwrap());
    });
    measure("parse it and read its fields", || {
        let header = Header::parse_json(black_box(SEND)).unwrap();
        black_box(SendHeader::decode(&header).unwrap());
    });
    let mut properties = Vec::with_capacity(1024);
    measure("parse it, read its fields, unescape its properties", || {
        let header = Header::parse_json(black_box(SEND)).unwrap();
        let send = SendHeader::decode(&header).unwrap();
        properties.clear();
        send.properties.unwrap().unescape_into(&mut properties);
        black_box(&properties);
    });
    measure("parse it with the general parser", || {
        black_box(Header::parse_json_general(black_box(SEND)).unwrap());
    });
    measure("parse a pull header and read its fields", || {
        let header = Header::parse_json(black_box(PULL)).unwrap();
        black_box(PullHeader::decode(&header).unwrap());
    });

    let broker = SendAnswers::new("127.0.0.1:10911".parse().unwrap(), "DefaultRegion", true);
    let stored = Stored {
        queue_id: 3,
        queue_offset: 123_456,
        log_offsets: &[98_765_432_100],
        transaction_id: Some("FD000000000000000000000000000002508E5FFD2B277B66FE6F0002"),
        recall_handle: None,
        remark: None,
    };
    let mut out = Vec::with_capacity(4096);
    measure("write a send answer", || {
        out.clear();
        broker.stored(Encoding::Json, black_box(123_456), ResponseCode::SUCCESS, black_box(&stored), &mut out);
        black_box(&out);
    });
}

/// Prints the best round: the cost without the machine's other work.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(what: &str, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..RUNS {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(RUNS));
    }
    println!("{best:8.1} ns  {what}");
}
