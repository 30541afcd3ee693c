//! What a run has reached. A simulation that never gets into trouble proves nothing: the CI run must hit every mark.

use std::collections::BTreeMap;

/// Things that sometimes happen, by name.
pub const ALL: [&str; 44] = [
    "answer lost",
    "batch sent",
    "check lost",
    "clean restart",
    "client lost",
    "clock back",
    "clock forward",
    "consumer offset reset",
    "crash during recovery",
    "dead letter",
    "delayed message delivered",
    "disk full",
    "duplicate request",
    "found by SQL",
    "found by tag",
    "half message checked",
    "half message given up",
    "message in flight across a restart",
    "popped message acked",
    "popped message acked twice",
    "popped message came again",
    "popped message dead",
    "popped message hidden for longer",
    "power lost",
    "process killed",
    "queue lock refused",
    "queue lock taken over",
    "request lost",
    "retry delivered",
    "segment deleted",
    "slow sync",
    "state deleted",
    "sync failed",
    "tail cut",
    "topic deleted",
    "timed message recalled",
    "timed message recalled too late",
    "timers in files",
    "transaction committed",
    "transaction committed when asked",
    "transaction rolled back",
    "unknown send found",
    "unknown send not found",
    "write failed",
];

/// How often each was hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    /// Counts `mark`, one of [`ALL`].
    pub fn hit(&mut self, mark: &'static str) {
        debug_assert!(ALL.contains(&mark), "{mark} is not a known mark");
        *self.0.entry(mark).or_default() += 1;
    }

    pub fn add(&mut self, other: &Marks) {
        for (mark, count) in &other.0 {
            *self.0.entry(mark).or_default() += count;
        }
    }

    /// Marks that were never hit.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|mark| !self.0.contains_key(mark)).collect()
    }

    /// One line a mark.
    #[must_use]
    pub fn table(&self) -> String {
        ALL.iter().map(|mark| format!("{:>9}  {mark}\n", self.0.get(mark).copied().unwrap_or_default())).collect()
    }
}
