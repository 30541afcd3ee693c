//! Answers that wait for the log: a call is answered when what it has appended is durable.
//!
//! Waiters stand in a heap by position, so that a sync wakes those it covers and nobody else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};

use model::LogOffset;
use parking_lot::Mutex;
use store::{Appended, Log, Progress};
use tokio::sync::oneshot;

use crate::remoting::outgoing::DISK_WAIT_MAX;

/// The disk has not confirmed a write in time: it may still do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

/// See the module.
#[derive(Default)]
pub struct Durable {
    committed: Position,
    written: Position,
}

/// Who waits for one position of the log.
struct Position {
    /// The nearest that is waited for; `u64::MAX`: none is.
    next: AtomicU64,
    waiting: Mutex<BinaryHeap<Waiter>>,
}

struct Waiter {
    end: Reverse<LogOffset>,
    tell: oneshot::Sender<()>,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Waiter) -> bool {
        self.end == other.end
    }
}

impl Eq for Waiter {}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Waiter) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Waiter) -> std::cmp::Ordering {
        self.end.cmp(&other.end)
    }
}

impl Default for Position {
    fn default() -> Position {
        Position { next: AtomicU64::new(u64::MAX), waiting: Mutex::default() }
    }
}

impl Position {
    fn wait(&self, end: LogOffset) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        waiting.push(Waiter { end: Reverse(end), tell });
        self.next.fetch_min(end.0, Ordering::SeqCst);
        told
    }

    fn reached(&self, at: LogOffset) {
        if at.0 < self.next.load(Ordering::SeqCst) {
            return;
        }
        let mut waiting = self.waiting.lock();
        while waiting.peek().is_some_and(|waiter| waiter.end.0 <= at) {
            let waiter = waiting.pop().expect("seen above");
            // Whoever is gone does not mind.
            let _ = waiter.tell.send(());
        }
        let next = waiting.peek().map_or(u64::MAX, |waiter| waiter.end.0.0);
        self.next.store(next, Ordering::SeqCst);
    }
}

impl Durable {
    /// `committed` or `written` has moved.
    pub fn log_moved(&self, progress: Progress) {
        self.committed.reached(progress.committed);
        self.written.reached(progress.written);
    }

    /// Waits until the log has come to the end of an append: to be durable, or written if that is all its topic asks for.
    pub async fn wait(&self, log: &Log, appended: Appended) -> Result<(), Late> {
        let told = if appended.durable {
            let told = self.committed.wait(appended.end);
            // The log may have moved before it was told to tell us.
            self.committed.reached(log.committed());
            told
        } else {
            let told = self.written.wait(appended.end);
            self.written.reached(log.written());
            told
        };
        match tokio::time::timeout(DISK_WAIT_MAX.into(), told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_of_the_log_tells_those_it_covers() {
        let position = Position::default();
        let [mut far, mut near, mut same] = [30, 10, 10].map(|end| position.wait(LogOffset(end)));
        position.reached(LogOffset(9));
        assert!(near.try_recv().is_err());
        position.reached(LogOffset(10));
        assert_eq!((near.try_recv(), same.try_recv()), (Ok(()), Ok(())));
        assert!(far.try_recv().is_err());
        position.reached(LogOffset(99));
        assert_eq!(far.try_recv(), Ok(()));
        assert_eq!(position.next.load(Ordering::SeqCst), u64::MAX);
    }
}
