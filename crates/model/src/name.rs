//! Names of topics and groups, checked once at the door. A name never becomes a path (RELIABILITY.md section 3.1).
//!
//! Rules: semantics.md section 1. Namespaces are a habit of clients; here a name is opaque.

use std::sync::Arc;

/// Prefix of a consumer group's retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of a consumer group's dead-letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";

/// Longest ordinary topic name, in bytes.
pub const TOPIC_LEN_MAX: usize = 127;
/// Longest name of a retry or dead-letter topic, in bytes.
pub const RETRY_TOPIC_LEN_MAX: usize = 255;
/// Longest group name, in bytes. With [`DLQ_PREFIX`] it must still fit a topic.
pub const GROUP_LEN_MAX: usize = 120;

/// The name of a topic. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// The name of a producer or consumer group. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

/// Why a name was refused. The texts say what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the specified {what} is blank: give it a name")]
    Blank { what: &'static str },
    #[error("the specified {what}: {name}, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")]
    IllegalCharacters { what: &'static str, name: String },
    #[error("the specified {what}: {name}, is longer than {what} max length: {max}")]
    TooLong { what: &'static str, name: String, max: usize },
}

impl TopicName {
    /// Checks characters and length.
    pub fn new(name: &str) -> Result<TopicName, NameError> {
        let long = name.starts_with(RETRY_PREFIX) || name.starts_with(DLQ_PREFIX);
        check("topic", name, if long { RETRY_TOPIC_LEN_MAX } else { TOPIC_LEN_MAX })?;
        Ok(TopicName(name.into()))
    }

    /// A name that was checked before it was stored, or one of ours.
    #[must_use]
    pub fn trusted(name: &str) -> TopicName {
        TopicName(name.into())
    }

    /// The retry topic of a consumer group.
    #[must_use]
    pub fn retry_of(group: &GroupName) -> TopicName {
        TopicName(format!("{RETRY_PREFIX}{group}").into())
    }

    /// The dead-letter topic of a consumer group.
    #[must_use]
    pub fn dead_letter_of(group: &GroupName) -> TopicName {
        TopicName(format!("{DLQ_PREFIX}{group}").into())
    }

    /// Where messages of `topic` go that `group` popped and did not ack in time (version 1 of the name). Two pairs of names
    /// with underscores may share it, as in the reference.
    #[must_use]
    pub fn pop_retry_of(group: &str, topic: &str) -> TopicName {
        TopicName(format!("{RETRY_PREFIX}{group}_{topic}").into())
    }

    /// The same in version 2 of the name, which no client can make: names have no `+`.
    #[must_use]
    pub fn pop_retry_v2_of(group: &str, topic: &str) -> TopicName {
        TopicName(format!("{RETRY_PREFIX}{group}+{topic}").into())
    }

    /// The topic behind the name, if it is a pop retry topic of `group`.
    #[must_use]
    pub fn popped_topic(&self, group: &str) -> Option<&str> {
        self.0
            .strip_prefix(RETRY_PREFIX)?
            .strip_prefix(group)?
            .strip_prefix(['_', '+'])
            .filter(|topic| !topic.is_empty())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.0.starts_with(RETRY_PREFIX)
    }

    #[must_use]
    pub fn is_dead_letter(&self) -> bool {
        self.0.starts_with(DLQ_PREFIX)
    }

    /// The group whose retry topic this is.
    #[must_use]
    pub fn retry_group(&self) -> Option<GroupName> {
        self.0.strip_prefix(RETRY_PREFIX).map(GroupName::trusted)
    }
}

impl GroupName {
    /// Checks characters and length.
    pub fn new(name: &str) -> Result<GroupName, NameError> {
        check("group", name, GROUP_LEN_MAX)?;
        Ok(GroupName(name.into()))
    }

    /// A name that was checked before it was stored, or one of ours.
    #[must_use]
    pub fn trusted(name: &str) -> GroupName {
        GroupName(name.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(what: &'static str, name: &str, max: usize) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Blank { what });
    }
    if name.len() > max {
        return Err(NameError::TooLong { what, name: shortened(name), max });
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'|' | b'-' | b'_');
    if !name.bytes().all(legal) {
        return Err(NameError::IllegalCharacters { what, name: shortened(name) });
    }
    Ok(())
}

/// An error text must not repeat a megabyte that somebody sent as a name.
fn shortened(name: &str) -> String {
    const SHOWN_CHARS: usize = 300;
    name.chars().take(SHOWN_CHARS).collect()
}

/// Text traits of a name that wraps its text: `Borrow<str>` for lookups without a copy, `Display`, and a `Debug` that shows the
/// bare text.
#[macro_export]
macro_rules! text_like {
    ($name:ident) => {
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_like!(TopicName);
text_like!(GroupName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pop_retry_topic_names_its_group_and_topic() {
        let name = TopicName::pop_retry_of("g", "orders");
        assert_eq!((name.as_str(), name.popped_topic("g")), ("%RETRY%g_orders", Some("orders")));
        assert_eq!(TopicName::pop_retry_v2_of("g", "orders").popped_topic("g"), Some("orders"));
        assert_eq!(TopicName::trusted("%RETRY%g").popped_topic("g"), None);
        assert_eq!(TopicName::trusted("orders").popped_topic("g"), None);
    }

    #[test]
    fn names_follow_the_rules_of_the_reference() {
        assert!(TopicName::new("orders").is_ok());
        assert!(TopicName::new("instance%orders|a-b_c").is_ok());
        assert_eq!(TopicName::new(" "), Err(NameError::Blank { what: "topic" }));
        assert!(matches!(TopicName::new("../etc"), Err(NameError::IllegalCharacters { .. })));
        assert!(matches!(TopicName::new("订单"), Err(NameError::IllegalCharacters { .. })));
        assert!(TopicName::new(&"a".repeat(127)).is_ok());
        assert!(matches!(TopicName::new(&"a".repeat(128)), Err(NameError::TooLong { max: 127, .. })));
        assert!(TopicName::new(&format!("%RETRY%{}", "a".repeat(200))).is_ok());
        assert!(matches!(GroupName::new(&"g".repeat(121)), Err(NameError::TooLong { max: 120, .. })));
    }
}
