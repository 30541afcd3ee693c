//! The key-value table: order configurations of topics and whatever else tools keep here.
//!
//! Durable by the log: a change is planned here, appended as a [`System::KvChanged`] by the caller, and
//! applied when it is in the log. [`KvConfig::facts`] gives the table back for a checkpoint or before
//! retention takes the records it came from.

use std::collections::BTreeMap;

use model::record::system::System;

/// Namespace of order configurations: topic -> `broker-a:4;broker-b:4`.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Longest namespace or key, in bytes. A key is a topic's name at most.
const KEY_LEN_MAX: usize = 255;
/// Longest value, in bytes: the order configuration of a thousand brokers.
const VALUE_LEN_MAX: usize = 32 * 1024;
/// Keys over all namespaces. With the lengths above a bound on memory, not a target.
const KEYS_MAX: usize = 10_000;

/// Why a key was not put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    #[error("a {what} has 1 to {max} bytes, not {len}")]
    Length { what: &'static str, len: usize, max: usize },
    #[error("the table holds {KEYS_MAX} keys already: delete one first")]
    Full,
}

/// Namespace -> key -> value.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KvConfig {
    table: BTreeMap<String, BTreeMap<String, String>>,
    keys: usize,
}

impl KvConfig {
    /// The fact that puts a value, old or new. Facts that are planned and not yet applied may take the
    /// table over its bound by their number.
    pub fn plan_put(&self, namespace: &str, key: &str, value: &str) -> Result<System, KvError> {
        let within = |what, text: &str, min: usize, max| {
            let len = text.len();
            if (min..=max).contains(&len) { Ok(()) } else { Err(KvError::Length { what, len, max }) }
        };
        within("namespace", namespace, 1, KEY_LEN_MAX)?;
        within("key", key, 1, KEY_LEN_MAX)?;
        within("value", value, 0, VALUE_LEN_MAX)?;
        if self.keys >= KEYS_MAX && self.get(namespace, key).is_none() {
            return Err(KvError::Full);
        }
        Ok(changed(namespace, key, Some(value)))
    }

    /// The fact that deletes a key, `None` if there is none.
    #[must_use]
    pub fn plan_delete(&self, namespace: &str, key: &str) -> Option<System> {
        self.get(namespace, key).map(|_| changed(namespace, key, None))
    }

    /// Takes up a fact of the log; records of another kind change nothing.
    pub fn apply(&mut self, fact: &System) {
        let System::KvChanged { namespace, key, value } = fact else { return };
        match value {
            Some(value) => {
                let keys = self.table.entry(namespace.clone()).or_default();
                if keys.insert(key.clone(), value.clone()).is_none() {
                    self.keys += 1;
                }
            }
            None => {
                let Some(keys) = self.table.get_mut(namespace) else { return };
                if keys.remove(key).is_some() {
                    self.keys -= 1;
                }
                if keys.is_empty() {
                    self.table.remove(namespace);
                }
            }
        }
    }

    #[must_use]
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.table.get(namespace)?.get(key).map(String::as_str)
    }

    /// Keys and values of a namespace in the order of the keys, `None` if it has none.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Option<impl Iterator<Item = (&str, &str)>> {
        Some(self.table.get(namespace)?.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Facts that build this table from an empty one.
    pub fn facts(&self) -> impl Iterator<Item = System> + '_ {
        self.table
            .iter()
            .flat_map(|(namespace, keys)| keys.iter().map(|(key, value)| changed(namespace, key, Some(value))))
    }
}

fn changed(namespace: &str, key: &str, value: Option<&str>) -> System {
    System::KvChanged { namespace: namespace.to_owned(), key: key.to_owned(), value: value.map(str::to_owned) }
}

#[cfg(test)]
mod tests;
