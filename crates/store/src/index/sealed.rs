//! Reads the `.idx` file of a sealed segment.
//!
//! Kept in memory: the header. Everything else is read page by page through a cache all files share, so memory does not
//! grow with what a segment holds. With [`Read::Nowait`] every lookup may answer `WouldBlock`.

use std::sync::Arc;

use model::record::codec::{Malformed, Reader};
use model::{LogOffset, QueueId, QueueOffset, Timestamp, TopicId};

use super::pages::{PAGE_LEN, PageCache, Pages, Table};
use super::seal::{BATCHES, Header, MAGIC, VERSION, filter_block, filter_may_hold};
use super::{BatchSpan, KeyHit, Origin, Packed, Span};
use crate::disk::File;
use crate::{Read, ReadError, Unit};

/// The index of one sealed segment.
pub struct SealedIndex {
    file: Arc<dyn File>,
    name: String,
    header: Header,
    origin: Origin,
    cache: Arc<PageCache>,
}

/// A queue's units in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub span: Span,
    first_unit: u32,
}

impl SealedIndex {
    /// Opens the file of the segment at `start`; `name` is for errors. Reads the header.
    pub fn open(
        file: Arc<dyn File>,
        name: &str,
        start: LogOffset,
        cache: Arc<PageCache>,
    ) -> Result<SealedIndex, ReadError> {
        let pages = Pages { file: &*file, name, start, cache: &cache, mode: Read::Wait };
        let header_page = pages.read(0)?;
        let header = decode_header(header_page.payload()).map_err(|reason| pages.damaged(0, &reason))?;
        if header.start != start {
            return Err(pages.damaged(8, "the header belongs to another segment"));
        }
        let (want, have) = (header.pages().saturating_mul(PAGE_LEN as u64), file.len());
        let have = have.map_err(|source| ReadError::Io { file: name.to_owned(), source })?;
        if have != want {
            return Err(pages.damaged(have.min(want), "the file's length is not what its header says"));
        }
        let origin = Origin { start, time: Timestamp(header.base_time) };
        Ok(SealedIndex { file, name: name.to_owned(), header, origin, cache })
    }

    /// The segment's first log offset.
    #[must_use]
    pub fn start(&self) -> LogOffset {
        self.header.start
    }

    /// The first log offset after the segment.
    #[must_use]
    pub fn end(&self) -> LogOffset {
        self.header.end
    }

    /// No message was stored before.
    #[must_use]
    pub fn base_time(&self) -> Timestamp {
        self.origin.time
    }

    /// No message was stored after. Means nothing without messages.
    #[must_use]
    pub fn newest_time(&self) -> Timestamp {
        Timestamp(self.header.newest_time)
    }

    #[must_use]
    pub fn messages(&self) -> u64 {
        self.units_table().entries
    }

    /// Bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.header.pages() * PAGE_LEN as u64
    }

    /// The messages of a queue, if it has any here.
    pub fn run(&self, topic: TopicId, queue: QueueId, mode: Read) -> Result<Option<Run>, ReadError> {
        let pages = self.pages(mode);
        let mut key = [0; 12];
        key[..8].copy_from_slice(&topic.0.0.to_be_bytes());
        key[8..].copy_from_slice(&queue.0.to_be_bytes());
        let directory = self.directory();
        let number = directory.lower_bound(&pages, &key)?;
        if number == directory.entries {
            return Ok(None);
        }
        let mut entry = Vec::new();
        directory.entry(&pages, number, &mut entry)?;
        if entry[..12] != key {
            return Ok(None);
        }
        self.decode_run(&entry).map(|(_, _, run)| Some(run))
    }

    /// Appends up to `max` units of `run` from offset `from` on to `out`: none if `from` is not in its span.
    pub fn units(
        &self,
        run: &Run,
        from: QueueOffset,
        max: usize,
        mode: Read,
        out: &mut Vec<Unit>,
    ) -> Result<(), ReadError> {
        if from < run.span.base || from >= run.span.end() {
            return Ok(());
        }
        let first = u64::from(run.first_unit) + (from.0 - run.span.base.0);
        let last = first.saturating_add(max as u64).min(self.last_unit(run));
        let kept = out.len();
        let read = self.units_table().for_each(&self.pages(mode), first, last, |entry| {
            out.push(self.origin.unit(Packed::get(entry)));
        });
        if read.is_err() {
            out.truncate(kept);
        }
        read
    }

    /// The first message of `run` stored at or after `moment`.
    pub fn first_at_or_after(
        &self,
        run: &Run,
        moment: Timestamp,
        mode: Read,
    ) -> Result<Option<QueueOffset>, ReadError> {
        let before = self.stored_before(run, mode, |stored| stored < moment)?;
        Ok((before < u64::from(run.span.count)).then(|| run.span.base.plus(before)))
    }

    /// The last message of `run` stored at or before `moment`.
    pub fn last_at_or_before(
        &self,
        run: &Run,
        moment: Timestamp,
        mode: Read,
    ) -> Result<Option<QueueOffset>, ReadError> {
        let until = self.stored_before(run, mode, |stored| stored <= moment)?;
        Ok(until.checked_sub(1).map(|last| run.span.base.plus(last)))
    }

    /// The batch that holds log offset `at`.
    pub fn batch_of(&self, at: LogOffset, mode: Read) -> Result<Option<BatchSpan>, ReadError> {
        if at < self.header.start || at >= self.header.end {
            return Ok(None);
        }
        let (pages, table) = (self.pages(mode), &self.header.tables[0]);
        let position = self.origin.position(at);
        let after = table.lower_bound(&pages, &(position + 1).to_be_bytes())?;
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        let mut entry = Vec::with_capacity(BATCHES.entry_len);
        table.entry(&pages, number, &mut entry)?;
        let mut fields = Reader::new(&entry);
        let (begin, len) = fields.u32().and_then(|begin| Ok((begin, fields.u32()?))).expect("an entry of 8 bytes");
        let span = BatchSpan { at: self.origin.at(begin), len };
        Ok((position - begin < len).then_some(span))
    }

    /// Messages with the key that hashes to `hash`, newest first, as long as `take` says true. A hash that is not here costs
    /// one page, 99 times in 100.
    pub fn keys(&self, hash: u64, mode: Read, mut take: impl FnMut(KeyHit) -> bool) -> Result<(), ReadError> {
        let [_, _, _, keys, filter] = &self.header.tables;
        let pages = self.pages(mode);
        let mut entry = Vec::new();
        if filter.entries == 0 {
            return Ok(());
        }
        filter.entry(&pages, filter_block(hash, filter.entries), &mut entry)?;
        if !filter_may_hold(&entry, hash) {
            return Ok(());
        }
        let mut last_key = [0xFF; 12];
        last_key[..8].copy_from_slice(&hash.to_be_bytes());
        // No key lies at the largest position there is: a segment is at most 1 GiB.
        let mut number = keys.lower_bound(&pages, &last_key)?;
        while number > 0 {
            number -= 1;
            keys.entry(&pages, number, &mut entry)?;
            if entry[..8] != hash.to_be_bytes() {
                return Ok(());
            }
            if !take(self.decode_key(&entry)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Calls `each` with every queue that has messages here, sorted by topic and queue. Reads the whole directory: for
    /// background work.
    pub fn for_each_queue(&self, mut each: impl FnMut(TopicId, QueueId, Span)) -> Result<(), ReadError> {
        let mut damage = Ok(());
        let directory = self.directory();
        directory.for_each(&self.pages(Read::Wait), 0, directory.entries, |entry| match self.decode_run(entry) {
            Ok((topic, queue, run)) => each(topic, queue, run.span),
            Err(error) => damage = Err(error),
        })?;
        damage
    }

    /// Reads and checks every page.
    pub fn verify(&self) -> Result<(), ReadError> {
        let pages = self.pages(Read::Wait);
        for number in 0..u32::try_from(self.header.pages()).expect("checked against the file's length") {
            pages.read(number)?;
        }
        self.for_each_queue(|_, _, _| ())
    }

    /// How many of the run's first units have a store time for which `before` holds.
    fn stored_before(&self, run: &Run, mode: Read, before: impl Fn(Timestamp) -> bool) -> Result<u64, ReadError> {
        let pages = self.pages(mode);
        let (mut low, mut high) = (0, u64::from(run.span.count));
        let mut entry = Vec::with_capacity(Packed::LEN);
        while low < high {
            let middle = low.midpoint(high);
            self.units_table().entry(&pages, u64::from(run.first_unit) + middle, &mut entry)?;
            if before(self.origin.stored(Packed::get(&entry).stored)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn decode_run(&self, entry: &[u8]) -> Result<(TopicId, QueueId, Run), ReadError> {
        let mut fields = Reader::new(entry);
        let mut read = || {
            let (topic, queue) = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
            let span = Span { base: QueueOffset(fields.u64()?), count: fields.u32()? };
            Ok::<_, Malformed>((topic, queue, Run { span, first_unit: fields.u32()? }))
        };
        let (topic, queue, run) = read().expect("an entry of 28 bytes");
        if run.span.count == 0 || self.last_unit(&run) > self.units_table().entries {
            let at = u64::from(self.directory().first) * PAGE_LEN as u64;
            return Err(self.pages(Read::Wait).damaged(at, "a queue's units lie beyond the table"));
        }
        Ok((topic, queue, run))
    }

    fn decode_key(&self, entry: &[u8]) -> KeyHit {
        let word = |at: usize| u32::from_be_bytes(entry[at..at + 4].try_into().expect("four bytes"));
        KeyHit { at: self.origin.at(word(8)), len: word(12), stored: self.origin.stored(word(16)) }
    }

    fn last_unit(&self, run: &Run) -> u64 {
        u64::from(run.first_unit) + u64::from(run.span.count)
    }

    fn directory(&self) -> &Table {
        &self.header.tables[1]
    }

    fn units_table(&self) -> &Table {
        &self.header.tables[2]
    }

    fn pages(&self, mode: Read) -> Pages<'_> {
        Pages { file: &*self.file, name: &self.name, start: self.header.start, cache: &self.cache, mode }
    }
}

fn decode_header(payload: &[u8]) -> Result<Header, String> {
    let mut fields = Reader::new(payload);
    let mut read = || {
        let (magic, version) = (fields.u32()?, fields.u32()? >> 16);
        let (start, end) = (LogOffset(fields.u64()?), LogOffset(fields.u64()?));
        let (base_time, newest_time) = (fields.i64()?, fields.i64()?);
        let mut entries = [0; 5];
        for count in &mut entries {
            *count = fields.u64()?;
        }
        Ok::<_, Malformed>((magic, version, start, end, base_time, newest_time, entries))
    };
    let (magic, version, start, end, base_time, newest_time, entries) = read().expect("a page holds a header");
    if magic != MAGIC {
        return Err("no index file".to_owned());
    }
    if version != u32::from(VERSION) {
        return Err(format!("format version {version}, known is {VERSION}"));
    }
    if end < start || end.since(start) > u64::from(u32::MAX) || entries.iter().any(|&count| count > u64::from(u32::MAX))
    {
        return Err("impossible sizes in the header".to_owned());
    }
    Ok(Header { start, end, base_time, newest_time, tables: Header::lay_out(entries) })
}

#[cfg(test)]
mod tests;
