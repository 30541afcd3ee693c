//! The tag hash: what an index unit keeps of a message's tag, so that a pull can drop most messages unread.

/// Java's `String.hashCode()` over UTF-16 code units, as producers, consumers and the reference broker compute it
/// (message-format.md section 6). 0 for an empty tag. Two tags may share a hash; the client compares the tag itself.
#[must_use]
pub fn tag_hash(tag: &str) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    if tag.is_ascii() {
        return tag.bytes().fold(0, |hash, byte| step(hash, u16::from(byte)));
    }
    tag.encode_utf16().fold(0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(tag_hash(""), 0);
        assert_eq!(tag_hash("a"), 97);
        assert_eq!(tag_hash("TagA"), 2_598_919);
        assert_eq!(tag_hash("订单"), 1_129_459);
        assert_eq!(tag_hash("polygenelubricants"), i32::MIN);
    }
}
