//! The index answers as a plain search over the messages would, and loads as it was saved.

use model::{QueueId, TopicId};
use proptest::prelude::*;

use super::*;
use crate::index::queues::Queues;
use crate::index::testing::{self, Message, index_of, of_queue, place, steps, with_key};

const START: u64 = 256 << 20;

/// What `index` answers is what `messages` say.
fn assert_answers(index: &OpenIndex, messages: &[Message], slots: u32) {
    for slot in (0..slots).map(QueueSlot) {
        let of_queue = of_queue(messages, slot);
        let Some(first) = of_queue.first() else {
            assert_eq!(index.span(slot), None);
            continue;
        };
        let count = u32::try_from(of_queue.len()).unwrap();
        assert_eq!(index.span(slot), Some(Span { base: first.offset, count }));
        for from in [0, 1, of_queue.len() / 2, of_queue.len() - 1, of_queue.len()] {
            let mut units = Vec::new();
            index.units(slot, first.offset.plus(from as u64), 40, &mut units);
            assert!(units.iter().eq(of_queue[from..].iter().take(40).map(|message| &message.unit)));
        }
        for message in &of_queue {
            let around = [-1, 0, 1].map(|step| Timestamp(message.unit.stored.0 + step));
            for moment in around {
                let lower = of_queue.iter().find(|message| message.unit.stored >= moment);
                let upper = of_queue.iter().rfind(|message| message.unit.stored <= moment);
                assert_eq!(index.first_at_or_after(slot, moment), lower.map(|message| message.offset));
                assert_eq!(index.last_at_or_before(slot, moment), upper.map(|message| message.offset));
            }
        }
    }
    for key in messages.iter().flat_map(|message| &message.keys).chain(&[1, 0]) {
        let mut hits = Vec::new();
        index.keys(*key, |hit| {
            hits.push(hit);
            true
        });
        assert_eq!(hits, with_key(messages, *key));
    }
    for message in messages {
        let batch = BatchSpan { at: LogOffset(message.unit.at.0 - 48), len: 48 + message.unit.len };
        let last = batch.at.plus(u64::from(batch.len) - 1);
        for at in [batch.at, message.unit.at, last] {
            assert_eq!(index.batch_of(at), Some(batch));
        }
    }
    assert_eq!(index.messages(), messages.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_index_answers_as_a_plain_search_would(steps in steps(600), start_time in 0_i64..2_000_000_000_000) {
        let queues = Queues::default();
        let messages = place(&steps, START, &queues, &mut { start_time });
        assert_answers(&index_of(&messages, START), &messages, queues.slots());
    }

    #[test]
    fn an_index_saved_in_parts_loads_as_it_was(steps in steps(400), cuts in prop::collection::vec(0.0..1.0, 0..4)) {
        let queues = Queues::default();
        let messages = place(&steps, START, &queues, &mut 1_000_000);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| (*cut * messages.len() as f64) as usize).collect();
        cuts.sort_unstable();
        cuts.push(messages.len());

        // Each part is saved at the end of the batch before its cut, though later messages are there already.
        let whole = index_of(&messages, START);
        let end_of = |count: usize| match count.checked_sub(1) {
            None => LogOffset(START),
            Some(last) => messages[last].unit.at.plus(u64::from(messages[last].unit.len)),
        };
        let mut since = LogOffset(START);
        let mut parts = Vec::new();
        for cut in cuts {
            let mut part = Vec::new();
            testing::save(&whole, since..end_of(cut), &queues, &mut part);
            parts.push(part);
            since = end_of(cut);
        }
        let fresh = Queues::default();
        let mut loaded = OpenIndex::load(&parts[0], &fresh).unwrap();
        for part in &parts[1..] {
            loaded.load_more(part, &fresh).unwrap();
        }
        // Slots are given out again: in the order of the saved queues.
        let renamed: Vec<_> = messages.iter().map(|message| {
            let (topic, queue) = queues.name(message.slot).unwrap();
            Message { slot: fresh.find(topic, queue).unwrap(), ..message.clone() }
        }).collect();
        assert_answers(&loaded, &renamed, fresh.slots());
    }
}

#[test]
fn a_long_queue_changes_its_form_and_keeps_its_units() {
    let slot = QueueSlot(5_000);
    let mut index = OpenIndex::new(LogOffset(0), None);
    for number in 0..1_000 {
        let at = LogOffset(number * 100);
        let stored = Timestamp(i64::try_from(number).unwrap());
        let unit = Unit { at, len: 90, tag_hash: 7, stored };
        assert_eq!(index.push(slot, QueueOffset(40 + number), &unit), Ok(true));
        let mut units = Vec::new();
        index.units(slot, QueueOffset(40), 2_000, &mut units);
        assert_eq!(units.len() as u64, number + 1);
        assert_eq!(units.last(), Some(&unit));
    }
}

#[test]
fn a_message_is_taken_once_and_in_order() {
    let mut index = OpenIndex::new(LogOffset(0), None);
    let unit = |at| Unit { at: LogOffset(at), len: 50, tag_hash: 0, stored: Timestamp(0) };
    let slot = QueueSlot(0);
    assert_eq!(index.push(slot, QueueOffset(7), &unit(0)), Ok(true));
    assert_eq!(index.push(slot, QueueOffset(7), &unit(0)), Ok(false));
    assert_eq!(index.push(slot, QueueOffset(8), &unit(100)), Ok(true));
    let gap = Gap { at: LogOffset(300), expected: QueueOffset(9), found: QueueOffset(10) };
    assert_eq!(index.push(slot, QueueOffset(10), &unit(300)), Err(gap));
    assert_eq!(index.span(slot), Some(Span { base: QueueOffset(7), count: 2 }));
}

#[test]
fn what_lies_outside_is_not_there() {
    let messages = place(&[], START, &Queues::default(), &mut 0);
    let index = index_of(&messages, START);
    assert_eq!(index.span(QueueSlot(0)), None);
    assert_eq!(index.batch_of(LogOffset(START)), None);
    assert_eq!(index.batch_of(LogOffset(0)), None);
    let mut units = Vec::new();
    index.units(QueueSlot(9_999), QueueOffset(0), 10, &mut units);
    assert_eq!(units, []);
}

#[test]
fn a_torn_index_is_refused() {
    let queues = Queues::default();
    let slot = queues.find_or_create(TopicId(LogOffset(1)), QueueId(0)).unwrap();
    let mut index = OpenIndex::new(LogOffset(START), None);
    for number in 0..3 {
        let at = LogOffset(START + number * 100 + 48);
        let unit = Unit { at, len: 52, tag_hash: 0, stored: Timestamp(5) };
        let message = Message { slot, offset: QueueOffset(number), unit, keys: vec![number] };
        testing::push(&mut index, &message);
    }
    let mut bytes = Vec::new();
    testing::save(&index, LogOffset(START)..LogOffset(START + 300), &queues, &mut bytes);
    assert!(OpenIndex::load(&bytes, &queues).is_ok());
    for len in 0..bytes.len() {
        assert!(OpenIndex::load(&bytes[..len], &queues).is_err(), "{len} bytes of {}", bytes.len());
    }

    // A delta of another segment.
    let mut other = OpenIndex::new(LogOffset(0), Some(Timestamp(5)));
    assert!(matches!(other.load_more(&bytes, &queues), Err(LoadUnitsError::OtherSegment { .. })));
}

#[test]
fn a_deleted_topic_is_not_saved() {
    let queues = Queues::default();
    let steps = place(&[], START, &queues, &mut 0);
    let mut index = index_of(&steps, START);
    let slot = queues.find_or_create(TopicId(LogOffset(1)), QueueId(0)).unwrap();
    let unit = Unit { at: LogOffset(START), len: 52, tag_hash: 0, stored: Timestamp(5) };
    index.push(slot, QueueOffset(0), &unit).unwrap();
    queues.forget(TopicId(LogOffset(1)));
    let mut bytes = Vec::new();
    testing::save(&index, LogOffset(START)..LogOffset(START + 100), &queues, &mut bytes);
    assert_eq!(OpenIndex::load(&bytes, &queues).unwrap().messages(), 0);
}

#[test]
fn an_index_that_grows_while_it_is_saved_is_saved_as_it_was() {
    const COUNT: u64 = 40_000;
    let queues = Queues::default();
    let topic = TopicId(LogOffset(1));
    let slots = [0, 1].map(|queue| queues.find_or_create(topic, QueueId(queue)).unwrap());
    let mut index = OpenIndex::new(LogOffset(START), None);
    let mut counts = [0, 0];
    let mut push = |index: &mut OpenIndex, queue: usize| {
        let (offset, number) = (counts[queue], counts[0] + counts[1]);
        counts[queue] += 1;
        let at = LogOffset(START + number * 100 + 48);
        let unit = Unit { at, len: 52, tag_hash: 0, stored: Timestamp(5) };
        let message = Message { slot: slots[queue], offset: QueueOffset(offset), unit, keys: vec![number] };
        index.push_batch(BatchSpan { at: LogOffset(START + number * 100), len: 100 });
        testing::push(index, &message);
    };
    (0..COUNT).for_each(|_| push(&mut index, 0));
    let mut bytes = Vec::new();
    let mut saving = index.begin_save(LogOffset(START), LogOffset(START + COUNT * 100), &mut bytes);
    let mut steps = 0;
    while saving.step(&index, &queues, &mut bytes) {
        steps += 1;
        push(&mut index, 0);
        push(&mut index, 1);
    }
    assert!(steps > 6, "many units, batches and keys are written in many steps, not in {steps}");

    let loaded = OpenIndex::load(&bytes, &queues).unwrap();
    let end = QueueOffset(COUNT);
    assert_eq!(loaded.span(slots[0]).map(|span| (span.base, span.end())), Some((QueueOffset(0), end)));
    assert_eq!(loaded.span(slots[1]), None);
    assert_eq!((loaded.batch_count() as u64, loaded.key_entries().count() as u64), (COUNT, COUNT));
    let (mut units, mut wanted) = (Vec::new(), Vec::new());
    loaded.units(slots[0], QueueOffset(0), usize::MAX, &mut units);
    index.units(slots[0], QueueOffset(0), usize::try_from(COUNT).unwrap(), &mut wanted);
    assert_eq!(units, wanted);
}
