//! Half messages: sent, durable, and invisible until their producer says commit or rollback.
//!
//! Facts: `HalfStored`, `HalfKept`, `HalfResolved`, `HalvesChecked`. A half is identified by the log offset of its first
//! record for as long as it lives, wherever retention has put the record since. The questions are who is overdue at `now`
//! (`jobs/check_halves`) and whether a half may be resolved (`ops/end_transaction`), which reserves it, so that two answers
//! of a producer that arrive together cannot both become messages.
//!
//! Memory: 72 bytes of payload in two trees, about 150 in all, so the default limit of a million halves costs 150 MB.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::record::codec::{Malformed, Put, Reader};
use model::{LogOffset, QueueOffset, Timestamp, TopicId};

/// A half message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// The topic it is meant for.
    pub topic: TopicId,
    /// Where its record lies now.
    pub at: LogOffset,
    /// Where its first record stood in the queue of halves: producers name it, too.
    pub queue_offset: QueueOffset,
    /// Store time of its first record.
    pub stored: Timestamp,
    /// How often a producer has been asked.
    pub checks: u32,
    /// When the next check is due.
    pub due: Timestamp,
}

#[derive(Debug)]
struct Kept {
    half: Half,
    /// Its place in the list of what is due. `None`: the check job has it in hand.
    listed: Option<Timestamp>,
    /// Somebody is about to resolve or move it. A reservation: dies with the process.
    reserved: bool,
}

/// What became of the wish to resolve a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Reserved until a fact about it is applied, or until [`Halves::release`].
    Granted(Half),
    /// Somebody else is about to resolve or move it.
    Busy,
    /// No such half, or resolved already.
    Unknown,
}

/// All half messages that are not resolved.
#[derive(Debug, Default)]
pub struct Halves {
    by_id: BTreeMap<LogOffset, Kept>,
    by_due: BTreeSet<(Timestamp, LogOffset)>,
    by_topic: HashMap<TopicId, u64>,
}

impl Halves {
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    #[must_use]
    pub fn get(&self, id: LogOffset) -> Option<Half> {
        self.by_id.get(&id).map(|kept| kept.half)
    }

    /// How many halves are meant for each topic.
    pub fn by_topic(&self) -> impl Iterator<Item = (TopicId, u64)> {
        self.by_topic.iter().map(|(topic, count)| (*topic, *count))
    }

    /// Reserves a half for whoever resolves or moves it.
    pub fn reserve(&mut self, id: LogOffset) -> Reservation {
        match self.by_id.get_mut(&id) {
            None => Reservation::Unknown,
            Some(kept) if kept.reserved => Reservation::Busy,
            Some(kept) => {
                kept.reserved = true;
                Reservation::Granted(kept.half)
            }
        }
    }

    /// Gives a reservation back: nothing was appended.
    pub fn release(&mut self, id: LogOffset) {
        if let Some(kept) = self.by_id.get_mut(&id) {
            kept.reserved = false;
            let at = *kept.listed.get_or_insert(kept.half.due);
            self.by_due.insert((at, id));
        }
    }

    /// When the next half is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// At most `max` halves that are due, the longest overdue first. Whoever takes them says what became of each:
    /// by a fact, or by [`Halves::put_off`].
    pub fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<(LogOffset, Half)> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(&(due, id)) = self.by_due.first()
            && due <= now
        {
            self.by_due.pop_first();
            let kept = self.by_id.get_mut(&id).expect("only what is kept is listed");
            kept.listed = None;
            // Being resolved: there is nothing to ask.
            if !kept.reserved {
                taken.push((id, kept.half));
            }
        }
        taken
    }

    /// Nobody could be asked about a half that was due: it is due again at `until`.
    pub fn put_off(&mut self, id: LogOffset, until: Timestamp) {
        self.list(id, until);
    }

    fn list(&mut self, id: LogOffset, due: Timestamp) {
        let Some(kept) = self.by_id.get_mut(&id) else { return };
        if let Some(before) = kept.listed.replace(due) {
            self.by_due.remove(&(before, id));
        }
        self.by_due.insert((due, id));
    }

    /// Applies `HalfStored` and `HalfKept`: the half `id` stands as `half` says.
    pub fn stored(&mut self, id: LogOffset, half: Half) {
        self.resolved(id);
        *self.by_topic.entry(half.topic).or_default() += 1;
        self.by_id.insert(id, Kept { half, listed: None, reserved: false });
        self.list(id, half.due);
    }

    /// Applies `HalfResolved`.
    pub fn resolved(&mut self, id: LogOffset) {
        let Some(kept) = self.by_id.remove(&id) else { return };
        if let Some(due) = kept.listed {
            self.by_due.remove(&(due, id));
        }
        if let Some(count) = self.by_topic.get_mut(&kept.half.topic) {
            *count -= 1;
            if *count == 0 {
                self.by_topic.remove(&kept.half.topic);
            }
        }
    }

    /// Applies `HalvesChecked`: a producer was asked about them, and is asked again at `next`.
    pub fn checked(&mut self, ids: &[LogOffset], next: Timestamp) {
        for &id in ids {
            if let Some(kept) = self.by_id.get_mut(&id) {
                kept.half.checks += 1;
                kept.half.due = next;
                self.list(id, next);
            }
        }
    }

    /// Halves whose record lies below `limit`.
    #[must_use]
    pub fn below(&self, limit: LogOffset) -> Vec<LogOffset> {
        self.by_id.iter().filter(|(_, kept)| kept.half.at < limit).map(|(id, _)| *id).collect()
    }

    pub fn save(&self, out: &mut Vec<u8>) {
        out.put_u64(self.by_id.len() as u64);
        for (id, Kept { half, .. }) in &self.by_id {
            out.put_u64(id.0);
            out.put_u64(half.topic.0.0);
            out.put_u64(half.at.0);
            out.put_u64(half.queue_offset.0);
            out.put_i64(half.stored.0);
            out.put_u32(half.checks);
            out.put_i64(half.due.0);
        }
    }

    pub fn load(&mut self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u64()? {
            let id = LogOffset(fields.u64()?);
            let half = Half {
                topic: TopicId(LogOffset(fields.u64()?)),
                at: LogOffset(fields.u64()?),
                queue_offset: QueueOffset(fields.u64()?),
                stored: Timestamp(fields.i64()?),
                checks: fields.u32()?,
                due: Timestamp(fields.i64()?),
            };
            self.stored(id, half);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
