//! The file pulls are served from: equal records of the real format, so that a run of them is one `sendfile`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

const BODY_LEN: usize = 1024;
const TOPIC: &[u8] = b"FloorTopic";
const PROPERTIES: &[u8] = b"UNIQ_KEY\x017F0000010001000000000000000000A1\x02WAIT\x01true\x02";

/// Bytes of the fixed fields of a v1 record with IPv4 hosts, up to and with the body length.
const FIXED_LEN: usize = 88;

/// Bytes of one record.
pub const RECORD_LEN: usize = FIXED_LEN + BODY_LEN + 1 + TOPIC.len() + 2 + PROPERTIES.len();

const MAGIC_V1: u32 = 0xDAA3_20A7;

/// `count` equal records; only the queue offset differs.
pub struct Records {
    pub file: File,
    pub count: u64,
}

impl Records {
    /// Writes the file anew and reads it into the page cache by having written it.
    pub fn create(path: &Path, count: u64) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .with_context(|| format!("create {}", path.display()))?;
        let mut out = BufWriter::with_capacity(1 << 20, &file);
        let mut record = template();
        for offset in 0..count {
            record[20..28].copy_from_slice(&offset.to_be_bytes());
            record[28..36].copy_from_slice(&(offset * RECORD_LEN as u64).to_be_bytes());
            out.write_all(&record)?;
        }
        out.flush()?;
        drop(out);
        Ok(Self { file, count })
    }
}

/// A record without a valid body CRC: nothing here reads it, and computing one is not the floor's subject.
fn template() -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_LEN);
    let total = u32::try_from(RECORD_LEN).expect("a record is about 1.2 KiB");
    record.extend_from_slice(&total.to_be_bytes());
    record.extend_from_slice(&MAGIC_V1.to_be_bytes());
    record.resize(FIXED_LEN - 4, 0);
    record.extend_from_slice(&u32::try_from(BODY_LEN).expect("1 KiB").to_be_bytes());
    record.resize(FIXED_LEN + BODY_LEN, b'x');
    record.push(u8::try_from(TOPIC.len()).expect("a short name"));
    record.extend_from_slice(TOPIC);
    record.extend_from_slice(&u16::try_from(PROPERTIES.len()).expect("short properties").to_be_bytes());
    record.extend_from_slice(PROPERTIES);
    assert_eq!(record.len(), RECORD_LEN);
    record
}
