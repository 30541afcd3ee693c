//! One pre-written file that is gone round, and the thread that syncs it.
//!
//! The blocks are written and synced before the first answer, so an append never waits for the file system's journal:
//! the state a broker reaches with recycled segments. Position and `synced` only grow; the place in the file is the
//! position modulo its length.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use anyhow::{Context, Result};
use rustix::event::{EventfdFlags, eventfd};

use crate::server::Counters;

/// What the writing thread and the syncing thread share.
struct Shared {
    file: File,
    written: Mutex<u64>,
    more: Condvar,
    synced: AtomicU64,
    wake: OwnedFd,
}

pub struct Ring {
    shared: Arc<Shared>,
    position: u64,
    len: u64,
}

impl Ring {
    /// Writes `len` bytes of zeros and syncs them.
    pub fn create(path: &Path, len: u64) -> Result<Self> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .with_context(|| format!("create {}", path.display()))?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..len >> 20 {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        let shared = Shared {
            file,
            written: Mutex::new(0),
            more: Condvar::new(),
            synced: AtomicU64::new(0),
            wake: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        };
        Ok(Self { shared: Arc::new(shared), position: 0, len })
    }

    /// Where the next append lands in the file. A buffer whose address is congruent to this modulo the page size is
    /// copied by the kernel at full speed.
    pub fn file_position(&self) -> u64 {
        self.position % self.len
    }

    /// Appends with one `pwrite` (two at the seam) and returns the position behind it.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let room = usize::try_from(self.len - self.file_position()).unwrap_or(usize::MAX);
        let (first, second) = bytes.split_at(bytes.len().min(room));
        self.shared.file.write_all_at(first, self.file_position()).context("append")?;
        if !second.is_empty() {
            self.shared.file.write_all_at(second, 0).context("append")?;
        }
        self.position += bytes.len() as u64;
        Ok(self.position)
    }

    /// Syncs on this thread, for programs without a syncing one.
    pub fn sync(&self) -> Result<()> {
        self.shared.file.sync_data().context("fdatasync")
    }

    /// Tells the syncing thread that everything appended so far may be synced.
    pub fn publish(&self) {
        *self.shared.written.lock().expect("the syncing thread exits the process instead of panicking") = self.position;
        self.shared.more.notify_one();
    }

    /// Everything below this position is on the disk.
    pub fn synced(&self) -> u64 {
        self.shared.synced.load(Ordering::Acquire)
    }

    /// Readable whenever `synced` has grown.
    pub fn wake_fd(&self) -> &OwnedFd {
        &self.shared.wake
    }

    /// Starts the syncing thread. No timer and no least batch: while one sync runs, the next group forms.
    pub fn start_syncing(&self, counters: Arc<Counters>) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name("fdatasync".into()).spawn(move || {
            let mut done = 0;
            loop {
                let mut written = shared.written.lock().expect("the writer holds it for one store");
                while *written == done {
                    written = shared.more.wait(written).expect("the writer holds it for one store");
                }
                let target = *written;
                drop(written);
                if let Err(error) = shared.file.sync_data() {
                    eprintln!("floor: fdatasync failed: {error}");
                    std::process::exit(1);
                }
                counters.add_sync();
                done = target;
                shared.synced.store(done, Ordering::Release);
                // The counter of the eventfd cannot overflow: the server drains it each turn.
                let _ = rustix::io::write(&shared.wake, &1u64.to_ne_bytes());
            }
        })?;
        Ok(())
    }
}
