//! Where messages of one message group go: always to the same queue, whoever sends them and by whatever client.
//!
//! The queue is a function of the group's name and the number of queues, so every broker and every start of it agree. When a
//! topic grows, as few groups as possible move.

use crate::broker::Broker;

impl Broker {
    /// The queue of a message group, as a send asks for it. -1, any, if the topic is not known (yet).
    #[must_use]
    pub fn queue_of_message_group(&self, topic: &str, group: &str) -> i32 {
        let queues = self.machines.topics.get(topic).map_or(0, |topic| topic.config.write_queues);
        if queues == 0 { -1 } else { jump(hash(group), queues).cast_signed() }
    }
}

/// FNV-1a, mixed at the end. It decides where messages are: it must stay what it is.
fn hash(group: &str) -> u64 {
    const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let mut hash = group.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^ hash >> 33
}

/// Jump consistent hash (Lamping and Veach, 2014): of `n + 1` queues, 1 / (n + 1) of the keys go to the new one.
fn jump(mut key: u64, queues: u32) -> u32 {
    let (mut at, mut next) = (0, 0.0_f64);
    while next < f64::from(queues) {
        let reached = next as u32;
        at = reached;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let stride = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = (f64::from(at) + 1.0) * stride;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_spread_over_all_queues_and_few_move_when_a_queue_is_added() {
        let keys: Vec<_> = (0..10_000).map(|number| hash(&format!("order-{number}"))).collect();
        let mut counts = [0; 8];
        for key in &keys {
            counts[jump(*key, 8) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (1_100..1_400).contains(count)), "{counts:?}");
        let moved: Vec<_> = keys.iter().filter(|key| jump(**key, 8) != jump(**key, 9)).collect();
        assert!((900..1_300).contains(&moved.len()) && moved.iter().all(|key| jump(**key, 9) == 8), "{}", moved.len());
    }

    /// Messages are where it said: a change would break their order.
    #[test]
    fn a_group_stays_where_it_is_over_versions() {
        let places = ["order-7", "user-42", "g1"].map(|group| jump(hash(group), 8));
        assert_eq!(places, PLACES);
    }

    const PLACES: [u32; 3] = [3, 1, 4];
}
