//! Bit rot: one bit flipped, or 4 KiB zeroed, anywhere in a data directory that was closed cleanly, so that all of it was
//! acknowledged. Damage to a record must be named when the log is opened or the record is read; whatever is damaged,
//! nothing that was not sent may be served.

use std::sync::Arc;

use model::QueueId;
use store::disk::recorded::{Image, RecordedDisk, Rng};
use store::{OpenError, Read, ReadError};

use crate::history::{History, QUEUES, TOPICS, topic_id};
use crate::load::{self, SEGMENT_BYTES, Setup, Style};

/// Damaged directories tried.
const ROTTEN: usize = 2_000;

/// Of them from one log.
const PER_LOG: usize = 50;

#[test]
fn damage_is_named_and_never_served() {
    let (mut named, mut in_records) = (0, 0);
    for seed in 0..(ROTTEN / PER_LOG) as u64 {
        let mut rng = Rng::new(seed);
        let (image, history) = closed_log(&mut rng);
        for _ in 0..PER_LOG {
            let Rot { image, file, hits_message } = rot(&image, &history, &mut rng);
            let found =
                read_all(&image, &history, &file).unwrap_or_else(|error| panic!("seed {seed}, {file}: {error}"));
            in_records += usize::from(hits_message);
            named += usize::from(hits_message && found);
            assert!(found || !hits_message, "seed {seed}: damage to a message in {file} was not noticed");
        }
    }
    assert_eq!(named, in_records);
    assert!(in_records > ROTTEN / 4, "only {in_records} of {ROTTEN} hit a message");
}

/// A log with some history, closed.
fn closed_log(rng: &mut Rng) -> (Image, History) {
    let disk = Arc::new(RecordedDisk::new(&Image::default()));
    let (log, _) = load::open(&disk, Setup::default(), false).expect("opens");
    let mut history = History::default();
    load::run(&log, &disk, &mut history, Setup::default(), Style::Mixed, 120, rng);
    let start = log.start().0;
    log.close();
    history.entries.retain(|entry| entry.at >= start);
    (disk.as_it_is(), history)
}

struct Rot {
    image: Image,
    file: String,
    /// Bytes of a message record were changed.
    hits_message: bool,
}

fn rot(image: &Image, history: &History, rng: &mut Rng) -> Rot {
    loop {
        let mut image = image.clone();
        let names: Vec<_> = image.files.keys().filter(|name| !name.ends_with("node.toml")).cloned().collect();
        // Half of all hits go where the messages are.
        let (file, at) = if rng.once_in(2) {
            let entry = &history.entries[rng.below(history.entries.len())];
            let at = usize::try_from(entry.at % SEGMENT_BYTES).expect("small") + rng.below(entry.bytes.len());
            (format!("log/{:020}.log", entry.at - entry.at % SEGMENT_BYTES), at)
        } else {
            let name = names[rng.below(names.len())].clone();
            let len = image.files[&name].len().max(1);
            (name, rng.below(len))
        };
        let bytes = image.files.get_mut(&file).expect("a file of the log");
        let Some(last) = bytes.len().checked_sub(1) else { continue };
        let range = if rng.once_in(2) { at..at + 1 } else { at & !4095..(at & !4095) + 4096 };
        let range = range.start..range.end.min(last + 1);
        let before = bytes[range.clone()].to_vec();
        if range.len() == 1 {
            bytes[at] ^= 1 << rng.below(8);
        } else {
            bytes[range.clone()].fill(0);
        }
        if bytes[range.clone()] == before {
            continue;
        }
        let base: u64 = file
            .strip_prefix("log/")
            .and_then(|name| name.strip_suffix(".log"))
            .map_or(u64::MAX, |digits| digits.parse().expect("a log offset"));
        let changed = range.zip(before).filter(|(at, before)| bytes[*at] != *before).map(|(at, _)| at as u64);
        let changed: Vec<u64> = if base == u64::MAX { Vec::new() } else { changed.map(|at| base + at).collect() };
        let messages = history.entries.iter().filter(|entry| entry.queue.is_some());
        let mut spans = messages.map(|entry| entry.at..entry.at + entry.bytes.len() as u64);
        let hits_message = spans.any(|span| changed.iter().any(|at| span.contains(at)));
        return Rot { image, file, hits_message };
    }
}

/// Opens the directory and reads every message. True: damage was named. An error: something wrong was served.
fn read_all(image: &Image, history: &History, rotten: &str) -> Result<bool, String> {
    let disk = Arc::new(RecordedDisk::new(image));
    let (log, _) = match load::open(&disk, Setup::default(), false) {
        Ok(opened) => opened,
        Err(OpenError::Damaged { file, .. }) if file == rotten => return Ok(true),
        Err(error) => return Err(format!("does not open for another reason: {error}")),
    };
    let mut named = false;
    let mut note = |error: ReadError| match error {
        ReadError::Damaged { file, .. } if file == rotten => {
            named = true;
            Ok(())
        }
        error => Err(format!("is not read for another reason: {error}")),
    };
    for (topic, name) in TOPICS.iter().enumerate() {
        for queue in 0..QUEUES {
            let slot = log.slot(topic_id(topic), QueueId(queue)).expect("few queues");
            let of_queue = |offset| Some((topic, queue, offset));
            let max = log.bounds(slot).max;
            let sent =
                history.entries.iter().filter(|entry| entry.queue.is_some_and(|of| (of.0, of.1) == (topic, queue)));
            let sent: Vec<_> = sent.collect();
            if sent.last().is_some_and(|last| last.queue != of_queue(max.0.wrapping_sub(1))) {
                return Err(format!("{name}/{queue} ends at {max}"));
            }
            for entry in sent {
                let offset = model::QueueOffset(entry.queue.expect("a message").2);
                let mut units = Vec::new();
                if let Err(error) = log.units(slot, offset, 1, Read::Wait, &mut units) {
                    note(error)?;
                    continue;
                }
                let Some(unit) = units.first() else { return Err(format!("message {offset} is not found")) };
                if unit.at.0 != entry.at || unit.len as usize != entry.bytes.len() {
                    return Err(format!("message {offset} is said to be elsewhere"));
                }
                let mut record = Vec::new();
                match log.read(unit.at, unit.len, Read::Wait, &mut record) {
                    Ok(()) if record == entry.bytes => {}
                    Ok(()) => return Err(format!("message {offset} is served damaged")),
                    Err(error) => note(error)?,
                }
            }
        }
    }
    disk.kill();
    Ok(named)
}
