//! Flow control by deadline: a send is refused as busy only when its answer would come too late anyway.
//!
//! How many bytes or requests wait says little: a fast disk confirms 64 MiB in a moment. What counts is whether an answer has
//! just had to leave before the disk confirmed its write. Whoever joins the same queue behind it would wait as long, in vain,
//! so until the log has come past that write a send is refused at once, and its producer turns to another broker while
//! there is time. Consumers are no part of this: a slow one costs its own connection only.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use model::LogOffset;

/// See the module.
#[derive(Debug, Default)]
pub struct Admission {
    /// End of the last append whose answer was late; 0: none was.
    missed: AtomicU64,
}

/// A send now would miss its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    pub bytes: u64,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[PC_SYNCHRONIZED]broker busy, start flow control for a while: the disk is {} bytes behind and confirms writes \
             later than clients wait; send to another broker, or again later",
            self.bytes
        )
    }
}

impl Admission {
    /// An answer to the append that ends at `end` has left before the disk confirmed it.
    pub fn missed(&self, end: LogOffset) {
        self.missed.fetch_max(end.0, Ordering::Relaxed);
    }

    /// Whether a write can be confirmed in time, now that the log is durable up to `committed`.
    pub fn check(&self, committed: LogOffset) -> Result<(), Behind> {
        match self.missed.load(Ordering::Relaxed).saturating_sub(committed.0) {
            0 => Ok(()),
            bytes => Err(Behind { bytes }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_are_refused_from_a_missed_deadline_until_the_disk_has_caught_up() {
        let admission = Admission::default();
        assert_eq!(admission.check(LogOffset(0)), Ok(()));
        admission.missed(LogOffset(500));
        admission.missed(LogOffset(300));
        assert_eq!(admission.check(LogOffset(100)), Err(Behind { bytes: 400 }));
        assert_eq!(admission.check(LogOffset(499)), Err(Behind { bytes: 1 }));
        assert_eq!(admission.check(LogOffset(500)), Ok(()));
        assert_eq!(admission.check(LogOffset(900)), Ok(()), "what was missed once is forgotten");
    }
}
