//! The small bodies many operations share: key-values, lists of names, data versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies;

/// Key-values: runtime info (28), ordered topics (103), a namespace (219).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvTable {
    pub table: BTreeMap<String, String>,
}

/// Topic names: 206, 224, 304, 305, 343.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicList {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    pub topic_list: Vec<String>,
}

/// Group names: 300.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GroupList {
    pub group_list: Vec<String>,
}

/// How new a table is. A name server compares two for equality.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataVersion {
    /// Changes so far.
    pub counter: i64,
    /// The controller's view; 0 without one.
    pub state_version: i64,
    /// Time of the last change, milliseconds since 1970.
    pub timestamp: i64,
}

bodies! {
    to_standard: KvTable, TopicList, GroupList, DataVersion;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_read_numbers_as_texts() {
        let table = KvTable::read(br#"{"table":{"a":1,'b':true,"c":null},"new":[]}"#).unwrap();
        assert_eq!(table.table, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "true".into())]));
        assert_eq!(table.to_json(), br#"{"table":{"a":"1","b":"true"}}"#);
    }

    #[test]
    fn an_absent_member_is_not_written() {
        assert_eq!(TopicList::default().to_json(), br#"{"topicList":[]}"#);
        let version = DataVersion::read(br#"{"counter":"3","timestamp":1.0}"#).unwrap();
        assert_eq!(version.to_json(), br#"{"counter":3,"stateVersion":0,"timestamp":1}"#);
    }
}
