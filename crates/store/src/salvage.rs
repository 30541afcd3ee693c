//! A copy of what is whole, for a log that refuses to open.
//!
//! The copy keeps every offset: a batch lies where it lay, and what was damaged is covered by batches without records. What
//! is below the newest checkpoint is copied as it is: the log opens with damage there, and names it when it is read.
//! The original is only read.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use model::LogOffset;

use crate::api::{OpenError, Options};
use crate::checkpoint::{self, Checkpoints};
use crate::disk::{Disk, RealDisk};
use crate::layout::{
    BATCH_LEN_MAX, FLAG_END, FLAG_GAP, HEADER_LEN, Header, LOG_DIR, base_of, index_name, segment_name, segment_of,
};
use crate::lock::{Lock, Node};
use crate::recovery::{Reached, Walk, io_error};
use crate::segment::Segments;

/// Bytes copied at a time.
const COPY_LEN: usize = 1024 * 1024;

/// What was kept, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Batches above the checkpoint that are whole.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Byte ranges of the log that are damaged, above the checkpoint.
    pub lost: Vec<(LogOffset, LogOffset)>,
    /// The end of the copy.
    pub end: LogOffset,
}

/// Copies the data directory `from` to `to`, which must not exist.
pub fn salvage(from: &Path, to: &Path) -> Result<Salvaged, OpenError> {
    if to.exists() {
        let reason = format!("{} exists; give a new directory", to.display());
        return Err(OpenError::Option { name: "to", reason });
    }
    let _lock = Lock::take(from)?;
    let source: Arc<dyn Disk> = Arc::new(RealDisk::new(from));
    let target: Arc<dyn Disk> = Arc::new(RealDisk::new(to));
    salvage_on(&source, &target, from)
}

fn salvage_on(source: &Arc<dyn Disk>, target: &Arc<dyn Disk>, from: &Path) -> Result<Salvaged, OpenError> {
    // In a directory without node.toml nothing says how long a segment is; the file that says it is small and written once.
    source.open("node.toml").map_err(io_error("opening node.toml"))?;
    let segment_bytes = Node::read_or_create(&**source, &Options::new(from))?.segment_bytes;
    let found = Checkpoints::open(source.clone()).map_err(io_error("reading the checkpoints"))?;
    let segments = Segments::open(source.clone(), segment_bytes, None).map_err(io_error("opening the segments"))?;
    let facts = found.chain.last().map(|saved| saved.facts);
    let start = facts.map_or_else(|| segments.bases().first().copied().unwrap_or_default(), |facts| facts.start);
    let from = Reached {
        end: facts.map_or(start, |facts| facts.at),
        epoch: facts.map_or(0, |facts| facts.epoch),
        committed: start,
    };
    for folder in ["", LOG_DIR, checkpoint::FOLDER] {
        target.create_dir(folder).map_err(io_error("creating a folder of the copy"))?;
    }
    let (salvaged, gaps) = walk_all(&segments, segment_bytes, from)?;
    copy_state(&**source, &**target)?;
    copy_segments(&**source, &**target, start, salvaged.end, segment_bytes)?;
    for gap in &gaps {
        cover(&**target, gap, segment_bytes)?;
    }
    for folder in [LOG_DIR, checkpoint::FOLDER, ""] {
        target.sync_dir(folder).map_err(io_error("syncing the copy"))?;
    }
    Ok(salvaged)
}

/// Bytes that hold no batch, and what a batch that covers them has to say.
struct Gap {
    from: LogOffset,
    to: LogOffset,
    epoch: u64,
}

/// Walks over everything above the checkpoint, and over what is damaged.
fn walk_all(segments: &Segments, segment_bytes: u64, from: Reached) -> Result<(Salvaged, Vec<Gap>), OpenError> {
    let (mut salvaged, mut gaps) = (Salvaged::default(), Vec::new());
    let mut walk = Walk::new(segments, segment_bytes, None, from);
    let mut epoch = from.epoch;
    loop {
        while let Some((header, _)) = walk.next_batch()? {
            salvaged.batches += 1;
            salvaged.records += u64::from(header.count);
            epoch = header.epoch;
        }
        salvaged.end = walk.at();
        let Some(next) = walk.skip_damage()? else { break };
        salvaged.lost.push((salvaged.end, next));
        gaps.push(Gap { from: salvaged.end, to: next, epoch });
    }
    Ok((salvaged, gaps))
}

/// Copies `node.toml`, checkpoints, the runs they need, and indexes: they prove themselves when they are read.
fn copy_state(source: &dyn Disk, target: &dyn Disk) -> Result<(), OpenError> {
    copy(source, target, "node.toml", u64::MAX)?;
    for folder in [checkpoint::FOLDER, LOG_DIR] {
        for name in source.list(folder).map_err(io_error("listing a folder"))? {
            if [".ckpt", ".run", ".idx"].iter().any(|suffix| name.ends_with(suffix)) {
                copy(source, target, &format!("{folder}/{name}"), u64::MAX)?;
            }
        }
    }
    Ok(())
}

/// Copies the segments from `start` to `end`, and not what lies behind the end.
fn copy_segments(
    source: &dyn Disk,
    target: &dyn Disk,
    start: LogOffset,
    end: LogOffset,
    segment_bytes: u64,
) -> Result<(), OpenError> {
    let mut base = segment_of(start, segment_bytes);
    let listed = source.list(LOG_DIR).map_err(io_error("listing the log folder"))?;
    let present: Vec<_> = listed.iter().filter_map(|name| base_of(name, ".log")).collect();
    while base < end {
        let name = segment_name(base);
        if present.contains(&base) {
            copy(source, target, &name, end.since(base).min(segment_bytes))?;
        } else {
            // A file that is missing is all gap.
            target.create(&name).map_err(io_error(format!("creating {name}")))?;
            if listed.iter().any(|listed| index_name(base).ends_with(listed)) {
                target.remove(&index_name(base)).map_err(io_error("removing an index"))?;
            }
        }
        let file = target.open(&name).map_err(io_error(format!("opening {name}")))?;
        file.allocate(segment_bytes).map_err(io_error(format!("allocating {name}")))?;
        file.sync_data().map_err(io_error(format!("syncing {name}")))?;
        base = base.plus(segment_bytes);
    }
    Ok(())
}

/// Copies the first `len` bytes of a file.
fn copy(source: &dyn Disk, target: &dyn Disk, name: &str, len: u64) -> Result<(), OpenError> {
    let what = || format!("copying {name}");
    let from = source.open(name).map_err(io_error(what()))?;
    let to = target.create(name).map_err(io_error(what()))?;
    let mut buffer = vec![0; COPY_LEN];
    let mut at = 0;
    while at < len {
        let want = usize::try_from(len - at).unwrap_or(COPY_LEN).min(COPY_LEN);
        // A sector the disk cannot read ends the copy of this file; what is missing reads as zeros, and is named then.
        let read = from.read_at(&mut buffer[..want], at).unwrap_or_else(|error| {
            tracing::warn!(%error, name, at, "the rest of the file cannot be read");
            0
        });
        if read == 0 {
            break;
        }
        to.write_at(&mut [IoSlice::new(&buffer[..read])], at).map_err(io_error(what()))?;
        at += read as u64;
    }
    to.sync_data().map_err(io_error(what()))
}

/// Covers a gap with batches that hold no records, so that a walk passes it.
fn cover(target: &dyn Disk, gap: &Gap, segment_bytes: u64) -> Result<(), OpenError> {
    let mut at = gap.from;
    while at < gap.to {
        let base = segment_of(at, segment_bytes);
        let segment_end = base.plus(segment_bytes);
        let room = gap.to.min(segment_end).since(at);
        if room < HEADER_LEN as u64 {
            // The rest of a segment that no batch fits: walked over anyway.
            at = at.plus(room);
            continue;
        }
        let (flags, len) = if gap.to >= segment_end { (FLAG_END, HEADER_LEN as u64) } else { (FLAG_GAP, piece(room)) };
        let mut batch = vec![0; usize::try_from(len).expect("at most BATCH_LEN_MAX")];
        let len = u32::try_from(len).expect("at most BATCH_LEN_MAX");
        let header = Header { flags, epoch: gap.epoch, first: at, len, count: 0, committed: LogOffset::ZERO, crc: 0 };
        let sealed = header.seal([&batch[HEADER_LEN..]].into_iter());
        batch[..HEADER_LEN].copy_from_slice(&sealed);
        let name = segment_name(base);
        let file = target.open(&name).map_err(io_error(format!("opening {name}")))?;
        file.write_at(&mut [IoSlice::new(&batch)], at.since(base)).map_err(io_error(format!("writing {name}")))?;
        file.sync_data().map_err(io_error(format!("syncing {name}")))?;
        at = if flags == FLAG_END { segment_end } else { at.plus(u64::from(len)) };
    }
    Ok(())
}

/// How much of a gap of `room` bytes one batch covers: as much as may be, but never so that too little for another is left.
fn piece(room: u64) -> u64 {
    let max = BATCH_LEN_MAX as u64;
    if room <= max { room } else { max.min(room - HEADER_LEN as u64) }
}

#[cfg(test)]
mod tests;
