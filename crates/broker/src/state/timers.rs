//! Messages that wait for their time: delay levels and exact delivery times by one mechanism.
//!
//! A timer is identified by the log offset of its message record. Facts: `TimerStored`, `TimersEnded`, `TimerMoved`,
//! `TimerRecalled`. The only question is who is due at `now`; `jobs/deliver_timed` asks and appends the answers.
//!
//! A recall is kept as an entry in front of the timers of its second. When its second begins it is remembered until the
//! second is over, and timers with its key are answered as recalled instead of due.
//!
//! Memory: what is soon due stands in a tree of at most [`HEAD_MAX`] entries; the rest in [`runs`] of 24 bytes an entry, which
//! `jobs/settle_timers` writes to files. Nothing of that is a fact: a replay makes other runs of the same timers.

pub mod runs;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, Millis, Timestamp, TopicId};
use store::runs::RunId;

use crate::broker::put_len;

use runs::{LeftOut, Merge, RunSet, Source, Want};

/// The key of messages that nobody can recall: delay levels and retries.
pub const NO_KEY: u64 = 0;

/// How long a recall that is about to be appended holds back its timer. Longer than any client is left without an answer: what
/// is not appended by then was refused, and its sender knows no better than that it failed.
const RECALL_WAIT: Millis = Millis(5_000);

/// One second of the reference's timer wheel: its messages are due after `0`, up to and including 1,000 ms later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub Timestamp);

impl Slot {
    /// The slot of a delivery time: the last whole second before it (semantics.md section 11). Consumers see it as
    /// `TIMER_OUT_MS`.
    #[must_use]
    pub fn of(due: Timestamp) -> Slot {
        Slot(Timestamp(due.0.saturating_sub(1).div_euclid(1_000).saturating_mul(1_000)))
    }

    fn begin(self) -> Timestamp {
        self.0.after(Millis(1))
    }

    fn end(self) -> Timestamp {
        self.0.after(Millis(1_000))
    }
}

/// What waits, by the log offset of the record that says so. Recalls sort before the messages of their moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct What(u64);

const MESSAGE: u64 = 1 << 63;

impl What {
    fn of_message(at: LogOffset) -> What {
        What(at.0 | MESSAGE)
    }

    fn of_recall(at: LogOffset) -> What {
        What(at.0)
    }

    fn at(self) -> LogOffset {
        LogOffset(self.0 & !MESSAGE)
    }

    /// The message, if it is one.
    #[must_use]
    pub fn message(self) -> Option<LogOffset> {
        (self.0 & MESSAGE != 0).then(|| self.at())
    }
}

/// A timer or a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub due: Timestamp,
    pub what: What,
    pub key: u64,
}

/// Millions of them are kept.
const _: () = assert!(size_of::<Entry>() == runs::ENTRY_LEN);

/// Entries of the tree; then the later half becomes a run.
const HEAD_MAX: usize = 64 * 1_024;

/// What has come due, all of it reserved until `TimersEnded` confirms or [`Timers::release`] gives it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be delivered, by time, then by arrival.
    pub deliver: Vec<(LogOffset, Timestamp)>,
    /// Done without delivery.
    pub recalled: Vec<LogOffset>,
}

impl Due {
    #[must_use]
    pub fn len(&self) -> usize {
        self.deliver.len() + self.recalled.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a message cannot be recalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRecall {
    /// It is not waiting for its time any more.
    TooLate,
    /// More recalls wait than there can be messages for them: most handles were made up.
    TooMany,
}

/// Recalls that may wait beyond two for each message: a recall is asked for again when its answer was lost.
const RECALLS_SPARE: usize = 1_024;

/// Messages waiting for their time.
#[derive(Debug)]
pub struct Timers {
    head_max: usize,
    head: BTreeSet<Entry>,
    runs: RunSet,
    /// Taken by a job, not yet confirmed. Reservations: they die with the process.
    taken: HashMap<LogOffset, Entry>,
    /// Done before they were taken, as a replay has it.
    done: HashSet<LogOffset>,
    /// Taken out of the midst of a run, where their entries still stand.
    lifted: HashSet<LogOffset>,
    /// Recalls of seconds that have begun, with the records that say so.
    recalled: BTreeMap<Slot, HashMap<u64, LogOffset>>,
    /// Recalls that are about to be appended, and since when. Reservations, too.
    recalling: HashMap<(Slot, u64), Timestamp>,
    /// The latest moment that was asked for: what was due then may be on its way.
    asked: Timestamp,
    /// Until when the delivering job sleeps.
    sleeps_until: Timestamp,
    messages: usize,
    /// Messages by the topic they will go to. Those of logs written before topics were noted are missing.
    by_topic: BTreeMap<TopicId, u64>,
    /// Bytes of the waiting records: exact when they are scheduled, by their mean when they are done.
    bytes: u64,
    recalls: usize,
    /// Recalls whose records lie below have been told again by retention.
    recalls_from: LogOffset,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::with_head(HEAD_MAX)
    }
}

impl Timers {
    /// Timers whose tree has less than `head_max` entries.
    #[must_use]
    pub fn with_head(head_max: usize) -> Timers {
        Timers {
            head_max,
            head: BTreeSet::new(),
            runs: RunSet::default(),
            taken: HashMap::new(),
            done: HashSet::new(),
            lifted: HashSet::new(),
            recalled: BTreeMap::new(),
            recalling: HashMap::new(),
            asked: Timestamp::default(),
            sleeps_until: Timestamp::default(),
            messages: 0,
            by_topic: BTreeMap::new(),
            bytes: 0,
            recalls: 0,
            recalls_from: LogOffset::ZERO,
        }
    }

    /// Messages that wait or are on their way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Messages by the topic they will go to.
    pub fn by_topic(&self) -> impl Iterator<Item = (TopicId, u64)> {
        self.by_topic.iter().map(|(topic, count)| (*topic, *count))
    }

    /// Messages that are due at `now` or on their way, as far as is known without the disk.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> usize {
        let is_due = |entry: &&Entry| entry.due <= now && entry.what.message().is_some();
        self.taken.len()
            + self.head.iter().take_while(|entry| entry.due <= now).filter(is_due).count()
            + self.runs.known().filter(|entry| is_due(&entry)).count()
    }

    /// About how many bytes of log they need.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When there is something to do next, as far as is known without the disk. Not later than the next message is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let fronts = [self.head.first().copied(), self.runs.first_known()];
        fronts.into_iter().flatten().map(|entry| entry.due).min()
    }

    /// Answers until when to sleep: the next time, or `latest`. [`Timers::scheduled`] says if that changes.
    pub fn sleep(&mut self, latest: Timestamp) -> Timestamp {
        self.sleeps_until =
            if self.runs.is_blind() { self.asked } else { latest.min(self.next_due().unwrap_or(latest)) };
        self.sleeps_until
    }

    /// Reserves at most `max` messages that are due at `now`. Fewer may be answered than there are if entries are wanted
    /// from the disk first.
    pub fn take_due(&mut self, now: Timestamp, max: usize) -> Due {
        self.asked = self.asked.max(now);
        let (mut due, mut held) = (Due::default(), Vec::new());
        while due.len() < max
            && let Some((entry, in_run)) = self.first()
            && entry.due <= now
        {
            if in_run {
                self.runs.pop(entry);
            } else {
                self.head.pop_first();
            }
            let Some(timer) = entry.what.message() else {
                self.recalls = self.recalls.saturating_sub(1);
                self.recalled.entry(Slot::of(entry.due)).or_default().insert(entry.key, entry.what.at());
                continue;
            };
            if in_run && self.lifted.remove(&timer) || self.done.remove(&timer) {
                continue;
            }
            if self.is_recalling(&entry, now) {
                held.push(entry);
                continue;
            }
            self.taken.insert(timer, entry);
            if self.is_recalled(&entry) {
                due.recalled.push(timer);
            } else {
                due.deliver.push((timer, entry.due));
            }
        }
        self.head.extend(held);
        self.forget_old_recalls(now);
        due
    }

    /// The first entry, and whether it is a run's. `None` also while a run's first entry is not in memory.
    fn first(&self) -> Option<(Entry, bool)> {
        let of_head = self.head.first().copied();
        let of_runs = self.runs.first().ok()?;
        match (of_head, of_runs) {
            (Some(head), Some(run)) if head < run => Some((head, false)),
            (_, Some(run)) => Some((run, true)),
            (head, None) => head.map(|head| (head, false)),
        }
    }

    fn is_recalled(&self, entry: &Entry) -> bool {
        entry.key != NO_KEY && self.recalled.get(&Slot::of(entry.due)).is_some_and(|keys| keys.contains_key(&entry.key))
    }

    fn is_recalling(&mut self, entry: &Entry, now: Timestamp) -> bool {
        if self.recalling.is_empty() {
            return false;
        }
        self.recalling.retain(|_, since| now.since(*since) < RECALL_WAIT);
        self.recalling.contains_key(&(Slot::of(entry.due), entry.key))
    }

    /// A recall has no effect any more when its second is over and nothing of it is left.
    fn forget_old_recalls(&mut self, now: Timestamp) {
        if self.recalled.is_empty() || !self.taken.is_empty() || self.runs.is_blind() {
            return;
        }
        let next = self.next_due();
        self.recalled.retain(|slot, _| slot.end() >= now || next.is_some_and(|next| next <= slot.end()));
    }

    /// Releases timers whose delivery could not be appended.
    pub fn release(&mut self, timers: impl IntoIterator<Item = LogOffset>) {
        for timer in timers {
            self.head.extend(self.taken.remove(&timer));
        }
    }

    /// What was due at `then` may have been delivered by an earlier process, even if the clock has been set back since.
    pub fn was_asked(&mut self, then: Timestamp) {
        self.asked = self.asked.max(then);
    }

    /// Reserves a recall that is about to be appended: from now on the message is not delivered, unless the append fails.
    pub fn recall(&mut self, due: Timestamp, key: u64, now: Timestamp) -> Result<(), NoRecall> {
        if due <= now.max(self.asked) {
            return Err(NoRecall::TooLate);
        }
        if self.recalls + self.recalling.len() >= 2 * self.messages + RECALLS_SPARE {
            return Err(NoRecall::TooMany);
        }
        self.recalling.insert((Slot::of(due), key), now);
        Ok(())
    }

    /// Applies `TimerStored` of the message record of `len` bytes at `timer`. True: the delivering job would oversleep it.
    pub fn scheduled(&mut self, timer: LogOffset, len: u32, topic: Option<TopicId>, due: Timestamp, key: u64) -> bool {
        self.messages += 1;
        if let Some(topic) = topic {
            *self.by_topic.entry(topic).or_default() += 1;
        }
        self.bytes += u64::from(len);
        self.add(Entry { due, what: What::of_message(timer), key });
        due < self.sleeps_until
    }

    fn add(&mut self, entry: Entry) {
        self.head.insert(entry);
        if self.head.len() >= self.head_max {
            let middle = *self.head.iter().nth(self.head_max / 2).expect("it has more");
            let later = self.head.split_off(&middle);
            let Timers { head, runs, done, lifted, .. } = self;
            // One that still stands in a run must not stand in another: it would be passed over there.
            let (stay, go): (Vec<_>, Vec<_>) =
                later.into_iter().partition(|entry| entry.what.message().is_some_and(|timer| lifted.contains(&timer)));
            head.extend(stay);
            let is_there = |entry: &Entry| entry.what.message().is_none_or(|timer| !done.remove(&timer));
            runs.add(go.into_iter().filter(is_there).collect());
        }
    }

    /// Applies `TimersEnded`.
    pub fn done(&mut self, timers: &[LogOffset], topics: &[(TopicId, u32)]) {
        for (topic, count) in topics {
            // A topic may have been deleted and created again since: then its messages go to one that never had them.
            if let Some(waiting) = self.by_topic.get_mut(topic) {
                *waiting = waiting.saturating_sub(u64::from(*count));
                if *waiting == 0 {
                    self.by_topic.remove(topic);
                }
            }
        }
        for timer in timers {
            if self.taken.remove(timer).is_none() {
                self.done.insert(*timer);
            }
            self.bytes -= self.bytes / self.messages.max(1) as u64;
            self.messages = self.messages.saturating_sub(1);
        }
    }

    /// Applies `TopicDeleted`.
    pub fn topic_deleted(&mut self, topic: TopicId) {
        self.by_topic.remove(&topic);
    }

    /// Applies `TimerMoved`: the message record at `timer` takes the place of the one at `from`.
    pub fn moved(&mut self, from: LogOffset, timer: LogOffset, due: Timestamp, key: u64) {
        if self.taken.remove(&from).is_none() && !self.head.remove(&Entry { due, what: What::of_message(from), key }) {
            self.done.insert(from);
        }
        self.add(Entry { due, what: What::of_message(timer), key });
    }

    /// Applies `TimerRecalled`, whose record stands at `at`.
    pub fn recalled(&mut self, at: LogOffset, due: Timestamp, key: u64) {
        let slot = Slot::of(due);
        self.recalling.remove(&(slot, key));
        self.recalls += 1;
        self.add(Entry { due: slot.begin(), what: What::of_recall(at), key });
    }

    /// What [`Timers::by_topic`] answers, a section of its own: builds before it did not count.
    pub fn save_by_topic(&self, out: &mut Vec<u8>) {
        put_len(out, self.by_topic.len());
        for (topic, count) in &self.by_topic {
            out.put_u64(topic.0.0);
            out.put_u64(*count);
        }
    }

    pub fn load_by_topic(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            self.by_topic.insert(TopicId(LogOffset(fields.u64()?)), fields.u64()?);
        }
        Ok(())
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        let not =
            |gone: &dyn Fn(LogOffset) -> bool, entry: &Entry| entry.what.message().is_none_or(|timer| !gone(timer));
        let in_memory = self.runs.in_memory().filter(|entry| not(&|timer| self.is_gone_from_runs(timer), entry));
        let mut loose: BTreeSet<Entry> = in_memory.collect();
        loose.extend(self.head.iter().filter(|entry| not(&|timer| self.done.contains(&timer), entry)));
        loose.extend(self.taken.values());
        let begun = self.recalled.iter().flat_map(|(slot, keys)| keys.iter().map(move |entry| (slot, entry)));
        loose.extend(begun.map(|(slot, (key, record))| Entry {
            due: slot.begin(),
            what: What::of_recall(*record),
            key: *key,
        }));
        out.put_u64(self.messages as u64);
        out.put_u64(self.bytes);
        self.runs.save(out);
        // Only files keep entries that are gone.
        let files = !self.runs.files().is_empty();
        let gone: BTreeSet<_> = self.done.union(&self.lifted).filter(|_| files).collect();
        out.put_u64(gone.len() as u64);
        gone.iter().for_each(|timer| out.put_u64(timer.0));
        out.put_u64(loose.len() as u64);
        loose.iter().for_each(|entry| entry.put(out));
    }

    fn is_gone_from_runs(&self, timer: LogOffset) -> bool {
        self.done.contains(&timer) || self.lifted.contains(&timer)
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        self.messages = usize::try_from(fields.u64()?).unwrap_or(usize::MAX);
        self.bytes = fields.u64()?;
        self.runs.load(fields)?;
        for _ in 0..fields.u64()? {
            self.lifted.insert(LogOffset(fields.u64()?));
        }
        // Last: they may become runs, and what is lifted must not.
        for _ in 0..fields.u64()? {
            let entry = Entry::read(fields)?;
            self.recalls += usize::from(entry.what.message().is_none());
            self.add(entry);
        }
        Ok(())
    }
}

/// For the jobs that keep the runs, and for retention.
impl Timers {
    /// Entries to be read from a file for [`Timers::read`].
    #[must_use]
    pub fn wants(&self) -> Option<Want> {
        self.runs.wants()
    }

    /// Takes what was read.
    pub fn read(&mut self, want: &Want, entries: &[Entry]) {
        self.runs.read(want, entries);
    }

    /// What should become one run now, if anything.
    pub fn plan_merge(&mut self) -> Option<Merge> {
        let Timers { runs, done, lifted, .. } = self;
        let gone = || done.union(lifted).copied().collect();
        runs.plan_merge(done.len() + lifted.len(), gone, self.recalls_from)
    }

    /// The merge could not be written.
    pub fn give_up_merge(&mut self) {
        self.runs.give_up();
    }

    /// The merge has been written: `len` entries.
    pub fn merged(&mut self, merge: &Merge, len: u64, left_out: &LeftOut) {
        for timer in &left_out.messages {
            // Lifted first: a message that was lifted, given back and done stands in the tree, too.
            if !self.lifted.remove(timer) {
                self.done.remove(timer);
            }
        }
        self.recalls = self.recalls.saturating_sub(left_out.recalls);
        self.runs.merged(merge, len);
    }

    /// Files that no checkpoint taken from now on names.
    pub fn take_retired(&mut self) -> Vec<RunId> {
        self.runs.take_retired()
    }

    /// Files that a checkpoint taken now would name.
    #[must_use]
    pub fn files(&self) -> Vec<RunId> {
        self.runs.files()
    }

    /// New runs get higher numbers than `id`.
    pub fn number_runs_above(&mut self, id: RunId) {
        self.runs.number_above(id);
    }

    /// Entries of the tree that a record below `limit` stands for.
    #[must_use]
    pub fn head_below(&self, limit: LogOffset) -> Vec<Entry> {
        let below = |entry: &&Entry| self.is_below(entry, limit);
        self.head.iter().filter(below).copied().collect()
    }

    /// Whether the record of an entry lies below `limit` and has to be kept.
    #[must_use]
    pub fn is_below(&self, entry: &Entry, limit: LogOffset) -> bool {
        let at = entry.what.at();
        at < limit && (entry.what.message().is_some() || at >= self.recalls_from)
    }

    /// Every run, for a look at all its entries.
    #[must_use]
    pub fn sources(&self) -> Vec<(RunId, Source, u64)> {
        self.runs.sources()
    }

    /// Takes a message that waits in the tree, or in `run`, so that nobody else does. `Some(false)`: it does not wait any more.
    /// `None`: the run is gone, look again.
    pub fn take(&mut self, run: Option<RunId>, entry: Entry) -> Option<bool> {
        let Some(timer) = entry.what.message() else { return Some(false) };
        if let Some(run) = run {
            if !self.runs.is_ahead(run, &entry)? || self.is_gone_from_runs(timer) {
                return Some(false);
            }
            self.lifted.insert(timer);
        } else if self.done.contains(&timer) || !self.head.remove(&entry) {
            return Some(false);
        }
        self.taken.insert(timer, entry);
        Some(true)
    }

    /// Whether a message whose record lies below `limit` is taken.
    #[must_use]
    pub fn any_taken_below(&self, limit: LogOffset) -> bool {
        self.taken.keys().any(|timer| *timer < limit)
    }

    /// Recalls whose records lie below `limit` have been told again.
    pub fn recalls_told_again(&mut self, limit: LogOffset) {
        self.recalls_from = self.recalls_from.max(limit);
    }
}

#[cfg(test)]
mod tests;
