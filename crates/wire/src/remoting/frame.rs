//! Cuts frames out of what a connection has read, without copying.
//!
//! All integers are big-endian: `len` (4 bytes, does not count itself), one byte of header
//! encoding, three bytes of header length, header, body. The lengths are judged before anything
//! else is looked at, so that a hostile length costs its sender the connection and us nothing.

use thiserror::Error;

/// Largest frame, its own length field included: the `frameMaxLength` of the Java peers.
pub const FRAME_LEN_MAX: usize = 16 * 1024 * 1024;

/// Largest header. Properties are at most 32 KiB; escaped and with all other fields that stays
/// below this.
pub const HEADER_LEN_MAX: usize = 256 * 1024;

/// Bytes in front of the header.
pub const PREFIX_LEN: usize = 8;

/// How a header is written down. Body bytes are the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A JSON object, type byte 0.
    Json,
    /// The compact form of Java's `ROCKETMQ` serialize type, type byte 1.
    Binary,
}

impl Encoding {
    /// The type byte of the frame.
    pub fn byte(self) -> u8 {
        match self {
            Encoding::Json => 0,
            Encoding::Binary => 1,
        }
    }
}

/// One whole frame, borrowed from the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How `header` is to be read; answer in the same encoding.
    pub encoding: Encoding,
    /// The header, not yet parsed.
    pub header: &'a [u8],
    /// The body; empty and absent are the same on the wire.
    pub body: &'a [u8],
    /// Bytes of the whole frame: what the reader consumes.
    pub len: usize,
}

/// Why no frame can be cut here any more. The stream has no resynchronization point: close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The whole frame would be larger than [`FRAME_LEN_MAX`].
    #[error("frame of {len} bytes exceeds the limit of {FRAME_LEN_MAX}")]
    FrameTooLarge {
        /// Bytes of the whole frame as announced.
        len: u64,
    },
    /// The frame is too short to hold the word with the header length.
    #[error("frame length {len} leaves no room for a header length")]
    FrameTooShort {
        /// The announced length, which does not count its own four bytes.
        len: u32,
    },
    /// The header would be larger than [`HEADER_LEN_MAX`].
    #[error("header of {len} bytes exceeds the limit of {HEADER_LEN_MAX}")]
    HeaderTooLarge {
        /// Bytes of the header as announced.
        len: usize,
    },
    /// The header would end behind the frame.
    #[error("header of {header} bytes does not fit a frame of {frame} bytes")]
    HeaderPastEnd {
        /// Bytes of the header as announced.
        header: usize,
        /// Bytes of the whole frame.
        frame: usize,
    },
    /// The type byte is neither 0 nor 1.
    #[error("unknown header encoding {0}")]
    UnknownEncoding(u8),
}

/// Returns the frame at the front of `buffer`, or `None` while it is not complete.
///
/// An unacceptable length is an error as soon as its four (header: eight) bytes are there.
pub fn next_frame(buffer: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    let Some((len, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_be_bytes(*len);
    let total = u64::from(len) + 4;
    if total > FRAME_LEN_MAX as u64 {
        return Err(FrameError::FrameTooLarge { len: total });
    }
    if len < 4 {
        return Err(FrameError::FrameTooShort { len });
    }
    let frame_len = len as usize + 4;

    let Some((word, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let word = u32::from_be_bytes(*word);
    let header_len = (word & 0x00FF_FFFF) as usize;
    let encoding = match (word >> 24) as u8 {
        0 => Encoding::Json,
        1 => Encoding::Binary,
        other => return Err(FrameError::UnknownEncoding(other)),
    };
    if header_len > HEADER_LEN_MAX {
        return Err(FrameError::HeaderTooLarge { len: header_len });
    }
    if PREFIX_LEN + header_len > frame_len {
        return Err(FrameError::HeaderPastEnd { header: header_len, frame: frame_len });
    }

    let Some(content) = rest.get(..frame_len - PREFIX_LEN) else { return Ok(None) };
    let (header, body) = content.split_at(header_len);
    Ok(Some(Frame { encoding, header, body, len: frame_len }))
}

/// Bytes of the frame at the front of `buffer` as its first four bytes announce them, so that the
/// reader can make room for a large one at once. `None` while they are not there; the value is
/// unchecked until [`next_frame`] has accepted it.
pub fn announced_len(buffer: &[u8]) -> Option<u64> {
    let (len, _) = buffer.split_first_chunk::<4>()?;
    Some(u64::from(u32::from_be_bytes(*len)) + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: u32, word: u32, rest: &[u8]) -> Vec<u8> {
        [&len.to_be_bytes()[..], &word.to_be_bytes()[..], rest].concat()
    }

    #[test]
    fn a_frame_is_cut_and_what_follows_it_stays() {
        let buffer = bytes(9, 0x0100_0003, b"abcdeNEXT");

        let frame = next_frame(&buffer).unwrap().unwrap();

        let expected = Frame { encoding: Encoding::Binary, header: b"abc", body: b"de", len: 13 };
        assert_eq!(frame, expected);
        assert_eq!(&buffer[frame.len..], b"NEXT");
    }

    #[test]
    fn an_incomplete_frame_is_not_an_error_at_any_cut() {
        let buffer = bytes(9, 3, b"abcde");
        for end in 0..buffer.len() {
            assert_eq!(next_frame(&buffer[..end]), Ok(None), "cut at {end}");
        }
        assert_eq!(announced_len(&buffer[..4]), Some(13));
    }

    #[test]
    fn lengths_are_refused_before_their_bytes_arrive() {
        let over = FRAME_LEN_MAX as u32 - 3;
        let refused = [
            (over.to_be_bytes().to_vec(), FrameError::FrameTooLarge { len: u64::from(over) + 4 }),
            (vec![0xFF; 4], FrameError::FrameTooLarge { len: u64::from(u32::MAX) + 4 }),
            (3u32.to_be_bytes().to_vec(), FrameError::FrameTooShort { len: 3 }),
            (bytes(1 << 20, 0x0004_0001, b""), FrameError::HeaderTooLarge { len: 0x0004_0001 }),
            (bytes(8, 5, b""), FrameError::HeaderPastEnd { header: 5, frame: 12 }),
            (bytes(8, 0x0200_0004, b""), FrameError::UnknownEncoding(2)),
        ];
        for (buffer, error) in refused {
            assert_eq!(next_frame(&buffer), Err(error));
        }
    }

    #[test]
    fn the_largest_frame_is_still_waited_for() {
        assert_eq!(next_frame(&bytes(FRAME_LEN_MAX as u32 - 4, 0, b"")), Ok(None));
    }
}
