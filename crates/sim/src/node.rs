//! The machine with the broker: its disk, its clock, and the process that comes and goes. What the server's threads do is
//! done here by hand: flushing, keeping, jobs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use broker::jobs::settle_timers::Retired;
use broker::state::clients::ConnectionId;
use broker::state::timers::Timers;
use broker::{Broker, Machines, Settings, Transactions};
use model::{GroupConfig, GroupName, LogOffset, Millis, Timestamp, TopicConfig, TopicName};
use store::disk::recorded::{Image, LOSSES, Loss, Moment, RecordedDisk, Rng};
use store::{Log, Options, Policy, Staged};

use crate::history::SyncFailure;
use crate::invariants::checked;
use crate::marks::Marks;
use crate::op::{self, Answer, Check, ORDERED, PLAIN, POPPERS, Queue};
use crate::plan::{Plan, Planted};

mod mailbox;
mod observer;
mod serve;

use mailbox::Posted;
use observer::Planting;
pub use serve::{Served, seen};

/// What the broker's clock shows when a run begins.
pub const START: Timestamp = Timestamp(1_700_000_000_000);

/// Small, so that a run fills several.
const SEGMENT_BYTES: u64 = 64 * 1_024;

/// So many timers stand in memory; the others settle in files.
const TIMERS_HEAD: usize = 16;

/// Deliveries of a group after the first before a message is dead.
pub const RETRY_MAX: i32 = 2;

/// The machine.
pub struct Node {
    disk: Arc<RecordedDisk>,
    /// What the disk held when it was new.
    began: Image,
    clock: Arc<AtomicI64>,
    process: Option<Process>,
    /// Processes so far.
    pub life: u32,
    plan: Plan,
    planted: Option<Planted>,
    /// What the broker has posted to clients.
    posted: Posted,
    /// Where the log of the last process ended.
    ended_at: u64,
}

/// A broker at work.
struct Process {
    broker: Broker,
    staged: Staged,
    waiting: Vec<Waiting>,
    /// Files of timers that may be removed some day.
    retired: Retired,
}

/// An answer that waits for the log.
struct Waiting {
    call: usize,
    end: LogOffset,
    durable: bool,
    answer: Answer,
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    PowerLost,
    Killed,
    /// As killed; then its checkpoints and the indexes of sealed segments are deleted.
    StateDeleted,
    /// It has ended itself because of the disk.
    DiskFailed,
}

impl Node {
    #[must_use]
    pub fn new(plan: &Plan, planted: Option<Planted>) -> Node {
        let began = Image::default();
        Node {
            disk: Arc::new(RecordedDisk::new(&began)),
            began,
            clock: Arc::new(AtomicI64::new(START.0)),
            process: None,
            life: 0,
            plan: plan.clone(),
            planted,
            posted: Posted::default(),
            ended_at: 0,
        }
    }

    pub fn set_clock(&self, now: Timestamp) {
        self.clock.store(now.0, Ordering::Relaxed);
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::Relaxed))
    }

    #[must_use]
    pub fn disk(&self) -> &RecordedDisk {
        &self.disk
    }

    /// The broker, if it is up.
    #[must_use]
    pub fn broker(&self) -> Option<&Broker> {
        self.process.as_ref().map(|process| &process.broker)
    }

    /// Starts a process. False: it has not come up, because the disk did not let it. An error: it should have.
    pub fn start(&mut self, marks: &mut Marks) -> Result<bool, String> {
        self.life += 1;
        let settings = self.settings();
        let machines = Machines::new(&settings);
        *machines.timers.lock() = Timers::with_head(TIMERS_HEAD);
        let machines = Arc::new(machines);
        let fault = match self.planted {
            Some(Planted::Store(fault)) => Some(fault),
            _ => None,
        };
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            tail_cache_bytes: 256 * 1_024,
            checkpoint_bytes: self.plan.checkpoint_bytes,
            reader_threads: 1,
            fault,
            ..Options::new("simulated")
        };
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || Timestamp(clock.load(Ordering::Relaxed)));
        let disk: Arc<RecordedDisk> = Arc::clone(&self.disk);
        let failures = self.disk.failures();
        let failed = |error: String, disk: &RecordedDisk| {
            let excused = disk.is_dead() || disk.failures() > failures;
            if excused { Ok(false) } else { Err(error) }
        };
        let opening = AtomicBool::new(true);
        let observer = Arc::new(Planting { machines: machines.clone(), planted: self.planted, opening });
        let log = match Log::open_on(disk, options, observer.clone(), clock) {
            Ok(log) => Arc::new(log),
            Err(error) => return failed(format!("does not open: {error}"), &self.disk),
        };
        observer.opening.store(false, Ordering::Relaxed);
        if log.committed().0 < self.ended_at {
            marks.hit("tail cut");
        }
        let broker = match Broker::start(settings, machines, log, self.now()) {
            Ok(broker) => broker,
            Err(error) => return failed(format!("does not start: {error}"), &self.disk),
        };
        let retired = match broker.find_runs() {
            Ok(retired) => retired,
            Err(error) => return failed(format!("files of timers cannot be listed: {error}"), &self.disk),
        };
        let mut process = Process { broker, staged: Staged::default(), waiting: Vec::new(), retired };
        // An error is one of the disk: the caller sees it there.
        let created = process.create_missing();
        self.process = Some(process);
        Ok(created && !self.must_end())
    }

    /// The end of each queue.
    #[must_use]
    pub fn queue_ends(&self) -> BTreeMap<Queue, u64> {
        let Some(broker) = self.broker() else { return BTreeMap::new() };
        let end = |queue: Queue| (queue, broker.queue_bounds(queue.0, queue.1.cast_signed()).max.0);
        op::queues().map(end).collect()
    }

    /// Messages popped and not acked.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let counts = self.broker().map_or_else(Vec::new, |broker| broker.machines.inflight.lock().counts());
        counts.iter().map(|(.., count)| count).sum()
    }

    /// Whether the disk has lost its power or has failed the log.
    #[must_use]
    pub fn must_end(&self) -> bool {
        self.disk.is_dead() || self.broker().is_some_and(|broker| broker.log().failed())
    }

    /// Ends the process and says what the disk is like then.
    pub fn end(&mut self, ending: Ending, rng: &mut Rng) {
        self.ended_at = self.broker().map_or(self.ended_at, |broker| broker.log().end().0);
        self.disk.kill();
        self.process = None;
        if ending == Ending::StateDeleted {
            let mut image = self.disk.as_it_is();
            image.files.retain(|name, _| !name.starts_with("state/") && !name.ends_with(".idx"));
            self.began = image;
            self.disk = Arc::new(RecordedDisk::new(&self.began));
            return;
        }
        // A disk that has failed a sync may have dropped what it held.
        if ending == Ending::Killed || ending == Ending::DiskFailed && rng.once_in(2) {
            self.disk.revive();
            return;
        }
        let mut moment = Moment::new(&self.began);
        self.disk.events().iter().for_each(|event| moment.advance(event));
        let loss = if rng.once_in(2) { Loss::Reordered } else { LOSSES[rng.below(LOSSES.len())] };
        self.began = moment.image(loss, rng);
        self.disk = Arc::new(RecordedDisk::new(&self.began));
    }

    /// An orderly stop: answers what can still be answered.
    pub fn stop(&mut self) -> Vec<(usize, Answer)> {
        let Some(process) = &mut self.process else { return Vec::new() };
        process.broker.drain();
        process.staged.clear();
        // As the server does: what it heard and nobody waits for is written, then all is closed.
        let _ = process.broker.write_offsets(&mut process.staged);
        process.broker.log().close();
        let answers = self.answers();
        self.ended_at = 0;
        self.process = None;
        answers
    }

    /// Answers that the log has made true.
    pub fn answers(&mut self) -> Vec<(usize, Answer)> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let log = process.broker.log();
        let (committed, written) = (log.committed(), log.written());
        let ready = |waiting: &mut Waiting| waiting.end <= if waiting.durable { committed } else { written };
        process.waiting.extract_if(.., ready).map(|waiting| (waiting.call, waiting.answer)).collect()
    }

    /// Whether something waits for a sync.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        self.broker().is_some_and(|broker| broker.log().committed() < broker.log().end())
    }

    /// What the log's flusher does. Answers how a sync failed, if one did.
    pub fn flush(&mut self) -> Option<SyncFailure> {
        let log = self.broker()?.log();
        let committed_before = log.committed().0;
        log.flush();
        let failed = log.failed() && !self.disk.is_dead();
        failed.then(|| SyncFailure { committed_before, committed_after: log.committed().0 })
    }

    /// What the log's keeper does.
    pub fn keep(&mut self) {
        if let Some(broker) = self.broker() {
            broker.log().keep();
        }
    }

    /// The job for messages whose time has come. Answers how long it wants to wait.
    pub fn deliver_timed(&mut self) -> Option<Millis> {
        let ahead = if self.planted == Some(Planted::TimersEarly) { Millis(20) } else { Millis(0) };
        let now = self.now().after(ahead);
        let Process { broker, staged, .. } = self.process.as_mut()?;
        staged.clear();
        Some(broker.deliver_timed(now, staged))
    }

    /// The job that moves timers to files. Answers how long it wants to wait, and whether there are files.
    pub fn settle_timers(&mut self) -> Option<(Millis, bool)> {
        let Process { broker, retired, .. } = self.process.as_mut()?;
        let wait = broker.settle_timers(retired);
        let files = broker.log().runs().list().is_ok_and(|files| !files.is_empty());
        Some((wait, files))
    }

    /// The job for popped messages that nobody has acked in time. Answers how long it wants to wait.
    pub fn redeliver(&mut self) -> Option<Millis> {
        let ahead = if self.planted == Some(Planted::RedeliversEarly) { Millis(20) } else { Millis(0) };
        let now = self.now().after(ahead);
        let Process { broker, staged, .. } = self.process.as_mut()?;
        staged.clear();
        Some(broker.redeliver(now, staged))
    }

    /// Questions the broker has posted to clients.
    pub fn posted(&mut self) -> Vec<(u32, Check)> {
        self.posted.take()
    }

    /// The connection of a client has closed.
    pub fn disconnect(&self, client: u32) {
        if let Some(broker) = self.broker() {
            broker.connection_closed(ConnectionId(u64::from(client)));
        }
    }

    /// The job for half messages that nobody resolves.
    pub fn check_halves(&mut self) {
        let now = self.now();
        if let Some(Process { broker, staged, .. }) = &mut self.process {
            staged.clear();
            broker.check_halves(now, staged);
        }
    }

    /// The job for consumer offsets that nobody waits for.
    pub fn write_offsets(&mut self) {
        if let Some(Process { broker, staged, .. }) = &mut self.process {
            staged.clear();
            // On an error the offsets wait for the next round.
            let _ = broker.write_offsets(staged);
        }
    }

    /// The jobs for silent clients and for old segments.
    pub fn expire_and_retain(&mut self, marks: &mut Marks) {
        let (now, keep) = (self.now(), Millis(self.plan.keep_ms));
        let Some(Process { broker, staged, .. }) = &mut self.process else { return };
        broker.expire(now);
        staged.clear();
        // Only by age, so that the rules know what may be gone.
        let policy = Policy { keep, reclaim_percent: 100, ..Policy::default() };
        let before = broker.log().start();
        // On an error it tries again.
        if broker.retain(&policy, now, staged).is_ok_and(|start| start > before) {
            marks.hit("segment deleted");
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            cluster: "DefaultCluster".to_owned(),
            broker_name: "broker-a".to_owned(),
            region: "DefaultRegion".to_owned(),
            store_host: "127.0.0.1:10911".parse().expect("an address"),
            auto_create_topics: false,
            auto_create_groups: true,
            default_queues: 4,
            auto_created_topics_max: 100,
            delay_levels: self.plan.delays_ms.iter().map(|delay| Millis(*delay)).collect(),
            delay_max: Millis(86_400_000),
            message_bytes_max: 32 * 1_024,
            flush_async: false,
            transactions: Transactions {
                check_after: checked::CHECK_AFTER,
                check_every: checked::CHECK_EVERY,
                checks_max: checked::CHECKS_MAX,
                ..Transactions::default()
            },
            retention: Millis(self.plan.keep_ms),
        }
    }
}

impl Process {
    /// Creates what every run has. False: the disk did not let us.
    fn create_missing(&mut self) -> bool {
        let staged = &mut self.staged;
        for name in [PLAIN, ORDERED, POPPERS] {
            let mut group = GroupConfig::new(GroupName::trusted(name));
            group.retry_max = RETRY_MAX;
            let _ = self.broker.begin_change_group(group, staged).expect("a good name");
        }
        for (topic, queues) in op::TOPICS {
            // Whether this one exists is the admin's affair.
            if topic != op::SPARE {
                stage_topic(&self.broker, topic, queues, staged);
            }
        }
        staged.is_empty() || self.broker.append_and_wait(staged).is_ok()
    }
}

/// Stages the creation of a topic.
fn stage_topic(broker: &Broker, topic: &'static str, queues: u32, staged: &mut Staged) {
    let attributes = if topic == op::EVENTS { "+flush=async" } else { "" };
    if broker.machines.topics.get(topic).is_none() {
        let config = TopicConfig::new(TopicName::trusted(topic), queues);
        let _ = broker.begin_change_topic(config, attributes, staged).expect("a good configuration");
    }
}
