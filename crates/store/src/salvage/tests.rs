use std::fs;

use model::record::message::Message;
use model::{QueueId, QueueOffset, Timestamp};

use super::*;
use crate::api::{Clock, Fact, Frozen, LoadError, Observer, Read};
use crate::log::Log;
use crate::log::tests::{TOPIC, Told, options, stage};
use crate::runs::{RunId, Runs};
use crate::staged::Staged;

/// A log of 40 batches of one message; answers where each record lies.
fn written(dir: &Path) -> Vec<LogOffset> {
    let disk = Arc::new(RealDisk::new(dir));
    let clock: Clock = Arc::new(|| Timestamp(1));
    let log = Log::open_on(disk.clone(), options(dir), Arc::<Told>::default(), clock).expect("opens");
    let slot = log.slot(TOPIC, QueueId(0)).expect("a queue");
    let mut staged = Staged::new();
    let mut at = Vec::new();
    for number in 0..40_u32 {
        staged.clear();
        stage(&mut staged, slot, true, &number.to_be_bytes().repeat(1_000));
        log.append(&mut staged).expect("appended");
        log.flush();
        at.push(staged.entry(0).at);
    }
    log.close();
    // Without a checkpoint everything is walked.
    fs::remove_dir_all(dir.join("state")).expect("removed");
    fs::create_dir(dir.join("state")).expect("made");
    at
}

fn damage(dir: &Path, at: LogOffset) {
    let name = segment_name(segment_of(at, 65_536));
    let path = dir.join(&name);
    let mut bytes = fs::read(&path).expect("a segment");
    bytes[usize::try_from(at.0 % 65_536).expect("small") + 200] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn open(dir: &Path) -> Result<Log, OpenError> {
    Log::open_on(Arc::new(RealDisk::new(dir)), options(dir), Arc::<Told>::default(), Arc::new(|| Timestamp(1)))
}

#[test]
fn what_is_whole_is_copied_at_its_offsets() {
    let dir = tempfile::tempdir().expect("a directory");
    let (broken, copy) = (dir.path().join("broken"), dir.path().join("copy"));
    fs::create_dir(&broken).expect("made");
    let at = written(&broken);
    damage(&broken, at[3]);
    damage(&broken, at[4]);
    damage(&broken, at[20]);
    let refused = open(&broken).err().expect("refuses to open");
    assert!(matches!(&refused, OpenError::Damaged { offset, .. } if *offset == at[3].0 - 48), "{refused}");

    let salvaged = salvage(&broken, &copy).expect("salvaged");
    assert_eq!(salvaged.records, 37);
    let lost =
        [(LogOffset(at[3].0 - 48), LogOffset(at[5].0 - 48)), (LogOffset(at[20].0 - 48), LogOffset(at[21].0 - 48))];
    assert_eq!(salvaged.lost, lost);

    let log = open(&copy).expect("the copy opens");
    let slot = log.slot(TOPIC, QueueId(0)).expect("a queue");
    assert_eq!(log.bounds(slot).max, QueueOffset(40), "numbering goes on where it was");
    let read = |offset: u64| {
        let (mut units, mut record) = (Vec::new(), Vec::new());
        log.units(slot, QueueOffset(offset), 1, Read::Wait, &mut units).expect("units");
        log.read(units[0].at, units[0].len, Read::Wait, &mut record).expect("a record");
        let message = Message::parse(&record).expect("a message");
        (message.queue_offset().0, message.log_offset())
    };
    assert_eq!(read(2), (2, at[2]));
    assert_eq!(read(3), (5, at[5]), "the next one stands in for a lost one");
    assert_eq!(read(39), (39, at[39]));
}

#[test]
fn a_missing_segment_is_passed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (broken, copy) = (dir.path().join("broken"), dir.path().join("copy"));
    fs::create_dir(&broken).expect("made");
    written(&broken);
    fs::remove_file(broken.join(segment_name(LogOffset(65_536)))).expect("removed");
    assert!(matches!(open(&broken), Err(OpenError::Damaged { offset: 0, .. })));

    let salvaged = salvage(&broken, &copy).expect("salvaged");
    assert_eq!(salvaged.lost.len(), 1);
    assert!(open(&copy).is_ok());
}

/// Its checkpoints need a run.
struct NeedsRun;

impl Observer for NeedsRun {
    fn topic_of(&self, _: &str) -> Option<model::TopicId> {
        Some(TOPIC)
    }

    fn applied(&self, _: &[Fact<'_>]) {}

    fn freeze(&self) -> Frozen {
        Frozen { runs: vec![RunId(7)], ..Frozen::from(Vec::new()) }
    }

    fn load(&self, _: &[u8]) -> Result<(), LoadError> {
        Ok(())
    }
}

/// The copy's checkpoint was passed over: its log was read from the start, damage below the checkpoint included, and refused again.
#[test]
fn a_checkpoint_is_copied_with_the_runs_it_needs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (broken, copy) = (dir.path().join("broken"), dir.path().join("copy"));
    fs::create_dir(&broken).expect("made");
    let at = written(&broken);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&broken));
    let mut run = Runs::new(disk.clone()).create(RunId(7), 8).expect("a run");
    run.push(&[1; 8]).expect("written");
    run.finish().expect("written");
    let clock: Clock = Arc::new(|| Timestamp(1));
    let log = Log::open_on(disk, options(&broken), Arc::new(NeedsRun), clock.clone()).expect("opens");
    log.checkpoint().expect("written");
    log.close();
    drop(log);
    damage(&broken, at[3]);

    salvage(&broken, &copy).expect("salvaged");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&copy));
    Log::open_on(disk, options(&copy), Arc::new(NeedsRun), clock).expect("the copy opens from its checkpoint");
}

#[test]
fn an_existing_directory_is_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(salvage(dir.path(), dir.path()), Err(OpenError::Option { name: "to", .. })));
}

#[test]
fn a_gap_leaves_room_for_its_last_piece() {
    let max = BATCH_LEN_MAX as u64;
    assert_eq!(piece(100), 100);
    assert_eq!(piece(max), max);
    assert_eq!(piece(max + 1), max + 1 - 48);
    assert_eq!(piece(3 * max), max);
}
