//! The topics of this broker.
//!
//! Facts come from the log (`TopicChanged`, `TopicDeleted`); lookups are lock-free, one per request. A topic's queues get
//! their place in the store on first use, so a topic with a thousand unused queues costs its configuration only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use model::config::perm;
use model::name::{DLQ_PREFIX, RETRY_PREFIX};
use model::record::codec::{Malformed, Put, Reader};
use model::record::system::{put_topic, read_topic};
use model::{LogOffset, QueueId, TopicConfig, TopicFilterType, TopicId, TopicName};
use papaya::HashMap;
use parking_lot::Mutex;
use store::{Log, QueueSlot};

use crate::settings::Settings;
use crate::state::shared_map::SharedMap;
use crate::state::traffic::Traffic;

/// Topics that carry the broker's own mechanisms.
pub mod system_topic {
    /// Template for topics created by sending.
    pub const TEMPLATE: &str = "TBW102";
    /// Delayed messages; the queue is the delay level - 1.
    pub const SCHEDULE: &str = "SCHEDULE_TOPIC_XXXX";
    /// Messages with an exact delivery time.
    pub const TIMER: &str = "rmq_sys_wheel_timer";
    pub const SELF_TEST: &str = "SELF_TEST_TOPIC";
    pub const BENCHMARK: &str = "BenchmarkTest";
    pub const OFFSET_MOVED: &str = "OFFSET_MOVED_EVENT";
    pub const TRACE: &str = "RMQ_SYS_TRACE_TOPIC";
    pub const HALF: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
    pub const OP_HALF: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
    pub const DEAD_CHECK: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
    /// Every topic with this prefix is a system topic.
    pub const PREFIX: &str = "rmq_sys_";
    /// Kept for the message types that are due later, so that nobody takes the name.
    pub const CHECKPOINT: &str = "CHECKPOINT_TOPIC";
}

/// A topic with its places in the store.
#[derive(Debug)]
pub struct Topic {
    pub id: TopicId,
    pub config: TopicConfig,
    /// Log offset of the newest record that says this; it is re-appended before that record's segment goes.
    pub changed_at: LogOffset,
    /// Answered after `fdatasync` (the default) or after the write (attribute `flush=async`).
    pub durable: bool,
    /// What went through it since the process started, whatever its configuration was.
    pub traffic: Arc<Traffic>,
    slots: Box<[AtomicU32]>,
}

const NO_SLOT: u32 = u32::MAX;

impl Topic {
    fn new(id: TopicId, config: TopicConfig, changed_at: LogOffset, flush_async: bool, traffic: Arc<Traffic>) -> Topic {
        let queues = config.read_queues.max(config.write_queues);
        let durable = match config.attributes.get("flush").map(String::as_str) {
            // A message and the system record that says what it is become visible together, by the broker's rule.
            _ if [system_topic::SCHEDULE, system_topic::TIMER, system_topic::HALF].contains(&config.name.as_str()) => {
                !flush_async
            }
            Some("async") => false,
            Some("group") => true,
            _ => !flush_async,
        };
        let slots = (0..queues).map(|_| AtomicU32::new(NO_SLOT)).collect();
        Topic { id, config, changed_at, durable, traffic, slots }
    }

    /// Queues that exist for sending or reading.
    #[must_use]
    pub fn queues(&self) -> u32 {
        self.config.read_queues.max(self.config.write_queues)
    }

    /// The queue's place in the store. `None`: no such queue, or the store takes no more.
    #[must_use]
    pub fn slot(&self, log: &Log, queue: QueueId) -> Option<QueueSlot> {
        let cell = self.slots.get(usize::try_from(queue.0).ok()?)?;
        let known = cell.load(Ordering::Relaxed);
        if known != NO_SLOT {
            return Some(QueueSlot(known));
        }
        let slot = match log.slot(self.id, queue) {
            Ok(slot) => slot,
            Err(error) => {
                tracing::error!(topic = %self.config.name, %queue, %error, "a queue cannot be opened");
                return None;
            }
        };
        cell.store(slot.0, Ordering::Relaxed);
        Some(slot)
    }

    #[must_use]
    pub fn multi_tag(&self) -> bool {
        self.config.filter_type == TopicFilterType::MultiTag
    }
}

/// All topics, by name.
#[derive(Debug)]
pub struct Topics {
    by_name: HashMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, TopicName>,
    /// The same for checkpoints; changed as facts are applied, and never looked up.
    to_save: Mutex<SharedMap<TopicId, Arc<Topic>>>,
    changes: AtomicU64,
    flush_async: bool,
}

impl Topics {
    #[must_use]
    pub fn new(flush_async: bool) -> Topics {
        Topics {
            by_name: HashMap::new(),
            by_id: HashMap::new(),
            to_save: Mutex::default(),
            changes: AtomicU64::new(0),
            flush_async,
        }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.pin().get(name).cloned()
    }

    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<TopicId> {
        self.by_name.pin().get(name).map(|topic| topic.id)
    }

    #[must_use]
    pub fn name_of(&self, id: TopicId) -> Option<TopicName> {
        self.by_id.pin().get(&id).cloned()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes since the process started; tools that list topics in pages notice by it that they must begin again.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Looks at every topic, in no order.
    pub fn for_each(&self, look: impl FnMut(&Arc<Topic>)) {
        self.by_name.pin().values().for_each(look);
    }

    /// All topics, sorted by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self.by_name.pin().values().cloned().collect();
        all.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        all
    }

    /// Applies `TopicChanged` that stands at `at`. A creation of a name that exists (two first sends at once) changes the
    /// existing topic.
    pub fn changed(&self, at: LogOffset, id: Option<TopicId>, config: TopicConfig) -> Arc<Topic> {
        let name = config.name.clone();
        let known = self.get(name.as_str());
        let id = known.as_ref().map(|topic| topic.id).or(id).unwrap_or(TopicId(at));
        let traffic = known.map(|topic| Arc::clone(&topic.traffic)).unwrap_or_default();
        let topic = Arc::new(Topic::new(id, config, at, self.flush_async, traffic));
        self.to_save.lock().insert(id, Arc::clone(&topic));
        self.by_id.pin().insert(id, name.clone());
        self.by_name.pin().insert(name, Arc::clone(&topic));
        self.changes.fetch_add(1, Ordering::Release);
        topic
    }

    /// Applies `TopicDeleted`.
    pub fn deleted(&self, id: TopicId) -> Option<TopicName> {
        self.to_save.lock().remove(&id);
        let name = self.by_id.pin().remove(&id).cloned()?;
        self.by_name.pin().remove(&name);
        self.changes.fetch_add(1, Ordering::Release);
        Some(name)
    }

    /// All topics as they are now.
    #[must_use]
    pub fn freeze(&self) -> FrozenTopics {
        FrozenTopics(self.to_save.lock().clone())
    }

    pub fn load(&self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let (id, changed_at) = (TopicId(LogOffset(fields.u64()?)), LogOffset(fields.u64()?));
            self.changed(changed_at, Some(id), read_topic(fields)?);
        }
        Ok(())
    }
}

/// All topics as they were at a moment.
#[derive(Debug)]
pub struct FrozenTopics(SharedMap<TopicId, Arc<Topic>>);

impl FrozenTopics {
    /// What [`Topics::load`] reads.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.put_u32(u32::try_from(self.0.len()).expect("topics are bounded far below"));
        for (_, topic) in self.0.iter() {
            out.put_u64(topic.id.0.0);
            out.put_u64(topic.changed_at.0);
            put_topic(out, &topic.config);
        }
    }
}

/// The topics every broker has (message-format.md section 7); created in the log on first start.
#[must_use]
pub fn system_topics(settings: &Settings) -> Vec<TopicConfig> {
    let plain = |name: &str, queues: u32| TopicConfig::new(TopicName::trusted(name), queues);
    let open = |name: &str, queues: u32| TopicConfig { perm: perm::ALL, ..plain(name, queues) };
    let levels = u32::try_from(settings.delay_levels.len()).expect("a handful of delay levels");
    let mut topics = vec![
        plain(system_topic::SELF_TEST, 1),
        plain(system_topic::BENCHMARK, 1_024),
        open(&settings.cluster, 16),
        open(&settings.broker_name, 1),
        plain(system_topic::OFFSET_MOVED, 1),
        plain(system_topic::SCHEDULE, levels),
        plain(system_topic::TIMER, 1),
        plain(system_topic::TRACE, 1),
        plain(&reply_topic(&settings.cluster), 1),
        plain(system_topic::HALF, 1),
        plain(system_topic::OP_HALF, 1),
    ];
    if settings.auto_create_topics {
        topics.push(open(system_topic::TEMPLATE, settings.default_queues));
    }
    topics
}

/// Where replies of request-reply calls are stored.
#[must_use]
pub fn reply_topic(cluster: &str) -> String {
    format!("{cluster}_REPLY_TOPIC")
}

/// A name the broker keeps for itself: admin commands may neither create nor delete it.
#[must_use]
pub fn is_system(name: &str, settings: &Settings) -> bool {
    use system_topic::*;
    name.starts_with(PREFIX)
        || name == settings.cluster
        || name == settings.broker_name
        || name.strip_suffix("_REPLY_TOPIC") == Some(&settings.cluster)
        || [TEMPLATE, SCHEDULE, BENCHMARK, HALF, TRACE, OP_HALF, DEAD_CHECK, SELF_TEST, OFFSET_MOVED, CHECKPOINT]
            .contains(&name)
}

/// Topics that only the broker writes; a client that sends to one is refused.
#[must_use]
pub fn is_closed_to_producers(name: &str) -> bool {
    use system_topic::*;
    [SCHEDULE, TIMER, HALF, OP_HALF, DEAD_CHECK, SELF_TEST, OFFSET_MOVED].contains(&name)
}

/// A group's own topics carry system traffic in metrics.
#[must_use]
pub fn belongs_to_group(name: &str) -> bool {
    name.starts_with(RETRY_PREFIX) || name.starts_with(DLQ_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_created_again_is_another_topic() {
        let topics = Topics::new(false);
        let config = TopicConfig::new(TopicName::trusted("orders"), 4);
        let first = topics.changed(LogOffset(48), None, config.clone());
        assert_eq!(topics.changed(LogOffset(90), None, config.clone()).id, first.id, "a second creation is a change");
        topics.deleted(first.id);
        assert!(topics.get("orders").is_none());
        assert_eq!(topics.changed(LogOffset(700), None, config).id, TopicId(LogOffset(700)));
    }

    #[test]
    fn what_is_saved_loads_to_the_same_topics() {
        let topics = Topics::new(false);
        topics.changed(LogOffset(48), None, TopicConfig::new(TopicName::trusted("b"), 4));
        topics.changed(LogOffset(96), None, TopicConfig::new(TopicName::trusted("a"), 2));
        let mut saved = Vec::new();
        topics.freeze().save(&mut saved);
        let again = Topics::new(false);
        again.load(&mut Reader::new(&saved)).expect("just saved");
        let view = |topics: &Topics| -> Vec<_> {
            topics.all().iter().map(|t| (t.id, t.changed_at, t.config.clone())).collect()
        };
        assert_eq!(view(&again), view(&topics));
    }
}
