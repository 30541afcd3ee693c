//! What a group wants from a topic: a tag expression, judged by index units alone, or a SQL92 expression over the properties of
//! each message.

use std::collections::HashSet;

use model::filter::{self, Filter};
use model::tag::tag_hash;

use crate::state::arrivals::Interest;

/// A subscription, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub topic: String,
    pub expression: String,
    /// The client's clock when it subscribed, ms: a newer version replaces an older one.
    pub version: i64,
    pub tags: Tags,
    /// A SQL92 expression; `tags` lets everything through then.
    pub filter: Option<Filter>,
}

/// Which tags match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    All,
    /// By hash; the client compares the tag itself, so a shared hash only costs bytes.
    Hashes(HashSet<i32>),
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("tag expression {0:?} names no tag: use * for all messages, or tags separated by ||")]
    NoTag(String),
    #[error("the broker does not support consumer to filter message by {0}: subscribe with tags or {SQL92}")]
    UnsupportedType(String),
    #[error(transparent)]
    Sql(#[from] filter::Error),
}

/// The type of an expression that is no tag expression, as clients spell it.
pub const SQL92: &str = "SQL92";

impl Subscription {
    /// Reads an expression of type `kind` (blank or `TAG`: tags separated by `||`; `*` or blank: everything; or [`SQL92`]).
    pub fn parse(topic: &str, expression: &str, kind: Option<&str>, version: i64) -> Result<Subscription, Error> {
        match kind {
            None | Some("" | "TAG") => {}
            Some(SQL92) => {
                let (topic, filter) = (topic.to_owned(), Some(Filter::compile(expression)?));
                return Ok(Subscription { topic, expression: expression.to_owned(), version, tags: Tags::All, filter });
            }
            Some(other) => return Err(Error::UnsupportedType(other.to_owned())),
        }
        let tags = if expression.trim().is_empty() || expression == "*" {
            Tags::All
        } else {
            let hashes: HashSet<_> =
                expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(tag_hash).collect();
            if hashes.is_empty() {
                return Err(Error::NoTag(expression.to_owned()));
            }
            Tags::Hashes(hashes)
        };
        Ok(Subscription { topic: topic.to_owned(), expression: expression.to_owned(), version, tags, filter: None })
    }

    /// The type of the expression, as clients spell it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.filter.is_some() { SQL92 } else { "TAG" }
    }

    /// Whether both ask for the same messages in the same words.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Subscription) -> bool {
        self.expression == other.expression && self.kind() == other.kind()
    }

    /// Whether every message is wanted.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        self.tags == Tags::All && self.filter.is_none()
    }

    /// Whether a message with this tag hash may be wanted: `filter` has the last word.
    #[must_use]
    pub fn wants(&self, hash: i32) -> bool {
        match &self.tags {
            Tags::All => true,
            Tags::Hashes(hashes) => hashes.contains(&hash),
        }
    }

    #[must_use]
    pub fn interest(&self) -> Interest {
        match &self.tags {
            Tags::All => Interest::Any,
            Tags::Hashes(hashes) => Interest::Tags(hashes.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_split_and_trimmed() {
        let tags = |expression| Subscription::parse("t", expression, Some("TAG"), 0).map(|s| s.tags);
        assert_eq!(tags("*"), Ok(Tags::All));
        assert_eq!(tags(" "), Ok(Tags::All));
        assert_eq!(tags("a || b||"), Ok(Tags::Hashes(HashSet::from([97, 98]))));
        assert_eq!(tags("||"), Err(Error::NoTag("||".into())));
    }

    #[test]
    fn another_language_is_refused_by_name() {
        let refused = Subscription::parse("t", "a > 1", Some("SQL93"), 0);
        assert_eq!(refused, Err(Error::UnsupportedType("SQL93".into())));
    }

    #[test]
    fn a_broken_sql_expression_is_refused_with_its_place() {
        let refused = Subscription::parse("t", "a > ", Some(SQL92), 0).expect_err("there is nothing to compare with");
        assert!(refused.to_string().ends_with("\n    a > \n        ^"), "{refused}");
        let sql = Subscription::parse("t", "a > 1", Some(SQL92), 0).expect("fine");
        assert_eq!((sql.kind(), sql.wants_all(), sql.wants(97)), (SQL92, false, true));
    }
}
