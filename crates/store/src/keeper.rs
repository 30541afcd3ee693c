//! The keeper: one thread for what must happen and for which nobody waits: preparing segments, sealing full ones,
//! checkpoints, watching the free space.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::{LogOffset, Millis};
use parking_lot::{Condvar, Mutex};

use crate::core::Core;
use crate::layout::segment_of;
use crate::retention::{self, Level};
use crate::segment::ZERO_SLICE;

/// Segments kept ready after the current one. One is enough for the writer; the second is the reserve for system records
/// when the disk is full.
const SEGMENTS_AHEAD: u64 = 2;

/// Zeroing begins when one part in so many of the current segment is full: a log that is hardly used does not write
/// hundreds of megabytes of nothing.
const ZERO_FROM_PART: u64 = 4;

/// While the log grows, zeroing rests for so many times as long as a slice took.
const ZERO_PAUSE: u32 = 4;

/// Age of a segment's oldest message at which the next segment is begun.
const SEGMENT_AGE_MAX: Millis = Millis(24 * 3_600 * 1_000);

/// The keeper's niceness: on a busy machine it gets a tenth of what a thread with clients waiting gets. Not less, or a log
/// that grows fast would outrun its sealing.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// How often the free space is looked at when nothing else happens.
const ROUND_EVERY: Duration = Duration::from_secs(1);

/// What the keeper is asked to do.
#[derive(Default)]
pub struct Errands {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    due: bool,
    closing: bool,
}

impl Errands {
    /// Something is to be done: the writer entered a segment, one is complete, or a checkpoint is due.
    pub fn call(&self) {
        self.state.lock().due = true;
        self.wake.notify_one();
    }

    pub fn close(&self) {
        self.state.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for a call or the next round. False: the log is closing.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        if !state.due && !state.closing {
            self.wake.wait_for(&mut state, ROUND_EVERY);
        }
        state.due = false;
        !state.closing
    }

    /// Waits for a call, no longer than `pause`.
    fn pause(&self, pause: Duration) {
        let mut state = self.state.lock();
        if !state.due && !state.closing {
            self.wake.wait_for(&mut state, pause);
        }
    }

    fn called(&self) -> bool {
        let state = self.state.lock();
        state.due || state.closing
    }
}

/// Makes the calling thread nice. Elsewhere than on Linux niceness is the process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the keeper runs at the priority of all");
    }
}

impl Core {
    /// The keeper's life.
    pub fn keep_until_closed(&self) {
        give_way();
        while self.errands.wait() && !self.failed() {
            self.keep();
        }
    }

    /// One round of the keeper.
    pub fn keep(&self) {
        self.watch_space();
        if let Err(error) = self.prepare_segments() {
            // The writer makes the file itself when it gets there, and fails if it cannot.
            tracing::warn!(%error, "a segment could not be prepared ahead");
        }
        if let Err(error) = self.seal_and_checkpoint() {
            // Tried again next round. The log itself is not in danger: a restart has more to replay.
            tracing::warn!(%error, "an index or a checkpoint could not be written");
        }
        self.end_old_segment();
        self.zero_ahead();
    }

    /// A segment with messages of yesterday is ended even if it is not full: retention and cold storage work by segments.
    fn end_old_segment(&self) {
        let now = (self.clock)();
        let old = {
            let growing = self.catalog.indexes.growing.read();
            let newest = growing.iter().next().expect("one index always grows");
            let end = LogOffset(self.end.load(Ordering::Acquire));
            // Not while the end of the last one still waits for its sync.
            let is_current = segment_of(end, self.options.segment_bytes) == newest.start();
            is_current && newest.messages() > 0 && now.since(newest.base_time()) >= SEGMENT_AGE_MAX
        };
        if old && !self.stage.lock().closing {
            self.stage_segment_end();
        }
    }

    /// Writes zeros into prepared segments, slice by slice, as long as nothing else is to be done and the log does not grow
    /// faster than the zeros: then they would only take the disk from it.
    fn zero_ahead(&self) {
        while !self.errands.called() {
            let (before, began) = (self.end.load(Ordering::Acquire), Instant::now());
            match self.zero_next() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "a prepared segment could not be zeroed");
                    return;
                }
            }
            let grown = self.end.load(Ordering::Acquire) - before;
            if grown > ZERO_SLICE / 2 {
                return;
            }
            if grown > 0 {
                // Somebody waits for this disk: most of its time is his.
                self.errands.pause(began.elapsed() * ZERO_PAUSE);
            }
        }
    }

    fn ahead(&self) -> impl Iterator<Item = LogOffset> + use<> {
        let segment_bytes = self.options.segment_bytes;
        let current = segment_of(LogOffset(self.end.load(Ordering::Acquire)), segment_bytes);
        (1..=SEGMENTS_AHEAD).map(move |ahead| current.plus(ahead * segment_bytes))
    }

    fn prepare_segments(&self) -> io::Result<()> {
        for base in self.ahead() {
            self.segments.get_or_make(base)?;
        }
        Ok(())
    }

    /// Zeroes one slice of the next segment that needs it. False: none does.
    fn zero_next(&self) -> io::Result<bool> {
        let end = LogOffset(self.end.load(Ordering::Acquire));
        if end.since(segment_of(end, self.options.segment_bytes)) < self.options.segment_bytes / ZERO_FROM_PART {
            return Ok(false);
        }
        for base in self.ahead() {
            if let Some(segment) = self.segments.holding(base)
                && segment.zero_slice(self.options.segment_bytes)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn watch_space(&self) {
        match self.disk.space() {
            Ok(space) => {
                let before = if self.disk_full.load(Ordering::Relaxed) { Level::SystemOnly } else { Level::Open };
                let level = retention::level(before, &self.options.retention, space, self.options.segment_bytes);
                if level != before {
                    tracing::warn!(free = space.free, ?level, "the disk has another level");
                    self.disk_full.store(level == Level::SystemOnly, Ordering::Relaxed);
                }
            }
            Err(error) => tracing::warn!(%error, "the free space cannot be read"),
        }
    }
}
