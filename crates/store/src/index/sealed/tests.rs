//! The file answers as the index it was written from, names every damage, and keeps its bytes.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::QueueSlot;
use crate::index::OpenIndex;
use crate::index::queues::Queues;
use crate::index::testing::{self, Memory, Message, file_of, index_of, open_file, place, steps};

const START: u64 = 256 << 20;
const END: u64 = 512 << 20;

/// All a reader can ask of a queue: units, and what every moment around them finds.
type Answers = (Option<Span>, Vec<Unit>, Vec<Option<QueueOffset>>);

fn moments(units: &[Unit]) -> Vec<Timestamp> {
    units.iter().flat_map(|unit| [-1, 0, 1].map(|step| Timestamp(unit.stored.0 + step))).collect()
}

fn of_open(index: &OpenIndex, slot: QueueSlot) -> Answers {
    let Some(span) = index.span(slot) else { return Answers::default() };
    let mut units = Vec::new();
    index.units(slot, span.base, usize::MAX, &mut units);
    let found = moments(&units)
        .into_iter()
        .flat_map(|moment| [index.first_at_or_after(slot, moment), index.last_at_or_before(slot, moment)]);
    let found = found.collect();
    (Some(span), units, found)
}

fn of_sealed(index: &SealedIndex, topic: TopicId, queue: QueueId) -> Result<Answers, ReadError> {
    let Some(run) = index.run(topic, queue, Read::Wait)? else { return Ok(Answers::default()) };
    let mut units = Vec::new();
    index.units(&run, run.span.base, usize::MAX, Read::Wait, &mut units)?;
    let mut found = Vec::new();
    for moment in moments(&units) {
        found.push(index.first_at_or_after(&run, moment, Read::Wait)?);
        found.push(index.last_at_or_before(&run, moment, Read::Wait)?);
    }
    Ok((Some(run.span), units, found))
}

fn keys_of_open(index: &OpenIndex, key: u64) -> Vec<KeyHit> {
    let mut hits = Vec::new();
    index.keys(key, |hit| {
        hits.push(hit);
        true
    });
    hits
}

fn keys_of_sealed(index: &SealedIndex, key: u64) -> Result<Vec<KeyHit>, ReadError> {
    let mut hits = Vec::new();
    index.keys(key, Read::Wait, |hit| {
        hits.push(hit);
        true
    })?;
    Ok(hits)
}

/// Asks the file everything, and compares. An error is given back; a wrong answer panics.
fn compare(sealed: &SealedIndex, open: &OpenIndex, messages: &[Message], queues: &Queues) -> Result<(), ReadError> {
    for slot in (0..queues.slots()).map(QueueSlot) {
        let (topic, queue) = queues.name(slot).unwrap();
        assert_eq!(of_sealed(sealed, topic, queue)?, of_open(open, slot));
    }
    for message in messages {
        for at in [message.unit.at.0 - 48, message.unit.at.0, message.unit.at.0 + 10].map(LogOffset) {
            assert_eq!(sealed.batch_of(at, Read::Wait)?, open.batch_of(at));
        }
        for key in &message.keys {
            assert_eq!(keys_of_sealed(sealed, *key)?, keys_of_open(open, *key));
        }
    }
    Ok(())
}

/// Five messages of two queues, with keys.
fn small() -> (Queues, Vec<Message>, OpenIndex) {
    let queues = Queues::default();
    let names = [(0, 0), (0, 1), (0, 0), (7, 3), (0, 0)];
    let messages: Vec<_> = (0_u32..)
        .zip(names)
        .map(|(number, (topic, queue))| {
            let slot = queues.find_or_create(TopicId(LogOffset(topic)), QueueId(queue)).unwrap();
            let unit = Unit {
                at: LogOffset(START + 48 + u64::from(number) * 200),
                len: 100 + number,
                tag_hash: -1,
                stored: Timestamp(1_700_000_000_000 + i64::from(number / 2)),
            };
            Message { slot, offset: queues.number(slot, 1), unit, keys: vec![u64::MAX / 3, u64::from(number)] }
        })
        .collect();
    let index = index_of(&messages, START);
    (queues, messages, index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_answers_as_the_index_it_was_written_from(steps in steps(500)) {
        let queues = Queues::default();
        let messages = place(&steps, START, &queues, &mut 1_000_000);
        let open = index_of(&messages, START);
        let sealed = open_file(file_of(&open, END, &queues), START).unwrap();
        sealed.verify().unwrap();
        compare(&sealed, &open, &messages, &queues).unwrap();
        prop_assert_eq!(sealed.messages(), messages.len() as u64);
        prop_assert_eq!((sealed.base_time(), sealed.newest_time()), (open.base_time(), open.newest_time()));
    }
}

#[test]
fn tables_of_several_levels_find_every_entry() {
    let queues = Queues::default();
    let mut open = OpenIndex::new(LogOffset(START), None);
    // 345 directory pages need two fence pages and a root; the keys likewise.
    const COUNT: u64 = 50_000;
    for number in 0..COUNT {
        let slot = queues.find_or_create(TopicId(LogOffset(number * 2)), QueueId(0)).unwrap();
        let unit = Unit { at: LogOffset(START + 48 + number * 200), len: 152, tag_hash: 0, stored: Timestamp(0) };
        let key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        testing::push(&mut open, &Message { slot, offset: QueueOffset(3), unit, keys: vec![key] });
    }
    let sealed = open_file(file_of(&open, END, &queues), START).unwrap();

    for number in (0..COUNT).step_by(7).chain([COUNT - 1]) {
        let run = |topic| sealed.run(TopicId(LogOffset(topic)), QueueId(0), Read::Wait).unwrap();
        assert_eq!(run(number * 2).map(|run| run.span), Some(Span { base: QueueOffset(3), count: 1 }));
        assert_eq!(run(number * 2 + 1), None);
        assert_eq!(sealed.run(TopicId(LogOffset(number * 2)), QueueId(1), Read::Wait).unwrap(), None);
        let at = LogOffset(START + 48 + number * 200);
        assert_eq!(sealed.batch_of(at, Read::Wait).unwrap().map(|batch| batch.at.0), Some(at.0 - 48));
        let hits = keys_of_sealed(&sealed, number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.at).collect::<Vec<_>>(), [at]);
    }
    let mut seen = 0;
    sealed
        .for_each_queue(|topic, _, _| {
            assert_eq!(topic.0.0, seen * 2);
            seen += 1;
        })
        .unwrap();
    assert_eq!(seen, COUNT);
}

#[test]
fn a_key_that_is_not_there_is_mostly_told_by_the_filter() {
    let queues = Queues::default();
    let slot = queues.find_or_create(TopicId(LogOffset(1)), QueueId(0)).unwrap();
    let mut open = OpenIndex::new(LogOffset(START), None);
    for number in 0..20_000 {
        let unit = Unit { at: LogOffset(START + 48 + number * 200), len: 152, tag_hash: 0, stored: Timestamp(0) };
        testing::push(&mut open, &Message { slot, offset: QueueOffset(number), unit, keys: vec![number << 40] });
    }
    let file = file_of(&open, END, &queues);
    let sealed = open_file(file, START).unwrap();
    let filter = &sealed.header.tables[4];
    let pages = sealed.pages(Read::Wait);
    let passes = |hash: u64| {
        let mut block = Vec::new();
        filter.entry(&pages, filter_block(hash, filter.entries), &mut block).unwrap();
        filter_may_hold(&block, hash)
    };
    assert!((0..20_000_u64).all(|number| passes(number << 40)));
    let false_hits = (0..20_000_u64).filter(|number| passes((number << 40) | 1)).count();
    assert!(false_hits < 600, "{false_hits} of 20,000");
}

#[test]
fn every_flipped_bit_is_named_and_never_believed() {
    let (queues, messages, open) = small();
    let file = file_of(&open, END, &queues);
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        let page = at as u64 / PAGE_LEN as u64 * PAGE_LEN as u64;
        match open_file(damaged, START) {
            Err(ReadError::Damaged { file, offset: 0, .. }) => assert_eq!((&*file, page), ("log/0.idx", 0)),
            Err(other) => panic!("byte {at}: {other}"),
            Ok(sealed) => {
                match sealed.verify() {
                    Err(ReadError::Damaged { offset, .. }) => assert_eq!(offset, page),
                    other => panic!("byte {at}: {other:?}"),
                }
                // Lookups either do not need the page or say that it is damaged.
                let answers = compare(&sealed, &open, &messages, &queues);
                assert!(matches!(answers, Err(ReadError::Damaged { .. })), "byte {at}");
            }
        }
    }
}

#[test]
fn a_file_of_another_length_is_refused() {
    let (queues, _, open) = small();
    let file = file_of(&open, END, &queues);
    let lens = [0, 1, PAGE_LEN - 1, PAGE_LEN, file.len() - PAGE_LEN, file.len() - 1];
    for len in lens {
        assert!(matches!(open_file(file[..len].to_vec(), START), Err(ReadError::Damaged { .. })), "{len}");
    }
    let longer = [&file[..], &[0; PAGE_LEN]].concat();
    assert!(matches!(open_file(longer, START), Err(ReadError::Damaged { .. })));
}

#[test]
fn pages_that_belong_elsewhere_are_noticed() {
    let (queues, _, open) = small();
    let file = file_of(&open, END, &queues);
    assert!(matches!(open_file(file.clone(), 0), Err(ReadError::Damaged { .. })));

    let mut swapped = file.clone();
    let (first, second) = (PAGE_LEN..2 * PAGE_LEN, 2 * PAGE_LEN..3 * PAGE_LEN);
    swapped[first.clone()].copy_from_slice(&file[second.clone()]);
    swapped[second].copy_from_slice(&file[first]);
    assert!(matches!(open_file(swapped, START).unwrap().verify(), Err(ReadError::Damaged { offset: 4096, .. })));
}

#[test]
fn a_read_that_may_not_wait_says_so_and_is_served_from_the_cache_later() {
    let (queues, messages, open) = small();
    let memory = Memory::new(file_of(&open, END, &queues));
    let cache = Arc::new(PageCache::new(16));
    let sealed = SealedIndex::open(memory.clone(), "log/0.idx", LogOffset(START), cache).unwrap();
    memory.cached.store(false, Ordering::Relaxed);

    let (topic, queue) = queues.name(messages[0].slot).unwrap();
    assert!(matches!(sealed.run(topic, queue, Read::Nowait), Err(ReadError::WouldBlock)));
    assert!(matches!(sealed.batch_of(LogOffset(START), Read::Nowait), Err(ReadError::WouldBlock)));
    assert!(matches!(sealed.keys(7, Read::Nowait, |_| true), Err(ReadError::WouldBlock)));

    let run = sealed.run(topic, queue, Read::Wait).unwrap().unwrap();
    assert_eq!(sealed.run(topic, queue, Read::Nowait).unwrap(), Some(run));
    let mut units = Vec::new();
    assert!(matches!(sealed.units(&run, QueueOffset(0), 9, Read::Nowait, &mut units), Err(ReadError::WouldBlock)));
    assert_eq!(units, []);
    sealed.units(&run, QueueOffset(0), 9, Read::Wait, &mut units).unwrap();
    sealed.units(&run, QueueOffset(0), 9, Read::Nowait, &mut units).unwrap();
    assert_eq!(units.len(), 6);
}

#[test]
fn queues_of_deleted_topics_are_left_out() {
    let (queues, messages, open) = small();
    let (topic, queue) = queues.name(messages[0].slot).unwrap();
    queues.forget(topic);
    let sealed = open_file(file_of(&open, END, &queues), START).unwrap();
    sealed.verify().unwrap();
    assert_eq!(sealed.run(topic, queue, Read::Wait).unwrap(), None);
    assert_eq!(sealed.messages(), 1);
}

#[test]
fn an_empty_segment_has_an_index() {
    let queues = Queues::default();
    let open = OpenIndex::new(LogOffset(START), Some(Timestamp(9)));
    let sealed = open_file(file_of(&open, END, &queues), START).unwrap();
    sealed.verify().unwrap();
    assert_eq!(sealed.bytes(), PAGE_LEN as u64);
    assert_eq!(sealed.run(TopicId(LogOffset(1)), QueueId(0), Read::Wait).unwrap(), None);
    assert_eq!(sealed.batch_of(LogOffset(START), Read::Wait).unwrap(), None);
    assert_eq!(keys_of_sealed(&sealed, 1).unwrap(), []);
}

/// A change of the bytes is a change of the format: raise the version, and keep reading this file.
#[test]
fn version_1_keeps_its_bytes() {
    let golden = include_str!("golden/v1.idx.hex");
    let (queues, messages, open) = small();
    let written = testing::dump(&file_of(&open, END, &queues));
    assert!(written == golden, "the bytes changed:\n{written}");
    let sealed = open_file(testing::undump(golden), START).unwrap();
    compare(&sealed, &open, &messages, &queues).unwrap();
}
