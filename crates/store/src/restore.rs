//! Opening what is there: the checkpoint, the indexes, the log since, and what a crash left behind.
//!
//! 1. The newest whole chain of checkpoints says what was known as of an offset.
//! 2. Segments below it have an index file; one that is missing or damaged is built again from its segment.
//! 3. The log from that offset on is walked to its end and applied, record by record.
//! 4. What the walk kept is synced: a killed process leaves bytes that only the page cache has, and nobody may see what a
//!    power loss can still take.
//!
//! Nothing is decided here about damage: [`recovery`](crate::recovery) knows where the log ends and when it must not open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::record::Kind;
use model::record::system::System;
use model::{LogOffset, Timestamp};

use crate::api::{Fact, Fault, LoadError, Observer, OpenError, Options};
use crate::catalog::{Catalog, open_sealed};
use crate::checkpoint::{self, Checkpoints, Saved};
use crate::disk::Disk;
use crate::index::across::Older;
use crate::index::{Growing, OpenIndex, PageCache, Queues, growing};
use crate::layout::{LOG_DIR, base_of, segment_name, segment_of};
use crate::recovery::{Reached, Walk, io_error};
use crate::replay::{self, Replay, reindex};
use crate::segment::Segments;

/// How far ahead of the durable end an earlier process may have written, whatever the option says today.
const UNSYNCED_MIN: u64 = 64 * 1024 * 1024;

/// A log as it was found.
pub struct Restored {
    pub segments: Segments,
    pub catalog: Catalog,
    pub checkpoints: Checkpoints,
    /// The oldest offset kept.
    pub start: LogOffset,
    /// Everything below is in a checkpoint.
    pub checkpointed: LogOffset,
    pub reached: Reached,
    /// The highest store time.
    pub newest: Timestamp,
}

/// Restores the log on `disk` and tells `observer` what it needs to know.
pub fn restore(disk: &Arc<dyn Disk>, options: &Options, observer: &dyn Observer) -> Result<Restored, OpenError> {
    for folder in [LOG_DIR, checkpoint::FOLDER] {
        disk.create_dir(folder).map_err(io_error(format!("creating the folder {folder}")))?;
    }
    let found = Checkpoints::open(disk.clone()).map_err(io_error("reading the checkpoints"))?;
    for damaged in &found.damaged {
        tracing::warn!(%damaged, "a checkpoint is passed over; more of the log is replayed");
    }
    let segments =
        Segments::open(disk.clone(), options.segment_bytes, options.fault).map_err(io_error("opening the segments"))?;
    let facts = found.chain.last().map(|saved| saved.facts);
    let start = find_start(&segments, options, facts.as_ref(), found.damaged.is_empty())?;
    // A chain that was passed over may have been newer than a trim: then the older one tells of segments that are gone.
    let facts = facts.filter(|facts| facts.at >= start);
    let chain = if facts.is_some() { &found.chain[..] } else { &[] };

    let queues = Arc::new(Queues::default());
    let mut saved_indexes = load_chain(chain, &queues, observer)?;
    let at = facts.map_or(start, |facts| facts.at);
    let open_base = segment_of(at, options.segment_bytes);
    let cache = Arc::new(PageCache::default());
    let mut restore = Restore { disk, options, observer, segments: &segments, queues: &queues, cache: &cache };
    let older = restore.older_indexes(start, open_base)?;
    let growing = saved_indexes.remove(&open_base).unwrap_or_else(|| OpenIndex::new(open_base, None));
    let newest = older.last().map_or(growing.newest_time(), |index| index.newest_time().max(growing.newest_time()));
    let catalog = Catalog::new(queues.clone(), older, Growing::new(vec![growing]), cache, options.segment_bytes);

    let from = Reached {
        end: if options.fault == Some(Fault::ReplayTwice) { open_base.max(start) } else { at },
        epoch: if options.fault == Some(Fault::ReplayTwice) { 0 } else { facts.map_or(0, |facts| facts.epoch) },
        committed: facts.map_or(start, |facts| facts.committed),
    };
    if facts.is_none() {
        tell_old_topics(options, observer, &segments, from)?;
    }
    let (reached, newest) = replay(disk, options, observer, &segments, &catalog, start, from, newest)?;
    settle(disk, options, &segments, at, reached.end)?;
    remove_leftovers(&**disk, &segments, start)?;
    Ok(Restored { segments, catalog, checkpoints: found.checkpoints, start, checkpointed: at, reached, newest })
}

/// The oldest offset kept. `certain`: the checkpoint at hand is the newest that was written.
fn find_start(
    segments: &Segments,
    options: &Options,
    facts: Option<&checkpoint::Facts>,
    certain: bool,
) -> Result<LogOffset, OpenError> {
    let bases = segments.bases();
    let Some(facts) = facts else {
        return Ok(bases.first().copied().unwrap_or_default());
    };
    // Segments below the start are what a crash left of a trim; those from there to the checkpoint must all be there.
    let end = segment_of(facts.at, options.segment_bytes);
    let mut expected = facts.start;
    for base in bases.iter().copied().filter(|base| *base >= facts.start && *base < end) {
        if base != expected {
            break;
        }
        expected = base.plus(options.segment_bytes);
    }
    if expected >= end {
        return Ok(facts.start);
    }
    if certain {
        return Err(missing(expected, facts.committed));
    }
    // The newest run without a gap.
    let gap = bases.windows(2).rposition(|pair| pair[0].plus(options.segment_bytes) != pair[1]);
    Ok(bases.get(gap.map_or(0, |gap| gap + 1)).copied().unwrap_or(facts.start).max(facts.start))
}

fn missing(base: LogOffset, committed: LogOffset) -> OpenError {
    OpenError::Damaged { file: segment_name(base), offset: 0, committed, reason: "the file is missing".to_owned() }
}

fn load_chain(
    chain: &[Saved],
    queues: &Queues,
    observer: &dyn Observer,
) -> Result<BTreeMap<LogOffset, OpenIndex>, OpenError> {
    let unreadable = |error: &dyn std::fmt::Display| OpenError::Load(LoadError { reason: error.to_string() });
    for saved in chain {
        queues.load(saved.queues()).map_err(|error| unreadable(&error))?;
    }
    let indexes = growing::load(chain.iter().map(Saved::units), queues).map_err(|error| unreadable(&error))?;
    if let Some(newest) = chain.last() {
        observer.load(newest.projections())?;
    }
    Ok(indexes)
}

/// What the steps of a restore have in common.
struct Restore<'a> {
    disk: &'a Arc<dyn Disk>,
    options: &'a Options,
    observer: &'a dyn Observer,
    segments: &'a Segments,
    queues: &'a Queues,
    cache: &'a Arc<PageCache>,
}

impl Restore<'_> {
    /// The indexes of the segments from `start` to `end`. What the checkpoint has of them is not used: it may lack what came
    /// between the checkpoint and the sealing.
    fn older_indexes(&mut self, start: LogOffset, end: LogOffset) -> Result<Vec<Older>, OpenError> {
        let mut older = Vec::new();
        for base in self.segments.bases().into_iter().filter(|base| *base >= start && *base < end) {
            let next = base.plus(self.options.segment_bytes);
            let index = match open_sealed(&**self.disk, base, next, self.cache) {
                Some(sealed) => Older::Sealed(Arc::new(sealed)),
                None => Older::Frozen(Arc::new(self.build_index(base, next)?)),
            };
            older.push(index);
        }
        Ok(older)
    }

    fn build_index(&mut self, base: LogOffset, next: LogOffset) -> Result<OpenIndex, OpenError> {
        let mut index = OpenIndex::new(base, None);
        let from = Reached { end: base, epoch: 0, committed: base };
        let mut walk = Walk::new(self.segments, self.options.segment_bytes, self.options.fault, from);
        while walk.at() < next {
            let Some((header, bytes)) = walk.next_batch()? else { break };
            reindex(&header, bytes, &mut index, self.queues, self.observer).map_err(too_many)?;
        }
        // The rest of a segment may be too short for a batch.
        if walk.at() < next && segment_of(walk.at(), self.options.segment_bytes) == base && !walk.at_rest() {
            return Err(walk.damage(next));
        }
        Ok(index)
    }
}

/// Tells `observer` of the topics that are older than the log: retention has appended their records again, behind messages of
/// theirs that are still there. Without a checkpoint, which would know them, those messages would have no topic.
fn tell_old_topics(
    options: &Options,
    observer: &dyn Observer,
    segments: &Segments,
    from: Reached,
) -> Result<(), OpenError> {
    let start = from.end;
    if start == LogOffset::ZERO {
        return Ok(());
    }
    let mut told = BTreeSet::new();
    let mut walk = Walk::new(segments, options.segment_bytes, options.fault, from);
    while let Some((header, bytes)) = walk.next_batch()? {
        for (at, kind, record) in replay::records(&header, bytes) {
            if kind == Kind::System
                && let Ok(System::TopicChanged { id: Some(id), .. }) = System::decode(record)
                && id.0 < start
                && told.insert(id)
            {
                observer.applied(&[Fact::System { at, record }]);
            }
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the steps of one function, split for reading")]
fn replay(
    disk: &Arc<dyn Disk>,
    options: &Options,
    observer: &dyn Observer,
    segments: &Segments,
    catalog: &Catalog,
    start: LogOffset,
    from: Reached,
    newest: Timestamp,
) -> Result<(Reached, Timestamp), OpenError> {
    let mut walk = Walk::new(segments, options.segment_bytes, options.fault, from);
    let mut replay = Replay::new(start, newest, options.fault);
    let mut believed = LogOffset(u64::MAX);
    if options.fault == Some(Fault::NumberingFromCommitted) {
        let mut ahead = Walk::new(segments, options.segment_bytes, options.fault, from);
        while ahead.next_batch()?.is_some() {}
        believed = ahead.committed();
    }
    while let Some((header, bytes)) = walk.next_batch()? {
        if header.first >= believed {
            continue;
        }
        let entered = replay.batch(&header, bytes, catalog, observer).map_err(too_many)?;
        if entered {
            // Now, so that a whole log without checkpoints does not gather in memory.
            catalog.seal(&**disk, header.first).map_err(io_error("writing an index"))?;
        }
    }
    Ok((walk.finish(UNSYNCED_MIN.max(options.staging_bytes_max as u64))?, replay.newest()))
}

fn too_many(error: impl std::fmt::Display) -> OpenError {
    OpenError::Load(LoadError { reason: error.to_string() })
}

/// Makes durable what the walk kept.
fn settle(
    disk: &Arc<dyn Disk>,
    options: &Options,
    segments: &Segments,
    from: LogOffset,
    end: LogOffset,
) -> Result<(), OpenError> {
    let first = segment_of(from, options.segment_bytes);
    segments.get_or_make(segment_of(end, options.segment_bytes)).map_err(io_error("making a segment"))?;
    for base in segments.bases().into_iter().filter(|base| *base >= first && *base <= end) {
        let segment = segments.holding(base).expect("listed above");
        if options.fault != Some(Fault::NoSync) {
            segment.file.sync_data().map_err(io_error(format!("syncing {}", segment_name(base))))?;
        }
    }
    if options.fault != Some(Fault::NoDirectorySync) {
        disk.sync_dir(LOG_DIR).map_err(io_error("syncing the log folder"))?;
    }
    Ok(())
}

/// Removes segments and indexes a trim was about to remove, and half-written index files.
fn remove_leftovers(disk: &dyn Disk, segments: &Segments, start: LogOffset) -> Result<(), OpenError> {
    for base in segments.bases().into_iter().filter(|base| *base < start) {
        segments.remove(base).map_err(io_error("removing a trimmed segment"))?;
    }
    for name in disk.list(LOG_DIR).map_err(io_error("listing the log folder"))? {
        let old = base_of(&name, ".idx").is_some_and(|base| base < start);
        if old || name.ends_with(".idx.tmp") {
            disk.remove(&format!("{LOG_DIR}/{name}")).map_err(io_error("removing an index"))?;
        }
    }
    Ok(())
}
