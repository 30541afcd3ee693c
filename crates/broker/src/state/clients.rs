//! Who is connected: producers and consumers by group, their subscriptions, and how to reach them.
//!
//! Facts: heartbeats, unregistrations, closed connections (semantics.md section 10). How a group consumes is what its last
//! heartbeat says; what it wants, every member says for itself ([`members`]). In memory only.

pub mod members;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use model::{GroupName, Millis, Timestamp};
use parking_lot::RwLock;

use crate::notice::Mailbox;
use crate::subscription::Subscription;
use members::{Difference, Member, OnlineGroup};

/// A client that has not been heard for this long is gone.
pub const SILENCE_MAX: Millis = Millis(120_000);

/// Identifies a connection for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A client as it introduced itself, on one connection.
#[derive(Clone)]
pub struct Client {
    pub connection: ConnectionId,
    pub client_id: String,
    pub address: SocketAddr,
    /// Language and version as the wire names them; shown to tools.
    pub language: String,
    pub version: i32,
    pub heard: Timestamp,
    pub mailbox: Arc<dyn Mailbox>,
}

/// How a consumer group consumes, as its members say. `None`: they do not say, or in words of the future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumeMode {
    pub by: Option<ConsumeType>,
    pub model: Option<MessageModel>,
    pub from: Option<ConsumeFrom>,
}

/// Who decides when messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeType {
    /// The application pulls.
    Actively,
    /// The client pushes into a listener.
    Passively,
    Pop,
}

/// Every member gets all messages, or each message goes to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageModel {
    Broadcasting,
    Clustering,
}

/// Where a group without an offset begins; the client's decision, kept for tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeFrom {
    Last,
    LastAndMinWhenBootFirst,
    Min,
    Max,
    First,
    Timestamp,
}

impl ConsumeMode {
    #[must_use]
    pub fn broadcasting(&self) -> bool {
        self.model == Some(MessageModel::Broadcasting)
    }
}

/// The part of a group, or of one of its members, in a topic.
#[derive(Clone, Debug)]
pub struct OnlineSubscription {
    /// `None`: nobody of the group subscribes to the topic.
    pub subscription: Option<Arc<Subscription>>,
    pub broadcasting: bool,
}

/// What one heartbeat says about one consumer group.
pub struct ConsumerHeard {
    pub group: GroupName,
    pub mode: ConsumeMode,
    /// `None` keeps what is stored (heartbeat v2 without subscriptions).
    pub subscriptions: Option<Vec<Subscription>>,
}

#[derive(Default)]
struct Tables {
    consumers: HashMap<GroupName, OnlineGroup>,
    producers: HashMap<GroupName, BTreeMap<ConnectionId, Client>>,
    /// Clients that produce or ask for replies, by their id: on the connection of the last heartbeat.
    requesters: HashMap<String, Client>,
}

/// All clients.
#[derive(Default)]
pub struct Clients {
    tables: RwLock<Tables>,
}

impl Clients {
    /// A consumer's heartbeat. True if the group has changed: a new member, or other subscriptions.
    pub fn consumer_heard(&self, client: &Client, heard: ConsumerHeard) -> bool {
        let mut tables = self.tables.write();
        let group = tables.consumers.entry(heard.group).or_default();
        group.mode = heard.mode;
        let mut changed = false;
        let member = group.members.entry(client.connection).or_insert_with(|| {
            changed = true;
            Member { client: client.clone(), subscriptions: Arc::default() }
        });
        member.client = client.clone();
        if let Some(subscriptions) = heard.subscriptions {
            changed |= member.subscribe(subscriptions);
        }
        changed
    }

    pub fn producer_heard(&self, client: &Client, group: GroupName) {
        let mut tables = self.tables.write();
        tables.requesters.insert(client.client_id.clone(), client.clone());
        tables.producers.entry(group).or_default().insert(client.connection, client.clone());
    }

    /// A client asks for a reply. It can be reached from now on, also when its first heartbeat comes later: clients that
    /// know a topic's route already ask without one.
    pub fn requester_heard(&self, client_id: &str, client: impl FnOnce() -> Client) {
        if !self.tables.read().requesters.contains_key(client_id) {
            self.tables.write().requesters.entry(client_id.to_owned()).or_insert_with(client);
        }
    }

    /// A client leaves a group. True if it was a member.
    pub fn consumer_left(&self, connection: ConnectionId, group: &str) -> bool {
        let mut tables = self.tables.write();
        let Some(online) = tables.consumers.get_mut(group) else { return false };
        let left = online.members.remove(&connection).is_some();
        if online.members.is_empty() {
            tables.consumers.remove(group);
        }
        left
    }

    pub fn producer_left(&self, connection: ConnectionId, group: &str) {
        let mut tables = self.tables.write();
        let Some(members) = tables.producers.get_mut(group) else { return };
        members.remove(&connection);
        if members.is_empty() {
            tables.producers.remove(group);
        }
    }

    /// A connection has closed. Answers the consumer groups that have changed.
    pub fn closed(&self, connection: ConnectionId) -> Vec<GroupName> {
        self.forget(|client| client.connection == connection)
    }

    /// Forgets clients that have not been heard for [`SILENCE_MAX`]. Answers the consumer groups that have changed.
    pub fn expire(&self, now: Timestamp) -> Vec<GroupName> {
        self.forget(|client| now.since(client.heard) > SILENCE_MAX)
    }

    fn forget(&self, gone: impl Fn(&Client) -> bool) -> Vec<GroupName> {
        let mut tables = self.tables.write();
        let mut changed = Vec::new();
        tables.consumers.retain(|name, group| {
            let before = group.members.len();
            group.members.retain(|_, member| !gone(&member.client));
            if group.members.len() < before {
                changed.push(name.clone());
            }
            !group.members.is_empty()
        });
        tables.producers.retain(|_, members| {
            members.retain(|_, client| !gone(client));
            !members.is_empty()
        });
        tables.requesters.retain(|_, client| !gone(client));
        changed.sort();
        changed
    }

    /// What a group online wants from a topic: its newest subscription. `None`: nobody is online.
    #[must_use]
    pub fn subscription_of(&self, group: &str, topic: &str) -> Option<OnlineSubscription> {
        let tables = self.tables.read();
        let group = tables.consumers.get(group)?;
        let subscription = group.subscription(topic).cloned();
        Some(OnlineSubscription { subscription, broadcasting: group.mode.broadcasting() })
    }

    /// What the member on a connection wants from a topic; what its group wants if it has not said so itself. `None`: nobody
    /// of the group is online.
    #[must_use]
    pub fn subscription_of_member(
        &self,
        connection: ConnectionId,
        group: &str,
        topic: &str,
    ) -> Option<OnlineSubscription> {
        let tables = self.tables.read();
        let group = tables.consumers.get(group)?;
        let own = group.members.get(&connection).and_then(|member| member.subscriptions.get(topic));
        let subscription = own.or_else(|| group.subscription(topic)).cloned();
        Some(OnlineSubscription { subscription, broadcasting: group.mode.broadcasting() })
    }

    /// The subscription of any member of a group to a topic that is this SQL92 expression, compiled.
    #[must_use]
    pub fn compiled(&self, group: &str, topic: &str, expression: &str) -> Option<Arc<Subscription>> {
        let tables = self.tables.read();
        let mut of_members = tables.consumers.get(group)?.members.values().filter_map(|m| m.subscriptions.get(topic));
        of_members.find(|of| of.filter.as_ref().is_some_and(|filter| filter.text() == expression)).cloned()
    }

    /// See [`OnlineGroup::differences`].
    #[must_use]
    pub fn differences(&self, group: &str) -> Vec<Difference> {
        self.tables.read().consumers.get(group).map_or_else(Vec::new, OnlineGroup::differences)
    }

    /// What is known of a group with somebody online.
    #[must_use]
    pub fn online(&self, group: &str) -> Option<OnlineGroup> {
        self.tables.read().consumers.get(group).cloned()
    }

    /// Whether anybody of the group is online.
    #[must_use]
    pub fn is_online(&self, group: &str) -> bool {
        self.tables.read().consumers.contains_key(group)
    }

    /// The client ids of a consumer group, sorted and distinct.
    #[must_use]
    pub fn consumer_ids(&self, group: &str) -> Vec<String> {
        self.ids_of(group, |_| true)
    }

    /// The client ids of those members of a group who subscribe to a topic, sorted and distinct.
    #[must_use]
    pub fn subscriber_ids(&self, group: &str, topic: &str) -> Vec<String> {
        self.ids_of(group, |member| member.subscriptions.contains_key(topic))
    }

    fn ids_of(&self, group: &str, wanted: impl Fn(&Member) -> bool) -> Vec<String> {
        let tables = self.tables.read();
        let Some(group) = tables.consumers.get(group) else { return Vec::new() };
        let members = group.members.values().filter(|member| wanted(member));
        let mut ids: Vec<_> = members.map(|member| member.client.client_id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// How to reach every member of a consumer group.
    #[must_use]
    pub fn mailboxes(&self, group: &str) -> Vec<Arc<dyn Mailbox>> {
        let tables = self.tables.read();
        tables
            .consumers
            .get(group)
            .into_iter()
            .flat_map(|g| g.members.values().map(|m| m.client.mailbox.clone()))
            .collect()
    }

    /// A member of a consumer group by its client id.
    #[must_use]
    pub fn consumer(&self, group: &str, client_id: &str) -> Option<Client> {
        let tables = self.tables.read();
        let mut clients = tables.consumers.get(group)?.members.values().map(|member| &member.client);
        clients.find(|client| client.client_id == client_id).cloned()
    }

    /// The members of a producer group.
    #[must_use]
    pub fn producers(&self, group: &str) -> Vec<Client> {
        self.tables.read().producers.get(group).into_iter().flat_map(|members| members.values().cloned()).collect()
    }

    /// Where a client can be reached that asked for a reply.
    #[must_use]
    pub fn requester(&self, client_id: &str) -> Option<Client> {
        self.tables.read().requesters.get(client_id).cloned()
    }

    /// All producers by group, sorted.
    #[must_use]
    pub fn all_producers(&self) -> Vec<(GroupName, Vec<Client>)> {
        let tables = self.tables.read();
        let mut all: Vec<_> = tables
            .producers
            .iter()
            .map(|(name, members)| (name.clone(), members.values().cloned().collect()))
            .collect();
        all.sort_by(|a: &(GroupName, Vec<Client>), b| a.0.cmp(&b.0));
        all
    }

    /// Consumer groups online, sorted, with the number of their members.
    #[must_use]
    pub fn consumer_groups(&self) -> Vec<(GroupName, usize)> {
        let tables = self.tables.read();
        let mut all: Vec<_> =
            tables.consumers.iter().map(|(name, group)| (name.clone(), group.members.len())).collect();
        all.sort();
        all
    }

    /// Topics that somebody online subscribes to.
    #[must_use]
    pub fn subscribed_topics(&self) -> HashSet<String> {
        let tables = self.tables.read();
        let members = tables.consumers.values().flat_map(|group| group.members.values());
        members.flat_map(|member| member.subscriptions.keys().cloned()).collect()
    }

    /// Consumer groups online that subscribe to `topic`, sorted.
    #[must_use]
    pub fn subscribers_of(&self, topic: &str) -> Vec<GroupName> {
        let tables = self.tables.read();
        let mut groups: Vec<_> = tables
            .consumers
            .iter()
            .filter(|(_, group)| group.subscription(topic).is_some())
            .map(|(name, _)| name.clone())
            .collect();
        groups.sort();
        groups
    }
}

#[cfg(test)]
mod tests;
