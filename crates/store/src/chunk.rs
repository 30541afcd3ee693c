//! A piece of page-aligned memory that one writer fills while readers copy what is already filled.
//!
//! The only place where the log's memory is shared without a lock, and why that is sound: the log only grows. Bytes at
//! positions at or above the visible end belong to the writer, bytes below it never change.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// Alignment of a chunk, so that memory is congruent to the file position modulo the page (DATAPATH.md, the copy trap).
const PAGE: usize = 4096;

/// A chunk of this size is one huge page where the kernel has one to give: records that lie scattered in it then cost one
/// entry of the address translation instead of one each.
const HUGE_PAGE: usize = 2 * 1024 * 1024;

#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Of a longer range the rest is left to the processor, which sees by then where the copy goes.
#[cfg(target_arch = "x86_64")]
const PREFETCH_LEN_MAX: usize = 2048;

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
        let start = unsafe { alloc::alloc(layout) };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(layout) };
        #[cfg(target_os = "linux")]
        if layout.align() == HUGE_PAGE {
            // SAFETY: The range is ours, and advice changes no content. Refused advice costs speed only.
            let _ = unsafe { rustix::mm::madvise(start.as_ptr().cast(), len, rustix::mm::Advice::LinuxHugepage) };
        }
        // Behind the advice, which counts when a page is touched first.
        // SAFETY: The range was allocated above, and nobody else knows it yet.
        unsafe { start.write_bytes(0, len) };
        Chunk { start, len }
    }

    fn layout(len: usize) -> Layout {
        assert!(len > 0 && len.is_multiple_of(PAGE), "a chunk is whole pages");
        let align = if len.is_multiple_of(HUGE_PAGE) { HUGE_PAGE } else { PAGE };
        Layout::from_size_align(len, align).expect("chunks are far below the address space")
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

    /// Asks for the first bytes of `at..at + len` to be brought near, for a copy that soon follows. Changes nothing.
    #[cfg(target_arch = "x86_64")]
    pub fn prefetch(&self, at: usize, len: usize) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let len = len.min(PREFETCH_LEN_MAX).min(self.len.saturating_sub(at));
        for step in (0..len).step_by(CACHE_LINE) {
            // SAFETY: Inside the allocation; a prefetch reads nothing that the program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.start.as_ptr().add(at + step).cast()) }
        }
    }

    /// Elsewhere the processor is not asked.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn prefetch(&self, _at: usize, _len: usize) {}
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new` with the same layout.
        unsafe { alloc::dealloc(self.start.as_ptr(), Chunk::layout(self.len)) }
    }
}
