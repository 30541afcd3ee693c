//! Our own broker in the name server of this process: its topics are routable as soon as they are applied, and those who
//! tell external name servers hear of them.

use std::sync::Arc;

use broker::state::topics::Topic;
use broker::{Settings, TopicListener};
use model::{TopicId, TopicName};
use namesrv::{DataVersion, NameServer, Registration, Source, TopicEntry};
use store::Log;
use tracing::error;

use super::Gateway;
use crate::registration::Changes;

/// Id of a master among the members of its broker name.
pub(crate) const MASTER: i64 = 0;

/// HA of the reference listens one port above the broker.
const HA_PORT_ABOVE: u16 = 1;

struct OwnRoutes {
    namesrv: Arc<NameServer>,
    log: Arc<Log>,
    cluster: String,
    broker_name: String,
    address: String,
    ha_address: String,
    clock: fn() -> model::Timestamp,
    changes: Arc<Changes>,
}

/// The address replicas would be told.
pub(crate) fn ha_address(settings: &Settings) -> String {
    let mut ha = settings.store_host;
    ha.set_port(ha.port().saturating_add(HA_PORT_ABOVE));
    ha.to_string()
}

impl Gateway {
    /// Registers the broker and all its topics, and every change from now on. External name servers are told from the
    /// changes that are returned.
    pub fn announce(&self) -> Arc<Changes> {
        let settings = &self.broker.settings;
        let changes = Arc::new(Changes::new(self.clock));
        self.broker.machines.listen_to_topics(Box::new(OwnRoutes {
            namesrv: Arc::clone(&self.namesrv),
            log: Arc::clone(self.broker.log()),
            cluster: settings.cluster.clone(),
            broker_name: settings.broker_name.clone(),
            address: settings.store_host.to_string(),
            ha_address: ha_address(settings),
            clock: self.clock,
            changes: Arc::clone(&changes),
        }));
        changes
    }
}

impl TopicListener for OwnRoutes {
    fn changed(&self, topic: &Topic) {
        let config = &topic.config;
        let entry = TopicEntry {
            name: config.name.as_str(),
            read_queues: config.read_queues,
            write_queues: config.write_queues,
            perm: config.perm,
            sys_flag: config.sys_flag,
        };
        let registration = Registration {
            cluster: &self.cluster,
            broker: &self.broker_name,
            id: MASTER,
            address: &self.address,
            ha_address: &self.ha_address,
            zone: None,
            acting_master: Some(false),
            timeout: None,
            version: DataVersion { counter: topic.changed_at.0.cast_signed(), ..DataVersion::default() },
            topics: &[entry],
        };
        let now = (self.clock)();
        if let Err(error) = self.namesrv.write().register(&registration, Source::InProcess, now) {
            error!(topic = %config.name, %error, "a topic is not routable: the name server refuses it");
        }
        self.changes.changed(&config.name);
    }

    fn deleted(&self, id: TopicId, name: &TopicName) {
        self.log.forget(id);
        self.namesrv.write().delete_topic_of(&self.broker_name, name.as_str());
        self.changes.next_version();
    }
}
