//! Timers far ahead, as sorted runs: in memory until a job has written them to a file, merged so that there are few.
//!
//! A run never changes. Its entries are taken from the front, together with the fronts of all others, so what was passed is
//! everything up to one entry. Of a file only a window behind the front is in memory; what has to be read, `wants` says.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, Timestamp};
use store::runs::RunId;

use super::{Entry, What};

/// Bytes of an entry in a file.
pub const ENTRY_LEN: usize = 24;

/// Entries read at a time, and when the next ones are asked for: at 100,000 timers a second a run alone is read ten times
/// as often as it takes to read.
const WINDOW: usize = 8_192;
const WINDOW_LOW: usize = 2_048;

/// Runs of like size that are merged into one. More would be compared at each delivery, fewer would be rewritten more often.
const MERGE_WIDTH: usize = 8;

/// Entries of the smallest size.
const SMALLEST: u64 = 32 * 1_024;

/// Gone entries, beyond a quarter of all, at which all files are merged.
const GONE_MAX: usize = 64 * 1_024;

/// Where a run's entries are.
#[derive(Clone, Debug)]
pub enum Source {
    Memory(Arc<[Entry]>),
    File,
}

/// Entries that have to be read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub run: RunId,
    /// Index of the first one.
    pub from: u64,
    pub max: usize,
}

/// Runs to become one.
#[derive(Clone, Debug)]
pub struct Merge {
    pub into: RunId,
    /// Each with the index of an entry before which none is still there.
    pub from: Vec<(RunId, Source, u64)>,
    /// Entries of a run up to this one were taken while it was written.
    passed: HashMap<RunId, Entry>,
    /// Messages whose entries are left out.
    pub gone: HashSet<LogOffset>,
    /// Recalls whose records lie below were told again.
    pub recalls_from: LogOffset,
}

/// What was left out of a merge.
#[derive(Clone, Debug, Default)]
pub struct LeftOut {
    pub messages: Vec<LogOffset>,
    pub recalls: usize,
}

impl Merge {
    /// Whether an entry goes into the new run; notes it if not.
    pub fn keeps(&self, run: RunId, entry: &Entry, left_out: &mut LeftOut) -> bool {
        if self.passed.get(&run).is_some_and(|passed| entry <= passed) {
            return false;
        }
        if let Some(timer) = entry.what.message() {
            if self.gone.contains(&timer) {
                left_out.messages.push(timer);
                return false;
            }
        } else if entry.what.at() < self.recalls_from {
            left_out.recalls += 1;
            return false;
        }
        true
    }
}

#[derive(Debug)]
struct Run {
    id: RunId,
    source: Source,
    len: u64,
    /// Index of the front.
    at: u64,
    /// Of a file: the entries from `at` on that are in memory.
    window: VecDeque<Entry>,
    /// Entries up to this one are gone, though the front may not be there yet: they were taken while the run was written.
    passed: Option<Entry>,
    /// The last entry taken since a merge has begun to read the run.
    passed_in_merge: Option<Entry>,
}

impl Run {
    fn front(&self) -> Option<Entry> {
        match &self.source {
            Source::Memory(entries) => entries.get(usize::try_from(self.at).ok()?).copied(),
            Source::File => self.window.front().copied(),
        }
    }

    fn pop(&mut self) {
        self.passed = self.front();
        self.passed_in_merge = self.passed;
        self.window.pop_front();
        self.at += 1;
    }

    fn left(&self) -> u64 {
        self.len - self.at
    }

    /// Its front has not been read yet.
    fn is_blind(&self) -> bool {
        self.left() > 0 && self.front().is_none()
    }
}

/// All runs.
#[derive(Debug, Default)]
pub struct RunSet {
    runs: Vec<Run>,
    next_id: u64,
    /// Runs that are being merged.
    merging: Vec<RunId>,
    /// Files that no run stands in any more.
    retired: Vec<RunId>,
}

impl RunSet {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    fn new_id(&mut self) -> RunId {
        self.next_id += 1;
        RunId(self.next_id)
    }

    /// Numbers of new runs go on above what files there are.
    pub fn number_above(&mut self, id: RunId) {
        self.next_id = self.next_id.max(id.0);
    }

    /// Adds a run of sorted entries in memory.
    pub fn add(&mut self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        debug_assert!(entries.is_sorted());
        let (id, len) = (self.new_id(), entries.len() as u64);
        let source = Source::Memory(entries.into());
        self.runs.push(Run { id, source, len, at: 0, window: VecDeque::new(), passed: None, passed_in_merge: None });
    }

    /// The first entry of all runs. `Err`: that cannot be said before what is wanted has been read.
    pub fn first(&self) -> Result<Option<Entry>, Blind> {
        let mut first: Option<Entry> = None;
        for run in &self.runs {
            match run.front() {
                Some(front) => first = Some(first.map_or(front, |first| first.min(front))),
                None if run.left() > 0 => return Err(Blind),
                None => {}
            }
        }
        Ok(first)
    }

    /// The first entry of those runs whose front is known.
    pub fn first_known(&self) -> Option<Entry> {
        self.runs.iter().filter_map(Run::front).min()
    }

    /// The entries that are in memory, in no order.
    pub fn known(&self) -> impl Iterator<Item = Entry> {
        self.runs.iter().flat_map(|run| {
            let of_memory = match &run.source {
                Source::Memory(entries) => &entries[usize::try_from(run.at).expect("within memory")..],
                Source::File => &[],
            };
            of_memory.iter().chain(&run.window).copied()
        })
    }

    /// Passes the entry that [`RunSet::first`] answered.
    pub fn pop(&mut self, first: Entry) {
        let run = self.runs.iter_mut().find(|run| run.front() == Some(first)).expect("it is some run's front");
        run.pop();
        if run.left() == 0 {
            self.drop_spent();
        }
    }

    /// Forgets runs of which nothing is left. One that is being merged stays: its merge must find what was passed.
    fn drop_spent(&mut self) {
        let RunSet { runs, merging, retired, .. } = self;
        runs.retain(|run| {
            let stays = run.left() > 0 || merging.contains(&run.id);
            if !stays && matches!(run.source, Source::File) {
                retired.push(run.id);
            }
            stays
        });
    }

    /// Entries to be read next, if any. Runs without a front come first.
    pub fn wants(&self) -> Option<Want> {
        let low = |run: &&Run| {
            matches!(run.source, Source::File) && run.window.len() < WINDOW_LOW && run.left() > run.window.len() as u64
        };
        let run = self.runs.iter().filter(low).min_by_key(|run| run.window.len())?;
        Some(Want { run: run.id, from: run.at + run.window.len() as u64, max: WINDOW })
    }

    /// Takes what was read for `want`. It is passed over if the run has moved on meanwhile.
    pub fn read(&mut self, want: &Want, entries: &[Entry]) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == want.run) else { return };
        if run.at + run.window.len() as u64 != want.from {
            return;
        }
        for entry in entries {
            if run.passed.is_some_and(|passed| *entry <= passed) {
                run.at += 1;
            } else {
                run.window.push_back(*entry);
            }
        }
        self.drop_spent();
    }

    /// What should become one run now. Until it is [`RunSet::merged`] or given up, nothing else does.
    pub fn plan_merge(
        &mut self,
        gone_len: usize,
        gone: impl FnOnce() -> HashSet<LogOffset>,
        recalls_from: LogOffset,
    ) -> Option<Merge> {
        if !self.merging.is_empty() {
            return None;
        }
        let (files, memory): (Vec<&Run>, Vec<&Run>) =
            self.runs.iter().partition(|run| matches!(run.source, Source::File));
        let in_files: u64 = files.iter().map(|run| run.left()).sum();
        let chosen = if !memory.is_empty() {
            memory
        } else if gone_len > GONE_MAX && gone_len as u64 > in_files / 4 {
            files
        } else {
            let tier = |run: &Run| (run.left() / SMALLEST).max(1).ilog(MERGE_WIDTH as u64);
            let of_tier = |wanted: u32| files.iter().copied().filter(move |run| tier(run) == wanted);
            let full = (0..=20).find(|wanted| of_tier(*wanted).count() >= MERGE_WIDTH)?;
            of_tier(full).collect()
        };
        let from: Vec<_> = chosen.iter().map(|run| (run.id, run.source.clone(), run.at)).collect();
        let passed = chosen.iter().filter_map(|run| Some((run.id, run.passed?))).collect();
        self.merging = from.iter().map(|(id, ..)| *id).collect();
        self.runs.iter_mut().for_each(|run| run.passed_in_merge = None);
        Some(Merge { into: self.new_id(), from, passed, gone: gone(), recalls_from })
    }

    /// The merge could not be written; its runs stay.
    pub fn give_up(&mut self) {
        self.merging.clear();
        self.drop_spent();
    }

    /// The runs of `merge` have become one file of `len` entries.
    pub fn merged(&mut self, merge: &Merge, len: u64) {
        let (old, kept): (Vec<Run>, Vec<Run>) =
            std::mem::take(&mut self.runs).into_iter().partition(|run| self.merging.contains(&run.id));
        // All fronts are passed in one order, so what was taken from any of them since is everything up to the last.
        let passed = old.iter().filter_map(|run| run.passed_in_merge).max();
        self.runs = kept;
        self.runs.push(Run {
            id: merge.into,
            source: Source::File,
            len,
            at: 0,
            window: VecDeque::new(),
            passed,
            passed_in_merge: None,
        });
        self.retired.extend(old.iter().filter(|run| matches!(run.source, Source::File)).map(|run| run.id));
        self.merging.clear();
        self.drop_spent();
    }

    /// Files that are not needed any more by what is saved from now on.
    pub fn take_retired(&mut self) -> Vec<RunId> {
        std::mem::take(&mut self.retired)
    }

    /// Every run with the index of its front, for a look at all entries.
    pub fn sources(&self) -> Vec<(RunId, Source, u64)> {
        self.runs.iter().map(|run| (run.id, run.source.clone(), run.at)).collect()
    }

    /// Whether an entry of this run has not been passed. `None`: the run is gone, its entries are in another.
    pub fn is_ahead(&self, run: RunId, entry: &Entry) -> Option<bool> {
        let run = self.runs.iter().find(|known| known.id == run)?;
        Some(run.passed.is_none_or(|passed| passed < *entry))
    }

    /// Files among the runs.
    pub fn files(&self) -> Vec<RunId> {
        self.runs.iter().filter(|run| matches!(run.source, Source::File)).map(|run| run.id).collect()
    }

    /// Entries of runs in memory that have not been passed.
    pub fn in_memory(&self) -> impl Iterator<Item = Entry> {
        self.runs.iter().flat_map(|run| match &run.source {
            Source::Memory(entries) => entries[usize::try_from(run.at).expect("within memory")..].to_vec(),
            Source::File => Vec::new(),
        })
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let files: Vec<_> = self.runs.iter().filter(|run| matches!(run.source, Source::File)).collect();
        out.put_u64(self.next_id);
        out.put_u64(files.len() as u64);
        for run in files {
            out.put_u64(run.id.0);
            out.put_u64(run.len);
            out.put_u64(run.at);
            out.put_bool(run.passed.is_some());
            if let Some(passed) = run.passed {
                passed.put(out);
            }
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        self.next_id = fields.u64()?;
        for _ in 0..fields.u64()? {
            let (id, len, at) = (RunId(fields.u64()?), fields.u64()?, fields.u64()?);
            let passed = if fields.bool()? { Some(Entry::read(fields)?) } else { None };
            self.runs.push(Run {
                id,
                source: Source::File,
                len,
                at,
                window: VecDeque::new(),
                passed,
                passed_in_merge: None,
            });
        }
        Ok(())
    }

    /// Whether a front is not known.
    pub fn is_blind(&self) -> bool {
        self.runs.iter().any(Run::is_blind)
    }
}

/// A front has to be read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blind;

impl Entry {
    /// Appends its [`ENTRY_LEN`] bytes.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.put_i64(self.due.0);
        out.put_u64(self.what.0);
        out.put_u64(self.key);
    }

    /// Reads what [`Entry::put`] wrote.
    pub fn read(fields: &mut Reader<'_>) -> Result<Entry, Malformed> {
        Ok(Entry { due: Timestamp(fields.i64()?), what: What(fields.u64()?), key: fields.u64()? })
    }

    /// Reads the bytes of whole entries.
    #[must_use]
    pub fn read_all(bytes: &[u8]) -> Vec<Entry> {
        let one = |entry: &[u8]| Entry::read(&mut Reader::new(entry)).expect("an entry has this length");
        bytes.chunks_exact(ENTRY_LEN).map(one).collect()
    }
}
