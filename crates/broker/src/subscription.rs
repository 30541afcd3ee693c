//! What a group wants from a topic: a tag expression. (SQL92 is refused until the filter machine exists.)

use std::collections::HashSet;

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
    #[error("the broker does not support consumer to filter message by {0}: subscribe with tags")]
    UnsupportedType(String),
}

impl Subscription {
    /// Reads an expression of type `kind` (blank or `TAG`: tags separated by `||`; `*` or blank: everything).
    pub fn parse(topic: &str, expression: &str, kind: Option<&str>, version: i64) -> Result<Subscription, Error> {
        match kind {
            None | Some("" | "TAG") => {}
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
        Ok(Subscription { topic: topic.to_owned(), expression: expression.to_owned(), version, tags })
    }

    /// Whether a message with this tag hash is wanted.
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
        let refused = Subscription::parse("t", "a > 1", Some("SQL92"), 0);
        assert_eq!(refused, Err(Error::UnsupportedType("SQL92".into())));
    }
}
