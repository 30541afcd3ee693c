//! Heartbeats, leaving, and who consumes with whom (codes 34, 35, 38; semantics.md section 10).
//!
//! A heartbeat is effective before its answer: the client pulls at once, by the subscription it just sent. Groups and
//! retry topics that are missing are staged; the caller answers when they are applied.

use model::record::system::System;
use model::{GroupConfig, GroupName, Timestamp, TopicConfig, TopicName};
use store::Staged;
use tracing::warn;

use crate::broker::Broker;
use crate::notice::Notice;
use crate::state::clients::{Client, ConnectionId, ConsumerHeard};

/// Topics of one group that are named in the log when its members subscribe differently.
const DIFFERENCES_TOLD_MAX: usize = 4;

/// Everything one heartbeat says.
pub struct Request {
    pub client: Client,
    pub producers: Vec<GroupName>,
    pub consumers: Vec<ConsumerHeard>,
}

impl Broker {
    /// Registers the client with its groups.
    pub fn begin_heartbeat(&self, request: Request, staged: &mut Staged) {
        for group in request.producers {
            self.clients.producer_heard(&request.client, group);
        }
        for heard in request.consumers {
            let Some(config) = self.stage_missing_group(&heard.group, staged) else { continue };
            let group = heard.group.clone();
            let broadcasting = heard.mode.broadcasting();
            let changed = self.clients.consumer_heard(&request.client, heard);
            if changed {
                self.warn_of_differences(&group);
            }
            if changed && config.notify_consumer_ids_changed && !broadcasting {
                self.notify_members(&group);
            }
        }
    }

    /// A client leaves its groups in good order.
    pub fn unregister(&self, connection: ConnectionId, producer_group: Option<&str>, consumer_group: Option<&str>) {
        if let Some(group) = producer_group {
            self.clients.producer_left(connection, group);
        }
        if let Some(group) = consumer_group
            && self.clients.consumer_left(connection, group)
        {
            self.notify_members(&GroupName::trusted(group));
        }
    }

    /// A connection has closed: its clients are gone, and the rest of their groups divides the queues again.
    pub fn connection_closed(&self, connection: ConnectionId) {
        for group in self.clients.closed(connection) {
            self.notify_members(&group);
        }
    }

    /// Forgets clients and queue locks that have not been refreshed in time.
    pub fn expire(&self, now: Timestamp) {
        for group in self.clients.expire(now) {
            self.notify_members(&group);
        }
        self.queue_locks.lock().expire(now);
    }

    /// The group's configuration; staged with its retry topic where they are missing and may come into being by use.
    /// `None`: the group may not.
    pub(crate) fn stage_missing_group(&self, name: &GroupName, staged: &mut Staged) -> Option<GroupConfig> {
        let known = self.machines.groups.get(name.as_str());
        let config = match known {
            Some(group) => group.config.clone(),
            None if self.settings.auto_create_groups => {
                let config = GroupConfig::new(name.clone());
                staged.system(&System::GroupChanged { config: config.clone() });
                config
            }
            None => return None,
        };
        let retry = TopicName::retry_of(name);
        if config.retry_queues > 0 && self.machines.topics.get(retry.as_str()).is_none() {
            let config = TopicConfig::new(retry, config.retry_queues);
            staged.system(&System::TopicChanged { id: None, config });
        }
        Some(config)
    }

    /// Once each time that something changes, not with every heartbeat.
    fn warn_of_differences(&self, group: &GroupName) {
        let differences = self.clients.differences(group.as_str());
        for difference in differences.iter().take(DIFFERENCES_TOLD_MAX) {
            warn!(
                %group,
                %difference,
                topics = differences.len(),
                "members of one group subscribe differently: each gets its own choice, but only from its own queues",
            );
        }
    }

    /// A client that does not read its mailbox divides the queues at its next cycle, 20 s later at most.
    fn notify_members(&self, group: &GroupName) {
        for mailbox in self.clients.mailboxes(group.as_str()) {
            mailbox.post(Notice::ConsumersChanged { group: group.clone() });
        }
    }
}
