//! `kerolox bench recv`.
//!
//! Every queue of a connection has one pull outstanding, as consumers have it. Nothing is committed: a bench leaves no
//! group behind, and may read the same messages again.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use client::ops::{Pull, QueueRef};
use client::{Connection, Error, Options, Pipeline};
use model::record::message::Message;
use serde::Serialize;
use tokio::time::timeout;
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;

use super::Common;
use super::load::{self, Control, Recorder};
use super::report::Report;
use super::send::STAMP_MAGIC;
use super::target::{self, Target, Use};

/// How long the broker may hold a pull at the end of a queue.
const SUSPEND: Duration = Duration::from_secs(15);

/// A silent connection looks this often whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long opening one connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Connections; the queues are dealt out to them. With more connections than queues several read the same queue.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Messages per pull, at most.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pull_batch: u32,
    /// Where to start.
    #[arg(long, value_enum, default_value = "tail")]
    from: From,
    /// At the end of a queue start over at its first message, instead of waiting for new ones.
    #[arg(long)]
    wrap: bool,
    /// Tags to want, `a || b`. With a filter the messages looked at count, wanted or not.
    #[arg(long, conflicts_with = "verify")]
    tags: Option<String>,
    /// SQL92 expression over the properties of messages to want.
    #[arg(long, conflicts_with_all = ["tags", "verify"])]
    sql: Option<String>,
    /// Consumer group named in the pulls.
    #[arg(long, default_value = "KeroloxBench")]
    group: String,
}

/// Where a queue is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum From {
    /// What comes from now on.
    Tail,
    /// The oldest message kept.
    First,
}

#[derive(Debug, Serialize)]
struct Load {
    connections: u32,
    threads: u16,
    pull_batch: u32,
    from: From,
    wrap: bool,
    filter: Option<String>,
    warmup_seconds: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let common = &args.common;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let targets = runtime.block_on(target::resolve(common, Use::Receive))?;
    drop(runtime);
    let outcome = load::run(common, args.connections, |share, control| receive_all(args, &targets, share, control))?;
    let load = Load {
        connections: args.connections,
        threads: common.threads,
        pull_batch: args.pull_batch,
        from: args.from,
        wrap: args.wrap,
        filter: args.sql.clone().or_else(|| args.tags.clone()),
        warmup_seconds: common.warmup.as_secs_f64(),
    };
    Report::new("recv", common, targets, load, outcome).finish(common.json.as_deref())
}

/// The connections of one thread.
async fn receive_all(args: &Args, targets: &[Target], share: Range<u32>, control: Arc<Control>) -> Result<Recorder> {
    let recorder = Rc::new(RefCell::new(Recorder::new()));
    let mut tasks = Vec::new();
    for index in share {
        let (target, queues) = deal(targets, args.connections, index);
        let receiver = Receiver {
            pipeline: Pipeline::open(&target.address, CONNECT_MAX).await?,
            control: Arc::clone(&control),
            recorder: Rc::clone(&recorder),
            queues: start(args, &target.address, &queues).await?,
            args: args.clone(),
        };
        tasks.push(tokio::task::spawn_local(receiver.run()));
    }
    for task in tasks {
        task.await?;
    }
    let recorder = Rc::try_unwrap(recorder).ok().context("every task has ended and dropped its recorder")?;
    Ok(recorder.into_inner())
}

/// The broker of connection number `index` and its queues there.
fn deal(targets: &[Target], connections: u32, index: u32) -> (&Target, Vec<u32>) {
    let brokers = u32::try_from(targets.len()).expect("a route has few brokers");
    let target = &targets[(index % brokers) as usize];
    // Connections of the same broker are every `brokers`-th.
    let (place, sharing) = (index / brokers, (connections - index % brokers).div_ceil(brokers));
    let queues: Vec<u32> = (0..target.queues).filter(|queue| queue % sharing == place).collect();
    if queues.is_empty() { (target, vec![place % target.queues]) } else { (target, queues) }
}

/// Asks where the queues begin and end.
async fn start(args: &Args, address: &str, queues: &[u32]) -> Result<Vec<Queue>> {
    let connection = Connection::open(address, &Options::default()).await?;
    let mut started = Vec::new();
    for id in queues {
        let queue = QueueRef { topic: &args.common.topic, queue_id: *id };
        let first = connection.min_offset(queue).await?;
        let next = match args.from {
            From::Tail => connection.max_offset(queue).await?,
            From::First => first,
        };
        if next < 0 || first < 0 {
            bail!("the broker gave a negative offset for queue {id}");
        }
        started.push(Queue { id: *id, first, next, asked_ns: 0, opaque: started.len() as i32 });
    }
    Ok(started)
}

/// A queue and its outstanding pull.
#[derive(Debug)]
struct Queue {
    id: u32,
    first: i64,
    next: i64,
    asked_ns: u64,
    /// Index + generation x number of queues.
    opaque: i32,
}

impl Queue {
    /// Goes on at `next`; returns how many messages lie between.
    fn passed(&mut self, next: i64) -> u64 {
        let before = std::mem::replace(&mut self.next, next);
        u64::try_from(next - before).unwrap_or(0)
    }
}

/// One connection.
struct Receiver {
    pipeline: Pipeline,
    control: Arc<Control>,
    recorder: Rc<RefCell<Recorder>>,
    queues: Vec<Queue>,
    args: Args,
}

impl Receiver {
    async fn run(mut self) {
        self.control.ready().await;
        (0..self.queues.len()).for_each(|index| self.ask(index));
        let budget = self.args.common.count.map_or(u64::MAX, |count| count.div_ceil(self.args.connections.into()));
        let mut received = 0;
        while !self.control.stopped() && received < budget {
            match timeout(LOOK_EVERY, self.turn()).await {
                Ok(Ok(messages)) => received += messages,
                Ok(Err(error)) => return self.recorder.borrow_mut().error(error),
                Err(_) => {}
            }
        }
    }

    /// Stages the next pull of a queue.
    fn ask(&mut self, index: usize) {
        let queue = &mut self.queues[index];
        queue.asked_ns = self.control.now_ns();
        let pull = Pull {
            consumer_group: &self.args.group,
            topic: &self.args.common.topic,
            queue_id: queue.id,
            offset: queue.next,
            max_messages: self.args.pull_batch,
            subscription: self.args.sql.as_deref().or(self.args.tags.as_deref()).unwrap_or("*"),
            suspend: if self.args.wrap { Duration::ZERO } else { SUSPEND },
        };
        pull.request_of(if self.args.sql.is_some() { "SQL92" } else { "TAG" }).write(
            queue.opaque,
            false,
            self.pipeline.out(),
        );
    }

    /// One read, its answers, and the next pulls. Returns how many messages came.
    async fn turn(&mut self) -> Result<u64, Error> {
        let Self { pipeline, queues, control, recorder, args, .. } = self;
        let (mut messages, mut bytes) = (0, 0);
        let mut again = Vec::new();
        let mut failed = None;
        let result = pipeline
            .turn(|header, body| {
                let count = queues.len() as i32;
                let index = header.opaque.rem_euclid(count) as usize;
                if !header.is_response() || queues[index].opaque != header.opaque {
                    return;
                }
                let recorder = &mut recorder.borrow_mut();
                match take(&mut queues[index], header, body, control, recorder, args) {
                    Ok(taken) => {
                        messages += taken;
                        bytes += body.len() as u64;
                        again.push(index);
                    }
                    Err(error) => failed = Some(error),
                }
                queues[index].opaque = header.opaque.checked_add(count).unwrap_or(index as i32);
            })
            .await;
        self.control.count(messages, bytes);
        again.into_iter().for_each(|index| self.ask(index));
        result?;
        failed.map_or(Ok(messages), Err)
    }
}

/// Reads one answer; returns the number of messages in it, or with a filter the number of messages it was chosen from.
fn take(
    queue: &mut Queue,
    header: &Header<'_>,
    body: &[u8],
    control: &Control,
    recorder: &mut Recorder,
    args: &Args,
) -> Result<u64, Error> {
    let code = header.response_code();
    let next = number(header, "nextBeginOffset");
    if code == ResponseCode::PULL_NOT_FOUND {
        // An offset behind us would read messages twice; the broker means the one we asked for.
        queue.next = if args.wrap { queue.first } else { next?.max(queue.next) };
        return Ok(0);
    }
    let filters = args.sql.is_some() || args.tags.is_some();
    if code == ResponseCode::PULL_RETRY_IMMEDIATELY || code == ResponseCode::PULL_OFFSET_MOVED {
        let passed = queue.passed(next?);
        return Ok(if filters { passed } else { 0 });
    }
    if code != ResponseCode::SUCCESS {
        let remark = header.remark().map(|remark| remark.to_cow().into_owned()).unwrap_or_default();
        return Err(Error::Refused { code, remark });
    }
    if control.counts(queue.asked_ns) {
        recorder.latency.saturating_record(control.now_ns() - queue.asked_ns);
    }
    let now_unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let now_unix_ns = u64::try_from(now_unix_ns).unwrap_or(u64::MAX);
    let measured = args.from == From::Tail && control.counts(control.now_ns());
    let (mut rest, mut count) = (body, 0);
    while !rest.is_empty() {
        let message = Message::parse(rest).ok_or_else(|| Error::Malformed("a record that cannot be read".into()))?;
        rest = &rest[message.bytes().len()..];
        if args.common.verify {
            recorder.verified.check(&message, queue.next.cast_unsigned() + count);
        }
        if let Some(due_ns) = stamp_of(message.body()).filter(|_| measured) {
            recorder.end_to_end.saturating_record(now_unix_ns.saturating_sub(due_ns));
        }
        count += 1;
    }
    let passed = queue.passed(next?);
    Ok(if filters { passed } else { count })
}

/// The due moment that `bench send` wrote into the body.
fn stamp_of(body: &[u8]) -> Option<u64> {
    body.strip_prefix(&STAMP_MAGIC)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn number(header: &Header<'_>, name: &str) -> Result<i64, Error> {
    let text = header.field(name).map(|text| text.to_cow().into_owned()).unwrap_or_default();
    text.parse().map_err(|_| Error::Malformed(format!("field {name} is `{text}`, not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_dealt_out_once_and_shared_when_there_are_too_few() {
        let one = [Target { address: "a".into(), queues: 5 }];
        let dealt = |targets: &[Target], connections| -> Vec<(String, Vec<u32>)> {
            (0..connections)
                .map(|index| deal(targets, connections, index))
                .map(|(target, queues)| (target.address.clone(), queues))
                .collect()
        };
        assert_eq!(dealt(&one, 2), [("a".into(), vec![0, 2, 4]), ("a".into(), vec![1, 3])]);
        let few = [Target { address: "a".into(), queues: 1 }];
        assert_eq!(dealt(&few, 2), [("a".into(), vec![0]), ("a".into(), vec![0])]);
        let two = [Target { address: "a".into(), queues: 2 }, Target { address: "b".into(), queues: 2 }];
        let expected = [("a".into(), vec![0]), ("b".into(), vec![0, 1]), ("a".into(), vec![1])];
        assert_eq!(dealt(&two, 3), expected);
    }
}
