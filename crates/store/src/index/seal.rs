//! Writes the `.idx` file of a segment from its frozen index. docs/formats.md draws the bytes; [`super::sealed`] reads
//! them.
//!
//! The caller writes to a temporary name, syncs, renames and syncs the folder ([`crate::disk::replace`] or the like): a
//! file under its final name is whole.

use std::io;

use model::{LogOffset, QueueId, TopicId};

use super::open::{Key, OpenIndex};
use super::pages::{PAYLOAD_LEN, PageWriter, Shape, Table};
use super::queues::Queues;

/// `KXI1`.
pub(super) const MAGIC: u32 = 0x4B58_4931;
pub(super) const VERSION: u16 = 1;

/// Position u32, length u32.
pub(super) const BATCHES: Shape = Shape { entry_len: 8, key_len: 4 };
/// Topic id u64, queue id u32, base queue offset u64, count u32, number of the first unit u32.
pub(super) const DIRECTORY: Shape = Shape { entry_len: 28, key_len: 12 };
/// Position u32, length u32, tag hash i32, store time u32 (milliseconds from the base time).
pub(super) const UNITS: Shape = Shape { entry_len: 16, key_len: 0 };
/// Key hash u64, position u32, length u32, store time u32.
pub(super) const KEYS: Shape = Shape { entry_len: 20, key_len: 12 };
/// A block of a blocked Bloom filter over the key hashes.
pub(super) const FILTER: Shape = Shape { entry_len: 64, key_len: 0 };

pub(super) const SHAPES: [Shape; 5] = [BATCHES, DIRECTORY, UNITS, KEYS, FILTER];

/// The first page. It is all a reader keeps of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) start: LogOffset,
    pub(super) end: LogOffset,
    pub(super) base_time: i64,
    pub(super) newest_time: i64,
    pub(super) tables: [Table; 5],
}

impl Header {
    /// Tables with these numbers of entries, one after another behind the header's page.
    pub(super) fn lay_out(entries: [u64; 5]) -> [Table; 5] {
        let mut first = 1;
        let mut shapes = SHAPES.into_iter();
        entries.map(|entries| {
            let shape = shapes.next().expect("as many shapes as tables");
            let table = Table { shape, first, entries };
            first += u32::try_from(table.pages()).expect("an index is far below 16 TiB");
            table
        })
    }

    /// Pages of the whole file.
    pub(super) fn pages(&self) -> u64 {
        1 + self.tables.iter().map(Table::pages).sum::<u64>()
    }

    fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAYLOAD_LEN);
        page.extend_from_slice(&MAGIC.to_be_bytes());
        page.extend_from_slice(&VERSION.to_be_bytes());
        page.extend_from_slice(&0_u16.to_be_bytes());
        page.extend_from_slice(&self.start.0.to_be_bytes());
        page.extend_from_slice(&self.end.0.to_be_bytes());
        page.extend_from_slice(&self.base_time.to_be_bytes());
        page.extend_from_slice(&self.newest_time.to_be_bytes());
        for table in &self.tables {
            page.extend_from_slice(&table.entries.to_be_bytes());
        }
        page
    }
}

/// Writes the file for the frozen `index` of a segment that ends at `end`. Queues that were forgotten are left out.
pub fn write(index: &OpenIndex, end: LogOffset, queues: &Queues, out: &mut dyn io::Write) -> io::Result<()> {
    let runs = sorted_runs(index, queues);
    let keys = sorted_keys(index);
    let filter = Filter::of(keys.iter().map(|key| key.0));
    let units: u64 = runs.iter().map(|run| u64::from(index.run_span(run.place).count)).sum();
    let entries = [index.batch_count() as u64, runs.len() as u64, units, keys.len() as u64, filter.blocks.len() as u64];
    let header = Header {
        start: index.start(),
        end,
        base_time: index.base_time().0,
        newest_time: index.newest_time().0,
        tables: Header::lay_out(entries),
    };
    let [batches, directory, unit_table, key_table, filter_table] = &header.tables;

    let mut pages = PageWriter::new(out, header.start);
    pages.entry(&header.encode())?;
    pages.end_page()?;

    let mut all = index.batch_entries();
    pages.table(batches, |out| {
        let (position, len) = all.next().expect("as many as counted");
        out.extend_from_slice(&position.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
    })?;

    let (mut next_run, mut first_unit) = (runs.iter(), 0_u32);
    pages.table(directory, |out| {
        let run = next_run.next().expect("as many as counted");
        let span = index.run_span(run.place);
        out.extend_from_slice(&run.topic.0.0.to_be_bytes());
        out.extend_from_slice(&run.queue.0.to_be_bytes());
        out.extend_from_slice(&span.base.0.to_be_bytes());
        out.extend_from_slice(&span.count.to_be_bytes());
        out.extend_from_slice(&first_unit.to_be_bytes());
        first_unit += span.count;
    })?;

    let mut all = runs.iter().flat_map(|run| index.run_units(run.place));
    pages.table(unit_table, |out| all.next().expect("as many as counted").put(out))?;

    let mut all = keys.iter();
    pages.table(key_table, |out| {
        let (hash, key) = all.next().expect("as many as counted");
        out.extend_from_slice(&hash.to_be_bytes());
        out.extend_from_slice(&key.position.to_be_bytes());
        out.extend_from_slice(&key.len.to_be_bytes());
        out.extend_from_slice(&key.stored.to_be_bytes());
    })?;

    let mut all = filter.blocks.iter();
    pages.table(filter_table, |out| out.extend_from_slice(all.next().expect("as many as counted")))
}

/// A queue of the index, to be sorted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NamedRun {
    topic: TopicId,
    queue: QueueId,
    place: u32,
}

fn sorted_runs(index: &OpenIndex, queues: &Queues) -> Vec<NamedRun> {
    let named = |(place, slot)| {
        let (topic, queue) = queues.name(slot)?;
        Some(NamedRun { topic, queue, place })
    };
    let mut runs: Vec<_> = (0..).zip(index.run_slots()).filter_map(named).collect();
    runs.sort_unstable();
    runs
}

fn sorted_keys(index: &OpenIndex) -> Vec<(u64, Key)> {
    let mut keys: Vec<_> = index.key_entries().collect();
    keys.sort_unstable_by_key(|(hash, key)| (*hash, key.position));
    keys
}

/// A Bloom filter in blocks of 512 bits: a key that is not there costs one page and is passed on once in a hundred times.
pub(super) struct Filter {
    blocks: Vec<[u8; 64]>,
}

/// Bits a key: with six probes in one block about 1.3 % false hits.
const FILTER_BITS_PER_KEY: usize = 10;

impl Filter {
    fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Filter {
        let blocks = (hashes.len() * FILTER_BITS_PER_KEY).div_ceil(512);
        let mut filter = Filter { blocks: vec![[0; 64]; blocks] };
        for hash in hashes {
            let block = &mut filter.blocks[usize::try_from(filter_block(hash, blocks as u64)).expect("a length")];
            for bit in filter_bits(hash) {
                block[bit / 8] |= 1 << (bit % 8);
            }
        }
        filter
    }
}

/// The block of `blocks` (at least one) that tells of `hash`.
pub(super) fn filter_block(hash: u64, blocks: u64) -> u64 {
    ((mix(hash) >> 32) * blocks) >> 32
}

/// Is `hash` perhaps among those the block was made of?
pub(super) fn filter_may_hold(block: &[u8], hash: u64) -> bool {
    filter_bits(hash).all(|bit| block[bit / 8] & (1 << (bit % 8)) != 0)
}

/// Six bits of a block.
fn filter_bits(hash: u64) -> impl Iterator<Item = usize> {
    let low = mix(hash) & 0xFFFF_FFFF;
    // Two numbers make six: the usual double hashing.
    let (first, step) = (low & 0xFFFF, (low >> 16) | 1);
    (0..6).map(move |probe| usize::try_from((first + probe * step) % 512).expect("nine bits"))
}

/// The finalizer of SplitMix64: the filter does not rely on how keys are hashed.
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}
