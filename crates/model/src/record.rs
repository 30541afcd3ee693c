//! The bytes of a record: what a batch of the log holds, one after another.
//!
//! Every record starts with its size and a magic, so that a batch can be walked without knowing what is inside.
//! A *message record* has exactly the bytes a pull answers with ([`message`]); a *system record* is one of our own typed
//! facts ([`system`]). All integers are big-endian.

pub mod codec;
pub mod message;
pub mod pop;
pub mod system;

/// Size and magic, at the start of every record.
pub const PREFIX_LEN: usize = 8;

/// Largest record: a 4 MiB body, 64 KiB for everything else, and room for a broker configured for larger bodies.
/// A length above it is damage, not a message.
pub const RECORD_LEN_MAX: usize = 16 * 1024 * 1024;

/// What stands at a position of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Message,
    System,
}

/// Reads the prefix of the record at the start of `bytes`: its kind and whole length. `None` is damage: a length that
/// cannot be, or an unknown magic.
#[must_use]
pub fn peek(bytes: &[u8]) -> Option<(Kind, usize)> {
    let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let kind = match u32_at(bytes, 4)? {
        message::MAGIC_V1 | message::MAGIC_V2 => Kind::Message,
        system::MAGIC => Kind::System,
        _ => return None,
    };
    (PREFIX_LEN..=RECORD_LEN_MAX).contains(&len).then_some((kind, len))
}

/// The big-endian `u32` at `at`.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The big-endian `u64` at `at`.
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
