//! Runs: immutable files of sorted entries under `state/`, for projections that are too large to be saved whole with every
//! checkpoint. A checkpoint names the runs it needs ([`Frozen::runs`](crate::Frozen)); they are
//! checked with it, so a lost or damaged run costs what a damaged checkpoint costs: a longer replay.
//!
//! What an entry means is known to the owner, and so is which runs are needed: nothing here removes a file unasked.
//!
//! A run is a sequence of pages of 4 KiB with a CRC each, drawn in docs/formats.md. Page 0 is written last.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

use model::record::codec::{Put, Reader};

use crate::api::ReadError;
use crate::checkpoint::FOLDER;
use crate::disk::{self, Disk, File};

const PAGE_LEN: usize = 4_096;
/// What a page carries; after it run u64, page number u32, CRC32C u32 of everything before.
const PAYLOAD_LEN: usize = PAGE_LEN - 16;

/// `KXR1`.
const MAGIC: u32 = 0x4B58_5231;
const VERSION: u32 = 1;

/// Pages written or checked at a time.
const CHUNK_PAGES: usize = 64;

/// The number of a run. Never used twice by one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The runs of a data directory. All calls may touch the disk.
#[derive(Clone)]
pub struct Runs {
    disk: Arc<dyn Disk>,
}

impl Runs {
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Runs {
        Runs { disk }
    }

    /// Begins a run of entries of `entry_len` bytes each, at most 4,080. It is there when [`Writer::finish`] has returned.
    pub fn create(&self, id: RunId, entry_len: usize) -> io::Result<Writer> {
        assert!((1..=PAYLOAD_LEN).contains(&entry_len), "an entry fits a page");
        let file = self.disk.create(&beside(id))?;
        Ok(Writer {
            disk: self.disk.clone(),
            file,
            id,
            entry_len,
            count: 0,
            page: 1,
            chunk: Vec::new(),
            payload: Vec::new(),
        })
    }

    /// Opens a run.
    pub fn open(&self, id: RunId) -> Result<Run, ReadError> {
        let name = path(id);
        let file = self.disk.open(&name).map_err(|source| ReadError::Io { file: name.clone(), source })?;
        let mut run = Run { file, name, id, entry_len: 1, count: 0 };
        let page = run.pages(0, 1)?;
        let mut fields = Reader::new(&page);
        let mut header = || Some((fields.u32().ok()?, fields.u32().ok()?, fields.u32().ok()?, fields.u64().ok()?));
        let (magic, version, entry_len, count) = header().expect("a page holds a header");
        if magic != MAGIC || version != VERSION || entry_len == 0 || entry_len as usize > PAYLOAD_LEN {
            return Err(run.damaged(0, "no header of a run"));
        }
        (run.entry_len, run.count) = (entry_len as usize, count);
        Ok(run)
    }

    /// Reads all of a run, to be sure of it.
    pub fn check(&self, id: RunId) -> Result<(), ReadError> {
        let run = self.open(id)?;
        let last = run.count.div_ceil(run.entries_per_page());
        let mut page = 1;
        while page <= last {
            let pages = (last + 1 - page).min(CHUNK_PAGES as u64);
            run.pages(page, usize::try_from(pages).expect("at most CHUNK_PAGES"))?;
            page += pages;
        }
        Ok(())
    }

    /// The runs there are, in no order. What a crash left half written is removed.
    pub fn list(&self) -> io::Result<Vec<RunId>> {
        let mut runs = Vec::new();
        for name in self.disk.list(FOLDER)? {
            if name.ends_with(".run.tmp") {
                self.disk.remove(&format!("{FOLDER}/{name}"))?;
            } else if let Some(digits) = name.strip_suffix(".run").filter(|digits| digits.len() == 20) {
                runs.extend(digits.parse().ok().map(RunId));
            }
        }
        Ok(runs)
    }

    /// Removes a run. The caller knows that no checkpoint kept names it.
    pub fn remove(&self, id: RunId) -> io::Result<()> {
        self.disk.remove(&path(id))
    }
}

fn path(id: RunId) -> String {
    format!("{FOLDER}/{:020}.run", id.0)
}

fn beside(id: RunId) -> String {
    format!("{}.tmp", path(id))
}

/// A run that is being written.
pub struct Writer {
    disk: Arc<dyn Disk>,
    file: Arc<dyn File>,
    id: RunId,
    entry_len: usize,
    count: u64,
    /// The next page to be ended.
    page: u32,
    /// Ended pages that are not written yet.
    chunk: Vec<u8>,
    payload: Vec<u8>,
}

impl Writer {
    /// Adds an entry. The owner adds them in its order.
    pub fn push(&mut self, entry: &[u8]) -> io::Result<()> {
        assert_eq!(entry.len(), self.entry_len, "all entries of a run have one length");
        if self.payload.len() + entry.len() > PAYLOAD_LEN {
            self.end_page()?;
        }
        self.payload.extend_from_slice(entry);
        self.count += 1;
        Ok(())
    }

    /// Makes the run durable. Answers how many entries it has.
    pub fn finish(mut self) -> io::Result<u64> {
        if !self.payload.is_empty() {
            self.end_page()?;
        }
        self.write_chunk()?;
        self.payload.put_u32(MAGIC);
        self.payload.put_u32(VERSION);
        self.payload.put_u32(u32::try_from(self.entry_len).expect("at most a page"));
        self.payload.put_u64(self.count);
        self.page = 0;
        self.end_page()?;
        self.page = 1;
        self.write_chunk()?;
        // Sync before rename: the name stands for a whole run.
        self.file.sync_data()?;
        self.disk.rename(&beside(self.id), &path(self.id))?;
        self.disk.sync_dir(FOLDER)?;
        Ok(self.count)
    }

    fn end_page(&mut self) -> io::Result<()> {
        let start = self.chunk.len();
        self.chunk.append(&mut self.payload);
        self.chunk.resize(start + PAYLOAD_LEN, 0);
        self.chunk.put_u64(self.id.0);
        self.chunk.put_u32(self.page);
        let crc = crc32c::crc32c(&self.chunk[start..]);
        self.chunk.put_u32(crc);
        self.page += 1;
        if self.chunk.len() >= CHUNK_PAGES * PAGE_LEN { self.write_chunk() } else { Ok(()) }
    }

    /// Writes the ended pages, the last of which is the one before `page`.
    fn write_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let first = self.page as usize - self.chunk.len() / PAGE_LEN;
        self.file.write_at(&mut [IoSlice::new(&self.chunk)], (first * PAGE_LEN) as u64)?;
        self.chunk.clear();
        Ok(())
    }
}

/// A run that can be read.
pub struct Run {
    file: Arc<dyn File>,
    name: String,
    id: RunId,
    entry_len: usize,
    count: u64,
}

impl Run {
    /// Entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends the bytes of at most `max` entries from the one at index `from` on: one page's at least, if there are any.
    pub fn read(&self, from: u64, max: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let per_page = self.entries_per_page();
        let end = self.count.min(from.saturating_add(max as u64));
        if from >= end {
            return Ok(());
        }
        let (first, last) = (from / per_page, (end - 1) / per_page);
        let pages = self.pages(first + 1, usize::try_from(last - first + 1).expect("as many as asked for"))?;
        for (number, payload) in (first..).zip(pages.chunks(PAYLOAD_LEN)) {
            let begin = number * per_page;
            let (skip, until) = (from.saturating_sub(begin), end.min(begin + per_page) - begin);
            let byte = |entry: u64| usize::try_from(entry).expect("within a page") * self.entry_len;
            out.extend_from_slice(&payload[byte(skip)..byte(until)]);
        }
        Ok(())
    }

    fn entries_per_page(&self) -> u64 {
        (PAYLOAD_LEN / self.entry_len) as u64
    }

    /// The payloads of pages, checked.
    fn pages(&self, first: u64, count: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; count * PAGE_LEN];
        let read = disk::read_exact(&*self.file, &mut bytes, first * PAGE_LEN as u64);
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.damaged(first, "it ends early"));
            }
            read => read.map_err(|source| ReadError::Io { file: self.name.clone(), source })?,
        }
        let mut payloads = Vec::with_capacity(count * PAYLOAD_LEN);
        for (number, page) in (first..).zip(bytes.chunks(PAGE_LEN)) {
            let mut tail = Reader::new(&page[PAYLOAD_LEN..]);
            let mut tail = || Some((tail.u64().ok()?, u64::from(tail.u32().ok()?), tail.u32().ok()?));
            if tail() != Some((self.id.0, number, crc32c::crc32c(&page[..PAGE_LEN - 4]))) {
                return Err(self.damaged(number, "the page is not the one that was written"));
            }
            payloads.extend_from_slice(&page[..PAYLOAD_LEN]);
        }
        Ok(payloads)
    }

    fn damaged(&self, page: u64, reason: &str) -> ReadError {
        ReadError::Damaged { file: self.name.clone(), offset: page * PAGE_LEN as u64, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use crate::disk::RealDisk;

    use super::*;

    const ID: RunId = RunId(7);

    /// A run of `count` entries of 24 bytes, the first four of which are their index.
    fn written(folder: &std::path::Path, count: u32) -> (Arc<RealDisk>, Runs) {
        let disk = Arc::new(RealDisk::new(folder));
        disk.create_dir(FOLDER).expect("a folder");
        let runs = Runs::new(disk.clone());
        let mut writer = runs.create(ID, 24).expect("created");
        for index in 0..count {
            let mut entry = [0; 24];
            entry[..4].copy_from_slice(&index.to_be_bytes());
            writer.push(&entry).expect("written");
        }
        assert_eq!(writer.finish().expect("durable"), u64::from(count));
        (disk, runs)
    }

    fn indexes(run: &Run, from: u64, max: usize) -> Vec<u32> {
        let mut bytes = Vec::new();
        run.read(from, max, &mut bytes).expect("whole");
        let index = |entry: &[u8]| u32::from_be_bytes(entry[..4].try_into().expect("four bytes"));
        bytes.chunks(24).map(index).collect()
    }

    #[test]
    fn every_stretch_reads_as_it_was_written() {
        for count in [0, 1, 170, 171, 30_000] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (_, runs) = written(folder.path(), count);
            assert_eq!(runs.list().expect("listed"), [ID]);
            runs.check(ID).expect("whole");
            let run = runs.open(ID).expect("opened");
            assert_eq!(run.len(), u64::from(count));
            for (from, max) in [(0, 1), (0, 100_000), (169, 2), (170, 170), (29_999, 5), (40_000, 5)] {
                let expected: Vec<u32> = (0..count).skip(from).take(max).collect();
                assert_eq!(indexes(&run, from as u64, max), expected, "{count}: {max} from {from}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (disk, runs) = written(folder.path(), 400);
        let file = disk.open(&path(ID)).expect("there");
        for at in [0, 19, 4_095, 4_096, 8_000, 8_180, 12_287] {
            let mut byte = [0];
            file.read_at(&mut byte, at).expect("read");
            file.write_at(&mut [IoSlice::new(&[byte[0] ^ 1])], at).expect("written");
            assert!(matches!(runs.check(ID), Err(ReadError::Damaged { .. })), "byte {at}");
            file.write_at(&mut [IoSlice::new(&byte)], at).expect("written");
        }
        runs.check(ID).expect("whole again");
        disk.rename(&path(ID), &path(RunId(8))).expect("renamed");
        assert!(matches!(runs.check(RunId(8)), Err(ReadError::Damaged { .. })), "another run's file");
    }

    #[test]
    fn what_was_not_finished_is_no_run() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (disk, runs) = written(folder.path(), 1);
        runs.create(RunId(9), 24).expect("created").push(&[0; 24]).expect("written");
        assert_eq!(runs.list().expect("listed"), [ID]);
        assert!(disk.open(&beside(RunId(9))).is_err(), "removed");
    }
}
