//! A piece of page-aligned memory that one writer fills while readers copy what is already filled.
//!
//! The only place where the log's memory is shared without a lock, and why that is sound: the log only grows. Bytes at
//! positions at or above the visible end belong to the writer, bytes below it never change.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// Alignment of a chunk, so that memory is congruent to the file position modulo the page (DATAPATH.md, the copy trap).
const PAGE: usize = 4096;

/// `len` bytes at a page boundary.
pub struct Chunk {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: A chunk owns its memory; access from several threads is ruled by the contracts of `write` and `slice`.
unsafe impl Send for Chunk {}
// SAFETY: As above: the two methods that touch the memory are `unsafe` and state who may call them when.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// Zeroed memory. `len` is a multiple of the page size.
    #[must_use]
    pub fn new(len: usize) -> Chunk {
        let layout = Chunk::layout(len);
        // SAFETY: The layout has a size above zero, asserted in `layout`.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(layout) };
        Chunk { start, len }
    }

    fn layout(len: usize) -> Layout {
        assert!(len > 0 && len.is_multiple_of(PAGE), "a chunk is whole pages");
        Layout::from_size_align(len, PAGE).expect("chunks are far below the address space")
    }

    /// Copies `bytes` to position `at`.
    ///
    /// # Safety
    /// No other thread reads or writes `at..at + bytes.len()` at the same time.
    ///
    /// # Panics
    /// If the bytes do not fit.
    pub unsafe fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at <= self.len && bytes.len() <= self.len - at, "a write stays inside its chunk");
        // SAFETY: The range is inside the allocation, asserted above; `bytes` cannot overlap it, since nobody but the
        // caller may touch the range.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(at), bytes.len()) }
    }

    /// The bytes `at..at + len`.
    ///
    /// # Safety
    /// No thread writes the range while the slice lives.
    ///
    /// # Panics
    /// If the range is not inside the chunk.
    #[must_use]
    pub unsafe fn slice(&self, at: usize, len: usize) -> &[u8] {
        assert!(at <= self.len && len <= self.len - at, "a read stays inside its chunk");
        // SAFETY: The range is inside the allocation and initialised (zeroed at birth); nobody writes it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(at), len) }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new` with the same layout.
        unsafe { alloc::dealloc(self.start.as_ptr(), Chunk::layout(self.len)) }
    }
}
