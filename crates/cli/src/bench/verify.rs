//! What one run can know about correctness: every acknowledged offset was given once, what is pulled is dense and whole.

use std::collections::BTreeMap;

use model::record::message::Message;
use serde::Serialize;

/// Offsets the server acknowledged, by broker and queue.
#[derive(Debug, Default)]
pub struct Verified {
    acknowledged: BTreeMap<(String, u32), Vec<u64>>,
    /// Messages pulled with the right offset and body.
    good: u64,
    bad: u64,
}

/// The verdict of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Messages that were checked and are as they must be.
    pub good: u64,
    /// Offsets acknowledged twice, or pulled messages with a wrong offset or body.
    pub bad: u64,
    /// Offsets within the acknowledged range that nobody here was given: other producers, or answers that were lost.
    pub missing: u64,
}

impl Verified {
    /// An acknowledged request whose first message got `offset`.
    pub fn acknowledge(&mut self, broker: &str, queue: u32, offset: u64, count: u64) {
        let offsets = match self.acknowledged.get_mut(&(broker.to_owned(), queue)) {
            Some(offsets) => offsets,
            None => self.acknowledged.entry((broker.to_owned(), queue)).or_default(),
        };
        offsets.extend(offset..offset + count);
    }

    /// A pulled message that should be the one at `expected`.
    pub fn check(&mut self, message: &Message<'_>, expected: u64) {
        let crc = message.bytes().get(8..12).and_then(|word| word.first_chunk::<4>()).copied();
        let body = message.body();
        let computed = if body.is_empty() { 0 } else { crc32fast::hash(body) & 0x7FFF_FFFF };
        let good = message.queue_offset().0 == expected && crc.map(u32::from_be_bytes) == Some(computed);
        self.good += u64::from(good);
        self.bad += u64::from(!good);
    }

    /// Takes over what another thread saw.
    pub fn merge(&mut self, other: Self) {
        for (queue, offsets) in other.acknowledged {
            self.acknowledged.entry(queue).or_default().extend(offsets);
        }
        self.good += other.good;
        self.bad += other.bad;
    }

    /// Looks at everything together.
    pub fn verdict(self) -> Verdict {
        let mut verdict = Verdict { good: self.good, bad: self.bad, missing: 0 };
        for mut offsets in self.acknowledged.into_values() {
            offsets.sort_unstable();
            let given = offsets.len() as u64;
            offsets.dedup();
            let distinct = offsets.len() as u64;
            verdict.good += distinct;
            verdict.bad += given - distinct;
            if let (Some(first), Some(last)) = (offsets.first(), offsets.last()) {
                verdict.missing += last - first + 1 - distinct;
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_given_twice_is_bad_and_a_hole_is_missing() {
        let mut one = Verified::default();
        one.acknowledge("a", 0, 0, 3);
        one.acknowledge("a", 1, 7, 1);
        let mut other = Verified::default();
        other.acknowledge("a", 0, 2, 1);
        other.acknowledge("a", 0, 5, 1);
        other.acknowledge("b", 0, 2, 1);
        one.merge(other);
        assert_eq!(one.verdict(), Verdict { good: 6, bad: 1, missing: 2 });
    }
}
