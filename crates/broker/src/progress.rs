//! Waiting for the log on a thread that may wait: jobs, topic creation, the first start.

use std::sync::Arc;
use std::time::Duration;

use model::LogOffset;
use parking_lot::{Condvar, Mutex};
use store::Log;

/// Wakes waiters whenever the log has moved.
#[derive(Default)]
pub struct Progress {
    lock: Mutex<()>,
    moved: Condvar,
}

/// A wake-up that gets lost costs no more than this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Progress {
    /// Listens to `log` for as long as it is open.
    pub fn of(log: &Log) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        let listener = Arc::clone(&progress);
        log.on_progress(Box::new(move |_| {
            listener.moved.notify_all();
        }));
        progress
    }

    /// Waits until everything below `end` is durable and applied. False: the log has failed.
    pub fn wait_for(&self, log: &Log, end: LogOffset) -> bool {
        log.settle();
        let mut guard = self.lock.lock();
        while log.committed() < end {
            if log.failed() {
                return false;
            }
            self.moved.wait_for(&mut guard, LOOK_AGAIN);
        }
        true
    }
}
