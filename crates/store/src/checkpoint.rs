//! Checkpoints: what the store and its owner know as of a log offset, so that opening replays only the log since.
//!
//! A *base* holds everything; a *delta* what changed since the checkpoint before it, and all projections. A restart loads the
//! newest chain (base, then its deltas) of which every file is whole. Kept are the newest base with its deltas and the base
//! before with its own: if a file of the newest chain is damaged, a shorter or older one serves. Without any, the whole log is replayed.
//!
//! The bytes are drawn in docs/formats.md. What the sections mean is known to those who fill them.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use model::LogOffset;
use model::record::codec::{Malformed, Put, Reader};

use crate::disk::{self, Disk};
use crate::runs::{RunId, Runs};

/// The folder of the checkpoints.
pub const FOLDER: &str = "state";

const SUFFIX: &str = ".ckpt";
const TEMPORARY: &str = ".ckpt.tmp";

/// `KXC1`.
const MAGIC: u32 = 0x4B58_4331;
const VERSION: u16 = 1;
const FLAG_DELTA: u16 = 1;

const HEADER_LEN: usize = 56;
const SECTION_HEADER_LEN: usize = 16;

/// The sections, in their order in the file; their kinds are 1, 2, 3, 4.
const SECTIONS: usize = 4;

/// The last section is left out if there are no runs.
const SECTIONS_WITHOUT_RUNS: usize = 3;

/// Deltas on one base: a restart reads them all.
const DELTAS_MAX: usize = 32;

/// Where a checkpoint stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Everything below is inside. Not beyond `committed`.
    pub at: LogOffset,
    /// Of a delta: the `at` of the checkpoint it continues. `None`: a base.
    pub since: Option<LogOffset>,
    /// The log's epoch when it was taken.
    pub epoch: u64,
    /// The log's oldest offset then.
    pub start: LogOffset,
    /// The log's committed end then: damage below is damage to acknowledged bytes.
    pub committed: LogOffset,
}

/// A checkpoint to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub facts: Facts,
    /// From [`crate::index::Queues::save`].
    pub queues: Vec<u8>,
    /// From [`crate::index::growing::save`].
    pub units: Vec<u8>,
    /// From [`crate::Frozen`]; whole in a delta, too.
    pub projections: Vec<u8>,
    /// From [`crate::Frozen`]: the projections cannot be used without them.
    pub runs: Vec<RunId>,
}

/// A checkpoint that was read back and is whole.
pub struct Saved {
    pub facts: Facts,
    bytes: Vec<u8>,
    sections: [Range<usize>; SECTIONS],
}

impl Saved {
    #[must_use]
    pub fn queues(&self) -> &[u8] {
        &self.bytes[self.sections[0].clone()]
    }

    #[must_use]
    pub fn units(&self) -> &[u8] {
        &self.bytes[self.sections[1].clone()]
    }

    #[must_use]
    pub fn projections(&self) -> &[u8] {
        &self.bytes[self.sections[2].clone()]
    }

    /// The runs the projections refer to.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        let ids = self.bytes[self.sections[3].clone()].chunks_exact(8);
        ids.map(|id| RunId(u64::from_be_bytes(id.try_into().expect("eight bytes")))).collect()
    }
}

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at byte {offset}: {reason}")]
pub struct Damaged {
    pub file: String,
    pub offset: u64,
    pub reason: String,
}

/// The checkpoints of a data directory.
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    /// The chain a delta would continue: its last offset.
    last: Option<LogOffset>,
    deltas: usize,
    base_bytes: u64,
    delta_bytes: u64,
}

/// What a data directory had.
pub struct Found {
    pub checkpoints: Checkpoints,
    /// The newest whole chain, base first; empty if there is none.
    pub chain: Vec<Saved>,
    /// Files that were passed over.
    pub damaged: Vec<Damaged>,
}

impl Checkpoints {
    /// Reads the newest whole chain. The folder must be there.
    pub fn open(disk: Arc<dyn Disk>) -> io::Result<Found> {
        let mut offsets = offsets(&*disk)?;
        let mut damaged = Vec::new();
        let mut chain = Vec::new();
        while let Some(newest) = offsets.pop() {
            match read_chain(&*disk, newest)?.and_then(|chain| check_runs(&disk, chain)) {
                Ok(whole) => {
                    chain = whole;
                    break;
                }
                Err(error) => damaged.push(error),
            }
        }
        let bytes = |saved: &Saved| (saved.queues().len() + saved.units().len()) as u64;
        let checkpoints = Checkpoints {
            disk,
            last: chain.last().map(|saved| saved.facts.at),
            deltas: chain.len().saturating_sub(1),
            base_bytes: chain.first().map_or(0, bytes),
            delta_bytes: chain.iter().skip(1).map(bytes).sum(),
        };
        Ok(Found { checkpoints, chain, damaged })
    }

    /// Where the oldest one kept stands; zero if there is none.
    pub fn oldest(&self) -> io::Result<LogOffset> {
        Ok(offsets(&*self.disk)?.first().copied().unwrap_or_default())
    }

    /// What the next checkpoint has to continue; `None`: it must be a base, because there is none, the deltas have outgrown
    /// it, or the caller `needs_base`.
    #[must_use]
    pub fn since(&self, needs_base: bool) -> Option<LogOffset> {
        let outgrown = self.deltas >= DELTAS_MAX || self.delta_bytes > self.base_bytes;
        self.last.filter(|_| !needs_base && !outgrown)
    }

    /// Writes a checkpoint that continues what [`Checkpoints::since`] said, and drops those no longer needed. When this
    /// returns it is durable. After an error the next one must be a base.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let Facts { at, since, .. } = checkpoint.facts;
        assert!(since.is_none() || since == self.last, "a delta continues the last checkpoint");
        assert!(since.is_none_or(|since| since < at), "a delta moves on");
        self.last = None;
        let bytes = (checkpoint.queues.len() + checkpoint.units.len()) as u64;
        write_file(&*self.disk, checkpoint)?;
        if since.is_none() {
            (self.deltas, self.base_bytes, self.delta_bytes) = (0, bytes, 0);
        } else {
            self.deltas += 1;
            self.delta_bytes += bytes;
        }
        self.last = Some(at);
        if since.is_none() {
            // The checkpoint is durable; that an old file stays is no reason to stop.
            if let Err(error) = prune(&*self.disk) {
                tracing::warn!(%error, "old checkpoints could not be removed");
            }
        }
        Ok(())
    }
}

fn path(at: LogOffset) -> String {
    format!("{FOLDER}/{:020}{SUFFIX}", at.0)
}

/// Offsets of the checkpoints there are, ascending. Names that are none are left alone.
fn offsets(disk: &dyn Disk) -> io::Result<Vec<LogOffset>> {
    let offset = |name: &String| {
        let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?;
        digits.parse().ok().map(LogOffset)
    };
    let mut offsets: Vec<_> = disk.list(FOLDER)?.iter().filter_map(offset).collect();
    offsets.sort_unstable();
    Ok(offsets)
}

fn read_chain(disk: &dyn Disk, newest: LogOffset) -> io::Result<Result<Vec<Saved>, Damaged>> {
    let mut chain = Vec::new();
    let mut next = Some(newest);
    while let Some(at) = next {
        let name = path(at);
        let bytes = match disk.open(&name).and_then(|file| disk::read_all(&*file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let reason = format!("{} continues it, and it is not there", path(newest));
                return Ok(Err(Damaged { file: name, offset: 0, reason }));
            }
            Err(error) => return Err(error),
        };
        let saved = match decode(bytes) {
            Ok(saved) if saved.facts.at == at => saved,
            Ok(_) => {
                return Ok(Err(Damaged { file: name, offset: 8, reason: "its name is another offset".to_owned() }));
            }
            Err((offset, reason)) => {
                return Ok(Err(Damaged { file: name, offset: offset as u64, reason: reason.to_owned() }));
            }
        };
        next = saved.facts.since;
        chain.push(saved);
    }
    chain.reverse();
    Ok(Ok(chain))
}

/// The projections of the last checkpoint of a chain are whole, and so must be the runs they refer to.
fn check_runs(disk: &Arc<dyn Disk>, chain: Vec<Saved>) -> Result<Vec<Saved>, Damaged> {
    let runs = Runs::new(disk.clone());
    for run in chain.last().map(Saved::runs).unwrap_or_default() {
        if let Err(error) = runs.check(run) {
            let file = chain.last().map(|saved| path(saved.facts.at)).unwrap_or_default();
            return Err(Damaged { file, offset: 0, reason: format!("it needs run {run}: {error}") });
        }
    }
    Ok(chain)
}

fn write_file(disk: &dyn Disk, checkpoint: &Checkpoint) -> io::Result<()> {
    let count = if checkpoint.runs.is_empty() { SECTIONS_WITHOUT_RUNS } else { SECTIONS };
    let header = encode_header(&checkpoint.facts, count);
    let runs = checkpoint.runs.iter().flat_map(|run| run.0.to_be_bytes()).collect();
    let payloads = [&checkpoint.queues, &checkpoint.units, &checkpoint.projections, &runs];
    let heads = [1, 2, 3, 4].map(|kind| encode_section_header(kind, payloads[usize::from(kind) - 1]));
    let mut slices = vec![IoSlice::new(&header)];
    for (head, payload) in heads.iter().zip(payloads).take(count) {
        slices.extend([IoSlice::new(head), IoSlice::new(payload)]);
    }

    let name = path(checkpoint.facts.at);
    let beside = format!("{name}.tmp");
    let file = disk.create(&beside)?;
    file.write_at(&mut slices, 0)?;
    // Sync before rename: a crash between the two must leave the old checkpoints whole.
    file.sync_data()?;
    disk.rename(&beside, &name)?;
    disk.sync_dir(FOLDER)
}

/// Removes what is older than the second newest base, and files a crash left half written.
fn prune(disk: &dyn Disk) -> io::Result<()> {
    let mut bases = 0;
    for at in offsets(disk)?.into_iter().rev() {
        if bases >= 2 {
            disk.remove(&path(at))?;
        } else if is_base(disk, at)? {
            bases += 1;
        }
    }
    for name in disk.list(FOLDER)?.iter().filter(|name| name.ends_with(TEMPORARY)) {
        disk.remove(&format!("{FOLDER}/{name}"))?;
    }
    Ok(())
}

fn is_base(disk: &dyn Disk, at: LogOffset) -> io::Result<bool> {
    let mut header = [0; HEADER_LEN];
    let file = disk.open(&path(at))?;
    let len = file.read_at(&mut header, 0)?;
    // One that is damaged is no base to fall back on.
    Ok(decode_header(&header[..len]).is_ok_and(|(facts, _)| facts.since.is_none()))
}

fn encode_header(facts: &Facts, sections: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.put_u32(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&(if facts.since.is_some() { FLAG_DELTA } else { 0 }).to_be_bytes());
    out.put_u64(facts.at.0);
    out.put_u64(facts.since.unwrap_or_default().0);
    out.put_u64(facts.epoch);
    out.put_u64(facts.start.0);
    out.put_u64(facts.committed.0);
    out.put_u32(u32::try_from(sections).expect("a handful"));
    out.put_u32(crc32c::crc32c(&out));
    out
}

/// Kind u16, zero u16, length u64, then the CRC32C of these and the payload.
fn encode_section_header(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(SECTION_HEADER_LEN);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&0_u16.to_be_bytes());
    out.put_u64(payload.len() as u64);
    out.put_u32(crc32c::crc32c_append(crc32c::crc32c(&out), payload));
    out
}

/// Where bytes are damaged, and how.
type Wrong = (usize, &'static str);

/// The facts, and how many sections follow.
fn decode_header(bytes: &[u8]) -> Result<(Facts, usize), Wrong> {
    let ended = |_: Malformed| (bytes.len(), "the file ends within its header");
    let mut fields = Reader::new(bytes);
    let header = fields.take(HEADER_LEN - 4).map_err(ended)?;
    if fields.u32().map_err(ended)? != crc32c::crc32c(header) {
        return Err((0, "the header's CRC does not match"));
    }
    let mut fields = Reader::new(header);
    let mut read = || {
        let (magic, version_and_flags) = (fields.u32()?, fields.u32()?);
        let (at, since, epoch) = (LogOffset(fields.u64()?), LogOffset(fields.u64()?), fields.u64()?);
        let (start, committed) = (LogOffset(fields.u64()?), LogOffset(fields.u64()?));
        let since = (version_and_flags & u32::from(FLAG_DELTA) != 0).then_some(since);
        let facts = Facts { at, since, epoch, start, committed };
        Ok::<_, Malformed>((magic, version_and_flags >> 16, facts, fields.u32()?))
    };
    let (magic, version, facts, sections) = read().map_err(ended)?;
    if magic != MAGIC {
        return Err((0, "no checkpoint file"));
    }
    if version != u32::from(VERSION) {
        return Err((4, "written by a newer kerolox"));
    }
    if facts.since.is_some_and(|since| since >= facts.at) {
        return Err((16, "it continues a later checkpoint"));
    }
    let sections = sections as usize;
    if ![SECTIONS_WITHOUT_RUNS, SECTIONS].contains(&sections) {
        return Err((48, "another number of sections"));
    }
    Ok((facts, sections))
}

fn decode(bytes: Vec<u8>) -> Result<Saved, Wrong> {
    let (facts, count) = decode_header(&bytes)?;
    let mut at = HEADER_LEN;
    let mut sections = [const { 0..0 }; SECTIONS];
    for (want, section) in (1_u32..).zip(&mut sections[..count]) {
        let ended = |_: Malformed| (at, "the file ends within a section");
        let mut fields = Reader::new(&bytes[at..]);
        let head = fields.take(SECTION_HEADER_LEN - 4).map_err(ended)?;
        let crc = fields.u32().map_err(ended)?;
        let mut head_fields = Reader::new(head);
        let kind = head_fields.u32().map_err(ended)? >> 16;
        let len = usize::try_from(head_fields.u64().map_err(ended)?).map_err(|_| (at, "an impossible length"))?;
        let payload = fields.take(len).map_err(ended)?;
        if kind != want || crc != crc32c::crc32c_append(crc32c::crc32c(head), payload) {
            return Err((at, "the section's CRC does not match"));
        }
        let first = at + SECTION_HEADER_LEN;
        *section = first..first + len;
        at = section.end;
    }
    if at != bytes.len() {
        return Err((at, "bytes after the last section"));
    }
    Ok(Saved { facts, bytes, sections })
}

#[cfg(test)]
mod tests;
