//! Who is alive: heartbeats, data versions, expiry, closed connections, unregistration.

use std::net::IpAddr;

use model::Timestamp;
use model::config::perm;

use super::{DataVersion, Link, MASTER_ID, Member, Routes, Source};
use crate::name::BrokerName;

/// How a broker names itself after it has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberId<'a> {
    pub cluster: &'a str,
    pub broker: &'a str,
    pub address: &'a str,
}

/// A member that left the table without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub broker: BrokerName,
    pub id: i64,
    pub address: Box<str>,
    /// Its connection: close it, so that a broker that only hung learns of it.
    pub link: Link,
}

/// Why a word about a member counted for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    #[error("{0} may not speak for brokers here: add its network to namesrv.accept_brokers")]
    NotAccepted(IpAddr),
    #[error("broker {broker} at {address} registered over another connection, and only that one may unregister it")]
    OtherConnection { broker: String, address: String },
}

impl Routes {
    /// Whether a word about brokers from there counts. Asked before a body is inflated for a stranger.
    pub fn check_source(&self, source: Source) -> Result<(), MemberError> {
        match source {
            Source::Network { ip, .. } if !self.accepts(source) => Err(MemberError::NotAccepted(ip)),
            _ => Ok(()),
        }
    }

    /// A broker is alive. A member that is not in the table stays out of it until it registers.
    pub fn heartbeat(&mut self, member: MemberId<'_>, source: Source, now: Timestamp) -> Result<(), MemberError> {
        self.check_source(source)?;
        if let Some(member) = self.member_mut(member) {
            member.heard = now;
        }
        Ok(())
    }

    /// The data version the member registered with, `None` if it did not. The question is a sign of life
    /// from whoever may register.
    pub fn query_data_version(&mut self, id: MemberId<'_>, source: Source, now: Timestamp) -> Option<DataVersion> {
        let accepted = self.accepts(source);
        let member = self.member_mut(id)?;
        if accepted {
            member.heard = now;
        }
        Some(member.version)
    }

    /// A broker leaves. One that is not in the table has left already.
    pub fn unregister(&mut self, id: MemberId<'_>, source: Source) -> Result<(), MemberError> {
        self.check_source(source)?;
        let Some(member) = self.member_mut(id) else { return Ok(()) };
        if member.source != source {
            let (broker, address) = (id.broker.to_owned(), member.address.to_string());
            return Err(MemberError::OtherConnection { broker, address });
        }
        self.remove(id.broker, |member| &*member.address == id.address);
        Ok(())
    }

    /// Removes every member that was not heard for longer than its timeout.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Lost> {
        self.remove_where(|member| member.expired(now))
    }

    /// Removes the members that registered over a connection.
    pub fn connection_lost(&mut self, lost: Link) -> Vec<Lost> {
        self.remove_where(|member| matches!(member.source, Source::Network { link, .. } if link == lost))
    }

    fn member_mut(&mut self, id: MemberId<'_>) -> Option<&mut Member> {
        let broker = self.brokers.get_mut(id.broker).filter(|broker| broker.cluster.as_str() == id.cluster)?;
        broker.members.values_mut().find(|member| &*member.address == id.address)
    }

    fn remove_where(&mut self, goes: impl Fn(&Member) -> bool) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (name, broker) in &self.brokers {
            for (id, member) in broker.members.iter().filter(|(_, member)| goes(member)) {
                if let Source::Network { link, .. } = member.source {
                    lost.push(Lost { broker: name.clone(), id: *id, address: member.address.clone(), link });
                }
            }
        }
        for one in &lost {
            self.remove(one.broker.as_str(), |member| member.address == one.address);
        }
        lost
    }

    /// Removes members of a broker name. With the last one go its queues; while only slaves are left of a
    /// broker that knows acting masters, its queues can be read and not written.
    fn remove(&mut self, name: &str, goes: impl Fn(&Member) -> bool) {
        let Some(broker) = self.brokers.get_mut(name) else { return };
        broker.members.retain(|_, member| !goes(member));
        if broker.members.is_empty() {
            self.brokers.remove(name);
            self.drop_queues(|data| data.broker.as_str() == name);
        } else if broker.acting_master && !broker.members.contains_key(&MASTER_ID) {
            self.for_each_of(name, |data| data.perm &= !perm::WRITE);
        }
    }
}
