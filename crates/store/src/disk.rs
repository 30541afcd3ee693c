//! The seam to the disk: what the store may ask of it, so that the crash harness can record every write and sync.
//!
//! Names are relative to the data directory, with `/` between folders. The store never maps a file.

use std::io::{self, IoSlice};
use std::sync::Arc;

mod real;
pub mod recorded;

pub use real::RealDisk;

/// A directory of files.
pub trait Disk: Send + Sync {
    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Creates a file, or empties the one that is there.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Creates a folder and those above it, durably; nothing happens if it is there.
    fn create_dir(&self, name: &str) -> io::Result<()>;
    /// Makes the entries of a folder durable: created, renamed and removed names.
    fn sync_dir(&self, name: &str) -> io::Result<()>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names of the files in a folder, without the folder, in no order.
    fn list(&self, name: &str) -> io::Result<Vec<String>>;
    /// What the file system has, for callers without privileges.
    fn space(&self) -> io::Result<Space>;
}

/// Bytes of the file system, for callers without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free: u64,
    /// Used and free together.
    pub total: u64,
}

/// One file. All calls may come from several threads at once.
pub trait File: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;
    /// Reads what is in memory; `ErrorKind::WouldBlock` if that is nothing. May answer fewer bytes than asked.
    fn read_at_nowait(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all slices, one after another, from `at` on.
    fn write_at(&self, slices: &mut [IoSlice<'_>], at: u64) -> io::Result<()>;
    /// Returns when the bytes written before are durable, and the size they need.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves blocks and sets the length to at least `len`.
    fn allocate(&self, len: u64) -> io::Result<()>;
}

/// Reads exactly `buf.len()` bytes.
pub fn read_exact(file: &dyn File, buf: &mut [u8], at: u64) -> io::Result<()> {
    match file.read_at(buf, at)? {
        n if n == buf.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The whole file.
pub fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; len];
    read_exact(file, &mut bytes, 0)?;
    Ok(bytes)
}

/// Writes `bytes` under `name` so that a crash leaves the old file or the new one, whole: written beside it, synced,
/// renamed, and the folder synced.
pub fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = format!("{name}.tmp");
    let file = disk.create(&beside)?;
    file.write_at(&mut [IoSlice::new(bytes)], 0)?;
    file.sync_data()?;
    disk.rename(&beside, name)?;
    disk.sync_dir(name.rsplit_once('/').map_or("", |(folder, _)| folder))
}
