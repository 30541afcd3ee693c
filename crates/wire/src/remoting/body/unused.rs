//! What nobody has used for long: the answer to `KEROLOX_LIST_UNUSED`, a code of our own.

use serde::{Deserialize, Serialize};

use super::bodies;

/// Topics and groups, each sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UnusedList {
    pub topics: Vec<LastUsed>,
    pub groups: Vec<LastUsed>,
}

/// A name and when it was last used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LastUsed {
    pub name: String,
    /// Milliseconds since 1970, to the day.
    pub last_used: i64,
}

bodies! {
    to_standard: UnusedList;
}
