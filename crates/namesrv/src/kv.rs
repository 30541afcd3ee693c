//! The key-value table's rules: what may be put into it. The table itself is the broker's, made of facts of
//! the log; here is what the name server demands of a change before it becomes a fact.

use model::record::system::System;

/// Namespace of order configurations: topic -> `broker-a:4;broker-b:4`.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Longest namespace or key, in bytes. A key is a topic's name at most.
const KEY_LEN_MAX: usize = 255;
/// Longest value, in bytes: the order configuration of a thousand brokers.
const VALUE_LEN_MAX: usize = 32 * 1024;
/// Keys of one namespace. With the lengths above a bound on memory, not a target.
const KEYS_MAX: usize = 10_000;

/// Why a key was not put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    #[error("a {what} has {min} to {max} bytes, not {len}")]
    Length { what: &'static str, len: usize, min: usize, max: usize },
    #[error("the namespace holds {KEYS_MAX} keys already: delete one first")]
    Full,
}

/// The fact that puts a value into a namespace that holds `keys` keys. Facts that are planned and not yet
/// applied may take it over its bound by their number.
pub fn plan_put(namespace: &str, key: &str, value: &str, keys: usize) -> Result<System, KvError> {
    let within = |what, text: &str, min: usize, max| {
        let len = text.len();
        if (min..=max).contains(&len) { Ok(()) } else { Err(KvError::Length { what, len, min, max }) }
    };
    within("namespace", namespace, 1, KEY_LEN_MAX)?;
    within("key", key, 1, KEY_LEN_MAX)?;
    within("value", value, 0, VALUE_LEN_MAX)?;
    if keys >= KEYS_MAX {
        return Err(KvError::Full);
    }
    Ok(System::KvChanged { namespace: namespace.to_owned(), key: key.to_owned(), value: Some(value.to_owned()) })
}

/// The fact that deletes a key.
#[must_use]
pub fn plan_delete(namespace: &str, key: &str) -> System {
    System::KvChanged { namespace: namespace.to_owned(), key: key.to_owned(), value: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_the_number_of_keys_are_bounded() {
        let put = System::KvChanged { namespace: "n".into(), key: "k".into(), value: Some("".into()) };
        assert_eq!(plan_put("n", "k", "", KEYS_MAX - 1), Ok(put));
        assert_eq!(plan_put("n", "k", "v", KEYS_MAX), Err(KvError::Full));
        let refused = |what, len, min, max| Err(KvError::Length { what, len, min, max });
        assert_eq!(plan_put("", "k", "v", 0), refused("namespace", 0, 1, 255));
        assert_eq!(plan_put("n", &"x".repeat(256), "v", 0), refused("key", 256, 1, 255));
        assert_eq!(plan_put("n", "k", &"x".repeat(32_769), 0), refused("value", 32_769, 0, 32_768));
    }
}
