//! `kerolox bench send`.
//!
//! Each connection is one task that owns its socket, keeps up to `--in-flight` requests unanswered and stages new ones
//! as answers come or as its schedule says.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use client::prepared::{OPAQUE_END, OPAQUE_FIRST, PreparedSend, STAMP_LEN, Shape};
use client::{Error, Pipeline, Request};
use model::message_id;
use serde::Serialize;
use tokio::time::timeout;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;

use super::Common;
use super::load::{self, Control, Recorder};
use super::pace::{Pace, Schedule};
use super::report::Report;
use super::target::{self, Target, Use};
use super::timer::Timer;

/// Marks a body that carries the moment it was due, for `bench recv`.
pub const STAMP_MAGIC: [u8; 8] = *b"KXBENCH1";

const PRODUCER_GROUP: &str = "KeroloxBench";

/// How long unanswered requests are waited for after the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long opening one connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Runs are comparable when the arrivals are the same.
const PACE_SEED: u64 = 0x4B65_726F_6C6F_7821;

/// A connection without an answer looks this often whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Later than any run ends, early enough for every clock.
const LAST_MOMENT_NS: u64 = 1 << 60;

/// Requests in flight per connection unless said: one in a closed loop, what a stall of a second needs in an open one.
const IN_FLIGHT_CLOSED: u32 = 1;
const IN_FLIGHT_OPEN: u32 = 1024;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Connections, each a producer with its own socket.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Unanswered requests per connection, at most [default: 1; with --rate 1024]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: Option<u32>,
    /// Bytes of each body.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=4_194_304))]
    size: u32,
    /// Messages per request; more than one makes client batches.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    batch: u32,
    /// Messages per second over all connections: an open loop, latency measured from when each was due.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// How the due moments of --rate are spread.
    #[arg(long, value_enum, default_value = "poisson")]
    schedule: Schedule,
    /// Each message is a half message that is committed when it is answered; it counts when the commit is answered.
    #[arg(long, conflicts_with_all = ["batch", "verify"])]
    transaction: bool,
    /// A property of every message, NAME=VALUE; several may be given. TAGS is the tag.
    #[arg(long = "property", value_parser = property)]
    properties: Vec<String>,
    /// Create the topic (or set its queues) first.
    #[arg(long)]
    create: bool,
}

#[derive(Debug, Serialize)]
struct Load {
    connections: u32,
    threads: u16,
    in_flight: u32,
    size: u32,
    batch: u32,
    transaction: bool,
    rate: Option<f64>,
    schedule: Option<Schedule>,
    warmup_seconds: f64,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err(format!("`{text}` is not a rate per second")),
    }
}

/// A property as the protocol has it.
fn property(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(format!("{name}\u{1}{value}\u{2}")),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

pub fn run(args: &Args) -> Result<()> {
    let common = &args.common;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let targets = runtime.block_on(async {
        if args.create {
            target::create(common, common.queues.unwrap_or(8)).await?;
        }
        target::resolve(common, Use::Send).await
    })?;
    drop(runtime);
    let in_flight = args.in_flight.unwrap_or(if args.rate.is_some() { IN_FLIGHT_OPEN } else { IN_FLIGHT_CLOSED });
    let outcome =
        load::run(common, args.connections, |share, control| send_all(args, in_flight, &targets, share, control))?;
    let load = Load {
        connections: args.connections,
        threads: common.threads,
        in_flight,
        size: args.size,
        batch: args.batch,
        transaction: args.transaction,
        rate: args.rate,
        schedule: args.rate.map(|_| args.schedule),
        warmup_seconds: common.warmup.as_secs_f64(),
    };
    Report::new("send", common, targets, load, outcome).finish(common.json.as_deref())
}

/// The connections of one thread.
async fn send_all(
    args: &Args,
    in_flight: u32,
    targets: &[Target],
    share: Range<u32>,
    control: Arc<Control>,
) -> Result<Recorder> {
    let recorder = Rc::new(RefCell::new(Recorder::new()));
    let prepared: Vec<Rc<[PreparedSend]>> = targets.iter().map(|target| prepare(args, target).into()).collect();
    let mut tasks = Vec::new();
    for index in share {
        let at = index as usize % targets.len();
        let pipeline = Pipeline::open(&targets[at].address, CONNECT_MAX).await?;
        let sender = Sender {
            pipeline,
            control: Arc::clone(&control),
            recorder: Rc::clone(&recorder),
            prepared: Rc::clone(&prepared[at]),
            broker: targets[at].address.clone(),
            slots: Slots::new(in_flight),
            pace: args
                .rate
                .map(|rate| Pace::new(args.schedule, rate / f64::from(args.batch), args.connections, index, PACE_SEED)),
            batch: args.batch.into(),
            budget: budget(args, index),
            staged: 0,
            producer: u64::from(std::process::id()) << 32 | u64::from(index),
            first_queue: index as usize,
            verify: args.common.verify,
            transaction: args.transaction,
            halves: Vec::new(),
        };
        tasks.push(tokio::task::spawn_local(sender.run()));
    }
    for task in tasks {
        task.await??;
    }
    let recorder = Rc::try_unwrap(recorder).ok().context("every task has ended and dropped its recorder")?;
    Ok(recorder.into_inner())
}

/// One encoded request per queue.
fn prepare(args: &Args, target: &Target) -> Vec<PreparedSend> {
    let properties = args.properties.concat();
    let shape = |queue_id| Shape {
        producer_group: PRODUCER_GROUP,
        topic: &args.common.topic,
        queue_id,
        default_queues: target.queues,
        body_len: args.size as usize,
        batch: args.batch as usize,
        transaction: args.transaction,
        properties: &properties,
    };
    (0..target.queues).map(|queue_id| PreparedSend::new(&shape(queue_id))).collect()
}

/// Messages that connection number `index` sends of `--count`.
fn budget(args: &Args, index: u32) -> u64 {
    let Some(count) = args.common.count else { return u64::MAX };
    let connections = u64::from(args.connections);
    count / connections + u64::from(u64::from(index) < count % connections)
}

/// One connection.
struct Sender {
    pipeline: Pipeline,
    control: Arc<Control>,
    recorder: Rc<RefCell<Recorder>>,
    prepared: Rc<[PreparedSend]>,
    broker: String,
    slots: Slots,
    pace: Option<Pace>,
    batch: u64,
    /// Messages that may still be staged.
    budget: u64,
    /// Messages staged so far.
    staged: u64,
    producer: u64,
    first_queue: usize,
    verify: bool,
    transaction: bool,
    /// Half messages that were answered in the turn at hand.
    halves: Vec<Half>,
}

/// A half message that is to be committed.
struct Half {
    opaque: i32,
    log_offset: i64,
    queue_offset: i64,
}

impl Sender {
    async fn run(mut self) -> Result<()> {
        let mut timer = Timer::new()?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        self.control.ready().await;
        let start_ns = self.control.now_ns();
        while !self.control.stopped() && (self.budget > 0 || self.slots.busy() > 0) {
            let next_due_ns = self.stage(start_ns);
            let next_due = self.control.moment(next_due_ns.min(LAST_MOMENT_NS));
            let turn = tokio::select! {
                biased;
                turn = self.turn() => turn,
                result = timer.until(next_due), if next_due_ns < u64::MAX => {
                    result?;
                    Ok(())
                }
                _ = look.tick() => Ok(()),
            };
            if let Err(error) = turn {
                self.lose_unanswered(&error);
                return Ok(());
            }
        }
        self.drain().await;
        Ok(())
    }

    /// Stages what is due and has a free slot. Returns when the next message is due: never, for a closed loop.
    fn stage(&mut self, start_ns: u64) -> u64 {
        let now_ns = self.control.now_ns();
        let unix_now = unix_time();
        let born_ms = u64::try_from(unix_now.as_millis()).unwrap_or(0);
        let unix_now_ns = u64::try_from(unix_now.as_nanos()).unwrap_or(0);
        loop {
            let due_ns = match &self.pace {
                Some(pace) => start_ns + u64::try_from(pace.due().as_nanos()).unwrap_or(u64::MAX / 2),
                None => now_ns,
            };
            if due_ns > now_ns {
                return due_ns;
            }
            if self.budget == 0 {
                return u64::MAX;
            }
            // At the limit the schedule goes on without us: what is late is measured from when it was due.
            let queue = (self.first_queue + (self.staged / self.batch) as usize) % self.prepared.len();
            let Some(opaque) = self.slots.take(due_ns, queue as u32) else { return u64::MAX };
            let due_unix_ns = unix_now_ns.saturating_sub(now_ns - due_ns);
            let stamp = stamp(due_unix_ns);
            self.prepared[queue].write(opaque, born_ms, self.producer, self.staged, &stamp, self.pipeline.out());
            self.staged += self.batch;
            self.budget = self.budget.saturating_sub(self.batch);
            if let Some(pace) = &mut self.pace {
                pace.advance();
            }
        }
    }

    /// One read and its answers.
    async fn turn(&mut self) -> Result<(), Error> {
        let Self { pipeline, slots, recorder, control, broker, batch, verify, prepared, transaction, halves, .. } =
            self;
        let mut done = 0;
        let result = pipeline
            .turn(|header, _| {
                let recorder = &mut *recorder.borrow_mut();
                if !header.is_response() {
                    return;
                }
                if *transaction
                    && header.response_code() == ResponseCode::SUCCESS
                    && let Some(half) = half_of(header)
                {
                    // Its slot stays taken until the commit is answered.
                    return halves.push(half);
                }
                let Some(slot) = slots.give_back(header.opaque) else {
                    return recorder.error("answer to a request nobody made");
                };
                if header.response_code() != ResponseCode::SUCCESS {
                    let remark = header.remark().map(|remark| remark.to_cow().into_owned()).unwrap_or_default();
                    return recorder.error(format!("{} {remark}", header.response_code()).trim_end());
                }
                done += 1;
                if control.counts(slot.due_ns) {
                    // Read per answer: a turn may hold a thousand of them, and recording takes its time.
                    recorder.latency.saturating_record(control.now_ns() - slot.due_ns);
                }
                if *verify {
                    match queue_offset(header) {
                        Some(offset) => recorder.verified.acknowledge(broker, slot.queue, offset, *batch),
                        None => recorder.error("success without a queue offset"),
                    }
                }
            })
            .await;
        for half in halves.drain(..) {
            Request::new(RequestCode::END_TRANSACTION)
                .field("producerGroup", PRODUCER_GROUP)
                .field("tranStateTableOffset", half.queue_offset)
                .field("commitLogOffset", half.log_offset)
                .field("commitOrRollback", "8")
                .field("fromTransactionCheck", "false")
                .write(half.opaque, false, pipeline.out());
        }
        control.count(done * *batch, done * prepared[0].frame_len() as u64);
        result.map(drop)
    }

    /// Waits for what is still unanswered, so that a stall at the end is seen.
    async fn drain(&mut self) {
        let all = async {
            while self.slots.busy() > 0 {
                self.turn().await?;
            }
            Ok(())
        };
        match timeout(DRAIN_MAX, all).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.lose_unanswered(&error),
            Err(_) => self.lose_unanswered(&Error::Deadline(DRAIN_MAX)),
        }
    }

    fn lose_unanswered(&mut self, error: &Error) {
        let unanswered = self.slots.busy().max(1);
        self.recorder.borrow_mut().errors(error, unanswered as u64);
    }
}

/// The half message an answer to its send names. `None`: it answers a commit.
fn half_of(header: &Header<'_>) -> Option<Half> {
    let id = header.field("msgId")?.as_plain()?;
    let log_offset = i64::try_from(message_id::log_offset_of(id)?.0).ok()?;
    let queue_offset = i64::try_from(queue_offset(header)?).ok()?;
    Some(Half { opaque: header.opaque, log_offset, queue_offset })
}

fn queue_offset(header: &Header<'_>) -> Option<u64> {
    header.field("queueOffset")?.as_plain()?.parse().ok()
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What stands at the front of a body.
fn stamp(due_unix_ns: u64) -> [u8; STAMP_LEN] {
    let mut stamp = [0; STAMP_LEN];
    stamp[..8].copy_from_slice(&STAMP_MAGIC);
    stamp[8..].copy_from_slice(&due_unix_ns.to_be_bytes());
    stamp
}

/// Requests in flight. `opaque` is generation x slots + slot, so an answer finds its slot without a map, in any order.
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    opaque: i32,
    busy: bool,
    due_ns: u64,
    queue: u32,
}

impl Slots {
    fn new(count: u32) -> Self {
        let slot = |index: u32| Slot { opaque: OPAQUE_FIRST + index.cast_signed(), busy: false, due_ns: 0, queue: 0 };
        Self { slots: (0..count).map(slot).collect(), free: (0..count).rev().collect() }
    }

    fn busy(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The `opaque` for a request, or `None` at the limit.
    fn take(&mut self, due_ns: u64, queue: u32) -> Option<i32> {
        let index = self.free.pop()?;
        let slot = &mut self.slots[index as usize];
        (slot.busy, slot.due_ns, slot.queue) = (true, due_ns, queue);
        Some(slot.opaque)
    }

    /// Frees the slot of an answer; `None` if it is not one we wait for.
    fn give_back(&mut self, opaque: i32) -> Option<Slot> {
        let count = self.slots.len() as i32;
        let index = opaque.checked_sub(OPAQUE_FIRST)?.checked_rem_euclid(count)?;
        let slot = &mut self.slots[index as usize];
        if !slot.busy || slot.opaque != opaque {
            return None;
        }
        let answered = *slot;
        let next = opaque + count;
        *slot = Slot { opaque: if next < OPAQUE_END { next } else { OPAQUE_FIRST + index }, busy: false, ..answered };
        self.free.push(index as u32);
        Some(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_slots_in_any_order_and_only_once() {
        let mut slots = Slots::new(2);
        let first = slots.take(10, 0).unwrap();
        let second = slots.take(20, 1).unwrap();
        assert_eq!(slots.take(30, 0), None);
        assert_eq!(slots.give_back(second).unwrap().due_ns, 20);
        assert!(slots.give_back(second).is_none());
        let third = slots.take(30, 0).unwrap();
        assert_ne!(third, second);
        assert_eq!(slots.give_back(first).unwrap().due_ns, 10);
        assert_eq!(slots.give_back(third).unwrap().due_ns, 30);
        assert_eq!(slots.busy(), 0);
        assert!(slots.give_back(-5).is_none() && slots.give_back(i32::MIN).is_none());
    }

    #[test]
    fn opaques_keep_their_ten_digits_for_ever() {
        let mut slots = Slots::new(1);
        slots.slots[0].opaque = OPAQUE_END - 1;
        let last = slots.take(0, 0).unwrap();
        slots.give_back(last).unwrap();
        assert_eq!(slots.take(0, 0), Some(OPAQUE_FIRST));
    }
}
