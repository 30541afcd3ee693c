//! The name server's key-value configuration (codes 100-102, 219): order topics and whatever tools keep there.
//! Facts: `KvChanged`.

use std::collections::BTreeMap;

use model::LogOffset;
use model::record::codec::{Malformed, Put, Reader};
use model::record::system::System;

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    value: String,
    at: LogOffset,
}

/// namespace -> key -> value.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kv {
    namespaces: BTreeMap<String, BTreeMap<String, Entry>>,
}

impl Kv {
    #[must_use]
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.namespaces.get(namespace)?.get(key).map(|entry| entry.value.as_str())
    }

    /// All pairs of a namespace. `None` if it has none.
    #[must_use]
    pub fn list(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let keys = self.namespaces.get(namespace)?;
        Some(keys.iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect())
    }

    /// Applies `KvChanged` that stands at `at`.
    pub fn changed(&mut self, at: LogOffset, namespace: String, key: String, value: Option<String>) {
        match value {
            Some(value) => {
                self.namespaces.entry(namespace).or_default().insert(key, Entry { value, at });
            }
            None => {
                if let Some(keys) = self.namespaces.get_mut(&namespace) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.namespaces.remove(&namespace);
                    }
                }
            }
        }
    }

    /// Records to append again before the log loses everything below `limit`.
    #[must_use]
    pub fn facts_below(&self, limit: LogOffset) -> Vec<System> {
        let pairs = self.namespaces.iter().flat_map(|(namespace, keys)| keys.iter().map(move |pair| (namespace, pair)));
        pairs
            .filter(|(_, (_, entry))| entry.at < limit)
            .map(|(namespace, (key, entry))| System::KvChanged {
                namespace: namespace.clone(),
                key: key.clone(),
                value: Some(entry.value.clone()),
            })
            .collect()
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        crate::broker::put_len(out, self.namespaces.values().map(BTreeMap::len).sum());
        for (namespace, keys) in &self.namespaces {
            for (key, entry) in keys {
                out.put_text(namespace);
                out.put_text(key);
                out.put_text(&entry.value);
                out.put_u64(entry.at.0);
            }
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let (namespace, key) = (fields.text()?.to_owned(), fields.text()?.to_owned());
            let value = fields.text()?.to_owned();
            self.changed(LogOffset(fields.u64()?), namespace, key, Some(value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_go_and_survive_save_and_load() {
        let mut kv = Kv::default();
        kv.changed(LogOffset(1), "ORDER".into(), "orders".into(), Some("broker-a:2".into()));
        kv.changed(LogOffset(2), "ORDER".into(), "x".into(), Some("y".into()));
        kv.changed(LogOffset(3), "ORDER".into(), "x".into(), None);
        assert_eq!((kv.get("ORDER", "orders"), kv.get("ORDER", "x")), (Some("broker-a:2"), None));
        let mut saved = Vec::new();
        kv.save(&mut saved);
        let mut again = Kv::default();
        again.load(&mut Reader::new(&saved)).expect("just saved");
        assert_eq!(again, kv);
        kv.changed(LogOffset(4), "ORDER".into(), "orders".into(), None);
        assert_eq!(kv.list("ORDER"), None);
    }
}
