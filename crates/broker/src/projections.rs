//! The machines' part of a checkpoint: a section for each machine, so that a directory an older build wrote opens.
//!
//! A machine without a section is empty: the build that wrote the checkpoint did not have it, so the log below holds no fact of
//! it. A kind or version this build does not know was written by a newer one, and is refused: to leave it out would lose facts.
//! A machine whose bytes change gets a new version here and goes on reading the older ones.
//!
//! Drawn in docs/formats.md; `tests/old_directories.rs` opens what older builds wrote.

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, Timestamp};
use store::{Frozen, LoadError};

use crate::broker::Machines;
use crate::state::halves::Halves;
use crate::state::inflight::Inflight;
use crate::state::kv::Kv;
use crate::state::request_modes::RequestModes;
use crate::state::timers::{NO_KEY, Timers};
use crate::state::usage::Usage;

/// `KXP1`. Before there were sections a checkpoint began with the number of topics, which is never this large.
const MAGIC: u32 = 0x4B58_5031;

/// What a section holds, and in which layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section {
    kind: u16,
    version: u16,
}

const TOPICS: Section = Section { kind: 1, version: 1 };
const GROUPS: Section = Section { kind: 2, version: 1 };
const OFFSETS: Section = Section { kind: 3, version: 1 };
const TIMERS: Section = Section { kind: 4, version: 1 };
const KV: Section = Section { kind: 5, version: 1 };
const USAGE: Section = Section { kind: 6, version: 1 };
const HALVES: Section = Section { kind: 7, version: 1 };
const INFLIGHT: Section = Section { kind: 8, version: 1 };
const REQUEST_MODES: Section = Section { kind: 9, version: 1 };
const TIMERS_BY_TOPIC: Section = Section { kind: 10, version: 1 };
const BATCHES: Section = Section { kind: 11, version: 1 };

impl Machines {
    /// All answers wait for this: what grows with topics, groups and queues is shared now and written later.
    pub(crate) fn freeze_sections(&self) -> Frozen {
        let (topics, groups, offsets) = (self.topics.freeze(), self.groups.freeze(), self.offsets.lock().freeze());
        let usage = self.usage.lock().freeze();
        let mut written = Vec::new();
        // Under one lock: another moment's runs are not those these bytes need.
        let timers = self.timers.lock();
        put_section(&mut written, TIMERS, |out| timers.save(out));
        put_section(&mut written, TIMERS_BY_TOPIC, |out| timers.save_by_topic(out));
        let runs = timers.files();
        drop(timers);
        put_section(&mut written, KV, |out| self.kv.lock().save(out));
        put_section(&mut written, HALVES, |out| self.halves.lock().save(out));
        put_section(&mut written, INFLIGHT, |out| self.inflight.lock().save(out));
        put_section(&mut written, REQUEST_MODES, |out| self.request_modes.lock().save(out));
        put_section(&mut written, BATCHES, |out| self.offsets.lock().save_batches(out));
        let write = Box::new(move || {
            let mut out = Vec::new();
            out.put_u32(MAGIC);
            put_section(&mut out, TOPICS, |out| topics.save(out));
            put_section(&mut out, GROUPS, |out| groups.save(out));
            put_section(&mut out, OFFSETS, |out| offsets.save(out));
            put_section(&mut out, USAGE, |out| usage.save(out));
            out.append(&mut written);
            out
        });
        Frozen { write, runs }
    }

    pub(crate) fn load_sections(&self, bytes: &[u8]) -> Result<(), LoadError> {
        let mut fields = Reader::new(bytes);
        if fields.u32()? != MAGIC {
            return self.load_without_sections(bytes);
        }
        while !fields.is_empty() {
            let (section, mut payload) = take_section(&mut fields)?;
            let of = &mut payload;
            let loaded = match section {
                TOPICS => self.topics.load(of),
                GROUPS => self.groups.load(of),
                OFFSETS => self.offsets.lock().load(of),
                TIMERS => self.timers.lock().load(of),
                KV => self.kv.lock().load(of),
                USAGE => self.usage.lock().load(of),
                HALVES => self.with_halves(|halves| halves.load(of)),
                INFLIGHT => self.inflight.lock().load(of),
                REQUEST_MODES => self.request_modes.lock().load(of),
                TIMERS_BY_TOPIC => self.timers.lock().load_by_topic(of),
                BATCHES => self.offsets.lock().load_batches(of),
                Section { kind, version } => {
                    let reason = format!("section {kind} version {version} is of a newer kerolox; start that one");
                    return Err(LoadError { reason });
                }
            };
            loaded.and_then(|()| payload.end()).map_err(|error| {
                let reason = format!("section {} version {}: {error}", section.kind, section.version);
                LoadError { reason }
            })?;
        }
        Ok(())
    }

    /// What builds before sections wrote: one machine after another.
    fn load_without_sections(&self, bytes: &[u8]) -> Result<(), LoadError> {
        let mut fields = Reader::new(bytes);
        self.topics.load(&mut fields)?;
        self.groups.load(&mut fields)?;
        self.offsets.lock().load(&mut fields)?;
        // The fields of timers grew twice. Which these are is told by what follows: it ends where the bytes end.
        let later = TIMERS_WITHOUT_SECTIONS.iter().find_map(|timers| Later::read(fields.clone(), *timers).ok());
        let Some(Later { timers, kv, usage, halves, inflight, request_modes }) = later else {
            return Err(LoadError { reason: "no kerolox wrote such bytes".to_owned() });
        };
        *self.timers.lock() = timers;
        *self.kv.lock() = kv;
        *self.usage.lock() = usage;
        self.with_halves(|all| *all = halves);
        *self.inflight.lock() = inflight;
        *self.request_modes.lock() = request_modes;
        Ok(())
    }
}

/// The machines from the timers on, of a checkpoint without sections.
#[derive(Default)]
struct Later {
    timers: Timers,
    kv: Kv,
    usage: Usage,
    halves: Halves,
    inflight: Inflight,
    request_modes: RequestModes,
}

impl Later {
    fn read(mut fields: Reader<'_>, read_timers: ReadTimers) -> Result<Later, Malformed> {
        let mut later = Later::default();
        read_timers(&mut later.timers, &mut fields)?;
        later.kv.load(&mut fields)?;
        // The older the build, the earlier its bytes end.
        if !fields.is_empty() {
            later.usage.load(&mut fields)?;
        }
        if !fields.is_empty() {
            later.halves.load(&mut fields)?;
        }
        if !fields.is_empty() {
            later.inflight.load(&mut fields)?;
        }
        if !fields.is_empty() {
            later.request_modes.load(&mut fields)?;
        }
        fields.end()?;
        Ok(later)
    }
}

type ReadTimers = fn(&mut Timers, &mut Reader<'_>) -> Result<(), Malformed>;

const TIMERS_WITHOUT_SECTIONS: [ReadTimers; 3] = [Timers::load, read_timers_without_runs, read_delay_levels];

/// What a message that waits is taken to need of the log where that was not saved.
const MESSAGE_BYTES: u32 = 1_024;

fn read_timers_without_runs(timers: &mut Timers, fields: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..fields.u64()? {
        let is_recall = fields.bool()?;
        let (due, at, key) = (Timestamp(fields.i64()?), LogOffset(fields.u64()?), fields.u64()?);
        if is_recall {
            timers.recalled(at, due, key);
        } else {
            timers.scheduled(at, MESSAGE_BYTES, None, due, key);
        }
    }
    Ok(())
}

/// Timers before there were exact delivery times.
fn read_delay_levels(timers: &mut Timers, fields: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..fields.u64()? {
        let at = LogOffset(fields.u64()?);
        timers.scheduled(at, MESSAGE_BYTES, None, Timestamp(fields.i64()?), NO_KEY);
    }
    Ok(())
}

fn put_section(out: &mut Vec<u8>, section: Section, save: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&section.kind.to_be_bytes());
    out.extend_from_slice(&section.version.to_be_bytes());
    out.put_u64(0);
    let payload = out.len();
    save(out);
    let len = (out.len() - payload) as u64;
    out[payload - 8..payload].copy_from_slice(&len.to_be_bytes());
}

fn take_section<'a>(fields: &mut Reader<'a>) -> Result<(Section, Reader<'a>), Malformed> {
    let mut half = || fields.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let section = Section { kind: half()?, version: half()? };
    // More than there can be is more than there is.
    let len = usize::try_from(fields.u64()?).unwrap_or(usize::MAX);
    Ok((section, Reader::new(fields.take(len)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::testing::machines;

    #[test]
    fn a_section_of_a_newer_build_is_refused_by_name() {
        let mut bytes = (machines().freeze_sections().write)();
        put_section(&mut bytes, Section { kind: 77, version: 2 }, |_| {});
        let refused = machines().load_sections(&bytes).expect_err("nobody knows it").reason;
        assert_eq!(refused, "section 77 version 2 is of a newer kerolox; start that one");
        let mut bytes = Vec::new();
        bytes.put_u32(MAGIC);
        put_section(&mut bytes, Section { version: 9, ..TIMERS }, |_| {});
        let refused = machines().load_sections(&bytes).expect_err("nobody knows it").reason;
        assert_eq!(refused, "section 4 version 9 is of a newer kerolox; start that one");
    }

    #[test]
    fn a_section_that_is_longer_or_shorter_than_its_machine_is_refused() {
        let with = |payload: &[u8]| {
            let mut bytes = Vec::new();
            bytes.put_u32(MAGIC);
            put_section(&mut bytes, KV, |out| out.extend_from_slice(payload));
            machines().load_sections(&bytes)
        };
        assert!(with(&[0; 4]).is_ok());
        assert!(with(&[0; 5]).is_err());
        assert!(with(&[0; 3]).is_err());
    }

    #[test]
    fn a_machine_without_a_section_is_empty() {
        let mut bytes = Vec::new();
        bytes.put_u32(MAGIC);
        let machines = machines();
        machines.load_sections(&bytes).expect("a build without machines");
        assert!(machines.timers.lock().is_empty());
    }
}
