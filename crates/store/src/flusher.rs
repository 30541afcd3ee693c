//! The flusher: one thread that syncs, so that no other waits in `fdatasync`.
//!
//! No timer and no minimum: while one sync runs, the next group forms. Only when everything staged is async does it wait,
//! half a second at most, so that little is lost with the power.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::LogOffset;
use parking_lot::MutexGuard;

use crate::api::Fault;
use crate::core::Core;
use crate::segment::Segment;
use crate::writer::Turn;

/// How long async bytes may stay un-synced.
const ASYNC_SYNC_EVERY: Duration = Duration::from_millis(500);

impl Core {
    /// The flusher's life: ends when the log closes, with everything staged written and synced, or when it has failed.
    pub fn flush_until_closed(&self) {
        loop {
            let closing = self.wait_for_work();
            self.flush();
            if self.failed() || (closing && self.stage.lock().staged_bytes() == 0) {
                return;
            }
        }
    }

    /// True: the log is closing.
    fn wait_for_work(&self) -> bool {
        let mut stage = self.stage.lock();
        while !stage.sync_wanted && !stage.closing {
            if stage.end > self.committed() {
                if self.flusher_wake.wait_for(&mut stage, ASYNC_SYNC_EVERY).timed_out() {
                    break;
                }
            } else {
                // A checkpoint may have synced what woke us: the next async bytes must wake us again.
                stage.sync_expected = false;
                self.flusher_wake.wait(&mut stage);
            }
        }
        (stage.sync_wanted, stage.sync_expected) = (false, false);
        stage.closing
    }

    /// Writes what is staged, syncs all that is written, applies it and publishes `committed`. Answers when that is done,
    /// whoever else does the same at the time.
    pub fn flush(&self) {
        let _sync = self.sync.lock();
        let (dirty, written) = {
            let mut turn = self.turn.lock();
            self.write_staged(&mut turn);
            (std::mem::take(&mut turn.dirty), self.written())
        };
        // Whoever staged meanwhile found the turn taken and left its bytes to us. They need no sync to be answered.
        if self.stage.lock().group.has_async {
            self.turn();
        }
        self.sync_and_commit(&dirty, written);
    }

    /// As [`Core::flush`], and keeps everybody from writing as long as the guards live: all that is applied is durable.
    /// Whoever lets them go takes a [`Core::turn`] for those who left their bytes.
    pub fn quiesce(&self) -> (MutexGuard<'_, ()>, MutexGuard<'_, Turn>) {
        let sync = self.sync.lock();
        let mut turn = self.turn.lock();
        self.write_staged(&mut turn);
        let dirty = std::mem::take(&mut turn.dirty);
        self.sync_and_commit(&dirty, self.written());
        (sync, turn)
    }

    /// Syncs `dirty`, which is all that was written up to `written` since the last sync, and publishes that.
    fn sync_and_commit(&self, dirty: &[Arc<Segment>], written: LogOffset) {
        if self.failed() || written <= self.committed() {
            return;
        }
        let early = self.options.fault == Some(Fault::AckBeforeSync);
        if early {
            self.commit(written);
        }
        if self.options.fault != Some(Fault::NoSync) {
            // The older segment first: `committed` crosses a switch only when both are durable.
            for segment in dirty {
                if let Err(error) = segment.file.sync_data() {
                    self.fail("syncing the log", &error);
                    return;
                }
            }
        }
        if !early {
            self.commit(written);
        }
    }

    fn commit(&self, durable: LogOffset) {
        self.apply_committed(durable);
        self.committed.store(durable.0, Ordering::Release);
        self.progressed();
        let since = durable.since(LogOffset(self.checkpointed.load(Ordering::Acquire)));
        if since >= self.checkpoint_every.load(Ordering::Relaxed) {
            self.errands.call();
        }
    }
}
