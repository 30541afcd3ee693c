//! The facts of pop consumption: a group took messages for a while, is done with them, or wants them back at another time.
//!
//! Small on purpose: one record a pop whatever it found, and one for up to 32 neighbouring acks.

use super::codec::{Malformed, Put, Reader};
use super::system::CommittedOffset;
use crate::name::GroupName;
use crate::offset::{LogOffset, QueueId, QueueOffset, TopicId};
use crate::time::{Millis, Timestamp};

/// Messages of one run at most: they are counted in the bits of a `u32`. One pop asks for no more.
pub const RUN_MAX: usize = 32;

/// A group took messages; until `popped_at` + `invisible` nobody else of it sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popped {
    pub group: GroupName,
    /// As in `OffsetsCommitted`: a pop moves the group's consumer offset to each run's `next`.
    pub version: u64,
    pub popped_at: Timestamp,
    pub invisible: Millis,
    pub runs: Vec<Run>,
}

/// What a pop took of one queue: it looked at the offsets from `start` to `next` and wanted some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub topic: TopicId,
    pub queue: QueueId,
    pub start: QueueOffset,
    pub next: QueueOffset,
    /// Where the first of its messages stands in the log: before that segment goes, they are delivered again.
    pub lowest: LogOffset,
    /// The offsets taken, each minus `start`, ascending; at most [`RUN_MAX`].
    pub deltas: Vec<u16>,
}

/// A group is done with messages it had popped: acked, or moved on to a retry or dead-letter topic by the same append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    pub group: GroupName,
    pub marks: Vec<AckMark>,
}

/// Up to 32 neighbouring offsets of a queue: bit n means `base` + n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckMark {
    pub topic: TopicId,
    pub queue: QueueId,
    pub base: QueueOffset,
    pub bits: u32,
}

/// A group wants one popped message to stay invisible until `due`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvisibleChanged {
    pub group: GroupName,
    pub topic: TopicId,
    pub queue: QueueId,
    pub offset: QueueOffset,
    pub due: Timestamp,
}

/// What a group has of a queue it consumes in order: the whole batch, said anew by each pop, ack and change of an invisible
/// time. It moves the group's consumer offset to [`Batch::offset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedBatch {
    pub group: GroupName,
    /// As in `OffsetsCommitted`: the highest one counts.
    pub version: u64,
    pub topic: TopicId,
    pub queue: QueueId,
    pub batch: Batch,
}

/// Messages popped in order. Nothing behind them is handed out before each is acked, or visible again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The name of the pop that handed it out last; empty: it has none.
    pub attempt: String,
    /// When that attempt began: a handle of an earlier delivery means an earlier one.
    pub popped_at: Timestamp,
    /// Behind the last offset that was looked at. What lies before it and is not open is done.
    pub next: QueueOffset,
    /// Not acked yet, ascending; at most [`RUN_MAX`].
    pub open: Vec<OpenMessage>,
}

/// A message of a batch that is not acked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenMessage {
    pub offset: QueueOffset,
    pub visible_at: Timestamp,
    /// How often it has been handed out.
    pub delivered: u32,
}

impl Popped {
    /// The consumer offsets that follow from it.
    #[must_use]
    pub fn offsets_after(&self) -> Vec<CommittedOffset> {
        let after = |run: &Run| CommittedOffset { topic: run.topic, queue: run.queue, offset: run.next };
        self.runs.iter().map(after).collect()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_text(self.group.as_str());
        out.put_u64(self.version);
        out.put_i64(self.popped_at.0);
        out.put_u64(self.invisible.0);
        put_count(out, self.runs.len());
        self.runs.iter().for_each(|run| run.put(out));
    }

    pub(super) fn read(fields: &mut Reader<'_>) -> Result<Popped, Malformed> {
        Ok(Popped {
            group: GroupName::trusted(fields.text()?),
            version: fields.u64()?,
            popped_at: Timestamp(fields.i64()?),
            invisible: Millis(fields.u64()?),
            runs: (0..fields.u32()?).map(|_| Run::read(fields)).collect::<Result<_, _>>()?,
        })
    }
}

impl Run {
    /// The offsets taken.
    pub fn offsets(&self) -> impl Iterator<Item = QueueOffset> {
        self.deltas.iter().map(|delta| self.start.plus(u64::from(*delta)))
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64(self.topic.0.0);
        out.put_u32(self.queue.0);
        out.put_u64(self.start.0);
        out.put_u64(self.next.0);
        out.put_u64(self.lowest.0);
        put_deltas(out, &self.deltas);
    }

    fn read(fields: &mut Reader<'_>) -> Result<Run, Malformed> {
        Ok(Run {
            topic: TopicId(LogOffset(fields.u64()?)),
            queue: QueueId(fields.u32()?),
            start: QueueOffset(fields.u64()?),
            next: QueueOffset(fields.u64()?),
            lowest: LogOffset(fields.u64()?),
            deltas: read_deltas(fields)?,
        })
    }
}

/// Appends the offsets of a run: their number, and themselves only where some between them are left out.
pub fn put_deltas(out: &mut Vec<u8>, deltas: &[u16]) {
    out.put_u8(u8::try_from(deltas.len()).expect("at most RUN_MAX"));
    let dense = deltas.iter().enumerate().all(|(index, delta)| index == usize::from(*delta));
    out.put_bool(dense);
    if !dense {
        deltas.iter().for_each(|delta| out.extend_from_slice(&delta.to_be_bytes()));
    }
}

/// Reads what [`put_deltas`] wrote.
pub fn read_deltas(fields: &mut Reader<'_>) -> Result<Vec<u16>, Malformed> {
    let count = fields.u8()?;
    if usize::from(count) > RUN_MAX {
        return Err(Malformed { at: 0 });
    }
    let dense = fields.bool()?;
    let delta = |index| {
        if dense { Ok(u16::from(index)) } else { fields.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])) }
    };
    (0..count).map(delta).collect()
}

impl Acked {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_text(self.group.as_str());
        put_count(out, self.marks.len());
        for mark in &self.marks {
            out.put_u64(mark.topic.0.0);
            out.put_u32(mark.queue.0);
            out.put_u64(mark.base.0);
            out.put_u32(mark.bits);
        }
    }

    pub(super) fn read(fields: &mut Reader<'_>) -> Result<Acked, Malformed> {
        let group = GroupName::trusted(fields.text()?);
        let count = fields.u32()?;
        let mark = |_| {
            Ok(AckMark {
                topic: TopicId(LogOffset(fields.u64()?)),
                queue: QueueId(fields.u32()?),
                base: QueueOffset(fields.u64()?),
                bits: fields.u32()?,
            })
        };
        Ok(Acked { group, marks: (0..count).map(mark).collect::<Result<_, _>>()? })
    }

    /// The record of these messages of one group; neighbours share a mark.
    #[must_use]
    pub fn of(group: GroupName, messages: impl Iterator<Item = (TopicId, QueueId, QueueOffset)>) -> Acked {
        let mut marks: Vec<AckMark> = Vec::new();
        for (topic, queue, offset) in messages {
            let last = marks.last_mut().filter(|mark| (mark.topic, mark.queue) == (topic, queue));
            let bit = last.and_then(|mark| {
                let distance = u32::try_from(offset.0.checked_sub(mark.base.0)?).ok()?;
                Some((1_u32.checked_shl(distance)?, mark))
            });
            match bit {
                Some((bit, mark)) => mark.bits |= bit,
                None => marks.push(AckMark { topic, queue, base: offset, bits: 1 }),
            }
        }
        Acked { group, marks }
    }
}

impl AckMark {
    /// The offsets it means.
    pub fn offsets(&self) -> impl Iterator<Item = QueueOffset> {
        let AckMark { base, bits, .. } = *self;
        (0..u32::BITS).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| base.plus(u64::from(bit)))
    }
}

impl InvisibleChanged {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_text(self.group.as_str());
        out.put_u64(self.topic.0.0);
        out.put_u32(self.queue.0);
        out.put_u64(self.offset.0);
        out.put_i64(self.due.0);
    }

    pub(super) fn read(fields: &mut Reader<'_>) -> Result<InvisibleChanged, Malformed> {
        Ok(InvisibleChanged {
            group: GroupName::trusted(fields.text()?),
            topic: TopicId(LogOffset(fields.u64()?)),
            queue: QueueId(fields.u32()?),
            offset: QueueOffset(fields.u64()?),
            due: Timestamp(fields.i64()?),
        })
    }
}

impl Batch {
    /// The group's consumer offset: the first message that is not acked.
    #[must_use]
    pub fn offset(&self) -> QueueOffset {
        self.open.first().map_or(self.next, |first| first.offset)
    }

    /// Appends its fields; also used by what the broker's projections save.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.put_text(&self.attempt);
        out.put_i64(self.popped_at.0);
        out.put_u64(self.next.0);
        put_count(out, self.open.len());
        for message in &self.open {
            out.put_u64(message.offset.0);
            out.put_i64(message.visible_at.0);
            out.put_u32(message.delivered);
        }
    }

    /// Reads what [`Batch::put`] wrote.
    pub fn read(fields: &mut Reader<'_>) -> Result<Batch, Malformed> {
        let (attempt, popped_at) = (fields.text()?.to_owned(), Timestamp(fields.i64()?));
        let next = QueueOffset(fields.u64()?);
        let count = fields.u32()?;
        let message = |_| {
            let (offset, visible_at) = (QueueOffset(fields.u64()?), Timestamp(fields.i64()?));
            Ok(OpenMessage { offset, visible_at, delivered: fields.u32()? })
        };
        Ok(Batch { attempt, popped_at, next, open: (0..count).map(message).collect::<Result<_, _>>()? })
    }
}

impl OrderedBatch {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_text(self.group.as_str());
        out.put_u64(self.version);
        out.put_u64(self.topic.0.0);
        out.put_u32(self.queue.0);
        self.batch.put(out);
    }

    pub(super) fn read(fields: &mut Reader<'_>) -> Result<OrderedBatch, Malformed> {
        let (group, version) = (GroupName::trusted(fields.text()?), fields.u64()?);
        let (topic, queue) = (TopicId(LogOffset(fields.u64()?)), QueueId(fields.u32()?));
        Ok(OrderedBatch { group, version, topic, queue, batch: Batch::read(fields)? })
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_u32(u32::try_from(count).expect("collections are far below 4 Gi entries"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId(LogOffset(48));

    #[test]
    fn neighbouring_acks_share_a_mark() {
        let ack = |queue, offset| (TOPIC, QueueId(queue), QueueOffset(offset));
        let messages = [ack(0, 7), ack(0, 9), ack(0, 38), ack(0, 39), ack(1, 40), ack(0, 3)];
        let acked = Acked::of(GroupName::trusted("g"), messages.into_iter());
        let mark = |queue, base, bits| AckMark { topic: TOPIC, queue: QueueId(queue), base: QueueOffset(base), bits };
        assert_eq!(acked.marks, [mark(0, 7, 1 << 31 | 0b101), mark(0, 39, 1), mark(1, 40, 1), mark(0, 3, 1)]);
        let offsets: Vec<_> = acked.marks[0].offsets().map(|offset| offset.0).collect();
        assert_eq!(offsets, [7, 9, 38]);
    }
}
