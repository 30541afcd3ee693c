//! Checkpoints load as they were written, damage sends the reader to an older one, and old ones go.

use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;

use super::*;
use crate::disk::RealDisk;
use crate::index::{BatchSpan, Growing, OpenIndex, Queues, growing, testing};

/// A data directory with an empty folder for checkpoints.
struct Data {
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
}

impl Data {
    fn new() -> Data {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path());
        disk.create_dir(FOLDER).unwrap();
        Data { dir, disk: Arc::new(disk) }
    }

    fn open(&self) -> Found {
        Checkpoints::open(Arc::clone(&self.disk)).unwrap()
    }

    fn file(&self, at: u64) -> PathBuf {
        self.dir.path().join(path(LogOffset(at)))
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.disk.list(FOLDER).unwrap();
        names.sort();
        names
    }
}

/// With the sections' lengths one can tell them apart.
fn checkpoint(at: u64, since: Option<u64>) -> Checkpoint {
    let facts = Facts {
        at: LogOffset(at),
        since: since.map(LogOffset),
        epoch: 3,
        start: LogOffset(at / 2),
        committed: LogOffset(at + 10),
    };
    let fill = u8::try_from(at % 251).unwrap();
    Checkpoint { facts, queues: vec![fill; 5], units: vec![fill; 9], projections: vec![fill; 2], runs: vec![] }
}

fn chain(found: &Found) -> Vec<Checkpoint> {
    let again = |saved: &Saved| Checkpoint {
        facts: saved.facts,
        queues: saved.queues().to_vec(),
        units: saved.units().to_vec(),
        projections: saved.projections().to_vec(),
        runs: saved.runs(),
    };
    found.chain.iter().map(again).collect()
}

fn bytes_of(checkpoint: &Checkpoint) -> Vec<u8> {
    let data = Data::new();
    write_file(&*data.disk, checkpoint).unwrap();
    fs::read(data.file(checkpoint.facts.at.0)).unwrap()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_newest_chain_is_loaded() {
    let data = Data::new();
    let mut found = data.open();
    assert!(found.chain.is_empty());
    let written = [checkpoint(100, None), checkpoint(200, Some(100)), checkpoint(300, Some(200))];
    for checkpoint in &written {
        assert_eq!(found.checkpoints.since(false), checkpoint.facts.since);
        found.checkpoints.write(checkpoint).unwrap();
    }
    let found = data.open();
    assert_eq!(chain(&found), written);
    assert_eq!(found.damaged, []);
    assert_eq!(found.checkpoints.since(false), None, "two deltas are larger than their base");
}

#[test]
fn a_damaged_delta_shortens_the_chain() {
    let data = Data::new();
    let mut found = data.open();
    found.checkpoints.write(&checkpoint(100, None)).unwrap();
    found.checkpoints.write(&checkpoint(200, Some(100))).unwrap();
    flip(&data.file(200), 70);

    let mut found = data.open();
    assert_eq!(chain(&found), [checkpoint(100, None)]);
    let place = (found.damaged[0].file.clone(), found.damaged[0].offset);
    assert_eq!(place, (path(LogOffset(200)), HEADER_LEN as u64));

    // The next one continues what was loaded; the damaged one is in nobody's way.
    found.checkpoints.write(&checkpoint(250, Some(100))).unwrap();
    assert_eq!(chain(&data.open()), [checkpoint(100, None), checkpoint(250, Some(100))]);
}

#[test]
fn a_damaged_base_sends_the_reader_to_the_one_before() {
    let data = Data::new();
    let mut found = data.open();
    found.checkpoints.write(&checkpoint(100, None)).unwrap();
    found.checkpoints.write(&checkpoint(200, Some(100))).unwrap();
    found.checkpoints.write(&checkpoint(300, None)).unwrap();
    found.checkpoints.write(&checkpoint(400, Some(300))).unwrap();
    flip(&data.file(300), 0);

    let found = data.open();
    assert_eq!(chain(&found), [checkpoint(100, None), checkpoint(200, Some(100))]);
    assert_eq!(found.damaged.len(), 2, "the base, and the delta that needs it");

    fs::remove_file(data.file(100)).unwrap();
    let found = data.open();
    assert!(found.chain.is_empty());
    assert_eq!(found.checkpoints.since(false), None);
}

#[test]
fn two_bases_and_their_deltas_are_kept() {
    let data = Data::new();
    let mut checkpoints = data.open().checkpoints;
    fs::write(data.dir.path().join("state/00000000000000000050.ckpt.tmp"), "half").unwrap();
    for (at, since) in [(100, None), (200, Some(100)), (300, None), (400, Some(300)), (500, None)] {
        checkpoints.write(&checkpoint(at, since)).unwrap();
    }
    let kept = [300, 400, 500].map(|at| format!("{at:020}.ckpt"));
    assert_eq!(data.names(), kept);
}

#[test]
fn deltas_end_when_they_outgrow_their_base_or_cannot_tell_all() {
    let data = Data::new();
    let mut checkpoints = data.open().checkpoints;
    assert_eq!(checkpoints.since(false), None);
    checkpoints.write(&Checkpoint { queues: vec![0; 1_000], ..checkpoint(100, None) }).unwrap();
    assert_eq!(checkpoints.since(false), Some(LogOffset(100)));
    assert_eq!(checkpoints.since(true), None);
    for number in 1..=DELTAS_MAX as u64 {
        assert_eq!(checkpoints.since(false), Some(LogOffset(99 + number)));
        checkpoints.write(&checkpoint(100 + number, Some(99 + number))).unwrap();
    }
    assert_eq!(checkpoints.since(false), None);
}

#[test]
fn after_a_failed_write_the_next_one_is_a_base() {
    let data = Data::new();
    let mut checkpoints = data.open().checkpoints;
    checkpoints.write(&checkpoint(100, None)).unwrap();
    fs::rename(data.dir.path().join(FOLDER), data.dir.path().join("away")).unwrap();
    checkpoints.write(&checkpoint(200, Some(100))).unwrap_err();
    assert_eq!(checkpoints.since(false), None);
}

#[test]
fn every_flipped_bit_and_every_torn_length_is_named() {
    let bytes = bytes_of(&checkpoint(200, Some(100)));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(damaged).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(decode(bytes[..len].to_vec()).is_err(), "{len} bytes");
    }
    assert!(decode([&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_file_under_another_name_is_not_believed() {
    let data = Data::new();
    data.open().checkpoints.write(&checkpoint(100, None)).unwrap();
    fs::rename(data.file(100), data.file(900)).unwrap();
    let found = data.open();
    assert!(found.chain.is_empty());
    assert_eq!(found.damaged[0].reason, "its name is another offset");
}

/// A change of the bytes is a change of the format: raise the version, and keep reading this file.
#[test]
fn version_1_keeps_its_bytes() {
    let queues = Queues::default();
    let mut growing = Growing::new(vec![OpenIndex::new(LogOffset(1 << 20), None)]);
    let messages = testing::place(&testing::fixed_steps(7), 1 << 20, &queues, &mut 1_700_000_000_000);
    for message in &messages {
        growing.push_batch(BatchSpan { at: LogOffset(message.unit.at.0 - 48), len: 148 });
        growing.push(message.slot, message.offset, &message.unit).unwrap();
        message.keys.iter().for_each(|key| growing.push_key(*key, message.hit()));
        queues.applied(message.slot, message.offset, message.unit.at);
    }
    let to = LogOffset(2 << 20);
    let mut written = checkpoint(to.0, Some(100));
    written.queues.clear();
    queues.save(None, to, || |slot| growing.ahead(slot, to), &mut written.queues);
    written.units.clear();
    growing::save(&RwLock::new(growing), None, to, &queues, &mut written.units);

    let golden = include_str!("golden/v1.ckpt.hex");
    let dump = testing::dump(&bytes_of(&written));
    assert!(dump == golden, "the bytes changed:\n{dump}");
    let saved = decode(testing::undump(golden)).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    assert_eq!(saved.facts, written.facts);
    let loaded = Queues::default();
    loaded.load(saved.queues()).unwrap();
    let indexes = growing::load([saved.units()], &loaded).unwrap();
    assert_eq!(indexes.values().map(OpenIndex::messages).collect::<Vec<_>>(), [7]);
}

#[test]
fn a_checkpoint_whose_run_is_lost_or_damaged_is_passed_over() {
    let data = Data::new();
    let mut checkpoints = data.open().checkpoints;
    checkpoints.write(&checkpoint(100, None)).unwrap();
    let runs = Runs::new(data.disk.clone());
    let mut writer = runs.create(RunId(5), 8).unwrap();
    writer.push(&[1; 8]).unwrap();
    writer.finish().unwrap();
    let needs_run = Checkpoint { runs: vec![RunId(5)], ..checkpoint(200, Some(100)) };
    checkpoints.write(&needs_run).unwrap();
    assert_eq!(chain(&data.open()), [checkpoint(100, None), needs_run]);

    runs.remove(RunId(5)).unwrap();
    let found = data.open();
    assert_eq!(chain(&found), [checkpoint(100, None)]);
    assert!(found.damaged[0].reason.contains("it needs run 5"), "{}", found.damaged[0].reason);
}
