//! A disk that hangs or fails.

use std::io::IoSlice;
use std::sync::{OnceLock, Weak};

use super::*;
use crate::disk::File;

/// The disk of the machine, until it is told otherwise.
struct Troubled {
    real: RealDisk,
    trouble: Arc<Trouble>,
}

#[derive(Default)]
struct Trouble {
    /// Held while syncs hang.
    hang: Mutex<()>,
    fail_writes: AtomicBool,
    fail_syncs: AtomicBool,
}

impl Trouble {
    fn check(&self, fails: &AtomicBool) -> io::Result<()> {
        if fails.load(Ordering::SeqCst) { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }
}

impl Disk for Troubled {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(TroubledFile { real: self.real.open(name)?, trouble: self.trouble.clone() }))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(TroubledFile { real: self.real.create(name)?, trouble: self.trouble.clone() }))
    }
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.real.create_dir(name)
    }
    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.real.sync_dir(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }
    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        self.real.list(name)
    }
    fn space(&self) -> io::Result<Space> {
        self.real.space()
    }
}

struct TroubledFile {
    real: Arc<dyn File>,
    trouble: Arc<Trouble>,
}

impl File for TroubledFile {
    fn len(&self) -> io::Result<u64> {
        self.real.len()
    }
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.real.read_at(buf, at)
    }
    fn read_at_nowait(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.real.read_at_nowait(buf, at)
    }
    fn write_at(&self, slices: &mut [IoSlice<'_>], at: u64) -> io::Result<()> {
        self.trouble.check(&self.trouble.fail_writes)?;
        self.real.write_at(slices, at)
    }
    fn sync_data(&self) -> io::Result<()> {
        drop(self.trouble.hang.lock());
        self.trouble.check(&self.trouble.fail_syncs)?;
        self.real.sync_data()
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.real.allocate(len)
    }
}

fn troubled(dir: &Path) -> (Log, Arc<Trouble>) {
    let trouble = Arc::new(Trouble::default());
    let disk = Arc::new(Troubled { real: RealDisk::new(dir), trouble: trouble.clone() });
    let options = Options { staging_bytes_max: 100_000, ..options(dir) };
    let log = Log::open_on(disk, options, Arc::<Told>::default(), Arc::new(|| Timestamp(1))).expect("opens");
    log.start_threads().expect("threads");
    (log, trouble)
}

#[test]
fn while_a_sync_hangs_appends_are_refused_in_the_end_and_reads_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, trouble) = troubled(dir.path());
    let slot = slot_of(&log);
    let mut staged = Staged::new();
    stage(&mut staged, slot, true, b"durable");
    let end = log.append(&mut staged).expect("appended").end;
    wait_until(&log, |log| log.committed() >= end);

    let hang = trouble.hang.lock();
    let mut appended = 0;
    let refused = loop {
        staged.clear();
        stage(&mut staged, slot, true, &[1; 10_000]);
        match log.append(&mut staged) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Busy { unsynced } if unsynced > 100_000), "{refused}");
    assert_eq!(log.committed(), end, "nothing is acknowledged");
    assert_eq!(bodies(&log, slot), [b"durable"]);
    drop(hang);
    let end = log.end();
    wait_until(&log, |log| log.committed() >= end);
    assert_eq!(bodies(&log, slot).len(), 1 + appended);
    log.append(&mut staged).expect("the disk is back");
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, trouble) = troubled(dir.path());
    let (send, told) = std::sync::mpsc::channel();
    let send = Mutex::new(send);
    log.on_failure(Box::new(move |reason| send.lock().send(reason.to_owned()).expect("heard")));
    trouble.fail_syncs.store(true, Ordering::SeqCst);
    let before = log.committed();
    let mut staged = Staged::new();
    stage(&mut staged, slot_of(&log), true, b"lost");
    log.append(&mut staged).expect("appended");
    let reason = told.recv_timeout(std::time::Duration::from_secs(20)).expect("the owner is told");
    assert_eq!(reason, "syncing the log: input/output error");

    // That the next sync would work proves nothing about the bytes before.
    trouble.fail_syncs.store(false, Ordering::SeqCst);
    assert_eq!(log.append(&mut staged), Err(AppendError::Failed));
    log.flush();
    assert!(log.failed());
    assert_eq!(log.committed(), before);
    assert!(bodies(&log, slot_of(&log)).is_empty());
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, trouble) = troubled(dir.path());
    trouble.fail_writes.store(true, Ordering::SeqCst);
    let mut staged = Staged::new();
    stage(&mut staged, slot_of(&log), false, b"lost");
    let end = log.append(&mut staged).expect("appended").end;
    assert!(log.failed());
    assert!(log.written() < end);
    assert_eq!(log.append(&mut staged), Err(AppendError::Failed));
}

/// Found by a load whose p99.9 was half a second: what was staged while the flusher wrote waited for its next sync.
#[test]
fn async_bytes_staged_while_a_flush_writes_are_written_by_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk::new(dir.path()));
    let log = Log::open_on(disk, options(dir.path()), Arc::<Told>::default(), Arc::new(|| Timestamp(1)));
    let log = Arc::new(log.expect("opens"));
    let slot = slot_of(&log);
    let (appender, once) = (Arc::downgrade(&log), AtomicBool::new(true));
    // Told of the flush's write while the flush still holds the turn.
    log.on_progress(Box::new(move |_| {
        if once.swap(false, Ordering::SeqCst) {
            let mut staged = Staged::new();
            stage(&mut staged, slot, false, b"async");
            appender.upgrade().expect("open").append(&mut staged).expect("appended");
        }
    }));
    let mut staged = Staged::new();
    stage(&mut staged, slot, true, b"durable");
    let durable = log.append(&mut staged).expect("appended").end;
    log.flush();
    assert!(log.committed() >= durable && log.end() > durable);
    assert_eq!(log.written(), log.end());
}

/// Reads each message at the moment it is told of it.
#[derive(Default)]
struct Prompt {
    log: OnceLock<Weak<Log>>,
    read: Mutex<Vec<Result<(), String>>>,
}

impl Observer for Prompt {
    fn topic_of(&self, name: &str) -> Option<TopicId> {
        (name == "orders").then_some(TOPIC)
    }

    fn applied(&self, facts: &[Fact<'_>]) {
        let Some(log) = self.log.get().and_then(Weak::upgrade) else { return };
        for fact in facts {
            if let Fact::Message { at, len, .. } = *fact {
                let read = log.read(at, len, Read::Nowait, &mut Vec::new());
                self.read.lock().push(read.map_err(|error| error.to_string()));
            }
        }
    }

    fn freeze(&self) -> Frozen {
        Vec::new().into()
    }

    fn load(&self, _: &[u8]) -> Result<(), LoadError> {
        Ok(())
    }
}

/// Found by killing the binary under load: a consumer of an async topic that was fast enough to find a message in the index
/// between its entry there and the moving of `written` was told that there is no record at that offset.
#[test]
fn an_async_message_can_be_read_as_soon_as_it_is_in_the_index() {
    let dir = tempfile::tempdir().expect("a directory");
    let prompt = Arc::new(Prompt::default());
    let log = Log::open(options(dir.path()), prompt.clone(), Arc::new(|| Timestamp(1))).expect("opens");
    prompt.log.set(Arc::downgrade(&log)).expect("once");
    let mut staged = Staged::new();
    stage(&mut staged, slot_of(&log), false, b"hello");
    log.append(&mut staged).expect("appended");
    assert_eq!(*prompt.read.lock(), [Ok(())]);
}

#[test]
fn async_bytes_wake_the_flusher_when_others_have_synced_the_ones_before() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let told = Arc::new(Told::default());
    let log = open(options(dir.path()), &told);
    wait_until(&log, |log| log.committed() == log.end());
    // As it is when a checkpoint has synced what the flusher was woken for, before it looked.
    log.core.stage.lock().sync_expected = true;
    log.core.flusher_wake.notify_one();
    for _ in 0..1_000_000 {
        if !log.core.stage.lock().sync_expected {
            break;
        }
        thread::yield_now();
    }
    let mut staged = Staged::default();
    stage(&mut staged, slot_of(&log), false, b"async");
    let appended = log.append(&mut staged).expect("room");
    wait_until(&log, |log| log.committed() >= appended.end);
}
