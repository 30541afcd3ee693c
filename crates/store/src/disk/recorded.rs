//! A disk in memory that keeps an account of everything it is asked to do, so that any moment of it can be made into the
//! image a power loss would leave.
//!
//! Data is durable after the file's sync, a name after its folder's. Nothing else is promised. For the crash harness and the
//! simulation: the server does not name it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Disk, File, Space};

mod image;
mod rng;

pub use image::{LOSSES, Loss, Moment};
pub use rng::Rng;

/// Number of a file, whatever its name.
pub type Inode = usize;

/// What was asked, or what the log let others see, in order.
#[derive(Clone)]
pub enum Event {
    Write {
        inode: Inode,
        at: usize,
        bytes: Arc<[u8]>,
    },
    SetLen {
        inode: Inode,
        len: usize,
    },
    Sync {
        inode: Inode,
    },
    Create {
        name: String,
        inode: Inode,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncDir {
        name: String,
    },
    /// The record at this log offset was applied: somebody may have seen it.
    Seen(u64),
    /// The log called everything below durable.
    Committed(u64),
    /// The owner asked to trim the log up to here.
    Trim(u64),
}

/// Names and bytes, all of it durable.
#[derive(Clone, Default)]
pub struct Image {
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What is going to go wrong; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Changes until the power is lost. What is written last may be there, torn or not; what is synced last is not.
    pub power_lost_after: Option<u64>,
    /// Syncs of data until one fails; the disk works on.
    pub sync_fails_after: Option<u64>,
    /// Writes until one fails: nothing of it is there. The disk works on.
    pub write_fails_after: Option<u64>,
    /// Free bytes of [`SIZE`]; half of it if nothing is said.
    pub free: Option<u64>,
}

/// Bytes of the disk, as it tells.
pub const SIZE: u64 = 1 << 40;

/// The disk.
pub struct RecordedDisk {
    state: Arc<Mutex<State>>,
    dead: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    trouble: Trouble,
    failures: u64,
    names: BTreeMap<String, Inode>,
    inodes: Vec<Vec<u8>>,
    events: Vec<Event>,
}

impl RecordedDisk {
    /// Begins with `image`.
    pub fn new(image: &Image) -> RecordedDisk {
        let mut state = State::default();
        for (name, bytes) in &image.files {
            state.names.insert(name.clone(), state.inodes.len());
            state.inodes.push(bytes.clone());
        }
        RecordedDisk { state: Arc::new(Mutex::new(state)), dead: Arc::default() }
    }

    /// The power is lost: nothing is written any more, whoever tries.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// After [`RecordedDisk::kill`] of a process only: what it wrote is there, and what it did not sync may still be lost.
    /// Nobody of the old process may be left.
    pub fn revive(&self) {
        self.dead.store(false, Ordering::SeqCst);
    }

    /// Whether nothing is written any more.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// How many syncs and writes have failed by [`Trouble`].
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.state.lock().failures
    }

    /// From now on this goes wrong.
    pub fn trouble(&self, change: impl FnOnce(&mut Trouble)) {
        change(&mut self.state.lock().trouble);
    }

    pub fn note(&self, event: Event) {
        self.state.lock().events.push(event);
    }

    /// As [`RecordedDisk::note`], for what is asked of the disk.
    fn change(&self, event: Event) -> io::Result<()> {
        self.state.lock().record(event, &self.dead)
    }

    pub fn events(&self) -> Vec<Event> {
        self.state.lock().events.clone()
    }

    /// What is there if nothing is lost: a killed process, not a power loss.
    pub fn as_it_is(&self) -> Image {
        let state = self.state.lock();
        let files = state.names.iter().map(|(name, inode)| (name.clone(), state.inodes[*inode].clone())).collect();
        Image { files }
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_dead() { Err(lost()) } else { Ok(()) }
    }

    fn file(&self, inode: Inode) -> Arc<dyn File> {
        Arc::new(RecordedFile { state: self.state.clone(), dead: self.dead.clone(), inode })
    }
}

impl State {
    /// Counts down to trouble, and writes down what was asked.
    fn record(&mut self, event: Event, dead: &AtomicBool) -> io::Result<()> {
        let is_sync = matches!(event, Event::Sync { .. } | Event::SyncDir { .. });
        if self.trouble.power_lost_after == Some(0) {
            self.trouble.power_lost_after = None;
            dead.store(true, Ordering::SeqCst);
            if !is_sync {
                self.events.push(event);
            }
            return Err(lost());
        }
        if let Some(left) = &mut self.trouble.power_lost_after {
            *left -= 1;
        }
        let mut never = None;
        let fails_after = match event {
            Event::Sync { .. } => &mut self.trouble.sync_fails_after,
            Event::Write { .. } => &mut self.trouble.write_fails_after,
            _ => &mut never,
        };
        if *fails_after == Some(0) {
            *fails_after = None;
            self.failures += 1;
            return Err(io::Error::other("the disk has failed"));
        }
        if let Some(left) = fails_after {
            *left -= 1;
        }
        self.events.push(event);
        Ok(())
    }
}

fn lost() -> io::Error {
    io::Error::other("the power is lost")
}

impl Disk for RecordedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.state.lock().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(inode))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.alive()?;
        let mut state = self.state.lock();
        // A file that is emptied becomes a new one under the same name: a crash may leave the old bytes or none.
        let inode = state.inodes.len();
        state.inodes.push(Vec::new());
        state.names.insert(name.to_owned(), inode);
        state.record(Event::Create { name: name.to_owned(), inode }, &self.dead)?;
        drop(state);
        Ok(self.file(inode))
    }

    fn create_dir(&self, _name: &str) -> io::Result<()> {
        // Durable when it returns, and there is nothing to lose yet.
        self.alive()
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.alive()?;
        self.change(Event::SyncDir { name: name.to_owned() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.alive()?;
        let mut state = self.state.lock();
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        state.record(Event::Rename { from: from.to_owned(), to: to.to_owned() }, &self.dead)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.alive()?;
        let mut state = self.state.lock();
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.record(Event::Remove { name: name.to_owned() }, &self.dead)
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let inside = |path: &String| {
            let rest = path.strip_prefix(name)?.strip_prefix('/')?;
            (!rest.contains('/')).then(|| rest.to_owned())
        };
        Ok(self.state.lock().names.keys().filter_map(inside).collect())
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { free: self.state.lock().trouble.free.unwrap_or(SIZE / 2), total: SIZE })
    }
}

struct RecordedFile {
    state: Arc<Mutex<State>>,
    dead: Arc<AtomicBool>,
    inode: Inode,
}

impl RecordedFile {
    fn change(&self, event: Event) -> io::Result<()> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(lost());
        }
        let mut state = self.state.lock();
        state.record(event.clone(), &self.dead)?;
        let bytes = &mut state.inodes[self.inode];
        match &event {
            Event::Write { at, bytes: new, .. } => {
                bytes.resize(bytes.len().max(at + new.len()), 0);
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Event::SetLen { len, .. } => bytes.resize(bytes.len().max(*len), 0),
            _ => {}
        }
        Ok(())
    }
}

impl File for RecordedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().inodes[self.inode].len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state.lock();
        let bytes = &state.inodes[self.inode];
        let from = usize::try_from(at).expect("small files").min(bytes.len());
        let len = buf.len().min(bytes.len() - from);
        buf[..len].copy_from_slice(&bytes[from..from + len]);
        Ok(len)
    }

    fn read_at_nowait(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.read_at(buf, at)
    }

    fn write_at(&self, slices: &mut [IoSlice<'_>], at: u64) -> io::Result<()> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let at = usize::try_from(at).expect("small files");
        self.change(Event::Write { inode: self.inode, at, bytes: bytes.into() })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Event::Sync { inode: self.inode })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(Event::SetLen { inode: self.inode, len: usize::try_from(len).expect("small files") })
    }
}
