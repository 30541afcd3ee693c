//! One group begins where another one is (code 314).

use model::GroupName;
use model::name::NameError;
use model::record::system::{CommittedOffset, System};
use store::Staged;

use crate::broker::Broker;
use crate::ops::topic::Change;

/// What to clone.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub from: &'a str,
    pub to: &'a str,
    /// `None`: all topics the group has offsets in.
    pub topic: Option<&'a str>,
    /// Also topics that the group does not subscribe to while it is online.
    pub unsubscribed_too: bool,
}

/// Why nothing is cloned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("topic {0} does not exist")]
    TopicNotFound(String),
    #[error("group {0} does not exist: create it with mqadmin updateSubGroup")]
    GroupNotFound(String),
}

impl Broker {
    /// Stages the offsets of `from` as those of `to`. They hold when the append is applied.
    pub fn begin_clone_offset(&self, request: Request<'_>, staged: &mut Staged) -> Result<Change, Error> {
        let to = GroupName::new(request.to)?;
        if self.machines.groups.get(to.as_str()).is_none() && !self.settings.auto_create_groups {
            return Err(Error::GroupNotFound(to.to_string()));
        }
        let only = match request.topic {
            None => None,
            Some(name) => Some(self.machines.topics.id_of(name).ok_or_else(|| Error::TopicNotFound(name.to_owned()))?),
        };
        let online = self.clients.online(request.from).map(|online| online.subscriptions()).unwrap_or_default();
        let wanted = |name: &str| request.unsubscribed_too || online.is_empty() || online.contains_key(name);
        let mut offsets = self.machines.offsets.lock();
        let (mut cloned, mut version) = (Vec::new(), 0);
        for ((topic, queue), offset) in offsets.of_group(request.from) {
            let Some(name) = self.machines.topics.name_of(topic) else { continue };
            if only.is_none_or(|only| only == topic)
                && wanted(name.as_str())
                && let Some((newest, offset)) = offsets.note_staged(to.as_str(), (topic, queue), offset)
            {
                version = newest;
                cloned.push(CommittedOffset { topic, queue, offset });
            }
        }
        if cloned.is_empty() {
            return Ok(Change::Nothing);
        }
        for part in cloned.chunks(OFFSETS_PER_RECORD) {
            staged.system(&System::OffsetsCommitted { group: to.clone(), version, offsets: part.to_vec() });
        }
        Ok(Change::Staged)
    }
}

/// Offsets in one record, as `state/offsets` writes them.
const OFFSETS_PER_RECORD: usize = 1_000;
