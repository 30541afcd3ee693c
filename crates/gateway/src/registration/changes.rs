//! What changed about our topics, for those who tell name servers.
//!
//! The log's thread reports here and waits for nobody: whoever is too slow to hear every change learns that, and
//! then registers everything.

use model::{Timestamp, TopicName};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use wire::remoting::body::kv::DataVersion;

/// Changes a listener may be behind. One request can carry them all; beyond it everything is registered.
const BEHIND_MAX: usize = 1_024;

/// A topic that was created or changed, and the version that made it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub topic: TopicName,
    pub version: DataVersion,
}

/// The version of our topics, and who hears of changes.
pub struct Changes {
    version: Mutex<DataVersion>,
    listeners: broadcast::Sender<Change>,
    started: Timestamp,
    clock: fn() -> Timestamp,
}

impl Changes {
    /// The version begins with the time, so that it differs from that of the process before.
    #[must_use]
    pub fn new(clock: fn() -> Timestamp) -> Changes {
        let started = clock();
        Changes {
            version: Mutex::new(DataVersion { timestamp: started.0, ..DataVersion::default() }),
            listeners: broadcast::Sender::new(BEHIND_MAX),
            started,
            clock,
        }
    }

    /// A topic was created or changed. To be called after the change can be seen.
    pub(crate) fn changed(&self, topic: &TopicName) {
        let version = self.next_version();
        // An error says that nobody listens.
        let _ = self.listeners.send(Change { topic: topic.clone(), version });
    }

    /// A new version without a changed topic: after a deletion, or for a part of a registration.
    pub(crate) fn next_version(&self) -> DataVersion {
        let now = (self.clock)();
        let mut version = self.version.lock();
        version.counter += 1;
        version.timestamp = now.0;
        *version
    }

    pub(super) fn version(&self) -> DataVersion {
        *self.version.lock()
    }

    pub(super) fn started(&self) -> Timestamp {
        self.started
    }

    /// For recordings, whose start is not ours.
    #[cfg(test)]
    pub(super) fn started_at(self, started: Timestamp) -> Changes {
        Changes { started, ..self }
    }

    /// Changes from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Change> {
        self.listeners.subscribe()
    }
}
