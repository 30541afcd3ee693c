//! Segment files: opened, created, prepared ahead of the writer, recycled, removed.
//!
//! A segment is prepared in three steps, each a whole state a crash may leave: the file is there under its name with its
//! full length (synced, and its folder too), then its blocks are written with zeros in slices, then the writer enters it.
//! Entering ends the zeroing, however far it got: what was not zeroed costs slower syncs, never bytes.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::Arc;

use model::LogOffset;
use parking_lot::{Mutex, RwLock};

use crate::api::Fault;
use crate::disk::{Disk, File};
use crate::layout::{self, LOG_DIR};

/// Bytes zeroed at a time. The writer waits for at most one slice when it enters a segment.
pub const ZERO_SLICE: u64 = 4 * 1024 * 1024;

/// Trimmed segment files kept to become new ones: their blocks are written, so syncs on them are fast, and their pages are
/// often still in memory. As many as a second of a fast disk fills: retention comes once a second.
const SPARE_MAX: usize = 4;

const SPARE_SUFFIX: &str = ".spare";

const PAGE: usize = 4096;

/// On a page, as the slices they are written to: the kernel copies several times slower otherwise (DATAPATH.md).
#[repr(align(4096))]
struct Zeros([u8; 64 * 1024]);

static ZEROS: Zeros = Zeros([0; 64 * 1024]);

/// Zeros from position `at` of a segment to the end of its page: none if a page begins there.
pub fn rest_of_page(at: u64) -> &'static [u8] {
    let inside = usize::try_from(at % PAGE as u64).expect("below the length of a page");
    if inside == 0 { &[] } else { &ZEROS.0[inside..PAGE] }
}

/// One file of the log.
pub struct Segment {
    pub base: LogOffset,
    pub file: Arc<dyn File>,
    preparing: Mutex<Preparing>,
}

/// How far the blocks of a segment are written with zeros or were in an earlier life.
struct Preparing {
    /// The writer is in it or beyond: no more zeroing.
    entered: bool,
    zeroed: u64,
}

impl Segment {
    fn new(base: LogOffset, file: Arc<dyn File>, zeroed: u64) -> Arc<Segment> {
        Arc::new(Segment { base, file, preparing: Mutex::new(Preparing { entered: false, zeroed }) })
    }

    /// The writer is about to write here. After it returned, nobody else writes to the file.
    pub fn enter(&self) {
        self.preparing.lock().entered = true;
    }

    /// Writes the next slice of zeros. False: nothing is left to do.
    pub fn zero_slice(&self, segment_bytes: u64) -> io::Result<bool> {
        let mut preparing = self.preparing.lock();
        if preparing.entered || preparing.zeroed >= segment_bytes {
            return Ok(false);
        }
        let end = (preparing.zeroed + ZERO_SLICE).min(segment_bytes);
        let pieces = usize::try_from((end - preparing.zeroed) / ZEROS.0.len() as u64).expect("a slice is small");
        let mut slices = vec![IoSlice::new(&ZEROS.0); pieces];
        self.file.write_at(&mut slices, preparing.zeroed)?;
        // Synced now, so that the zeros do not queue up in front of somebody's acknowledgement later.
        self.file.sync_data()?;
        preparing.zeroed = end;
        Ok(true)
    }
}

/// All segment files there are: those of the log, and those prepared after its end.
pub struct Segments {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    fault: Option<Fault>,
    files: RwLock<BTreeMap<LogOffset, Arc<Segment>>>,
    /// Names of spare files. Also the lock under which files are made.
    spares: Mutex<Vec<String>>,
}

impl Segments {
    /// Opens what is in the log folder.
    pub fn open(disk: Arc<dyn Disk>, segment_bytes: u64, fault: Option<Fault>) -> io::Result<Segments> {
        let (mut files, mut spares) = (BTreeMap::new(), Vec::new());
        for name in disk.list(LOG_DIR)? {
            if let Some(base) = layout::base_of(&name, ".log") {
                let file = disk.open(&layout::segment_name(base))?;
                // Whoever wrote the file before: zeroing it now would only cost time.
                files.insert(base, Segment::new(base, file, segment_bytes));
            } else if layout::base_of(&name, SPARE_SUFFIX).is_some() {
                spares.push(format!("{LOG_DIR}/{name}"));
            }
        }
        Ok(Segments { disk, segment_bytes, fault, files: RwLock::new(files), spares: Mutex::new(spares) })
    }

    /// First log offsets, ascending.
    #[must_use]
    pub fn bases(&self) -> Vec<LogOffset> {
        self.files.read().keys().copied().collect()
    }

    /// The segment that holds `at`, if its file is there.
    #[must_use]
    pub fn holding(&self, at: LogOffset) -> Option<Arc<Segment>> {
        self.files.read().get(&layout::segment_of(at, self.segment_bytes)).cloned()
    }

    /// The segment with first log offset `base`; made now if it was not prepared.
    pub fn get_or_make(&self, base: LogOffset) -> io::Result<Arc<Segment>> {
        if let Some(segment) = self.holding(base) {
            return Ok(segment);
        }
        let mut spares = self.spares.lock();
        if let Some(segment) = self.holding(base) {
            return Ok(segment);
        }
        let name = layout::segment_name(base);
        let (file, zeroed) = match spares.pop() {
            Some(spare) => {
                self.disk.rename(&spare, &name)?;
                (self.disk.open(&name)?, self.segment_bytes)
            }
            None => (self.disk.create(&name)?, if self.files.read().is_empty() { self.segment_bytes } else { 0 }),
        };
        file.allocate(self.segment_bytes)?;
        file.sync_data()?;
        if self.fault != Some(Fault::NoDirectorySync) {
            self.disk.sync_dir(LOG_DIR)?;
        }
        let segment = Segment::new(base, file, zeroed);
        self.files.write().insert(base, segment.clone());
        Ok(segment)
    }

    /// Removes a segment file, or keeps it as a spare when nobody reads it.
    pub fn remove(&self, base: LogOffset) -> io::Result<()> {
        let Some(segment) = self.files.write().remove(&base) else { return Ok(()) };
        let mut spares = self.spares.lock();
        let name = layout::segment_name(base);
        // A reader that still holds the file would read a later segment's bytes under an old offset.
        if Arc::strong_count(&segment) == 1 && spares.len() < SPARE_MAX {
            let spare = format!("{}{SPARE_SUFFIX}", name.trim_end_matches(".log"));
            self.disk.rename(&name, &spare)?;
            spares.push(spare);
            return Ok(());
        }
        self.disk.remove(&name)
    }
}
