//! `kerolox bench pop`.
//!
//! Each connection has some pops outstanding. What a pop brings is acked at once, message by message as consumers do or all
//! together, and the next pop goes along; a message counts when its ack is answered. Unlike the others this bench leaves a
//! group behind: its offsets move.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::ValueEnum;
use client::ops::{Ack, Pop};
use client::{Error, Pipeline, Request};
use model::name::TopicName;
use model::receipt_handle::Origin;
use serde::Serialize;
use tokio::time::timeout;
use wire::remoting::body::pop::{BatchAck, BatchAckRequest};
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;

use super::Common;
use super::load::{self, Control, Recorder};
use super::report::Report;
use super::target::{self, Target, Use};

/// How long the broker may hold a pop that finds nothing.
const POLL: Duration = Duration::from_secs(15);

/// A silent connection looks this often whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long opening one connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// An answer's number says how many messages its request acked; pops have none. Below it stands the pop's own number.
const COUNT_BITS: u32 = 6;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Connections.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Pops outstanding on each connection.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pops: u32,
    /// Messages per pop, at most.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=32))]
    pop_batch: u32,
    /// How the messages of a pop are acked.
    #[arg(long, value_enum, default_value = "each")]
    ack: Acks,
    /// How long a message stays invisible, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    invisible: u32,
    /// Consumer group. A new one begins at the oldest message.
    #[arg(long, default_value = "KeroloxBench")]
    group: String,
}

/// How messages are acked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Acks {
    /// A request each.
    Each,
    /// A request for the messages of a pop.
    Batch,
    /// Not at all: what a pop alone costs. They come again when their time is over.
    None,
}

#[derive(Debug, Serialize)]
struct Load {
    connections: u32,
    threads: u16,
    pops: u32,
    pop_batch: u32,
    ack: Acks,
    warmup_seconds: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let common = &args.common;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let targets = runtime.block_on(target::resolve(common, Use::Receive))?;
    drop(runtime);
    let outcome = load::run(common, args.connections, |share, control| pop_all(args, &targets, share, control))?;
    let load = Load {
        connections: args.connections,
        threads: common.threads,
        pops: args.pops,
        pop_batch: args.pop_batch,
        ack: args.ack,
        warmup_seconds: common.warmup.as_secs_f64(),
    };
    Report::new("pop", common, targets, load, outcome).finish(common.json.as_deref())
}

/// The connections of one thread.
async fn pop_all(args: &Args, targets: &[Target], share: Range<u32>, control: Arc<Control>) -> Result<Recorder> {
    let recorder = Rc::new(RefCell::new(Recorder::new()));
    let mut tasks = Vec::new();
    for index in share {
        let target = &targets[index as usize % targets.len()];
        let popper = Popper {
            pipeline: Pipeline::open(&target.address, CONNECT_MAX).await?,
            control: Arc::clone(&control),
            recorder: Rc::clone(&recorder),
            asked_ns: vec![0; args.pops as usize],
            args: args.clone(),
        };
        tasks.push(tokio::task::spawn_local(popper.run()));
    }
    for task in tasks {
        task.await?;
    }
    let recorder = Rc::try_unwrap(recorder).ok().context("every task has ended and dropped its recorder")?;
    Ok(recorder.into_inner())
}

/// One connection.
struct Popper {
    pipeline: Pipeline,
    control: Arc<Control>,
    recorder: Rc<RefCell<Recorder>>,
    /// When each pop was asked.
    asked_ns: Vec<u64>,
    args: Args,
}

/// What one read has brought.
#[derive(Default)]
struct Brought {
    acked: u64,
    bytes: u64,
    /// Ack requests to be sent.
    acks: Vec<u8>,
    /// Pops to be asked again.
    again: Vec<usize>,
    failed: Option<Error>,
}

impl Popper {
    async fn run(mut self) {
        self.control.ready().await;
        (0..self.asked_ns.len()).for_each(|index| self.ask(index));
        let budget = self.args.common.count.map_or(u64::MAX, |count| count.div_ceil(self.args.connections.into()));
        let mut done = 0;
        while !self.control.stopped() && done < budget {
            match timeout(LOOK_EVERY, self.turn()).await {
                Ok(Ok(messages)) => done += messages,
                Ok(Err(error)) => return self.recorder.borrow_mut().error(error),
                Err(_) => {}
            }
        }
    }

    /// Stages a pop.
    fn ask(&mut self, index: usize) {
        self.asked_ns[index] = self.control.now_ns();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let pop = Pop {
            consumer_group: &self.args.group,
            topic: &self.args.common.topic,
            max_messages: self.args.pop_batch,
            invisible: Duration::from_secs(self.args.invisible.into()),
            poll: POLL,
            born_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            ordered: false,
        };
        let opaque = i32::try_from(index).expect("at most 1,024 pops") << COUNT_BITS;
        pop.request().write(opaque, false, self.pipeline.out());
    }

    /// One read, its answers, their acks, and the next pops. Returns how many messages are done.
    async fn turn(&mut self) -> Result<u64, Error> {
        let Self { pipeline, asked_ns, control, recorder, args } = self;
        let mut brought = Brought::default();
        let result = pipeline
            .turn(|header, body| {
                if !header.is_response() {
                    return;
                }
                let code = header.response_code();
                let count = header.opaque & ((1 << COUNT_BITS) - 1);
                let index = usize::try_from(header.opaque >> COUNT_BITS).unwrap_or(usize::MAX);
                if code != ResponseCode::SUCCESS && code != ResponseCode::POLLING_TIMEOUT {
                    let remark = header.remark().map(|remark| remark.to_cow().into_owned()).unwrap_or_default();
                    brought.failed = Some(Error::Refused { code, remark });
                } else if count > 0 {
                    brought.acked += u64::from(count.unsigned_abs());
                } else if let Some(asked_ns) = asked_ns.get(index) {
                    if code == ResponseCode::SUCCESS && control.counts(*asked_ns) {
                        let latency = control.now_ns() - asked_ns;
                        recorder.borrow_mut().latency.saturating_record(latency);
                    }
                    brought.bytes += body.len() as u64;
                    brought.again.push(index);
                    match ack(header, args, &mut brought.acks) {
                        Ok(_) if args.ack != Acks::None => {}
                        Ok(popped) => brought.acked += popped,
                        Err(error) => brought.failed = Some(error),
                    }
                }
            })
            .await;
        self.control.count(brought.acked, brought.bytes);
        self.pipeline.out().extend_from_slice(&brought.acks);
        brought.again.into_iter().for_each(|index| self.ask(index));
        result?;
        brought.failed.map_or(Ok(brought.acked), Err)
    }
}

/// Appends the acks of a pop's answer to `out`. Returns the number of its messages.
fn ack(header: &Header<'_>, args: &Args, out: &mut Vec<u8>) -> Result<u64, Error> {
    let text = |name: &str| header.field(name).map(|value| value.to_cow().into_owned()).unwrap_or_default();
    let malformed = || Error::Malformed("the answer to a pop does not name its messages".into());
    let (starts, offsets) = (text("startOffsetInfo"), text("msgOffsetInfo"));
    let lease = format!("{} {} {}", text("popTime"), text("invisibleTime"), text("reviveQid"));
    let mut popped = 0;
    for (start, offsets) in starts.split(';').zip(offsets.split(';')).filter(|(start, _)| !start.is_empty()) {
        let (place, start) = start.rsplit_once(' ').ok_or_else(malformed)?;
        let (of, offsets) = offsets.rsplit_once(' ').filter(|(of, _)| *of == place).ok_or_else(malformed)?;
        let (retry, queue) = of.split_once(' ').ok_or_else(malformed)?;
        let from = Source {
            topic: topic_of(retry, args).ok_or_else(malformed)?,
            retry,
            queue: queue.parse().map_err(|_| malformed())?,
            start: start.parse().map_err(|_| malformed())?,
            lease: &lease,
        };
        let offsets: Option<Vec<u64>> = offsets.split(',').map(|offset| offset.parse().ok()).collect();
        let offsets = offsets.ok_or_else(malformed)?;
        popped += offsets.len() as u64;
        match args.ack {
            Acks::Each => offsets.iter().for_each(|offset| from.ack_one(args, *offset, out)),
            Acks::Batch => from.ack_all(args, &offsets, out).ok_or_else(malformed)?,
            Acks::None => {}
        }
    }
    Ok(popped)
}

fn topic_of(retry: &str, args: &Args) -> Option<String> {
    let topic = &args.common.topic;
    Some(match Origin::from_digit(retry)? {
        Origin::Topic => topic.clone(),
        Origin::RetryV1 => TopicName::pop_retry_of(&args.group, topic).to_string(),
        Origin::RetryV2 => TopicName::pop_retry_v2_of(&args.group, topic).to_string(),
    })
}

/// Where the messages of a pop came from.
struct Source<'a> {
    topic: String,
    retry: &'a str,
    queue: u32,
    start: u64,
    lease: &'a str,
}

impl Source<'_> {
    fn ack_one(&self, args: &Args, offset: u64, out: &mut Vec<u8>) {
        let Source { topic, retry, queue, start, lease } = self;
        // The name of the broker is there for clients with several.
        let mut handle = String::with_capacity(96);
        let _ = write!(handle, "{start} {lease} {retry} broker {queue} {offset}");
        let ack = Ack { consumer_group: &args.group, topic, queue_id: *queue, offset, handle: &handle };
        ack.request().write(1, false, out);
    }

    /// `None`: the offsets lie too far apart, or the lease is none.
    fn ack_all(&self, args: &Args, offsets: &[u64], out: &mut Vec<u8>) -> Option<()> {
        let mut lease = self.lease.split(' ').map(|number| number.parse::<i64>().ok());
        let ack = BatchAck {
            consumer_group: args.group.clone(),
            topic: args.common.topic.clone(),
            retry: self.retry.to_owned(),
            start_offset: i64::try_from(self.start).ok()?,
            queue_id: i32::try_from(self.queue).ok()?,
            pop_time: lease.next()??,
            invisible_time: lease.next()??,
            revive_queue_id: i32::try_from(lease.next()??).ok()?,
            bit_set: BatchAck::bit_set_of(self.start, offsets)?,
        };
        let body = BatchAckRequest { broker_name: "broker".to_owned(), acks: vec![ack] }.to_json();
        let opaque = i32::try_from(offsets.len()).expect("at most 32");
        Request::new(RequestCode::BATCH_ACK_MESSAGE).body(&body).write(opaque, false, out);
        Some(())
    }
}
