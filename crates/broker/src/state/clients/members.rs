//! The members of one consumer group that are online, each with its own subscriptions.
//!
//! A group is meant to have one subscription; while it does not, by mistake or during an upgrade, every member gets from its
//! queues what it asked for itself. (In the reference the newest subscription of any member is that of all.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::name::RETRY_PREFIX;

use super::{Client, ConnectionId, ConsumeMode};
use crate::subscription::Subscription;

/// A consumer group with somebody online.
#[derive(Clone, Default)]
pub struct OnlineGroup {
    pub members: BTreeMap<ConnectionId, Member>,
    pub mode: ConsumeMode,
}

/// A member and what it wants, by topic.
#[derive(Clone)]
pub struct Member {
    pub client: Client,
    pub subscriptions: Arc<BTreeMap<String, Arc<Subscription>>>,
}

/// A topic that the members of a group do not subscribe to alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub topic: String,
    /// Client ids by what they say, sorted. `None`: they do not subscribe.
    pub said: BTreeMap<Option<Said>, BTreeSet<String>>,
}

/// An expression and its kind.
pub type Said = (String, &'static str);

/// Client ids named for each expression of a [`Difference`]; a line of a log has an end.
const NAMED_MAX: usize = 4;

/// Characters shown of an expression.
const SHOWN_MAX: usize = 120;

impl OnlineGroup {
    /// The newest subscription of any member to a topic.
    #[must_use]
    pub fn subscription(&self, topic: &str) -> Option<&Arc<Subscription>> {
        self.members.values().filter_map(|member| member.subscriptions.get(topic)).max_by_key(|of| of.version)
    }

    /// The newest subscriptions of any member, by topic.
    #[must_use]
    pub fn subscriptions(&self) -> BTreeMap<String, Arc<Subscription>> {
        let mut newest = BTreeMap::<_, Arc<Subscription>>::new();
        for (topic, subscription) in self.members.values().flat_map(|member| member.subscriptions.iter()) {
            match newest.get(topic) {
                Some(known) if known.version >= subscription.version => {}
                _ => _ = newest.insert(topic.clone(), Arc::clone(subscription)),
            }
        }
        newest
    }

    /// Topics that the members do not subscribe to alike, sorted. Retry topics are the clients' own business.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let mut members = self.members.values();
        let Some(first) = members.next() else { return Vec::new() };
        if members.all(|member| member.says_the_same_as(first)) {
            return Vec::new();
        }
        let subscriptions = self.subscriptions();
        let topics = subscriptions.keys().filter(|topic| !topic.starts_with(RETRY_PREFIX));
        let all = topics.map(|topic| {
            let mut said = BTreeMap::<_, BTreeSet<_>>::new();
            for member in self.members.values() {
                let own = member.subscriptions.get(topic).map(|own| (own.expression.clone(), own.kind()));
                said.entry(own).or_default().insert(member.client.client_id.clone());
            }
            Difference { topic: topic.clone(), said }
        });
        all.filter(|difference| difference.said.len() > 1).collect()
    }
}

impl Member {
    /// Takes over the subscriptions of a heartbeat; a newer version replaces an older one. True if anything is new or gone.
    pub(super) fn subscribe(&mut self, heard: Vec<Subscription>) -> bool {
        let mut all = BTreeMap::new();
        let mut changed = false;
        for subscription in heard {
            let topic = subscription.topic.clone();
            let own = match self.subscriptions.get(&topic) {
                Some(known) if known.version >= subscription.version => Arc::clone(known),
                known => {
                    changed |= known.is_none_or(|known| !known.says_the_same_as(&subscription));
                    Arc::new(subscription)
                }
            };
            all.insert(topic, own);
        }
        changed |= self.subscriptions.keys().any(|topic| !all.contains_key(topic));
        self.subscriptions = Arc::new(all);
        changed
    }

    fn says_the_same_as(&self, other: &Member) -> bool {
        let (own, others) = (&self.subscriptions, &other.subscriptions);
        let alike = |(topic, subscription): (&String, &Arc<Subscription>)| {
            others.get(topic).is_some_and(|other| other.says_the_same_as(subscription))
        };
        own.len() == others.len() && own.iter().all(alike)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.topic)?;
        for (index, (said, members)) in self.said.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            let named: Vec<_> = members.iter().take(NAMED_MAX).map(String::as_str).collect();
            write!(f, "{separator}{}", named.join(", "))?;
            if members.len() > NAMED_MAX {
                write!(f, " and {} more", members.len() - NAMED_MAX)?;
            }
            match said {
                Some((expression, kind)) => {
                    let shown: String = expression.chars().take(SHOWN_MAX).collect();
                    let cut = if shown.len() < expression.len() { "..." } else { "" };
                    write!(f, " want {kind} {shown:?}{cut}")?;
                }
                None => f.write_str(" do not subscribe")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
