//! Lookups over growing, frozen and sealed segments answer as a plain search over all messages would.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::index::growing;
use crate::index::testing::{self, Message, Step, file_of, of_queue, open_file, place, steps, with_key};

/// A multiple of 64 KiB, and more than the messages of a script need.
const SEGMENT: u64 = 1 << 20;

/// A segment is written, and then frozen, and then sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Growing,
    Frozen,
    Sealed,
}

/// Applies the scripts, a segment each, as the log would. The last keeps growing.
fn build(segments: &[(Vec<Step>, bool)]) -> (Indexes, Arc<Queues>, Vec<Message>) {
    let queues = Arc::new(Queues::default());
    let growing = Growing::new(vec![OpenIndex::new(LogOffset(SEGMENT), None)]);
    let indexes = Indexes::new(Arc::clone(&queues), Vec::new(), growing);
    let (mut all, mut time, mut start) = (Vec::new(), 1_000_000, 0);
    for (steps, seal) in segments {
        start += SEGMENT;
        indexes.growing.write().enter(LogOffset(start));
        let messages = place(steps, start, &queues, &mut time);
        messages.iter().for_each(|message| apply(&indexes, &queues, message));
        all.extend(messages);
        for frozen in indexes.freeze(LogOffset(start)) {
            if *seal {
                let end = frozen.start().0 + SEGMENT;
                let file = file_of(&frozen, end, &queues);
                indexes.sealed(Arc::new(open_file(file, frozen.start().0).unwrap()));
            }
        }
    }
    (indexes, queues, all)
}

fn apply(indexes: &Indexes, queues: &Queues, message: &Message) {
    let Message { slot, offset, unit, keys } = message;
    let mut growing = indexes.growing.write();
    growing.push_batch(BatchSpan { at: LogOffset(unit.at.0 - 48), len: 48 + unit.len });
    assert!(growing.push(*slot, *offset, unit).unwrap());
    keys.iter().for_each(|key| growing.push_key(*key, message.hit()));
    queues.applied(*slot, *offset, unit.at);
}

fn states(indexes: &Indexes) -> Vec<State> {
    let state = |older: &Older| match older {
        Older::Frozen(_) => State::Frozen,
        Older::Sealed(_) => State::Sealed,
    };
    let growing = indexes.growing.read().iter().count();
    indexes.older().iter().map(state).chain(std::iter::repeat_n(State::Growing, growing)).collect()
}

/// Reads a queue from an offset to its end, a few units at a time.
fn read_on(indexes: &Indexes, slot: QueueSlot, mut from: QueueOffset) -> Vec<Unit> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        indexes.units(slot, from, 3, Read::Wait, &mut all).unwrap();
        if all.len() == before {
            return all;
        }
        from = from.plus((all.len() - before) as u64);
    }
}

/// `kept` are the messages of the segments that are there.
fn assert_answers(indexes: &Indexes, queues: &Queues, kept: &[Message]) {
    for slot in (0..queues.slots()).map(QueueSlot) {
        let of_queue = of_queue(kept, slot);
        let bounds = queues.bounds(slot);
        let Some(first) = of_queue.first() else {
            assert_eq!(read_on(indexes, slot, QueueOffset::ZERO), []);
            assert_eq!(bounds.min, bounds.max);
            continue;
        };
        assert_eq!(bounds, crate::Bounds { min: first.offset, max: of_queue[of_queue.len() - 1].offset.plus(1) });
        // In an order that makes hints wrong as often as right.
        for from in [0, of_queue.len() - 1, of_queue.len() / 2, 1, of_queue.len() / 3] {
            let units = read_on(indexes, slot, first.offset.plus(from as u64));
            assert!(units.iter().eq(of_queue.iter().skip(from).map(|message| &message.unit)));
        }
        // Single reads from everywhere to everywhere.
        for step in 0..of_queue.len().min(40) {
            let place = step * 7_919 % of_queue.len();
            let mut units = Vec::new();
            indexes.units(slot, first.offset.plus(place as u64), 1, Read::Wait, &mut units).unwrap();
            assert_eq!(units, [of_queue[place].unit]);
        }
        let mut units = Vec::new();
        indexes.units(slot, bounds.max, 1, Read::Wait, &mut units).unwrap();
        assert_eq!(units, []);
        for moment in of_queue.iter().flat_map(|message| [-1, 0, 1].map(|step| message.unit.stored.0 + step)) {
            let moment = Timestamp(moment);
            let lower = of_queue.iter().find(|message| message.unit.stored >= moment);
            let upper = of_queue.iter().rfind(|message| message.unit.stored <= moment);
            let search = |boundary| indexes.search_time(slot, moment, boundary, Read::Wait).unwrap();
            assert_eq!(search(Boundary::Lower), lower.map_or(bounds.max, |message| message.offset));
            assert_eq!(search(Boundary::Upper), upper.map_or(QueueOffset::ZERO, |message| message.offset));
        }
    }
    for message in kept {
        let batch = BatchSpan { at: LogOffset(message.unit.at.0 - 48), len: 48 + message.unit.len };
        assert_eq!(indexes.batch_of(message.unit.at, Read::Wait).unwrap(), Some(batch));
        for key in &message.keys {
            for (from, to) in [(0, i64::MAX), (message.unit.stored.0, message.unit.stored.0 + 30)] {
                let find = |max| {
                    let range = (Timestamp(from), Timestamp(to));
                    indexes.find_keys(*key, range, max, Read::Wait, || true).unwrap()
                };
                let mut expected = with_key(kept, *key);
                expected.retain(|hit| (from..=to).contains(&hit.stored.0));
                assert_eq!(find(1_000), expected);
                assert_eq!(find(2), expected[..expected.len().min(2)]);
            }
        }
    }
}

fn segments() -> impl Strategy<Value = Vec<(Vec<Step>, bool)>> {
    // Empty ones, too: a segment of system records only.
    let one = (prop_oneof![Just(Vec::new()), steps(10), steps(80)], any::<bool>());
    prop::collection::vec(one, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn lookups_answer_as_a_plain_search_would(segments in segments(), trims in 0_usize..7) {
        let (indexes, queues, mut messages) = build(&segments);
        prop_assert_eq!(states(&indexes).len(), segments.len());
        assert_answers(&indexes, &queues, &messages);

        // The oldest segments go; never the one that is written.
        let trimmed = trims.min(segments.len() - 1) as u64;
        indexes.trim(LogOffset((1 + trimmed) * SEGMENT), || {}).unwrap();
        messages.retain(|message| message.unit.at.0 >= (1 + trimmed) * SEGMENT);
        prop_assert_eq!(states(&indexes).len() as u64, segments.len() as u64 - trimmed);
        assert_answers(&indexes, &queues, &messages);
    }
}

fn message(queues: &Queues, queue: u32, at: u64) -> Message {
    let slot = queues.find_or_create(TopicId(LogOffset(1)), QueueId(queue)).unwrap();
    let unit = Unit { at: LogOffset(at), len: 100, tag_hash: 0, stored: Timestamp(at.cast_signed()) };
    Message { slot, offset: queues.number(slot, 1), unit, keys: vec![9] }
}

#[test]
fn two_segments_grow_while_an_async_message_runs_ahead() {
    let queues = Arc::new(Queues::default());
    let growing = Growing::new(vec![OpenIndex::new(LogOffset(SEGMENT), None)]);
    let indexes = Indexes::new(Arc::clone(&queues), Vec::new(), growing);
    let early = message(&queues, 0, SEGMENT + 48);
    let durable = message(&queues, 0, SEGMENT + 1_048);
    let ahead = message(&queues, 1, 2 * SEGMENT + 48);

    apply(&indexes, &queues, &early);
    assert!(indexes.growing.write().enter(LogOffset(2 * SEGMENT)));
    apply(&indexes, &queues, &ahead);
    assert!(!indexes.growing.write().enter(LogOffset(SEGMENT)));
    apply(&indexes, &queues, &durable);

    // The first is full only when all of it is applied.
    assert!(indexes.freeze(LogOffset(2 * SEGMENT - 1)).is_empty());
    assert_answers(&indexes, &queues, &[early.clone(), durable.clone(), ahead.clone()]);
    assert_eq!(indexes.freeze(LogOffset(2 * SEGMENT)).len(), 1);
    assert_eq!(states(&indexes), [State::Frozen, State::Growing]);
    assert_answers(&indexes, &queues, &[early, durable, ahead]);
}

#[test]
fn a_checkpoint_in_the_middle_of_two_segments_holds_what_lies_below_it() {
    let queues = Arc::new(Queues::default());
    let mut growing = Growing::new(vec![OpenIndex::new(LogOffset(SEGMENT), None)]);
    let early = message(&queues, 0, SEGMENT + 48);
    let ahead = message(&queues, 1, 2 * SEGMENT + 48);
    growing.enter(LogOffset(2 * SEGMENT));
    for message in [&early, &ahead] {
        growing.push(message.slot, message.offset, &message.unit).unwrap();
        queues.applied(message.slot, message.offset, message.unit.at);
    }
    let growing = RwLock::new(growing);
    let save = |since: Option<u64>, to: u64| {
        let (mut units, mut rows) = (Vec::new(), Vec::new());
        let (since, to) = (since.map(LogOffset), LogOffset(to));
        growing::save(&growing, since, to, &queues, &mut units);
        let hold = || {
            let growing = growing.read();
            move |slot| growing.ahead(slot, to)
        };
        queues.save(since, to, hold, &mut rows);
        (units, rows)
    };
    let (base_units, base_rows) = save(None, SEGMENT + 200);
    let (delta_units, delta_rows) = save(Some(SEGMENT + 200), 2 * SEGMENT + 200);

    let loaded = Queues::default();
    loaded.load(&base_rows).unwrap();
    let indexes = growing::load([&base_units[..]], &loaded).unwrap();
    assert_eq!(indexes.values().map(OpenIndex::messages).collect::<Vec<_>>(), [1]);
    let next = |queue| loaded.next(loaded.find(TopicId(LogOffset(1)), QueueId(queue)).unwrap());
    assert_eq!([next(0), next(1)], [QueueOffset(1), QueueOffset(0)]);

    loaded.load(&delta_rows).unwrap();
    let indexes = growing::load([&base_units[..], &delta_units], &loaded).unwrap();
    assert_eq!(indexes.keys().map(|start| start.0).collect::<Vec<_>>(), [SEGMENT, 2 * SEGMENT]);
    assert_eq!(indexes.values().map(OpenIndex::messages).collect::<Vec<_>>(), [1, 1]);
    assert_eq!([next(0), next(1)], [QueueOffset(1), QueueOffset(1)]);
}

#[test]
fn a_search_stops_at_its_deadline_with_what_it_has() {
    let queues = Arc::new(Queues::default());
    let growing = Growing::new(vec![OpenIndex::new(LogOffset(SEGMENT), None)]);
    let indexes = Indexes::new(Arc::clone(&queues), Vec::new(), growing);
    for segment in 1..=3 {
        indexes.growing.write().enter(LogOffset(segment * SEGMENT));
        apply(&indexes, &queues, &message(&queues, 0, segment * SEGMENT + 48));
        indexes.freeze(LogOffset(segment * SEGMENT));
    }
    let asked = std::cell::Cell::new(0);
    let once = || {
        asked.set(asked.get() + 1);
        asked.get() < 2
    };
    let hits = indexes.find_keys(9, (Timestamp(0), Timestamp(i64::MAX)), 10, Read::Wait, once).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.at.0).collect::<Vec<_>>(), [3 * SEGMENT + 48, 2 * SEGMENT + 48]);
}

#[test]
fn a_damaged_file_is_named_and_its_segment_not_dropped() {
    let script = || vec![(testing::fixed_steps(50), false), (testing::fixed_steps(50), false)];
    let (indexes, queues, _) = build(&script());
    let older = indexes.older();
    let Older::Frozen(frozen) = &older[0] else { panic!("the script seals nothing") };
    let mut file = file_of(frozen, 2 * SEGMENT, &queues);
    for page in (4_096..file.len()).step_by(4_096) {
        file[page + 5] ^= 1;
    }
    indexes.sealed(Arc::new(open_file(file, SEGMENT).unwrap()));

    assert!(matches!(indexes.trim(LogOffset(2 * SEGMENT), || panic!("nothing goes")), Err(ReadError::Damaged { .. })));
    assert_eq!(states(&indexes), [State::Sealed, State::Growing]);
    let slot = QueueSlot(0);
    assert_eq!(queues.bounds(slot).min, QueueOffset::ZERO);
    let read = indexes.units(slot, QueueOffset::ZERO, 1, Read::Wait, &mut Vec::new());
    assert!(matches!(read, Err(ReadError::Damaged { .. })));
}

/// Readers by log offset met "not found" for messages above the log's start: the index had lost them already.
#[test]
fn the_log_starts_later_before_the_index_forgets_and_after_the_queues_do() {
    let (indexes, queues, _) = build(&[(testing::fixed_steps(50), false), (testing::fixed_steps(50), false)]);
    let slot = QueueSlot(0);
    let units = |from| {
        let mut units = Vec::new();
        indexes.units(slot, from, 1, Read::Wait, &mut units).unwrap();
        units.len()
    };
    let mut begun = false;
    let begin = || {
        assert!(queues.bounds(slot).min > QueueOffset::ZERO, "nobody is sent below the new start");
        assert_eq!(units(QueueOffset::ZERO), 1, "who was sent there finds it");
        begun = true;
    };
    indexes.trim(LogOffset(2 * SEGMENT), begin).unwrap();
    assert!(begun);
    assert_eq!(units(QueueOffset::ZERO), 0);
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn what_is_visible_is_found_while_segments_are_frozen_sealed_and_trimmed() {
    let queues = Arc::new(Queues::default());
    let growing = Growing::new(vec![OpenIndex::new(LogOffset(SEGMENT), None)]);
    let indexes = Indexes::new(Arc::clone(&queues), Vec::new(), growing);
    let slot = message(&queues, 0, 0).slot;
    queues.applied(slot, QueueOffset::ZERO, LogOffset(0));
    queues.trimmed(slot, QueueOffset(1));
    let done = AtomicBool::new(false);

    std::thread::scope(|scope| {
        // The readers end when the writer does, also when it fails.
        let _end = SetWhenDropped(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut place = 7;
                while !done.load(Ordering::Acquire) {
                    let bounds = queues.bounds(slot);
                    if bounds.min == bounds.max {
                        continue;
                    }
                    place = (place * 7_919 + 1) % (bounds.max.0 - bounds.min.0);
                    let offset = bounds.min.plus(place);
                    let mut units = Vec::new();
                    indexes.units(slot, offset, 1, Read::Wait, &mut units).unwrap();
                    let trimmed = queues.bounds(slot).min > offset;
                    assert!(trimmed || units.len() == 1, "message {offset} of {bounds:?}");
                    let moments: Vec<_> = units.iter().map(|unit| unit.stored.0).collect();
                    assert!(moments.iter().all(|moment| *moment == offset.0.cast_signed()));
                }
            });
        }
        for segment in 1..=1_000 {
            let start = segment * SEGMENT;
            indexes.growing.write().enter(LogOffset(start));
            for frozen in indexes.freeze(LogOffset(start)) {
                let file = file_of(&frozen, start, &queues);
                indexes.sealed(Arc::new(open_file(file, frozen.start().0).unwrap()));
            }
            for number in 0..10 {
                let mut next = message(&queues, 0, start + 48 + number * 200);
                next.unit.stored = Timestamp(next.offset.0.cast_signed());
                apply(&indexes, &queues, &next);
            }
            if segment > 5 {
                indexes.trim(LogOffset((segment - 5) * SEGMENT), || {}).unwrap();
            }
        }
    });
    assert_eq!(queues.bounds(slot), crate::Bounds { min: QueueOffset(9_941), max: QueueOffset(10_001) });
}
