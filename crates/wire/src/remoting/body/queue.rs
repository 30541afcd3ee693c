//! A message queue in bodies, and tables that have one as their key.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use crate::remoting::json;

/// Topic, broker name and queue id. Members are written in this order: a reader splits text by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, DeriveDeserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MessageQueue {
    pub broker_name: String,
    pub queue_id: i32,
    pub topic: String,
}

/// A table by message queue, in the order of the wire. Its keys are written as bare objects,
/// `{{"brokerName":"b","queueId":0,"topic":"T"}:…}`; strings that hold such an object are read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByQueue<V>(pub Vec<(MessageQueue, V)>);

impl<V> Default for ByQueue<V> {
    fn default() -> Self {
        ByQueue(Vec::new())
    }
}

impl<V> FromIterator<(MessageQueue, V)> for ByQueue<V> {
    fn from_iter<I: IntoIterator<Item = (MessageQueue, V)>>(entries: I) -> Self {
        ByQueue(entries.into_iter().collect())
    }
}

impl<V: Serialize> Serialize for ByQueue<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (queue, value) in &self.0 {
            map.serialize_entry(&json::write::object_key(queue), value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for ByQueue<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Table<V> {
            type Value = ByQueue<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table by message queue")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let queue = json::read(key.as_bytes()).map_err(A::Error::custom)?;
                    entries.push((queue, map.next_value()?));
                }
                Ok(ByQueue(entries))
            }
        }

        deserializer.deserialize_map(Table(PhantomData))
    }
}
