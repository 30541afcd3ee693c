//! Numbering, bounds, what is saved, and what is refused.

use super::*;

fn topic(id: u64) -> TopicId {
    TopicId(LogOffset(id))
}

fn bounds(min: u64, max: u64) -> Bounds {
    Bounds { min: QueueOffset(min), max: QueueOffset(max) }
}

fn slot(queues: &Queues, of: u64, queue: u32) -> QueueSlot {
    queues.find_or_create(topic(of), QueueId(queue)).unwrap()
}

/// `count` messages of a queue, numbered and applied at log offsets from `at` on, 10 bytes apart.
fn fill(queues: &Queues, slot: QueueSlot, count: u64, at: u64) {
    let first = queues.number(slot, count);
    (0..count).for_each(|n| queues.applied(slot, first.plus(n), LogOffset(at + n * 10)));
}

/// Everything readers and the writer can see, by name.
fn seen(queues: &Queues) -> Vec<(TopicId, QueueId, QueueOffset, Bounds, LogOffset)> {
    let live = (0..queues.slots()).map(QueueSlot).filter_map(|slot| {
        let (topic, queue) = queues.name(slot)?;
        Some((topic, queue, queues.next(slot), queues.bounds(slot), queues.newest(slot)))
    });
    let mut all: Vec<_> = live.collect();
    all.sort_by_key(|row| (row.0, row.1));
    all
}

fn saved(queues: &Queues, since: Option<u64>, to: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let nothing_ahead = || |_| panic!("nothing lies beyond the checkpoint");
    queues.save(since.map(LogOffset), LogOffset(to), nothing_ahead, &mut bytes);
    bytes
}

#[test]
fn a_queue_keeps_its_slot_while_the_table_grows() {
    let queues = Queues::default();
    let mut slots = Vec::new();
    for id in 0..3 * CHUNK_LEN as u64 / 2 {
        // Backwards, so that ids are not always at the end of their topic.
        slots.push((topic(id), QueueId(1), slot(&queues, id, 1)));
        slots.push((topic(id), QueueId(0), slot(&queues, id, 0)));
    }
    assert_eq!(queues.slots() as usize, slots.len());
    for (topic, queue, slot) in slots {
        assert_eq!(queues.find(topic, queue), Some(slot));
        assert_eq!(queues.find_or_create(topic, queue), Ok(slot));
        assert_eq!(queues.name(slot), Some((topic, queue)));
    }
    assert_eq!(queues.find(topic(0), QueueId(2)), None);
    assert_eq!(queues.find(topic(1_000_000), QueueId(0)), None);
}

#[test]
fn queue_ids_need_not_be_dense() {
    let queues = Queues::default();
    let far = slot(&queues, 1, u32::MAX);
    let near = slot(&queues, 1, 7);
    assert_eq!(queues.find(topic(1), QueueId(u32::MAX)), Some(far));
    assert_eq!(queues.find(topic(1), QueueId(7)), Some(near));
    assert_eq!(queues.find(topic(1), QueueId(0)), None);
}

#[test]
fn numbered_messages_are_visible_when_applied() {
    let queues = Queues::default();
    let slot = slot(&queues, 1, 0);
    assert_eq!(queues.number(slot, 3), QueueOffset(0));
    assert_eq!(queues.number(slot, 2), QueueOffset(3));
    assert_eq!(queues.bounds(slot), bounds(0, 0));

    queues.applied(slot, QueueOffset(0), LogOffset(100));
    assert_eq!(queues.bounds(slot), bounds(0, 1));
    queues.applied(slot, QueueOffset(1), LogOffset(200));
    queues.applied(slot, QueueOffset(0), LogOffset(100));
    assert_eq!(queues.bounds(slot), bounds(0, 2));
    assert_eq!(queues.next(slot), QueueOffset(5));
    assert_eq!(queues.newest(slot), LogOffset(200));
}

#[test]
fn recovery_numbers_on_from_what_it_reads() {
    let queues = Queues::default();
    let slot = slot(&queues, 1, 0);
    // The first 50 messages went with their segments.
    queues.applied(slot, QueueOffset(50), LogOffset(900));
    queues.applied(slot, QueueOffset(51), LogOffset(910));
    assert_eq!(queues.bounds(slot), bounds(50, 52));
    assert_eq!(queues.number(slot, 1), QueueOffset(52));
}

#[test]
fn a_queue_without_messages_numbers_on_from_its_record() {
    let queues = Queues::default();
    let slot = slot(&queues, 1, 0);
    queues.reached(slot, QueueOffset(70), LogOffset(900));
    assert_eq!(queues.bounds(slot), bounds(70, 70));
    assert_eq!(queues.number(slot, 1), QueueOffset(70));

    // Told while the messages are still there it changes nothing that is seen.
    let other = self::slot(&queues, 1, 1);
    fill(&queues, other, 70, 0);
    queues.reached(other, QueueOffset(70), LogOffset(900));
    assert_eq!(queues.bounds(other), bounds(0, 70));
}

#[test]
fn a_queue_told_only_by_old_records_must_be_told_again() {
    let queues = Queues::default();
    let (old, young, empty) = (slot(&queues, 1, 0), slot(&queues, 1, 1), slot(&queues, 1, 2));
    fill(&queues, old, 3, 100);
    fill(&queues, young, 3, 490);
    assert_eq!(queues.bounds(empty), bounds(0, 0));

    let reached = Reached { topic: topic(1), queue: QueueId(0), next: QueueOffset(3) };
    assert_eq!(queues.told_only_below(LogOffset(500)), [reached]);
    assert_eq!(queues.told_only_below(LogOffset(120)), []);

    queues.reached(old, QueueOffset(3), LogOffset(800));
    assert_eq!(queues.told_only_below(LogOffset(500)), []);
}

#[test]
fn a_deleted_topic_is_gone_and_its_slots_are_not_used_again() {
    let queues = Queues::default();
    let (gone, stays) = (slot(&queues, 1, 0), slot(&queues, 2, 0));
    fill(&queues, gone, 3, 100);
    queues.forget(topic(1));
    queues.forget(topic(9));
    assert_eq!(queues.name(gone), None);
    assert_eq!(queues.find(topic(1), QueueId(0)), None);
    assert_eq!(queues.told_only_below(LogOffset(u64::MAX)), []);
    assert_eq!(queues.name(stays), Some((topic(2), QueueId(0))));
    // Someone who still holds the slot does no harm.
    fill(&queues, gone, 1, 500);
    assert_eq!(slot(&queues, 3, 0), QueueSlot(2));
}

#[test]
fn a_saved_table_loads_as_it_was() {
    let queues = Queues::default();
    for id in 0..5_000 {
        let slot = slot(&queues, id % 100, u32::try_from(id / 100).unwrap());
        fill(&queues, slot, id % 7, 1_000 * id);
        queues.trimmed(slot, QueueOffset(id % 3));
    }
    queues.forget(topic(13));

    let loaded = Queues::default();
    loaded.load(&saved(&queues, None, 10_000_000)).unwrap();
    assert_eq!(seen(&loaded), seen(&queues));
    assert_eq!(loaded.slots(), 4_950);
}

#[test]
fn a_delta_holds_what_changed_and_loads_over_its_base() {
    let queues = Queues::default();
    for id in 0..10_000 {
        fill(&queues, slot(&queues, id, 0), 1, 1_000 + id);
    }
    let base = saved(&queues, None, 20_000);
    fill(&queues, slot(&queues, 77, 0), 5, 30_000);
    fill(&queues, slot(&queues, 77, 1), 1, 31_000);
    let delta = saved(&queues, Some(20_000), 40_000);
    assert_eq!(delta.len(), 8 + 2 * ROW_LEN);

    let loaded = Queues::default();
    loaded.load(&base).unwrap();
    loaded.load(&delta).unwrap();
    assert_eq!(seen(&loaded), seen(&queues));
    assert!(!queues.take_needs_base());
}

#[test]
fn what_a_delta_cannot_tell_asks_for_a_base() {
    let queues = Queues::default();
    let slot = slot(&queues, 1, 0);
    fill(&queues, slot, 3, 100);
    assert!(!queues.take_needs_base());
    queues.trimmed(slot, QueueOffset(2));
    assert!(queues.take_needs_base());
    assert!(!queues.take_needs_base());
    queues.forget(topic(1));
    assert!(queues.take_needs_base());
}

#[test]
fn messages_beyond_a_checkpoint_are_not_in_it() {
    let queues = Queues::default();
    let slot = slot(&queues, 1, 0);
    fill(&queues, slot, 5, 100);
    let mut bytes = Vec::new();
    let ahead = || |_| Ahead { messages: 2, newest_below: Some(LogOffset(120)) };
    queues.save(None, LogOffset(130), ahead, &mut bytes);

    let loaded = Queues::default();
    loaded.load(&bytes).unwrap();
    let row = (topic(1), QueueId(0), QueueOffset(3), bounds(0, 3), LogOffset(120));
    assert_eq!(seen(&loaded), [row]);
}

#[test]
fn a_torn_table_is_refused() {
    let queues = Queues::default();
    (0..3).for_each(|id| fill(&queues, slot(&queues, id, 0), 1, 100));
    let bytes = saved(&queues, None, 1_000);
    for len in 0..bytes.len() {
        assert!(Queues::default().load(&bytes[..len]).is_err(), "{len} bytes of {}", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(Queues::default().load(&longer).is_err());
}
