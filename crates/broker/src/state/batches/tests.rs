use model::QueueOffset;
use model::record::pop::OpenMessage;

use super::*;

const QUEUE: Queue = (TopicId(LogOffset(48)), QueueId(1));

fn group() -> GroupName {
    GroupName::trusted("g")
}

fn batch(open: &[(u64, i64)]) -> Batch {
    let message = |(offset, visible_at): &(u64, i64)| OpenMessage {
        offset: QueueOffset(*offset),
        visible_at: Timestamp(*visible_at),
        delivered: 1,
    };
    let next = open.last().map_or(QueueOffset(9), |(offset, _)| QueueOffset(offset + 1));
    Batch { attempt: "a".into(), popped_at: Timestamp(1), next, open: open.iter().map(message).collect() }
}

fn due(batches: &mut Batches, now: i64) -> Option<Batch> {
    batches.take_due(Timestamp(now)).map(|(_, _, batch)| batch.clone())
}

#[test]
fn a_batch_is_due_once_when_its_last_message_is_visible() {
    let mut batches = Batches::default();
    batches.decide("g", QUEUE, 1, batch(&[(3, 50), (4, 90)]));
    assert_eq!((due(&mut batches, 89), batches.next_due()), (None, Some(Timestamp(90))));
    assert_eq!(due(&mut batches, 90), Some(batch(&[(3, 50), (4, 90)])));
    assert_eq!(due(&mut batches, 90), None, "told once");
    batches.remind("g", QUEUE);
    assert!(due(&mut batches, 90).is_some());
    batches.decide("g", QUEUE, 2, batch(&[(3, 50), (4, 200)]));
    assert_eq!(batches.next_due(), Some(Timestamp(200)));
}

#[test]
fn what_is_decided_counts_until_the_log_says_as_much() {
    let mut batches = Batches::default();
    batches.decide("g", QUEUE, 5, batch(&[(4, 50)]));
    batches.applied("g", QUEUE, 4, &batch(&[(3, 50), (4, 50)]));
    assert_eq!((batches.of("g", QUEUE), batches.is_ahead("g", QUEUE)), (Some(&batch(&[(4, 50)])), true));
    batches.applied("g", QUEUE, 5, &batch(&[(4, 50)]));
    assert!(!batches.is_ahead("g", QUEUE));
    batches.decide("g", QUEUE, 6, batch(&[]));
    assert_eq!((batches.of("g", QUEUE), batches.next_due()), (None, None));
    batches.applied("g", QUEUE, 6, &batch(&[]));
    assert!(batches.groups.is_empty(), "nothing is kept of a batch that is done");
}

#[test]
fn nothing_is_left_of_a_deleted_topic_or_group() {
    let by_topic = |batches: &mut Batches| batches.topic_deleted(QUEUE.0);
    let by_group = |batches: &mut Batches| batches.group_deleted(&group());
    for delete in [by_topic, by_group] {
        let mut batches = Batches::default();
        batches.applied("g", QUEUE, 1, &batch(&[(3, 50)]));
        delete(&mut batches);
        assert!(batches.groups.is_empty() && batches.by_due.is_empty());
    }
}

/// Any facts, split anywhere by save and load, give the same machine.
#[test]
fn any_facts_split_by_save_and_load_give_the_same_machine() {
    for seed in 0..200_u64 {
        let mut state = seed;
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let (mut whole, mut split) = (Batches::default(), Batches::default());
        for version in 0..60 {
            let queue = (QUEUE.0, QueueId(u32::try_from(below(3)).expect("small")));
            let open: Vec<_> = (0..below(4)).map(|index| (index, below(1_000).cast_signed())).collect();
            let forget = below(5) == 0;
            for batches in [&mut whole, &mut split] {
                if forget {
                    batches.forgotten("g", queue, version);
                } else {
                    batches.applied("g", queue, version, &batch(&open));
                }
            }
            if below(4) == 0 {
                let mut saved = Vec::new();
                split.save(&mut saved);
                split = Batches::default();
                split.load(&mut Reader::new(&saved)).expect("just saved");
            }
            let (mut one, mut other) = (Vec::new(), Vec::new());
            whole.save(&mut one);
            split.save(&mut other);
            assert_eq!((one, &whole.by_due), (other, &split.by_due), "seed {seed}");
        }
    }
}
