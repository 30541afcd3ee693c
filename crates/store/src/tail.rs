//! The newest part of the log in memory: the staging buffer of the writer and the cache of tail readers are the same
//! chunks.
//!
//! Chunk k covers the log offsets [k * chunk, (k + 1) * chunk), so memory and file are congruent and a position needs no
//! table. The writer copies a record once, to its final position; `pwritev` writes from here; readers copy out of here.
//! Chunks are allocated when the log reaches them and reused when it leaves them behind.

use std::collections::VecDeque;
use std::sync::Arc;

use model::LogOffset;
use parking_lot::{RwLock, RwLockReadGuard};

use crate::chunk::Chunk;

/// Largest chunk: a huge page. A power of two.
const CHUNK_LEN_MAX: u64 = 2 * 1024 * 1024;

/// Idle chunks kept for reuse.
const SPARE_MAX: usize = 4;

/// Memory of the log's newest positions.
pub struct Tail {
    chunk_len: u64,
    /// Bytes of chunks kept although they are durable.
    keep_bytes: u64,
    /// The log's end at open: nothing below was ever copied here.
    floor: LogOffset,
    window: RwLock<Window>,
}

struct Window {
    /// Number of the first chunk in `chunks`.
    first: u64,
    /// `None`: the rest of a segment that was skipped.
    chunks: VecDeque<Option<Arc<Chunk>>>,
    spare: Vec<Arc<Chunk>>,
}

/// Where the writer copies to. Spares it the window's lock for every record.
#[derive(Default)]
pub struct Cursor {
    current: Option<(u64, Arc<Chunk>)>,
}

impl Tail {
    #[must_use]
    pub fn new(segment_bytes: u64, keep_bytes: usize, floor: LogOffset) -> Tail {
        let chunk_len = segment_bytes.min(CHUNK_LEN_MAX);
        let window = Window { first: floor.0 / chunk_len, chunks: VecDeque::new(), spare: Vec::new() };
        Tail { chunk_len, keep_bytes: keep_bytes as u64, floor, window: RwLock::new(window) }
    }

    /// Copies `bytes` to log offset `at`. Chunks wholly below `durable` may be reused for it.
    ///
    /// # Safety
    /// `cursor` is the only one of this tail, or its calls are ordered by a lock, and no reader has been told of
    /// positions at or above `at` yet.
    pub unsafe fn write(&self, cursor: &mut Cursor, at: LogOffset, mut bytes: &[u8], durable: LogOffset) {
        let mut position = at.0;
        while !bytes.is_empty() {
            let (number, inside) = (position / self.chunk_len, position % self.chunk_len);
            let inside = usize::try_from(inside).expect("below the length of a chunk");
            let now = bytes.len().min(self.len() - inside);
            if cursor.current.as_ref().is_none_or(|(current, _)| *current != number) {
                cursor.current = Some((number, self.chunk_for_writing(number, durable)));
            }
            let (_, chunk) = cursor.current.as_ref().expect("set above");
            // SAFETY: The caller promises that writes are ordered and that readers stop below `at`.
            unsafe { chunk.write(inside, &bytes[..now]) };
            bytes = &bytes[now..];
            position += now as u64;
        }
    }

    fn len(&self) -> usize {
        usize::try_from(self.chunk_len).expect("at most CHUNK_LEN_MAX")
    }

    fn chunk_for_writing(&self, number: u64, durable: LogOffset) -> Arc<Chunk> {
        let mut window = self.window.write();
        self.forget_old(&mut window, durable);
        if window.chunks.is_empty() {
            window.first = number;
        }
        let place = usize::try_from(number - window.first).expect("the window is bounded by the staging limit");
        while window.chunks.len() <= place {
            window.chunks.push_back(None);
        }
        if let Some(chunk) = &window.chunks[place] {
            return chunk.clone();
        }
        let chunk = window.spare.pop().unwrap_or_else(|| Arc::new(Chunk::new(self.len())));
        window.chunks[place] = Some(chunk.clone());
        chunk
    }

    /// Lets the oldest chunks go until the rest fits, but none that holds bytes the disk may still need.
    fn forget_old(&self, window: &mut Window, durable: LogOffset) {
        while window.chunks.len() as u64 * self.chunk_len > self.keep_bytes
            && (window.first + 1) * self.chunk_len <= durable.0
        {
            window.first += 1;
            let Some(Some(chunk)) = window.chunks.pop_front() else { continue };
            // Only a chunk that nobody else holds may be written again.
            if Arc::strong_count(&chunk) == 1 && window.spare.len() < SPARE_MAX {
                window.spare.push(chunk);
            }
        }
    }

    /// Appends the bytes `at..at + len` to `out`. False: they are not in memory, and `out` is as before.
    ///
    /// # Safety
    /// `at + len` is at or below a position that was published as visible or written.
    pub unsafe fn read(&self, at: LogOffset, len: usize, out: &mut Vec<u8>) -> bool {
        // SAFETY: Passed on.
        unsafe { self.view().read(at, len, out) }
    }

    /// Fills `out` with the bytes from `at` on. False: they are not all in memory, and `out` is as before.
    ///
    /// # Safety
    /// As for [`Tail::read`].
    pub unsafe fn copy(&self, at: LogOffset, out: &mut [u8]) -> bool {
        let (len, mut done) = (out.len(), 0);
        let copy = |piece: &[u8]| {
            out[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        };
        // SAFETY: Passed on.
        unsafe { self.view().each_piece(at, len, copy) }
    }

    /// The tail as it is now, for several reads under one lock. Hold it for copies only: the writer waits at each chunk.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { tail: self, window: self.window.read() }
    }

    /// The chunks that hold `at..at + len`, for a write to the file that must not hold the lock.
    ///
    /// # Panics
    /// If they are not in memory: un-synced bytes always are.
    #[must_use]
    pub fn pin(&self, at: LogOffset, len: u64) -> Pinned {
        let window = self.window.read();
        let first = at.0 / self.chunk_len;
        let last = (at.0 + len - 1) / self.chunk_len;
        let chunks = (first..=last)
            .map(|number| window.chunk(number).cloned().expect("un-synced bytes stay in memory"))
            .collect();
        Pinned { chunk_len: self.chunk_len, at, len, chunks }
    }
}

/// See [`Tail::view`]. The lock is held while copying, so that no chunk is reused under the copy.
pub struct View<'a> {
    tail: &'a Tail,
    window: RwLockReadGuard<'a, Window>,
}

impl View<'_> {
    /// As [`Tail::read`].
    ///
    /// # Safety
    /// As for [`Tail::read`].
    pub unsafe fn read(&self, at: LogOffset, len: usize, out: &mut Vec<u8>) -> bool {
        // SAFETY: Passed on.
        unsafe { self.each_piece(at, len, |piece| out.extend_from_slice(piece)) }
    }

    /// The bytes `at..at + len`: in place, or in `crossing` where they reach into the next chunk. `None`: they are not all in
    /// memory.
    ///
    /// # Safety
    /// As for [`Tail::read`].
    pub unsafe fn record<'a>(&'a self, at: LogOffset, len: usize, crossing: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let chunk_len = self.tail.chunk_len;
        let inside = at.0 % chunk_len;
        if inside + len as u64 > chunk_len {
            crossing.clear();
            // SAFETY: Passed on.
            return unsafe { self.read(at, len, crossing) }.then_some(crossing);
        }
        if at < self.tail.floor {
            return None;
        }
        let chunk = self.window.chunk(at.0 / chunk_len)?;
        // SAFETY: The range is below a published position, so nobody writes it any more, and the window's lock keeps the chunk.
        Some(unsafe { chunk.slice(usize::try_from(inside).expect("below the length of a chunk"), len) })
    }

    /// Brings the beginning of `at..at + len` near, if it is here: the next range to be read, while this one is copied.
    /// Records of one queue lie among those of others, where the processor cannot guess the next one.
    pub fn prefetch(&self, at: LogOffset, len: usize) {
        let (number, inside) = (at.0 / self.tail.chunk_len, at.0 % self.tail.chunk_len);
        if let Some(chunk) = self.window.chunk(number) {
            chunk.prefetch(usize::try_from(inside).expect("below the length of a chunk"), len);
        }
    }

    /// Calls `each` with the bytes `at..at + len`, piece by piece. False: they are not all in memory; `each` was not
    /// called.
    ///
    /// # Safety
    /// As for [`Tail::read`].
    unsafe fn each_piece(&self, at: LogOffset, len: usize, mut each: impl FnMut(&[u8])) -> bool {
        let (window, chunk_len) = (&self.window, self.tail.chunk_len);
        if at < self.tail.floor || !window.covers(at, len, chunk_len) {
            return false;
        }
        let (mut position, end) = (at.0, at.0 + len as u64);
        while position < end {
            let (number, inside) = (position / chunk_len, position % chunk_len);
            let now = (chunk_len - inside).min(end - position);
            let chunk = window.chunk(number).expect("covers has looked");
            let inside = usize::try_from(inside).expect("below the length of a chunk");
            // SAFETY: The range is below a published position, so nobody writes it any more.
            each(unsafe { chunk.slice(inside, usize::try_from(now).expect("at most a chunk")) });
            position += now;
        }
        true
    }
}

impl Window {
    fn chunk(&self, number: u64) -> Option<&Arc<Chunk>> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.chunks.get(place)?.as_ref()
    }

    fn covers(&self, at: LogOffset, len: usize, chunk_len: u64) -> bool {
        let first = at.0 / chunk_len;
        let last = (at.0 + (len as u64).saturating_sub(1)) / chunk_len;
        (first..=last).all(|number| self.chunk(number).is_some())
    }
}

/// A range of the log that stays in memory while this lives.
pub struct Pinned {
    chunk_len: u64,
    at: LogOffset,
    len: u64,
    chunks: Vec<Arc<Chunk>>,
}

impl Pinned {
    /// The bytes of `at..at + len`, a part of the pinned range, piece by piece.
    ///
    /// # Safety
    /// Nobody writes the range while the slices live.
    pub unsafe fn pieces(&self, at: LogOffset, len: u64) -> impl Iterator<Item = &[u8]> {
        assert!(at >= self.at && at.0 + len <= self.at.0 + self.len, "only what is pinned");
        let first = self.at.0 / self.chunk_len;
        let (mut position, end) = (at.0, at.0 + len);
        std::iter::from_fn(move || {
            if position >= end {
                return None;
            }
            let (number, inside) = (position / self.chunk_len, position % self.chunk_len);
            let now = (self.chunk_len - inside).min(end - position);
            position += now;
            let chunk = &self.chunks[usize::try_from(number - first).expect("pinned")];
            let (inside, now) =
                (usize::try_from(inside).expect("in a chunk"), usize::try_from(now).expect("in a chunk"));
            // SAFETY: The caller promises that nobody writes the range.
            Some(unsafe { chunk.slice(inside, now) })
        })
    }

    /// Copies `bytes` over the start of the range.
    ///
    /// # Safety
    /// The caller is the only one who touches these bytes.
    pub unsafe fn overwrite(&self, at: LogOffset, bytes: &[u8]) {
        assert!(at >= self.at && at.0 + bytes.len() as u64 <= self.at.0 + self.len, "only what is pinned");
        let first = self.at.0 / self.chunk_len;
        let mut done = 0;
        while done < bytes.len() {
            let position = at.0 + done as u64;
            let (number, inside) = (position / self.chunk_len, position % self.chunk_len);
            let now = usize::try_from((self.chunk_len - inside).min((bytes.len() - done) as u64)).expect("in a chunk");
            let chunk = &self.chunks[usize::try_from(number - first).expect("pinned")];
            // SAFETY: The caller is the only one who touches these bytes.
            unsafe { chunk.write(usize::try_from(inside).expect("in a chunk"), &bytes[done..done + now]) };
            done += now;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEGMENT: u64 = 64 * 1024;

    fn bytes_at(at: u64, len: usize) -> Vec<u8> {
        (at..at + len as u64)
            .map(|position| u8::try_from(position.wrapping_mul(31) >> 3 & 0xFF).expect("masked"))
            .collect()
    }

    proptest! {
        /// Whatever is written in order reads back wherever it lies, until it is durable and its chunk is needed elsewhere.
        #[test]
        fn what_is_written_reads_back(
            floor in 0..200_000_u64,
            lens in proptest::collection::vec(1..40_000_usize, 1..40),
            durable_behind in 0..150_000_u64,
        ) {
            let tail = Tail::new(SEGMENT, 2 * 64 * 1024, LogOffset(floor));
            let mut cursor = Cursor::default();
            let mut written = Vec::new();
            let mut end = floor;
            for len in lens {
                let durable = LogOffset(end.saturating_sub(durable_behind));
                // SAFETY: One thread.
                unsafe { tail.write(&mut cursor, LogOffset(end), &bytes_at(end, len), durable) };
                written.push((end, len));
                end += len as u64;
                for (at, len) in &written {
                    let mut out = vec![1, 2, 3];
                    // SAFETY: One thread.
                    let there = unsafe { tail.read(LogOffset(*at), *len, &mut out) };
                    prop_assert!(there || *at < durable.0, "un-synced bytes stay");
                    prop_assert_eq!(&out[..3], &[1, 2, 3]);
                    prop_assert_eq!(&out[3..], if there { bytes_at(*at, *len) } else { Vec::new() });
                    let (view, mut crossing) = (tail.view(), Vec::new());
                    // SAFETY: One thread.
                    let in_place = unsafe { view.record(LogOffset(*at), *len, &mut crossing) };
                    prop_assert_eq!(in_place, there.then_some(&out[3..]));
                }
            }
        }
    }

    #[test]
    fn what_was_there_before_the_open_is_not_in_memory() {
        let tail = Tail::new(SEGMENT, 1 << 20, LogOffset(1_000));
        // SAFETY: One thread.
        unsafe { tail.write(&mut Cursor::default(), LogOffset(1_000), &[7; 10], LogOffset::ZERO) };
        let mut out = Vec::new();
        // SAFETY: One thread.
        assert!(!unsafe { tail.read(LogOffset(999), 2, &mut out) });
        // SAFETY: One thread.
        assert!(unsafe { tail.read(LogOffset(1_000), 2, &mut out) });
        assert_eq!(out, [7, 7]);
    }

    #[test]
    fn a_pinned_range_comes_in_the_pieces_of_its_chunks() {
        let tail = Tail::new(SEGMENT, 1 << 20, LogOffset::ZERO);
        let bytes = bytes_at(0, 150_000);
        // SAFETY: One thread.
        unsafe { tail.write(&mut Cursor::default(), LogOffset::ZERO, &bytes, LogOffset::ZERO) };
        let pinned = tail.pin(LogOffset(10), 140_000);
        // SAFETY: One thread.
        unsafe { pinned.overwrite(LogOffset(65_534), &[9; 4]) };
        // SAFETY: One thread.
        let pieces: Vec<_> = unsafe { pinned.pieces(LogOffset(60_000), 10_000) }.collect();
        assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [5_536, 4_464]);
        assert_eq!(pieces[0][5_534..], [9, 9]);
        assert_eq!(pieces[1][..2], [9, 9]);
        assert_eq!(pieces[1][2..], bytes[65_538..70_000]);
    }
}
