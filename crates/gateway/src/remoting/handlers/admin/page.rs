//! Long lists in pages, as tools of 5.5 ask for them (21, 201).

use std::ops::Range;

use broker::Broker;
use wire::remoting::body::kv::DataVersion;

/// Entries of a page at most (`splitMetadataSize` of the reference).
const PAGE_MAX: usize = 2_000;

/// What a tool asks for; old ones say nothing and want everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub first: Option<i32>,
    pub max: Option<i32>,
    /// Of the list whose pages it has, as JSON.
    pub version: Option<&'a str>,
}

/// The version of a list that has changed so often since the start.
pub fn version(broker: &Broker, changes: u64) -> DataVersion {
    DataVersion { counter: changes.cast_signed(), state_version: 0, timestamp: broker.started_at.0 }
}

/// Which entries of a list of `len` entries to answer. A list that has changed meanwhile begins again.
pub fn range(asked: Asked<'_>, len: usize, version: DataVersion) -> Range<usize> {
    if asked.first.is_none() && asked.max.is_none() && asked.version.is_none() {
        return 0..len;
    }
    let same = asked.version.is_some_and(|asked| DataVersion::read(asked.as_bytes()).is_ok_and(|of| of == version));
    let first = if same { asked.first.and_then(|first| usize::try_from(first).ok()).unwrap_or(0) } else { 0 };
    let max = asked.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let first = first.min(len);
    first..(first + max).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: DataVersion = DataVersion { counter: 7, state_version: 0, timestamp: 1_700_000_000_000 };
    const SAME: &str = r#"{"counter":7,"stateVersion":0,"timestamp":1700000000000}"#;
    const OLDER: &str = r#"{"counter":6,"stateVersion":0,"timestamp":1700000000000}"#;

    fn asked(first: i32, max: i32, version: &str) -> Asked<'_> {
        Asked { first: Some(first), max: Some(max), version: Some(version) }
    }

    #[test]
    fn an_old_tool_gets_everything() {
        assert_eq!(range(Asked::default(), 5_000, VERSION), 0..5_000);
    }

    #[test]
    fn pages_follow_each_other_while_the_list_stays() {
        assert_eq!(range(asked(0, 3, ""), 7, VERSION), 0..3);
        assert_eq!(range(asked(3, 3, SAME), 7, VERSION), 3..6);
        assert_eq!(range(asked(6, 3, SAME), 7, VERSION), 6..7);
        assert_eq!(range(asked(9, 3, SAME), 7, VERSION), 7..7);
        assert_eq!(range(asked(0, 9_999, ""), 5_000, VERSION), 0..PAGE_MAX);
    }

    #[test]
    fn a_changed_list_begins_again() {
        assert_eq!(range(asked(3, 3, OLDER), 7, VERSION), 0..3);
        assert_eq!(range(asked(3, 3, "not json"), 7, VERSION), 0..3);
        assert_eq!(range(asked(-1, -1, SAME), 7, VERSION), 0..7);
    }
}
