//! The properties string: `name 0x01 value 0x02 name 0x01 value 0x02 ...` (message-format.md section 3).
//!
//! Read in place; a later duplicate wins. Neither separator can occur in a name or a value.

/// Ends a name.
pub const NAME_END: u8 = 1;
/// Ends a value.
pub const VALUE_END: u8 = 2;

/// Reserved names, as they stand in the string.
pub mod key {
    pub const KEYS: &str = "KEYS";
    pub const TAGS: &str = "TAGS";
    pub const WAIT: &str = "WAIT";
    pub const DELAY: &str = "DELAY";
    pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
    pub const REAL_TOPIC: &str = "REAL_TOPIC";
    pub const REAL_QID: &str = "REAL_QID";
    pub const TRAN_MSG: &str = "TRAN_MSG";
    pub const PGROUP: &str = "PGROUP";
    pub const TRANSACTION_ID: &str = "__transactionId__";
    pub const CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
    pub const CHECK_IMMUNITY_SECS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
    pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
    pub const MSG_REGION: &str = "MSG_REGION";
    pub const TRACE_ON: &str = "TRACE_ON";
    pub const UNIQ_KEY: &str = "UNIQ_KEY";
    pub const CLUSTER: &str = "CLUSTER";
    /// The receipt handle of a popped message.
    pub const POP_CK: &str = "POP_CK";
    /// When a message was popped first, milliseconds since 1970.
    pub const FIRST_POP_TIME: &str = "1ST_POP_TIME";
    pub const DLQ_ORIGIN_TOPIC: &str = "DLQ_ORIGIN_TOPIC";
    pub const DLQ_ORIGIN_MESSAGE_ID: &str = "DLQ_ORIGIN_MESSAGE_ID";
    pub const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
    /// The client that waits for a reply.
    pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
    /// When the broker pushed a reply, milliseconds since 1970.
    pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
}

/// Iterates over (name, value) in order. Pieces without both are skipped, as the reference does.
pub fn iter(properties: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    properties.split(|&byte| byte == VALUE_END).filter_map(|piece| {
        let at = memchr::memchr(NAME_END, piece)?;
        let (name, value) = (&piece[..at], &piece[at + 1..]);
        (!name.is_empty() && !value.is_empty()).then_some((name, value))
    })
}

/// The value of `name`; the last one if it occurs more than once. `None` if it is absent or not UTF-8.
#[must_use]
pub fn find<'a>(properties: &'a [u8], name: &str) -> Option<&'a str> {
    let value = iter(properties).filter(|(n, _)| *n == name.as_bytes()).last()?.1;
    std::str::from_utf8(value).ok()
}

/// Appends one pair. The caller has made sure that neither text holds a separator.
pub fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    debug_assert!(!name.bytes().chain(value.bytes()).any(|byte| byte == NAME_END || byte == VALUE_END));
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_END);
    out.extend_from_slice(value.as_bytes());
    out.push(VALUE_END);
}

/// Copies `properties` without the pairs that `drop` names, each pair ended by 0x02.
pub fn copy_without(out: &mut Vec<u8>, properties: &[u8], drop: impl Fn(&[u8]) -> bool) {
    for (name, value) in iter(properties).filter(|(name, _)| !drop(name)) {
        out.extend_from_slice(name);
        out.push(NAME_END);
        out.extend_from_slice(value);
        out.push(VALUE_END);
    }
}

/// The index keys of a message: its unique key, and each word of KEYS.
pub fn index_keys(properties: &[u8]) -> impl Iterator<Item = &str> {
    let unique = find(properties, key::UNIQ_KEY);
    let keys = find(properties, key::KEYS).unwrap_or_default();
    unique.into_iter().chain(keys.split(' ').filter(|word| !word.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_whether_or_not_the_last_one_is_ended() {
        let both: Vec<_> = iter(b"TAGS\x01a\x02KEYS\x01k1 k2").collect();
        assert_eq!(both, [(&b"TAGS"[..], &b"a"[..]), (&b"KEYS"[..], &b"k1 k2"[..])]);
        assert_eq!(find(b"a\x011\x02a\x012\x02", "a"), Some("2"));
        assert_eq!(find(b"a\x01\x02\x01x\x02b", "a"), None);
    }

    #[test]
    fn the_index_holds_the_unique_key_and_each_word_of_keys() {
        let keys: Vec<_> = index_keys(b"KEYS\x01k1  k2\x02UNIQ_KEY\x01U\x02").collect();
        assert_eq!(keys, ["U", "k1", "k2"]);
    }
}
