//! Recall handles: what a producer keeps of a message with an exact delivery time, to take it back (semantics.md
//! section 11).
//!
//! `v1 <topic> <broker name> <delivery time in ms> <unique key>`, in base64 with the URL alphabet and padding. The reference
//! writes a second's first millisecond as the time; ours is exact, and reads as the same second there.

use crate::time::Timestamp;

const VERSION: &str = "v1";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PADDING: u8 = b'=';

/// Longest text that is looked at: twice the longest names and keys there are.
const TEXT_LEN_MAX: usize = 2_048;

/// A handle, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecallHandle {
    pub topic: String,
    pub broker_name: String,
    /// When the message is due.
    pub due: Timestamp,
    pub unique_key: String,
}

/// Appends the handle of a message. Allocates nothing but the room in `out`.
pub fn push(out: &mut Vec<u8>, topic: &str, broker_name: &str, due: Timestamp, unique_key: &str) {
    let (mut digits, mut first) = ([0; 20], 20);
    let mut rest = due.0.unsigned_abs();
    while first == 20 || rest > 0 {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    let pieces =
        [VERSION.as_bytes(), topic.as_bytes(), broker_name.as_bytes(), &digits[first..], unique_key.as_bytes()];
    let spaces = pieces.iter().enumerate().map(|(index, piece)| (if index == 0 { &b""[..] } else { &b" "[..] }, piece));
    let mut bytes = spaces.flat_map(|(space, piece)| space.iter().chain(*piece).copied());
    while let Some(high) = bytes.next() {
        let (middle, low) = (bytes.next(), bytes.next());
        let group = u32::from(high) << 16 | u32::from(middle.unwrap_or(0)) << 8 | u32::from(low.unwrap_or(0));
        let digit = |shift: u32| ALPHABET[(group >> shift & 63) as usize];
        out.extend_from_slice(&[
            digit(18),
            digit(12),
            middle.map_or(PADDING, |_| digit(6)),
            low.map_or(PADDING, |_| digit(0)),
        ]);
    }
}

/// Reads a handle. `None`: it is none, or of a version we do not know.
#[must_use]
pub fn parse(text: &str) -> Option<RecallHandle> {
    let bytes = decode(text)?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut parts = text.split(' ');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    if next()? != VERSION {
        return None;
    }
    let (topic, broker_name, due) = (next()?.to_owned(), next()?.to_owned(), next()?.parse().ok()?);
    let handle = RecallHandle { topic, broker_name, due: Timestamp(due), unique_key: next()?.to_owned() };
    parts.next().is_none().then_some(handle)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() > TEXT_LEN_MAX || text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut group = 0;
        for digit in chunk {
            group = group << 6 | u32::try_from(ALPHABET.iter().position(|known| known == digit)?).ok()?;
        }
        group <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(topic: &str, key: &str) -> String {
        let mut out = Vec::new();
        push(&mut out, topic, "broker-a", Timestamp(1_795_561_837_001), key);
        String::from_utf8(out).expect("base64 is ASCII")
    }

    /// The handle of a recorded request (java-5.3.3-raw, 087-370-recall).
    #[test]
    fn a_handle_reads_and_writes_as_the_reference_has_it() {
        let recorded = "djEgUl9qNTMgYnJva2VyLWEgMTc5NTU2MTgzNzAwMSBBQzExMDAwMTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==";
        assert_eq!(text("R_j53", "AC110001000000000000000000000000"), recorded);
        let handle = parse(recorded).expect("a handle");
        assert_eq!((&*handle.topic, &*handle.broker_name), ("R_j53", "broker-a"));
        assert_eq!((handle.due, handle.unique_key.len()), (Timestamp(1_795_561_837_001), 32));
    }

    #[test]
    fn every_length_reads_back() {
        for key in ["k", "kk", "kkk", "kkkk"] {
            assert_eq!(parse(&text("t", key)).expect("a handle").unique_key, key);
        }
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        for wrong in ["", "zzzz", "====", "djE", "a", "djEgUl9qNTMg", "djIgdCBiIDEgaw==", "djEgdCBiIHggaw==", "ä"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(parse(&"A".repeat(4_000)), None);
    }
}
