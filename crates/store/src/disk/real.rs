//! The disk of the machine: `pwritev`, `preadv2(RWF_NOWAIT)`, `fdatasync`, `fallocate`.

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, File, Space};

/// Files under one directory.
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> RealDisk {
        RealDisk { root: root.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        create_durably(&self.path(name))
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        fs::File::open(self.path(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(name))? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(Path::new(&self.root))?;
        // The used share must be the one `df` shows: blocks that are free but never ours (reserved for root, or held back by
        // the host) are no part of the disk. Counted as used they made messages go at 59 % of a disk as `df` has it.
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        Ok(Space { free: stat.f_bavail * stat.f_frsize, total: (used + stat.f_bavail) * stat.f_frsize })
    }
}

/// Creates a folder and those above it, each with its entry synced: a segment that is synced in a folder whose own name was
/// not would be gone with it.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durably(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    fs::File::open(above)?.sync_all()
}

struct RealFile {
    file: fs::File,
}

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], at + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    #[cfg(target_os = "linux")]
    fn read_at_nowait(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(&self.file, &mut [io::IoSliceMut::new(buf)], at, flags) {
            // A file system without the flag: the caller then goes to a reader thread.
            Err(rustix::io::Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read_at_nowait(&self, _buf: &mut [u8], _at: u64) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_at(&self, mut slices: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
        while !slices.is_empty() {
            // 1,024 is what the kernel takes at once (IOV_MAX).
            let now = slices.len().min(1_024);
            match rustix::io::pwritev(&self.file, &slices[..now], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut slices, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, len) {
            Ok(()) => return Ok(()),
            // A file system without fallocate grows as it is written.
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        if self.len()? < len {
            self.file.set_len(len)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_all_above_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::new(dir.path().join("a/b"));
        disk.create_dir("c/d").expect("made");
        disk.create_dir("c/d").expect("is there");
        assert!(dir.path().join("a/b/c/d").is_dir());
        disk.create("c/file").expect("made");
        assert!(disk.create_dir("c/file/d").is_err());
    }

    #[test]
    fn slices_are_written_one_after_another_and_read_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::new(dir.path());
        let file = disk.create("file").expect("made");
        file.allocate(10_000).expect("allocated");
        let pieces: Vec<[u8; 3]> = (0..2_000_u32).map(|n| [n.to_le_bytes()[0]; 3]).collect();
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        // More than the kernel takes at once.
        file.write_at(&mut slices, 7).expect("written");
        file.sync_data().expect("synced");
        let mut read = vec![0; 6_000];
        assert_eq!(file.read_at(&mut read, 7).expect("read"), 6_000);
        assert_eq!(read, pieces.concat());
        assert_eq!(file.len().expect("a length"), 10_000);
        assert_eq!(file.read_at(&mut read, 9_990).expect("read"), 10, "the file ends");
        let space = disk.space().expect("space");
        assert!(space.free <= space.total);
        assert_eq!(disk.list("").expect("listed"), ["file"]);
    }
}
