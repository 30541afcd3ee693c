//! The pages of an `.idx` file: 4 KiB each, with a CRC of their own, and sorted tables laid over them.
//!
//! A CRC a page instead of one a section: a lookup then reads and checks three or four pages, however large the segment's
//! index is, and nothing about a file needs to be remembered but its header. The page's number and its segment stand in
//! the page, so one that was written to the wrong place is noticed.
//!
//! A *table* is a run of leaf pages with entries of one size, and above them levels of *fences*: the first key of every
//! page below, until a level fits one page (a static B-tree whose children need no pointers).

use std::io;
use std::sync::Arc;

use model::LogOffset;
use parking_lot::Mutex;

use crate::disk::File;
use crate::{Read, ReadError};

pub(super) const PAGE_LEN: usize = 4_096;
/// What a page carries; after it segment start u64, page number u32, CRC32C u32 of everything before.
pub(super) const PAYLOAD_LEN: usize = PAGE_LEN - 16;

/// What a checked page carries. With the counts of an `Arc` it is exactly a size class of the allocator.
pub(super) struct Page([u8; PAYLOAD_LEN]);

impl Page {
    pub(super) fn payload(&self) -> &[u8] {
        &self.0
    }
}

/// Page-aligned, so that a read lands congruent to its file offset (DATAPATH.md, "copy trap").
#[repr(C, align(4096))]
struct Raw([u8; PAGE_LEN]);

/// Writes pages one after another.
pub(super) struct PageWriter<'a> {
    out: &'a mut dyn io::Write,
    start: LogOffset,
    number: u32,
    page: Vec<u8>,
}

impl<'a> PageWriter<'a> {
    pub(super) fn new(out: &'a mut dyn io::Write, start: LogOffset) -> PageWriter<'a> {
        PageWriter { out, start, number: 0, page: Vec::with_capacity(PAGE_LEN) }
    }

    /// Adds an entry; on a new page if this one has no room for all of it.
    pub(super) fn entry(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.page.len() + bytes.len() > PAYLOAD_LEN {
            self.end_page()?;
        }
        self.page.extend_from_slice(bytes);
        Ok(())
    }

    /// Fills the page that was begun, if any, with zeros and writes it.
    pub(super) fn end_page(&mut self) -> io::Result<()> {
        if self.page.is_empty() {
            return Ok(());
        }
        self.page.resize(PAYLOAD_LEN, 0);
        self.page.extend_from_slice(&self.start.0.to_be_bytes());
        self.page.extend_from_slice(&self.number.to_be_bytes());
        let crc = crc32c::crc32c(&self.page);
        self.page.extend_from_slice(&crc.to_be_bytes());
        self.out.write_all(&self.page)?;
        self.page.clear();
        self.number += 1;
        Ok(())
    }

    /// Writes a table with the entries that `fill` gives, one call an entry, in order.
    pub(super) fn table(&mut self, table: &Table, mut fill: impl FnMut(&mut Vec<u8>)) -> io::Result<()> {
        assert_eq!((self.number, self.page.len()), (table.first, 0), "tables follow one another");
        let (shape, mut entry) = (table.shape, Vec::with_capacity(table.shape.entry_len));
        let mut fences = Vec::new();
        for number in 0..table.entries {
            entry.clear();
            fill(&mut entry);
            assert_eq!(entry.len(), shape.entry_len);
            if number.is_multiple_of(shape.entries_per_page()) {
                fences.extend_from_slice(&entry[..shape.key_len]);
            }
            self.entry(&entry)?;
        }
        self.end_page()?;

        let mut below = table.leaf_pages();
        while shape.key_len > 0 && below > 1 {
            let mut above = Vec::new();
            for (number, fence) in (0_u64..).zip(fences.chunks_exact(shape.key_len)) {
                if number.is_multiple_of(shape.fences_per_page()) {
                    above.extend_from_slice(fence);
                }
                self.entry(fence)?;
            }
            self.end_page()?;
            below = below.div_ceil(shape.fences_per_page());
            fences = above;
        }
        Ok(())
    }
}

/// What the entries of a table look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) entry_len: usize,
    /// Leading bytes of an entry that it is sorted by; 0: a plain array, found by number only.
    pub(super) key_len: usize,
}

impl Shape {
    fn entries_per_page(self) -> u64 {
        (PAYLOAD_LEN / self.entry_len) as u64
    }

    fn fences_per_page(self) -> u64 {
        (PAYLOAD_LEN / self.key_len) as u64
    }
}

/// A table's place in a file: everything else follows from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) shape: Shape,
    pub(super) first: u32,
    pub(super) entries: u64,
}

impl Table {
    fn leaf_pages(&self) -> u64 {
        self.entries.div_ceil(self.shape.entries_per_page())
    }

    /// Pages of each level, leaves first.
    fn levels(&self) -> Vec<u64> {
        let mut levels = vec![self.leaf_pages()];
        while self.shape.key_len > 0 && levels[levels.len() - 1] > 1 {
            levels.push(levels[levels.len() - 1].div_ceil(self.shape.fences_per_page()));
        }
        levels
    }

    /// All its pages.
    pub(super) fn pages(&self) -> u64 {
        self.levels().iter().sum()
    }

    /// Appends entry `number` to `out`, which is cleared. Panics if there is none.
    pub(super) fn entry(&self, pages: &Pages<'_>, number: u64, out: &mut Vec<u8>) -> Result<(), ReadError> {
        assert!(number < self.entries);
        let per_page = self.shape.entries_per_page();
        let page = pages.get(u64::from(self.first) + number / per_page)?;
        let at = usize::try_from(number % per_page).expect("less than a page") * self.shape.entry_len;
        out.clear();
        out.extend_from_slice(&page.payload()[at..at + self.shape.entry_len]);
        Ok(())
    }

    /// Calls `each` with the entries `from..to` in order, a page read only once.
    pub(super) fn for_each(
        &self,
        pages: &Pages<'_>,
        from: u64,
        to: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        assert!(to <= self.entries);
        let per_page = self.shape.entries_per_page();
        let mut number = from;
        while number < to {
            let page = pages.get(u64::from(self.first) + number / per_page)?;
            let last = to.min((number / per_page + 1) * per_page);
            let index = |number: u64| usize::try_from(number % per_page).expect("less than a page");
            let count = usize::try_from(last - number).expect("less than a page");
            let entries = page.payload().chunks_exact(self.shape.entry_len);
            entries.skip(index(number)).take(count).for_each(&mut each);
            number = last;
        }
        Ok(())
    }

    /// The number of the first entry whose key is not below `key`; the count of entries if all are below.
    pub(super) fn lower_bound(&self, pages: &Pages<'_>, key: &[u8]) -> Result<u64, ReadError> {
        assert_eq!(key.len(), self.shape.key_len);
        if self.entries == 0 {
            return Ok(0);
        }
        let levels = self.levels();
        let mut level_first = u64::from(self.first) + levels.iter().sum::<u64>();
        // The page to look at in the level reached; at the top there is one.
        let mut within = 0;
        for level in (1..levels.len()).rev() {
            level_first -= levels[level];
            let page = pages.get(level_first + within)?;
            let first_fence = within * self.shape.fences_per_page();
            let fences = self.shape.fences_per_page().min(levels[level - 1] - first_fence);
            let below = partition(page.payload(), self.shape.key_len, fences, key, self.shape.key_len);
            // The entry may lie at the end of the page before the first fence that is not below.
            within = first_fence + below.saturating_sub(1);
        }
        let page = pages.get(u64::from(self.first) + within)?;
        let first_entry = within * self.shape.entries_per_page();
        let entries = self.shape.entries_per_page().min(self.entries - first_entry);
        Ok(first_entry + partition(page.payload(), self.shape.entry_len, entries, key, self.shape.key_len))
    }
}

/// How many of the `count` entries of a page have a key below `key`.
fn partition(payload: &[u8], entry_len: usize, count: u64, key: &[u8], key_len: usize) -> u64 {
    let (mut low, mut high) = (0, usize::try_from(count).expect("less than a page"));
    while low < high {
        let middle = low.midpoint(high);
        let at = middle * entry_len;
        if &payload[at..at + key_len] < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low as u64
}

/// Reads pages of one file, through the cache.
pub(super) struct Pages<'a> {
    pub(super) file: &'a dyn File,
    pub(super) name: &'a str,
    pub(super) start: LogOffset,
    pub(super) cache: &'a PageCache,
    pub(super) mode: Read,
}

impl Pages<'_> {
    /// The page, checked.
    pub(super) fn get(&self, number: u64) -> Result<Arc<Page>, ReadError> {
        let number = u32::try_from(number).map_err(|_| self.damaged(u64::MAX, "a page number beyond any file"))?;
        if let Some(page) = self.cache.get(self.start, number) {
            return Ok(page);
        }
        let page = Arc::new(self.read(number)?);
        self.cache.put(self.start, number, Arc::clone(&page));
        Ok(page)
    }

    /// The page, checked, past the cache.
    pub(super) fn read(&self, number: u32) -> Result<Page, ReadError> {
        let mut page = Raw([0; PAGE_LEN]);
        let at = u64::from(number) * PAGE_LEN as u64;
        let read = match self.mode {
            Read::Wait => self.file.read_at(&mut page.0, at),
            Read::Nowait => self.file.read_at_nowait(&mut page.0, at),
        };
        match (read, self.mode) {
            (Ok(PAGE_LEN), _) => {}
            // Fewer than asked: the rest is not in memory.
            (Ok(_), Read::Nowait) => return Err(ReadError::WouldBlock),
            (Ok(_), Read::Wait) => return Err(self.damaged(at, "the file ends within a page")),
            (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => return Err(ReadError::WouldBlock),
            (Err(source), _) => return Err(ReadError::Io { file: self.name.to_owned(), source }),
        }
        let (covered, crc) = page.0.split_at(PAGE_LEN - 4);
        if crc32c::crc32c(covered).to_be_bytes() != crc {
            return Err(self.damaged(at, "the page's CRC does not match"));
        }
        if covered[PAYLOAD_LEN..PAYLOAD_LEN + 8] != self.start.0.to_be_bytes()
            || covered[PAYLOAD_LEN + 8..] != number.to_be_bytes()
        {
            return Err(self.damaged(at, "the page belongs elsewhere"));
        }
        Ok(Page(page.0[..PAYLOAD_LEN].try_into().expect("a page begins with its payload")))
    }

    pub(super) fn damaged(&self, offset: u64, reason: &str) -> ReadError {
        ReadError::Damaged { file: self.name.to_owned(), offset, reason: reason.to_owned() }
    }
}

/// Checked pages of all `.idx` files, at most `pages` of them.
///
/// Direct-mapped: a page has one place, and whoever comes last has it. The kernel's page cache stands behind; a miss costs a
/// system call and a CRC, about 1 us, so anything cleverer would cost more than it saves.
pub struct PageCache {
    places: Box<[Mutex<Option<Cached>>]>,
}

struct Cached {
    start: LogOffset,
    number: u32,
    page: Arc<Page>,
}

impl Default for PageCache {
    /// 8 MiB when full.
    fn default() -> PageCache {
        PageCache::new(2_048)
    }
}

impl PageCache {
    /// Room for `pages` (at least one) of 4 KiB; allocated as they come.
    #[must_use]
    pub fn new(pages: usize) -> PageCache {
        PageCache { places: (0..pages.max(1)).map(|_| Mutex::new(None)).collect() }
    }

    fn place(&self, start: LogOffset, number: u32) -> &Mutex<Option<Cached>> {
        // Pages of one file get neighbouring places; files begin at scattered ones.
        let hash = (start.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) + u64::from(number);
        &self.places[usize::try_from(hash % self.places.len() as u64).expect("less than a length")]
    }

    fn get(&self, start: LogOffset, number: u32) -> Option<Arc<Page>> {
        let place = self.place(start, number).lock();
        let cached = place.as_ref().filter(|cached| cached.start == start && cached.number == number)?;
        Some(Arc::clone(&cached.page))
    }

    fn put(&self, start: LogOffset, number: u32, page: Arc<Page>) {
        *self.place(start, number).lock() = Some(Cached { start, number, page });
    }
}
