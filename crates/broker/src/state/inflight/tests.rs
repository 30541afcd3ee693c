use super::*;

const QUEUE: Queue = (TopicId(LogOffset(48)), QueueId(1));
const START: Timestamp = Timestamp(1_000_000);
const INVISIBLE: Millis = Millis(30_000);

fn group() -> GroupName {
    GroupName::trusted("g")
}

fn at(millis: i64) -> Timestamp {
    Timestamp(START.0 + millis)
}

fn run(start: u64, next: u64, deltas: &[u16]) -> Run {
    let (start, next) = (QueueOffset(start), QueueOffset(next));
    Run { topic: QUEUE.0, queue: QUEUE.1, start, next, lowest: LogOffset(500), deltas: deltas.to_vec() }
}

fn popped(popped_at: Timestamp, runs: Vec<Run>) -> Popped {
    Popped { group: group(), version: 1, popped_at, invisible: INVISIBLE, runs }
}

fn acked(offsets: &[u64]) -> Acked {
    Acked::of(group(), offsets.iter().map(|offset| (QUEUE.0, QUEUE.1, QueueOffset(*offset))))
}

fn offsets(due: &[Due]) -> Vec<u64> {
    due.iter().map(|due| due.offset.0).collect()
}

fn three() -> Inflight {
    let mut inflight = Inflight::default();
    inflight.popped(&popped(START, vec![run(0, 3, &[0, 1, 2])]));
    inflight
}

#[test]
fn an_unacked_message_returns_when_its_invisible_time_ends() {
    let mut inflight = three();
    inflight.acked(&acked(&[1]));
    assert_eq!(inflight.take_due(at(29_999), 10), []);
    assert_eq!(offsets(&inflight.take_due(at(30_000), 10)), [0, 2]);
    assert_eq!(inflight.take_due(at(30_000), 10), [], "taken once");
    inflight.release(&group(), QUEUE, QueueOffset(2));
    assert_eq!(offsets(&inflight.take_due(at(30_000), 10)), [2], "a failed append gives it back");
    inflight.acked(&acked(&[0, 2]));
    assert_eq!((inflight.next_due(), inflight.counts()), (None, vec![]));
}

#[test]
fn a_message_whose_ack_is_on_its_way_is_not_delivered_again() {
    let mut inflight = three();
    assert_eq!(inflight.hold("g", QUEUE, QueueOffset(0), START), Hold::Granted);
    assert_eq!(inflight.hold("g", QUEUE, QueueOffset(0), START), Hold::Busy);
    assert_eq!(offsets(&inflight.take_due(at(30_000), 10)), [1, 2]);
    inflight.acked(&acked(&[0]));
    assert_eq!(inflight.hold("g", QUEUE, QueueOffset(0), START), Hold::Gone);
}

#[test]
fn a_changed_invisible_time_counts_for_its_message_alone() {
    let mut inflight = three();
    let (topic, queue, offset) = (QUEUE.0, QUEUE.1, QueueOffset(1));
    inflight.invisible_changed(&InvisibleChanged { group: group(), topic, queue, offset, due: at(5_000) });
    assert_eq!(inflight.next_due(), Some(at(5_000)));
    assert_eq!(offsets(&inflight.take_due(at(5_000), 10)), [1]);
    assert_eq!(inflight.next_due(), Some(at(30_000)));
}

#[test]
fn a_handle_of_an_earlier_delivery_acks_nothing() {
    let mut inflight = three();
    inflight.popped(&popped(at(10_000), vec![run(1, 2, &[0])]));
    assert_eq!(inflight.hold("g", QUEUE, QueueOffset(1), START), Hold::Gone);
    assert_eq!(inflight.hold("g", QUEUE, QueueOffset(1), at(10_000)), Hold::Granted);
    assert_eq!(inflight.hold("g", QUEUE, QueueOffset(2), START), Hold::Granted);
    assert_eq!(inflight.counts(), [(group(), QUEUE.0, 3)]);
}

#[test]
fn what_a_filter_left_out_is_not_in_flight() {
    let mut inflight = Inflight::default();
    inflight.popped(&popped(START, vec![run(100, 700, &[3, 7, 550])]));
    assert!(!inflight.contains("g", QUEUE, QueueOffset(100)));
    inflight.acked(&acked(&[107]));
    assert_eq!(offsets(&inflight.take_due(at(30_000), 10)), [103, 650]);
}

#[test]
fn messages_whose_segment_goes_are_due_at_once() {
    let mut inflight = three();
    assert!(!inflight.hasten_below(LogOffset(500), at(1)));
    assert!(inflight.hasten_below(LogOffset(501), at(1)));
    assert_eq!(offsets(&inflight.take_due(at(1), 2)), [0, 1]);
    assert_eq!(offsets(&inflight.take_due(at(1), 2)), [2]);
}

#[test]
fn a_deleted_topic_or_group_has_nothing_in_flight() {
    let mut inflight = three();
    inflight.topic_deleted(QUEUE.0);
    assert_eq!((inflight.next_due(), inflight.leases), (None, 0));
    let mut inflight = three();
    inflight.group_deleted(&group());
    assert_eq!((inflight.next_due(), inflight.leases), (None, 0));
}

/// A small generator; its seed is its state.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn random_fact(random: &mut Random) -> Box<dyn Fn(&mut Inflight)> {
    let offset = random.below(60);
    match random.below(4) {
        0 => {
            let taken: Vec<u16> = (0..10).filter(|_| random.below(3) > 0).collect();
            let fact = popped(at(random.below(100).cast_signed()), vec![run(offset, offset + 10, &taken)]);
            Box::new(move |inflight| inflight.popped(&fact))
        }
        1 => {
            let (topic, queue, offset) = (QUEUE.0, QUEUE.1, QueueOffset(offset));
            let due = at(random.below(50_000).cast_signed());
            let fact = InvisibleChanged { group: group(), topic, queue, offset, due };
            Box::new(move |inflight| inflight.invisible_changed(&fact))
        }
        _ => {
            let fact = acked(&[offset, offset + random.below(9)]);
            Box::new(move |inflight| inflight.acked(&fact))
        }
    }
}

/// Any facts, split anywhere by save and load, give the same machine; and it agrees with a plain map of what is in flight.
#[test]
fn any_facts_split_by_save_and_load_give_the_same_machine() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let (mut whole, mut split) = (Inflight::default(), Inflight::default());
        for _ in 0..60 {
            let fact = random_fact(&mut random);
            fact(&mut whole);
            fact(&mut split);
            if random.below(4) == 0 {
                let mut saved = Vec::new();
                split.save(&mut saved);
                split = Inflight::default();
                split.load(&mut Reader::new(&saved)).expect("just saved");
            }
            let (mut one, mut other) = (Vec::new(), Vec::new());
            whole.save(&mut one);
            split.save(&mut other);
            assert_eq!(one, other, "seed {seed}");
            assert_eq!(whole.by_due, split.by_due, "seed {seed}");
        }
        let moment = at(25_000);
        let mut due = offsets(&whole.take_due(moment, 1_000));
        let mut again = offsets(&split.take_due(moment, 1_000));
        due.sort_unstable();
        again.sort_unstable();
        assert_eq!(due, again, "seed {seed}");
    }
}

/// The compact form against a plain map from offset to when it is due.
#[test]
fn the_leases_say_what_a_plain_map_says() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let (mut inflight, mut plain) = (Inflight::default(), BTreeMap::new());
        for _ in 0..60 {
            let offset = random.below(60);
            match random.below(3) {
                0 => {
                    let taken: Vec<u16> = (0..10).filter(|_| random.below(3) > 0).collect();
                    if taken.is_empty() {
                        continue;
                    }
                    let popped_at = at(random.below(100).cast_signed());
                    inflight.popped(&popped(popped_at, vec![run(offset, offset + 10, &taken)]));
                    plain.retain(|at, _| !(offset..offset + 10).contains(at));
                    plain.extend(taken.iter().map(|delta| (offset + u64::from(*delta), popped_at.after(INVISIBLE))));
                }
                1 => {
                    let due = at(random.below(50_000).cast_signed());
                    let (topic, queue) = QUEUE;
                    let offset = QueueOffset(offset);
                    inflight.invisible_changed(&InvisibleChanged { group: group(), topic, queue, offset, due });
                    plain.entry(offset.0).and_modify(|at| *at = due);
                }
                _ => {
                    inflight.acked(&acked(&[offset]));
                    plain.remove(&offset);
                }
            }
            assert_eq!(inflight.next_due(), plain.values().min().copied(), "seed {seed}");
        }
        let moment = at(29_950);
        let mut due = offsets(&inflight.take_due(moment, 1_000));
        due.sort_unstable();
        let expected: Vec<_> = plain.iter().filter(|(_, at)| **at <= moment).map(|(offset, _)| *offset).collect();
        assert_eq!(due, expected, "seed {seed}");
    }
}
