//! What may go and what may still come: which sealed segments have expired, and which appends a filling disk refuses.
//!
//! Pure: the caller says what there is and what time it is, and acts on the answer. Before it deletes anything it
//! re-appends the live facts whose newest record would go (HOUSE.md section 3).

use model::{LogOffset, Millis, Timestamp};

use crate::disk::Space;

/// A sealed segment, as far as retention cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub start: LogOffset,
    /// The first log offset after it.
    pub end: LogOffset,
    /// On disk, with its index.
    pub bytes: u64,
    /// Store time of its newest message; `None` if it holds system records only.
    pub newest: Option<Timestamp>,
}

/// How long messages are kept, and what is done when the disk fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Age of a segment's newest message at which it goes.
    pub keep: Millis,
    /// Bytes of all sealed segments; above it the oldest go. `None`: no limit.
    pub bytes_max: Option<u64>,
    /// Used share of the disk, in percent, above which the oldest segments go before their time.
    pub reclaim_percent: u8,
    /// Used share of the disk, in percent, above which messages are refused.
    pub refuse_percent: u8,
}

impl Default for Policy {
    /// 72 hours; 85 and 90 percent: what operators of Apache RocketMQ know (fileReservedTime, diskSpaceWarningLevelRatio).
    fn default() -> Policy {
        Policy { keep: Millis::from_secs(72 * 3_600), bytes_max: None, reclaim_percent: 85, refuse_percent: 90 }
    }
}

/// Up to which offset the log may be trimmed: the end of the last of `sealed` (oldest first, without gaps) that has
/// expired by age, by the total size or by the share of the disk. `None`: nothing has.
///
/// A segment goes only with all older ones, so the log stays one piece.
#[must_use]
pub fn expired(sealed: &[Sealed], policy: &Policy, space: Space, now: Timestamp) -> Option<LogOffset> {
    let go = by_age(sealed, policy, now).max(by_size(sealed, policy)).max(by_share(sealed, policy, space));
    sealed[..go].last().map(|segment| segment.end)
}

/// How many of the oldest have nothing young in them. One without messages is as old as its successors say.
fn by_age(sealed: &[Sealed], policy: &Policy, now: Timestamp) -> usize {
    let young = |segment: &Sealed| segment.newest.is_some_and(|newest| newest.after(policy.keep) > now);
    let old = sealed.iter().position(young).unwrap_or(sealed.len());
    // Segments of system records at the end are not known to be old: nothing dates them.
    sealed[..old].iter().rposition(|segment| segment.newest.is_some()).map_or(0, |last| last + 1)
}

fn by_size(sealed: &[Sealed], policy: &Policy) -> usize {
    let Some(bytes_max) = policy.bytes_max else { return 0 };
    let total: u64 = sealed.iter().map(|segment| segment.bytes).sum();
    count_to_free(sealed, total.saturating_sub(bytes_max))
}

fn by_share(sealed: &[Sealed], policy: &Policy, space: Space) -> usize {
    let used = space.total.saturating_sub(space.free);
    count_to_free(sealed, used.saturating_sub(percent_of(space.total, policy.reclaim_percent)))
}

/// The fewest of the oldest segments that make up `bytes`; all of them if they do not.
fn count_to_free(sealed: &[Sealed], bytes: u64) -> usize {
    let mut freed = 0;
    let enough = sealed.iter().position(|segment| {
        let reached = freed >= bytes;
        freed += segment.bytes;
        reached
    });
    enough.unwrap_or(sealed.len())
}

fn percent_of(total: u64, percent: u8) -> u64 {
    // Divided first: a total near u64::MAX must not overflow.
    total / 100 * u64::from(percent.min(100))
}

/// What a disk this full still takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    #[default]
    Open,
    /// System records only: consuming, acknowledging and deleting go on, sends are refused.
    SystemOnly,
}

/// Segments kept free for system records while messages are refused: prepared ahead, so that their blocks exist.
pub const SEGMENTS_RESERVED: u64 = 2;

/// A refused disk must free this share, in percent, below the limit before messages are taken again, so that sends do
/// not flap at the border.
const RECOVER_PERCENT: u8 = 1;

/// The level now, given the level `before`. Messages are refused above the policy's share, and when the free space would not
/// hold [`SEGMENTS_RESERVED`] segments and one more for messages.
#[must_use]
pub fn level(before: Level, policy: &Policy, space: Space, segment_bytes: u64) -> Level {
    let used = space.total.saturating_sub(space.free);
    let margin = match before {
        Level::Open => 0,
        Level::SystemOnly => RECOVER_PERCENT,
    };
    let over_share = used > percent_of(space.total, policy.refuse_percent.saturating_sub(margin));
    let no_room = space.free < segment_bytes.saturating_mul(SEGMENTS_RESERVED + 1);
    if over_share || no_room { Level::SystemOnly } else { Level::Open }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;
    const HOUR: i64 = 3_600_000;
    const ROOMY: Space = Space { free: 900_000 * MIB, total: 1_000_000 * MIB };

    /// Segments of 256 MiB whose newest messages are from the given hours.
    fn sealed(hours: &[Option<i64>]) -> Vec<Sealed> {
        let at = |number: usize| LogOffset(number as u64 * 256 * MIB);
        let segment = |(number, hour): (usize, &Option<i64>)| Sealed {
            start: at(number),
            end: at(number + 1),
            bytes: 256 * MIB,
            newest: hour.map(|hour| Timestamp(hour * HOUR)),
        };
        hours.iter().enumerate().map(segment).collect()
    }

    fn segments(count: u64) -> Option<LogOffset> {
        Some(LogOffset(count * 256 * MIB))
    }

    #[test]
    fn a_segment_goes_when_its_newest_message_is_old_enough() {
        let log = sealed(&[Some(1), Some(2), Some(3)]);
        let at = |hour, past| expired(&log, &Policy::default(), ROOMY, Timestamp(hour * HOUR + past));
        assert_eq!(at(73, -1), None);
        assert_eq!(at(73, 0), segments(1));
        assert_eq!(at(74, 0), segments(2));
        assert_eq!(at(500, 0), segments(3));
        assert_eq!(expired(&[], &Policy::default(), ROOMY, Timestamp(0)), None);
    }

    #[test]
    fn a_young_segment_keeps_all_after_it() {
        // A clock that stepped back left an older time behind a younger one.
        let log = sealed(&[Some(1), Some(50), Some(2)]);
        assert_eq!(expired(&log, &Policy::default(), ROOMY, Timestamp(80 * HOUR)), segments(1));
    }

    #[test]
    fn segments_of_system_records_go_with_their_successors() {
        let log = sealed(&[None, Some(2), None]);
        assert_eq!(expired(&log, &Policy::default(), ROOMY, Timestamp(73 * HOUR)), None);
        assert_eq!(expired(&log, &Policy::default(), ROOMY, Timestamp(74 * HOUR)), segments(2));
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits_the_size() {
        let log = sealed(&[Some(1), Some(2), Some(3), Some(4)]);
        let with = |bytes_max| {
            let policy = Policy { bytes_max: Some(bytes_max), ..Policy::default() };
            expired(&log, &policy, ROOMY, Timestamp(4 * HOUR))
        };
        assert_eq!(with(1024 * MIB), None);
        assert_eq!(with(1024 * MIB - 1), segments(1));
        assert_eq!(with(512 * MIB), segments(2));
        assert_eq!(with(0), segments(4));
    }

    #[test]
    fn the_oldest_go_until_the_disk_has_room() {
        let log = sealed(&[Some(1), Some(2), Some(3), Some(4)]);
        let with = |used| {
            let space = Space { free: 10_000 * MIB - used, total: 10_000 * MIB };
            expired(&log, &Policy::default(), space, Timestamp(4 * HOUR))
        };
        assert_eq!(with(8_500 * MIB), None);
        assert_eq!(with(8_500 * MIB + 1), segments(1));
        assert_eq!(with(8_500 * MIB + 257 * MIB), segments(2));
        // Others fill the disk: what we have does not help, and still goes.
        assert_eq!(with(10_000 * MIB), segments(4));
    }

    #[test]
    fn a_full_disk_refuses_messages_and_recovers_by_itself() {
        let policy = Policy::default();
        let with = |before, used_percent: u64| {
            let total = 100_000 * MIB;
            let space = Space { free: total / 100 * (100 - used_percent), total };
            level(before, &policy, space, 256 * MIB)
        };
        assert_eq!(with(Level::Open, 90), Level::Open);
        assert_eq!(with(Level::Open, 91), Level::SystemOnly);
        assert_eq!(with(Level::SystemOnly, 90), Level::SystemOnly);
        assert_eq!(with(Level::SystemOnly, 89), Level::Open);
    }

    #[test]
    fn a_small_disk_keeps_room_for_system_records() {
        let policy = Policy::default();
        let with = |free| level(Level::Open, &policy, Space { free, total: 5_000 * MIB }, 256 * MIB);
        assert_eq!(with(768 * MIB), Level::Open);
        assert_eq!(with(768 * MIB - 1), Level::SystemOnly);
    }
}
