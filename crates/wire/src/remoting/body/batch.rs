//! The body of a batch send (320): messages back to back, borrowed.
//!
//! ```text
//! size i32 · magic i32 · body crc i32 · flag i32 · body length i32, body · properties length i16, properties
//! ```
//!
//! Big-endian. Magic and CRC are written as 0 and not looked at: the broker computes its own.

use thiserror::Error;

/// Bytes of a message without body and properties.
pub const MESSAGE_LEN_MIN: usize = 4 + 4 + 4 + 4 + 4 + 2;

/// One message of a batch. What it lacks stands in the header of the send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMessage<'a> {
    /// The application's own 32 bits.
    pub flag: i32,
    /// What the producer sent.
    pub body: &'a [u8],
    /// Properties as the record keeps them.
    pub properties: &'a [u8],
}

/// The batch is cut or lies about a length, in the message that begins at this byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("batch is malformed in the message at byte {at}")]
pub struct BatchError {
    /// Where the message begins.
    pub at: usize,
}

/// The messages of a batch, in order. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Batch<'a> {
    /// Reads the body of a send.
    pub fn new(body: &'a [u8]) -> Batch<'a> {
        Batch { body, at: 0 }
    }
}

impl<'a> Iterator for Batch<'a> {
    type Item = Result<BatchMessage<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.body[self.at..];
        if rest.is_empty() {
            return None;
        }
        match message(rest) {
            Some((message, size)) => {
                self.at += size;
                Some(Ok(message))
            }
            None => {
                let at = std::mem::replace(&mut self.at, self.body.len());
                Some(Err(BatchError { at }))
            }
        }
    }
}

/// The message at the front of `bytes` and its size.
fn message(bytes: &[u8]) -> Option<(BatchMessage<'_>, usize)> {
    let (size, _) = bytes.split_first_chunk::<4>()?;
    let size = usize::try_from(i32::from_be_bytes(*size)).ok()?;
    let rest = bytes.get(12..size)?;
    let (flag, rest) = rest.split_first_chunk::<4>()?;
    let (body_len, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(*body_len)).ok()?)?;
    let (properties_len, properties) = rest.split_first_chunk::<2>()?;
    if usize::try_from(i16::from_be_bytes(*properties_len)).ok()? != properties.len() {
        return None;
    }
    Some((BatchMessage { flag: i32::from_be_bytes(*flag), body, properties }, size))
}

/// Appends `message` to the body of a batch send. Properties are at most 32 767 bytes.
pub fn push(message: &BatchMessage<'_>, out: &mut Vec<u8>) {
    let properties_len = i16::try_from(message.properties.len()).expect("properties are at most 32,767 bytes");
    let size = MESSAGE_LEN_MIN + message.body.len() + message.properties.len();
    let size = i32::try_from(size).expect("a message is far below 2 GiB");
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&message.flag.to_be_bytes());
    out.extend_from_slice(&(message.body.len() as u32).to_be_bytes());
    out.extend_from_slice(message.body);
    out.extend_from_slice(&properties_len.to_be_bytes());
    out.extend_from_slice(message.properties);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: [BatchMessage<'static>; 3] = [
        BatchMessage { flag: 7, body: b"one", properties: b"KEYS\x01k\x02" },
        BatchMessage { flag: -1, body: b"", properties: b"" },
        BatchMessage { flag: 0, body: b"three", properties: b"a\x01b" },
    ];

    fn bytes() -> Vec<u8> {
        let mut out = Vec::new();
        MESSAGES.iter().for_each(|message| push(message, &mut out));
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let read: Result<Vec<_>, _> = Batch::new(&bytes()).map(|message| message.map(|message| message.flag)).collect();
        assert_eq!(read, Ok(vec![7, -1, 0]));
        assert!(Batch::new(&bytes()).map(Result::unwrap).eq(MESSAGES));
    }

    #[test]
    fn a_cut_batch_is_an_error_in_its_last_message() {
        let bytes = bytes();
        let ends = [0, MESSAGE_LEN_MIN + 10, 2 * MESSAGE_LEN_MIN + 10];
        for end in 0..bytes.len() {
            let whole = ends.iter().filter(|at| **at <= end).count();
            let last = Batch::new(&bytes[..end]).last();
            match ends.contains(&end) {
                true => assert!(!matches!(last, Some(Err(_))), "cut at {end}"),
                false => assert_eq!(last, Some(Err(BatchError { at: ends[whole - 1] })), "cut at {end}"),
            }
        }
    }

    #[test]
    fn lying_lengths_are_errors() {
        for (at, value) in [(0, [0xFF; 4]), (0, [0, 0, 0, 4]), (0, [0, 0, 0, 0]), (16, [0, 0, 0, 4]), (16, [0xFF; 4])] {
            let mut bytes = bytes();
            bytes[at..at + 4].copy_from_slice(&value);
            assert_eq!(Batch::new(&bytes).next(), Some(Err(BatchError { at: 0 })), "{value:?} at {at}");
        }
    }
}
