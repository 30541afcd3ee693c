//! Timers far ahead settle in files: runs in memory are written, files of like size are merged, and files that no checkpoint
//! names any more are removed.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{LogOffset, Millis};
use store::ReadError;
use store::runs::{Run, RunId, Runs};
use tracing::{debug, warn};

use crate::broker::Broker;
use crate::state::timers::Entry;
use crate::state::timers::runs::{ENTRY_LEN, LeftOut, Merge, Source};

/// How often there is something to do at most, and how soon a step follows the one before.
const EVERY: Millis = Millis(1_000);
const NEXT_STEP: Millis = Millis(0);

/// Entries read from each file at a time.
const READ_MAX: usize = 8_192;

/// Why a step was not done; the job tries again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// Files that some checkpoint may still name.
#[derive(Debug, Default)]
pub struct Retired(Vec<(RunId, LogOffset)>);

impl Broker {
    /// What earlier processes left: files the checkpoint at hand does not name, but an older one might. Once, at start.
    pub fn find_runs(&self) -> std::io::Result<Retired> {
        let end = self.log.end();
        let found = self.log.runs().list()?;
        let mut timers = self.machines.timers.lock();
        let used = timers.files();
        found.iter().for_each(|run| timers.number_runs_above(*run));
        Ok(Retired(found.into_iter().filter(|run| !used.contains(run)).map(|run| (run, end)).collect()))
    }

    /// One step. Answers how long to wait before the next one.
    pub fn settle_timers(&self, retired: &mut Retired) -> Millis {
        let plan = self.machines.timers.lock().plan_merge();
        let again = match plan {
            None => EVERY,
            Some(merge) => match self.write_merge(&merge) {
                Ok((len, left_out)) => {
                    self.machines.timers.lock().merged(&merge, len, &left_out);
                    debug!(runs = merge.from.len(), into = %merge.into, len, "timers settled");
                    NEXT_STEP
                }
                Err(error) => {
                    self.machines.timers.lock().give_up_merge();
                    warn!(%error, "timers stay in memory, or in more files than need be");
                    EVERY
                }
            },
        };
        if let Err(error) = self.remove_retired(retired) {
            warn!(%error, "files of timers that are not needed any more stay for now");
        }
        again
    }

    /// Removes files that no checkpoint names any more: the oldest one kept is younger than the end of the log when they were
    /// given up.
    fn remove_retired(&self, retired: &mut Retired) -> std::io::Result<()> {
        let given_up = self.machines.timers.lock().take_retired();
        let end = self.log.end();
        retired.0.extend(given_up.into_iter().map(|run| (run, end)));
        if retired.0.is_empty() {
            return Ok(());
        }
        let oldest = self.log.oldest_checkpoint()?;
        while let Some((run, _)) = retired.0.first().filter(|(_, end)| *end < oldest) {
            self.log.runs().remove(*run)?;
            retired.0.remove(0);
        }
        Ok(())
    }

    fn write_merge(&self, merge: &Merge) -> Result<(u64, LeftOut), Error> {
        let runs = self.log.runs();
        let mut sources = Vec::new();
        for (id, source, at) in &merge.from {
            sources.push(Reading::of(&runs, *id, source.clone(), *at)?);
        }
        let mut writer = runs.create(merge.into, ENTRY_LEN)?;
        let (mut left_out, mut bytes) = (LeftOut::default(), Vec::with_capacity(ENTRY_LEN));
        // A few sources: to look at each is as fast as a heap.
        while let Some(first) = sources.iter_mut().filter(|source| source.front().is_some()).min_by_key(|s| s.front()) {
            let run = first.run;
            let entry = first.next()?.expect("filtered above");
            if merge.keeps(run, &entry, &mut left_out) {
                bytes.clear();
                entry.put(&mut bytes);
                writer.push(&bytes)?;
            }
        }
        Ok((writer.finish()?, left_out))
    }
}

/// A run on its way through a merge or a look at all its entries.
pub(crate) struct Reading {
    run: RunId,
    source: From,
    /// Index of the next entry to be read.
    at: u64,
    entries: VecDeque<Entry>,
}

enum From {
    Memory(Arc<[Entry]>),
    File(Run),
}

impl Reading {
    /// Begins at the entry with index `at`.
    pub fn of(runs: &Runs, id: RunId, source: Source, at: u64) -> Result<Reading, ReadError> {
        let source = match source {
            Source::Memory(entries) => From::Memory(entries),
            Source::File => From::File(runs.open(id)?),
        };
        let mut reading = Reading { run: id, source, at, entries: VecDeque::new() };
        reading.fill()?;
        Ok(reading)
    }

    /// The next entry; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let next = self.entries.pop_front();
        if self.entries.is_empty() {
            self.fill()?;
        }
        Ok(next)
    }

    fn front(&self) -> Option<Entry> {
        self.entries.front().copied()
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        match &self.source {
            From::Memory(all) => {
                let rest = all.iter().skip(usize::try_from(self.at).expect("within memory"));
                self.entries.extend(rest.take(READ_MAX));
            }
            From::File(file) => self.entries.extend(read_entries(file, self.at, READ_MAX)?),
        }
        self.at += self.entries.len() as u64;
        Ok(())
    }
}

/// At most `max` entries of a run.
pub(crate) fn read_entries(file: &Run, from: u64, max: usize) -> Result<Vec<Entry>, ReadError> {
    let mut bytes = Vec::new();
    file.read(from, max, &mut bytes)?;
    Ok(Entry::read_all(&bytes))
}
