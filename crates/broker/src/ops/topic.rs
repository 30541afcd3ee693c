//! Topics by command: create, change, delete (codes 17, 18, 215).

use std::collections::BTreeMap;

use model::name::NameError;
use model::record::system::System;
use model::{TopicConfig, TopicName};
use store::Staged;

use crate::broker::Broker;
use crate::state::topics::is_system;

/// Why a topic cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the topic[{0}] is conflict with system topic")]
    System(String),
    #[error("{what} of topic {topic} is {value}, allowed is {min} to {max}")]
    OutOfRange { topic: String, what: &'static str, value: i64, min: i64, max: i64 },
    #[error("attributes of topic {topic}: {reason}")]
    Attribute { topic: String, reason: String },
}

/// Whether something is staged: then answer when it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Staged,
    Nothing,
}

/// Queues of one topic at most; 1,024 is the largest the reference creates itself.
const QUEUES_MAX: u32 = 65_536;

/// Keys that may be set, and whether they may be changed later.
const ATTRIBUTES: [(&str, &[&str], bool); 4] = [
    ("queue.type", &["SimpleCQ"], false),
    ("cleanup.policy", &["DELETE"], false),
    ("message.type", &["NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED", "UNSPECIFIED"], true),
    ("flush", &["group", "async"], true),
];

impl Broker {
    /// Creates a topic or changes its configuration. `attributes` is the modification string `+k=v,-k2`.
    pub fn begin_change_topic(
        &self,
        config: TopicConfig,
        attributes: &str,
        staged: &mut Staged,
    ) -> Result<Change, Error> {
        let name = TopicName::new(config.name.as_str())?;
        if is_system(name.as_str(), &self.settings) {
            return Err(Error::System(name.to_string()));
        }
        check_range(&config, "perm", config.perm, 0, 7)?;
        check_range(&config, "readQueueNums", config.read_queues, 1, QUEUES_MAX)?;
        check_range(&config, "writeQueueNums", config.write_queues, 1, QUEUES_MAX)?;
        let known = self.machines.topics.get(name.as_str());
        let before = known.as_ref().map(|topic| topic.config.attributes.clone());
        let reason = |reason| Error::Attribute { topic: name.to_string(), reason };
        let changed = TopicConfig { attributes: modify(before, attributes).map_err(reason)?, ..config };
        if known.as_ref().is_some_and(|topic| topic.config == changed) {
            return Ok(Change::Nothing);
        }
        staged.system(&System::TopicChanged { id: known.map(|topic| topic.id), config: changed });
        Ok(Change::Staged)
    }

    /// Creates or changes all of `topics`, each with its modification string, or none of them if one is refused.
    pub fn begin_change_topics(
        &self,
        topics: impl Iterator<Item = (TopicConfig, String)>,
        staged: &mut Staged,
    ) -> Result<Change, Error> {
        let first = staged.len();
        for (config, attributes) in topics {
            if let Err(error) = self.begin_change_topic(config, &attributes, staged) {
                staged.truncate(first);
                return Err(error);
            }
        }
        Ok(if staged.len() > first { Change::Staged } else { Change::Nothing })
    }

    /// Creates the topic a send has asked for, whatever its name: the broker's own rules made the configuration.
    pub fn begin_create_topic(&self, config: TopicConfig, staged: &mut Staged) -> Change {
        if self.machines.topics.get(config.name.as_str()).is_some() {
            return Change::Nothing;
        }
        staged.system(&System::TopicChanged { id: None, config });
        Change::Staged
    }

    /// Deletes a topic; its messages go with their segments.
    pub fn begin_delete_topic(&self, name: &str, staged: &mut Staged) -> Result<Change, Error> {
        let name = TopicName::new(name)?;
        if is_system(name.as_str(), &self.settings) {
            return Err(Error::System(name.to_string()));
        }
        let Some(topic) = self.machines.topics.get(name.as_str()) else { return Ok(Change::Nothing) };
        staged.system(&System::TopicDeleted { id: topic.id });
        Ok(Change::Staged)
    }
}

fn check_range(config: &TopicConfig, what: &'static str, value: u32, min: u32, max: u32) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let topic = config.name.to_string();
    Err(Error::OutOfRange { topic, what, value: value.into(), min: min.into(), max: max.into() })
}

/// Applies a modification string to the attributes a topic has; `None` for a new topic.
fn modify(before: Option<BTreeMap<String, String>>, changes: &str) -> Result<BTreeMap<String, String>, String> {
    let new = before.is_none();
    let mut attributes = before.unwrap_or_default();
    for change in changes.split(',').map(str::trim).filter(|change| !change.is_empty()) {
        let (sign, rest) = change.split_at_checked(1).unwrap_or_default();
        let malformed = || format!("{change:?} is not of the form +key=value or -key");
        if !matches!(sign, "+" | "-") {
            return Err(malformed());
        }
        let (key, value) = rest.split_once('=').map_or((rest, None), |(key, value)| (key, Some(value)));
        let Some((_, allowed, changeable)) = ATTRIBUTES.iter().find(|(name, _, _)| *name == key) else {
            let names: Vec<_> = ATTRIBUTES.iter().map(|(name, _, _)| *name).collect();
            return Err(format!("unsupported key: {key}, known are {}", names.join(", ")));
        };
        if !new && !changeable {
            return Err(format!("attempt to update an unchangeable attribute. key: {key}"));
        }
        match (sign, value) {
            ("+", Some(value)) if allowed.contains(&value) => {
                attributes.insert(key.to_owned(), value.to_owned());
            }
            ("+", Some(value)) => return Err(format!("{key} is {value:?}, allowed is one of {}", allowed.join(", "))),
            ("-", None) if attributes.remove(key).is_some() => {}
            ("-", None) => return Err(format!("attempt to delete a nonexistent key: {key}")),
            _ => return Err(malformed()),
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn attributes_are_added_changed_and_deleted() {
        assert_eq!(
            modify(None, "+flush=async, +queue.type=SimpleCQ"),
            Ok(map(&[("flush", "async"), ("queue.type", "SimpleCQ")]))
        );
        assert_eq!(modify(Some(map(&[("flush", "async")])), "-flush"), Ok(map(&[])));
        assert_eq!(modify(Some(map(&[])), ""), Ok(map(&[])));
    }

    #[test]
    fn a_bad_change_says_what_is_allowed() {
        assert!(modify(None, "+colour=red").unwrap_err().contains("known are queue.type"));
        assert!(modify(None, "+flush=never").unwrap_err().contains("allowed is one of group, async"));
        assert!(modify(Some(map(&[])), "+queue.type=SimpleCQ").unwrap_err().contains("unchangeable"));
        assert!(modify(Some(map(&[])), "-flush").unwrap_err().contains("nonexistent"));
        assert!(modify(None, "flush").unwrap_err().contains("not of the form"));
    }
}
