//! The bytes of a batch header and the names of files. Changed together with docs/formats.md. All integers are
//! big-endian.

use model::LogOffset;

/// `KXB1`.
pub const MAGIC: u32 = 0x4B58_4231;

/// Version of the batch header.
pub const VERSION: u16 = 1;

/// Bytes of a batch header. A segment's rest shorter than this holds no batch and is skipped.
pub const HEADER_LEN: usize = 48;

/// Largest append, header included: one batch holds it whole.
pub const BATCH_LEN_MAX: usize = 16 * 1024 * 1024;

/// Bit of `flags`: no records, and the rest of the segment is skipped.
pub const FLAG_END: u16 = 1;

/// Bit of `flags`: no records; the length covers bytes that were damaged and are zero now. Written by salvage only.
pub const FLAG_GAP: u16 = 2;

/// Folder of the segments and their indexes.
pub const LOG_DIR: &str = "log";

/// `crc` stands here in the header.
const CRC_AT: usize = 40;

/// What stands before the records of a batch.
///
/// `magic u32 | version u16 | flags u16 | epoch u64 | first u64 | len u32 | count u32 | committed u64 | crc u32 | zero u32`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub flags: u16,
    pub epoch: u64,
    /// Position of this header in the log.
    pub first: LogOffset,
    /// Header and records, in bytes.
    pub len: u32,
    pub count: u32,
    /// What was durable when the batch was written: everything below is proof of damage if it cannot be read.
    pub committed: LogOffset,
    /// CRC32C over the header, with this field zero, and the records.
    pub crc: u32,
}

impl Header {
    /// The bytes, with `crc` as it is.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..4].copy_from_slice(&MAGIC.to_be_bytes());
        out[4..6].copy_from_slice(&VERSION.to_be_bytes());
        out[6..8].copy_from_slice(&self.flags.to_be_bytes());
        out[8..16].copy_from_slice(&self.epoch.to_be_bytes());
        out[16..24].copy_from_slice(&self.first.0.to_be_bytes());
        out[24..28].copy_from_slice(&self.len.to_be_bytes());
        out[28..32].copy_from_slice(&self.count.to_be_bytes());
        out[32..40].copy_from_slice(&self.committed.0.to_be_bytes());
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&self.crc.to_be_bytes());
        out
    }

    /// The bytes with the CRC over them and over `records`, which may lie in pieces.
    #[must_use]
    pub fn seal<'a>(mut self, records: impl Iterator<Item = &'a [u8]>) -> [u8; HEADER_LEN] {
        self.crc = 0;
        let mut out = self.encode();
        let crc = records.fold(crc32c::crc32c(&out), crc32c::crc32c_append);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a header that claims to stand at `at`. `None`: there is none, or it cannot be true.
    #[must_use]
    pub fn decode(bytes: &[u8], at: LogOffset) -> Option<Header> {
        let bytes: &[u8; HEADER_LEN] = bytes.get(..HEADER_LEN)?.try_into().ok()?;
        let u16_at = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at| model::record::u32_at(bytes, at).expect("inside the header");
        let u64_at = |at| model::record::u64_at(bytes, at).expect("inside the header");
        let header = Header {
            flags: u16_at(6),
            epoch: u64_at(8),
            first: LogOffset(u64_at(16)),
            len: u32_at(24),
            count: u32_at(28),
            committed: LogOffset(u64_at(32)),
            crc: u32_at(CRC_AT),
        };
        let len = header.len as usize;
        let true_here = u32_at(0) == MAGIC
            && u16_at(4) == VERSION
            && header.flags & !(FLAG_END | FLAG_GAP) == 0
            && header.first == at
            && header.committed <= at
            && (HEADER_LEN..=BATCH_LEN_MAX).contains(&len)
            && u32_at(44) == 0;
        true_here.then_some(header)
    }

    #[must_use]
    pub fn is_end(&self) -> bool {
        self.flags & FLAG_END != 0
    }

    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.flags & FLAG_GAP != 0
    }
}

/// Whether the CRC of `batch`, header and records, is that of its bytes.
#[must_use]
pub fn crc_matches(batch: &[u8]) -> bool {
    let Some(stated) = model::record::u32_at(batch, CRC_AT) else { return false };
    if batch.len() < HEADER_LEN {
        return false;
    }
    let crc = crc32c::crc32c(&batch[..CRC_AT]);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    crc32c::crc32c_append(crc, &batch[CRC_AT + 4..]) == stated
}

/// The segment that holds `at`: its first log offset. `segment_bytes` is a power of two.
#[must_use]
pub fn segment_of(at: LogOffset, segment_bytes: u64) -> LogOffset {
    LogOffset(at.0 & !(segment_bytes - 1))
}

/// The file of a segment.
#[must_use]
pub fn segment_name(base: LogOffset) -> String {
    format!("{LOG_DIR}/{:020}.log", base.0)
}

/// The file of a sealed segment's index.
#[must_use]
pub fn index_name(base: LogOffset) -> String {
    format!("{LOG_DIR}/{:020}.idx", base.0)
}

/// The first log offset in a file name of the log folder, if it ends with `suffix`.
#[must_use]
pub fn base_of(name: &str, suffix: &str) -> Option<LogOffset> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok().map(LogOffset))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header = Header {
        flags: 0,
        epoch: 3,
        first: LogOffset(0x0102),
        len: 51,
        count: 1,
        committed: LogOffset(0x0101),
        crc: 0,
    };

    #[test]
    fn a_header_has_the_bytes_of_the_format_page() {
        let bytes = HEADER.seal([&b"ab"[..], &b"c"[..]].into_iter());
        #[rustfmt::skip]
        let expected = [
            0x4B, 0x58, 0x42, 0x31, 0, 1, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 3,
            0, 0, 0, 0, 0, 0, 1, 2,
            0, 0, 0, 51, 0, 0, 0, 1,
            0, 0, 0, 0, 0, 0, 1, 1,
        ];
        assert_eq!(bytes[..40], expected);
        assert_eq!(bytes[44..], [0; 4]);
        let mut batch = bytes.to_vec();
        batch.extend_from_slice(b"abc");
        assert!(crc_matches(&batch));
        let decoded = Header::decode(&batch, LogOffset(0x0102)).expect("a header");
        assert_eq!(Header { crc: 0, ..decoded }, HEADER);
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let mut batch = HEADER.seal([&b"abc"[..]].into_iter()).to_vec();
        batch.extend_from_slice(b"abc");
        for bit in 0..batch.len() * 8 {
            batch[bit / 8] ^= 1 << (bit % 8);
            let noticed = Header::decode(&batch, LogOffset(0x0102)).is_none() || !crc_matches(&batch);
            assert!(noticed, "bit {bit}");
            batch[bit / 8] ^= 1 << (bit % 8);
        }
    }

    proptest! {
        #[test]
        fn every_header_reads_back_as_it_was_written(
            flags in 0..4_u16,
            epoch: u64,
            first: u64,
            records in proptest::collection::vec(any::<u8>(), 0..200),
            count: u32,
            behind: u64,
        ) {
            let len = u32::try_from(HEADER_LEN + records.len()).expect("small");
            let (first, committed) = (LogOffset(first), LogOffset(first.saturating_sub(behind)));
            let header = Header { flags, epoch, first, len, count, committed, crc: 0 };
            let (left, right) = records.split_at(records.len() / 2);
            let mut batch = header.seal([left, right].into_iter()).to_vec();
            batch.extend_from_slice(&records);
            prop_assert!(crc_matches(&batch));
            let decoded = Header::decode(&batch, first).expect("a header");
            prop_assert_eq!(Header { crc: 0, ..decoded }, header);
        }

        #[test]
        fn any_bytes_are_a_header_or_not_but_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), at: u64) {
            let _ = Header::decode(&bytes, LogOffset(at));
            let _ = crc_matches(&bytes);
        }
    }

    #[test]
    fn a_header_counts_only_at_its_own_position() {
        let bytes = HEADER.seal(std::iter::empty());
        assert!(Header::decode(&bytes, LogOffset(0x0103)).is_none());
        assert!(Header::decode(&bytes[..47], LogOffset(0x0102)).is_none());
    }

    #[test]
    fn file_names_say_the_first_log_offset() {
        assert_eq!(segment_name(LogOffset(65_536)), "log/00000000000000065536.log");
        assert_eq!(base_of("00000000000000065536.log", ".log"), Some(LogOffset(65_536)));
        assert_eq!(base_of("65536.log", ".log"), None);
        assert_eq!(base_of("00000000000000065536.idx", ".log"), None);
    }
}
