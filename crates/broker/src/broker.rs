//! The broker: its machines over the log. Operations are in `ops`, each adding its method to [`Broker`].

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use model::record::codec::Put;
use model::record::system::{DecodeError, System};
use model::{LogOffset, QueueOffset, Timestamp, TopicId, TopicName};
use parking_lot::Mutex;
use store::{Fact, Frozen, LoadError, Log, Observer, Staged};

use crate::counters::Counters;
use crate::progress::Progress;
use crate::rates::{Rates, Totals};
use crate::settings::Settings;
use crate::state::arrivals::Arrivals;
use crate::state::clients::Clients;
use crate::state::groups::{self, Groups};
use crate::state::halves::{Half, Halves};
use crate::state::inflight::Inflight;
use crate::state::offsets::Offsets;
use crate::state::polls::Polls;
use crate::state::queue_locks::QueueLocks;
use crate::state::request_modes::{RequestMode, RequestModes};
use crate::state::timers::{NO_KEY, Timers};
use crate::state::topics::{self, Topic, Topics};
use crate::state::usage::Usage;
use crate::unique_key::UniqueKeys;

/// Hears of topics as facts are applied, on the log's thread: it must not wait.
pub trait TopicListener: Send + Sync {
    fn changed(&self, topic: &Topic);
    fn deleted(&self, id: TopicId, name: &TopicName);
}

/// The durable machines: what the log says.
pub struct Machines {
    pub topics: Topics,
    pub groups: Groups,
    pub offsets: Mutex<Offsets>,
    pub timers: Mutex<Timers>,
    pub halves: Mutex<Halves>,
    /// Messages popped and not yet acked.
    pub inflight: Mutex<Inflight>,
    pub request_modes: Mutex<RequestModes>,
    pub arrivals: Arrivals,
    pub polls: Polls,
    /// Keys of the name server's configuration, by namespace.
    pub kv: Mutex<crate::state::kv::Kv>,
    /// When topics and groups were last used, to the day.
    pub usage: Mutex<Usage>,
    /// How many halves there are, for sends, which do not wait for the lock.
    pub(crate) half_count: AtomicUsize,
    /// The message that was applied last. A `TimerScheduled` and its like mean the message in front of it, which comes in a call of
    /// its own when the log is read back.
    last_message: Mutex<Option<LastMessage>>,
    /// Set by a record this version cannot read; the server refuses to start.
    unreadable: OnceLock<(LogOffset, DecodeError)>,
    topic_listener: OnceLock<Box<dyn TopicListener>>,
    timer_listener: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The message in front of a fact that is about it.
#[derive(Clone, Copy, Debug)]
struct LastMessage {
    at: LogOffset,
    queue_offset: QueueOffset,
    stored: Timestamp,
    len: u32,
}

/// The broker. Shared by all connections.
pub struct Broker {
    pub settings: Settings,
    pub machines: Arc<Machines>,
    pub clients: Clients,
    pub queue_locks: Mutex<QueueLocks>,
    pub counters: Counters,
    /// How fast the counters grow.
    pub rates: Mutex<Rates>,
    pub started_at: Timestamp,
    pub(crate) log: Arc<Log>,
    pub(crate) unique_keys: UniqueKeys,
    /// Spreads messages that name no queue.
    pub(crate) next_queue: AtomicU32,
    /// Spreads pops over the queues of a topic.
    pub(crate) next_pop: AtomicU32,
    /// Spreads questions about half messages over the producers of a group.
    pub(crate) next_producer: AtomicUsize,
    pub(crate) progress: Arc<Progress>,
    draining: AtomicBool,
    /// Messages that wait take so much of the disk that no more are taken.
    pub(crate) timers_full: AtomicBool,
}

/// Why the broker cannot start on this log.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("record at log offset {at}: {error}; start the kerolox version that wrote it, or a newer one")]
    Unreadable { at: LogOffset, error: DecodeError },
    #[error("system topics could not be created: {0}")]
    Append(#[from] store::AppendError),
}

impl Machines {
    #[must_use]
    pub fn new(settings: &Settings) -> Machines {
        Machines {
            topics: Topics::new(settings.flush_async),
            groups: Groups::default(),
            offsets: Mutex::default(),
            timers: Mutex::default(),
            halves: Mutex::default(),
            inflight: Mutex::default(),
            request_modes: Mutex::default(),
            half_count: AtomicUsize::new(0),
            arrivals: Arrivals::default(),
            polls: Polls::default(),
            kv: Mutex::default(),
            usage: Mutex::default(),
            last_message: Mutex::default(),
            unreadable: OnceLock::new(),
            topic_listener: OnceLock::new(),
            timer_listener: OnceLock::new(),
        }
    }

    /// Tells `listener` of every topic there is and of every change from now on. Once per process.
    pub fn listen_to_topics(&self, listener: Box<dyn TopicListener>) {
        for topic in self.topics.all() {
            listener.changed(&topic);
        }
        let _ = self.topic_listener.set(listener);
    }

    fn apply(&self, at: LogOffset, record: System, message_before: Option<LastMessage>) {
        match record {
            System::TopicChanged { id, config } => {
                let topic = self.topics.changed(at, id, config);
                self.polls.wake_topic(topic.id);
                if let Some(listener) = self.topic_listener.get() {
                    listener.changed(&topic);
                }
            }
            System::TopicDeleted { id } => {
                let name = self.topics.deleted(id);
                self.polls.wake_topic(id);
                if let Some(name) = &name {
                    self.request_modes.lock().topic_deleted(name);
                }
                self.offsets.lock().topic_deleted(id);
                self.inflight.lock().topic_deleted(id);
                self.timers.lock().topic_deleted(id);
                self.usage.lock().topic_deleted(id);
                if let (Some(listener), Some(name)) = (self.topic_listener.get(), name) {
                    listener.deleted(id, &name);
                }
            }
            System::GroupChanged { config } => self.groups.changed(at, config),
            System::GroupDeleted { name, with_offsets } => {
                self.groups.deleted(&name);
                self.usage.lock().group_deleted(&name);
                self.inflight.lock().group_deleted(&name);
                self.request_modes.lock().group_deleted(&name);
                if with_offsets {
                    self.offsets.lock().group_deleted(&name);
                }
            }
            System::OffsetsCommitted { group, version, offsets } => {
                self.offsets.lock().committed(at, &group, version, &offsets);
            }
            System::TimerScheduled { due } => self.scheduled(message_before, None, due, NO_KEY),
            System::TimerSet { due, key } => self.scheduled(message_before, None, due, key),
            System::TimerStored { topic, due, key } => self.scheduled(message_before, Some(topic), due, key),
            System::TimerMoved { from, due, key } => {
                if let Some(LastMessage { at: timer, .. }) = message_before {
                    self.timers.lock().moved(from, timer, due, key);
                }
            }
            System::TimerRecalled { due, key } => self.timers.lock().recalled(at, due, key),
            System::TimersDone { timers } => self.timers.lock().done(&timers, &[]),
            System::TimersEnded { timers, topics } => self.timers.lock().done(&timers, &topics),
            System::HalfStored { topic, check_at } => {
                if let Some(LastMessage { at, queue_offset, stored, .. }) = message_before {
                    self.with_halves(|halves| {
                        halves.stored(at, Half { topic, at, queue_offset, stored, checks: 0, due: check_at });
                    });
                }
            }
            System::HalfKept { half, topic, queue_offset, stored, checks, check_at } => {
                if let Some(LastMessage { at, .. }) = message_before {
                    self.with_halves(|halves| {
                        halves.stored(half, Half { topic, at, queue_offset, stored, checks, due: check_at });
                    });
                }
            }
            System::HalfResolved { half, .. } => self.with_halves(|halves| halves.resolved(half)),
            System::HalvesChecked { next, halves } => self.halves.lock().checked(&halves, next),
            System::Popped(popped) => {
                self.offsets.lock().committed(at, &popped.group, popped.version, &popped.offsets_after());
                self.inflight.lock().popped(&popped);
            }
            System::OrderedBatch(batch) => self.offsets.lock().ordered(at, &batch),
            System::Acked(acked) => self.inflight.lock().acked(&acked),
            System::RequestModeChanged { topic, group, pop, share } => {
                self.request_modes.lock().changed(at, topic, group, RequestMode { pop, share });
            }
            System::InvisibleChanged(changed) => self.inflight.lock().invisible_changed(&changed),
            System::KvChanged { namespace, key, value } => self.kv.lock().changed(at, namespace, key, value),
            System::Used { when, topics, groups } => self.usage.lock().used(at, when, &topics, groups),
            // The queue table belongs to the store, which reads this record itself.
            System::QueueReached { .. } => {}
        }
    }
}

impl Machines {
    pub(crate) fn with_halves<T>(&self, change: impl FnOnce(&mut Halves) -> T) -> T {
        let mut halves = self.halves.lock();
        let answer = change(&mut halves);
        self.half_count.store(halves.len(), Ordering::Relaxed);
        answer
    }

    fn scheduled(&self, message: Option<LastMessage>, topic: Option<TopicId>, due: Timestamp, key: u64) {
        let Some(LastMessage { at: timer, len, .. }) = message else { return };
        let oversleeps = self.timers.lock().scheduled(timer, len, topic, due, key);
        if let Some(wake) = self.timer_listener.get().filter(|_| oversleeps) {
            wake();
        }
    }

    /// `wake` is called when a timer is scheduled that is due before the delivering job wakes up by itself, on the log's
    /// thread. Once per process.
    pub fn listen_to_timers(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let _ = self.timer_listener.set(wake);
    }
}

impl Observer for Machines {
    fn topic_of(&self, name: &str) -> Option<TopicId> {
        self.topics.id_of(name)
    }

    fn applied(&self, facts: &[Fact<'_>]) {
        let mut last_message = self.last_message.lock();
        for fact in facts {
            match fact {
                &Fact::Message { at, queue_offset, stored, len, .. } => {
                    *last_message = Some(LastMessage { at, queue_offset, stored, len });
                }
                Fact::System { at, record } => match System::decode(record) {
                    Ok(system) => self.apply(*at, system, *last_message),
                    Err(error) => {
                        let _ = self.unreadable.set((*at, error));
                    }
                },
            }
        }
        drop(last_message);
        let messages = || {
            facts.iter().filter_map(|fact| match fact {
                Fact::Message { slot, tag_hash, .. } => Some((*slot, *tag_hash)),
                Fact::System { .. } => None,
            })
        };
        self.arrivals.arrived(messages());
        self.polls.arrived(messages());
    }

    fn freeze(&self) -> Frozen {
        self.freeze_sections()
    }

    fn load(&self, bytes: &[u8]) -> Result<(), LoadError> {
        self.load_sections(bytes)
    }
}

impl Broker {
    /// The broker over an open log whose records `machines` has seen. Creates the system topics and groups that are missing.
    pub fn start(
        settings: Settings,
        machines: Arc<Machines>,
        log: Arc<Log>,
        now: Timestamp,
    ) -> Result<Broker, StartError> {
        if let Some((at, error)) = machines.unreadable.get() {
            return Err(StartError::Unreadable { at: *at, error: *error });
        }
        let progress = Progress::of(&log);
        let mut staged = Staged::default();
        for config in topics::system_topics(&settings) {
            if machines.topics.get(config.name.as_str()).is_none() {
                staged.system(&System::TopicChanged { id: None, config });
            }
        }
        for name in groups::SYSTEM_GROUPS {
            if machines.groups.get(name).is_none() {
                let config = model::GroupConfig::new(model::GroupName::trusted(name));
                staged.system(&System::GroupChanged { config });
            }
        }
        if !staged.is_empty() {
            let appended = log.append(&mut staged)?;
            progress.wait_for(&log, appended.end);
        }
        let unique_keys = UniqueKeys::new(settings.store_host.ip(), now);
        machines.timers.lock().was_asked(log.newest_stored());
        let timers_waiting = machines.timers.lock().len() as u64;
        let totals = Totals { timers_scheduled: timers_waiting, ..Totals::default() };
        Ok(Broker {
            settings,
            machines,
            clients: Clients::default(),
            queue_locks: Mutex::default(),
            counters: Counters::default(),
            rates: Mutex::new(Rates::new(now, totals)),
            started_at: now,
            log,
            unique_keys,
            next_queue: AtomicU32::new(0),
            next_pop: AtomicU32::new(1),
            next_producer: AtomicUsize::new(0),
            progress,
            draining: AtomicBool::new(false),
            timers_full: AtomicBool::new(false),
        })
    }

    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Appends what is staged and waits until it is applied. For threads that may wait.
    pub fn append_and_wait(&self, staged: &mut Staged) -> Result<(), store::AppendError> {
        let appended = self.log.append(staged)?;
        if self.progress.wait_for(&self.log, appended.end) { Ok(()) } else { Err(store::AppendError::Failed) }
    }

    /// Whether messages beyond `offset` are visible in a queue.
    #[must_use]
    pub fn has_beyond(&self, queue: store::QueueSlot, offset: QueueOffset) -> bool {
        self.log.bounds(queue).max > offset
    }

    /// From now on sends are refused; everything else goes on until the process ends.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Appends the bytes of a count; kept here for the machines' save formats.
pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    out.put_u32(u32::try_from(len).expect("tables are bounded far below 4 Gi entries"));
}

#[cfg(test)]
pub(crate) mod testing {
    use model::Millis;

    use super::*;
    use crate::settings::Transactions;

    pub fn machines() -> Machines {
        Machines::new(&Settings {
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
            flush_async: true,
            transactions: Transactions::default(),
            retention: Millis(72 * 3_600_000),
        })
    }
}

#[cfg(test)]
mod tests {
    use model::QueueOffset;
    use store::QueueSlot;

    use super::testing::machines;
    use super::*;

    /// Found by killing the binary: live, a delayed message and its timer are told in one call, read back in two. The timer
    /// was passed over, and delayed messages and retries of the time since the last checkpoint never came.
    #[test]
    fn a_timer_that_is_told_after_its_message_is_scheduled() {
        let machines = machines();
        let at = LogOffset(100);
        let (slot, queue_offset) = (QueueSlot(0), QueueOffset(0));
        machines.applied(&[Fact::Message { at, slot, queue_offset, len: 50, tag_hash: 0, stored: Timestamp(1) }]);
        let mut record = Vec::new();
        System::TimerScheduled { due: Timestamp(7) }.encode(&mut record);
        machines.applied(&[Fact::System { at: LogOffset(150), record: &record }]);
        assert_eq!(machines.timers.lock().take_due(Timestamp(7), 10).deliver, [(at, Timestamp(7))]);
    }
}
