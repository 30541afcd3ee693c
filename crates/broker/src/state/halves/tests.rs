use proptest::prelude::*;

use super::*;

const A: LogOffset = LogOffset(100);
const B: LogOffset = LogOffset(200);
const TOPIC: TopicId = TopicId(LogOffset(48));

fn half(at: LogOffset, due: i64) -> Half {
    Half {
        topic: TOPIC,
        at,
        queue_offset: QueueOffset(at.0 / 100),
        stored: Timestamp(0),
        checks: 0,
        due: Timestamp(due),
    }
}

fn two() -> Halves {
    let mut halves = Halves::default();
    halves.stored(A, half(A, 2_000));
    halves.stored(B, half(B, 1_000));
    halves
}

fn due(halves: &mut Halves, now: i64) -> Vec<LogOffset> {
    halves.take_due(Timestamp(now), 10).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_half_is_due_when_its_time_has_come_and_in_hand_once() {
    let mut halves = two();
    assert_eq!(halves.next_due(), Some(Timestamp(1_000)));
    assert_eq!(due(&mut halves, 999), []);
    assert_eq!(due(&mut halves, 1_000), [B]);
    assert_eq!(due(&mut halves, 5_000), [A]);
    assert_eq!(due(&mut halves, 5_000), []);
}

#[test]
fn a_checked_half_is_due_again_and_a_resolved_one_never() {
    let mut halves = two();
    assert_eq!(due(&mut halves, 5_000), [B, A]);
    halves.checked(&[A, B], Timestamp(9_000));
    halves.resolved(B);
    assert_eq!(due(&mut halves, 8_999), []);
    assert_eq!(due(&mut halves, 9_000), [A]);
    assert_eq!(halves.get(A).map(|half| half.checks), Some(1));
    assert_eq!(halves.by_topic().collect::<Vec<_>>(), [(TOPIC, 1)]);
}

#[test]
fn a_half_nobody_could_be_asked_about_is_not_counted_as_checked() {
    let mut halves = two();
    assert_eq!(due(&mut halves, 5_000), [B, A]);
    halves.put_off(A, Timestamp(7_000));
    assert_eq!(due(&mut halves, 6_999), []);
    assert_eq!(due(&mut halves, 7_000), [A]);
    assert_eq!(halves.get(A).map(|half| half.checks), Some(0));
}

#[test]
fn two_answers_at_once_resolve_a_half_once() {
    let mut halves = two();
    assert_eq!(halves.reserve(A), Reservation::Granted(half(A, 2_000)));
    assert_eq!(halves.reserve(A), Reservation::Busy);
    assert_eq!(due(&mut halves, 5_000), [B], "nobody is asked about what is being resolved");
    halves.resolved(A);
    assert_eq!(halves.reserve(A), Reservation::Unknown);
}

#[test]
fn a_reservation_that_is_given_back_leaves_the_half_as_it_was() {
    let mut halves = two();
    halves.reserve(A);
    assert_eq!(due(&mut halves, 5_000), [B]);
    halves.release(A);
    assert_eq!(due(&mut halves, 5_000), [A]);
    assert_eq!(halves.reserve(A), Reservation::Granted(half(A, 2_000)));
}

#[test]
fn a_half_that_is_kept_elsewhere_has_its_old_name() {
    let mut halves = two();
    assert_eq!(halves.below(B), [A]);
    let moved = Half { at: LogOffset(900), ..halves.get(A).expect("stored") };
    halves.stored(A, moved);
    assert_eq!(halves.below(B), []);
    assert_eq!(halves.reserve(A), Reservation::Granted(moved));
    assert_eq!(halves.len(), 2);
}

#[derive(Clone, Debug)]
enum Told {
    Stored { id: u64, at: u64, checks: u32, due: i64 },
    Resolved(u64),
    Checked { ids: Vec<u64>, next: i64 },
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        (0..8_u64, 0..1_000_u64, 0..3_u32, 0..50_i64).prop_map(|(id, at, checks, due)| Told::Stored {
            id,
            at,
            checks,
            due
        }),
        (0..8_u64).prop_map(Told::Resolved),
        (prop::collection::vec(0..8_u64, 0..4), 0..50_i64).prop_map(|(ids, next)| Told::Checked { ids, next }),
    ]
}

fn tell(halves: &mut Halves, fact: &Told) {
    match fact {
        Told::Stored { id, at, checks, due } => {
            let topic = TopicId(LogOffset(id % 3));
            let half = Half {
                topic,
                at: LogOffset(*at),
                queue_offset: QueueOffset(*id),
                stored: Timestamp(*due - 6),
                checks: *checks,
                due: Timestamp(*due),
            };
            halves.stored(LogOffset(*id), half);
        }
        Told::Resolved(id) => halves.resolved(LogOffset(*id)),
        Told::Checked { ids, next } => {
            let ids: Vec<_> = ids.iter().copied().map(LogOffset).collect();
            halves.checked(&ids, Timestamp(*next));
        }
    }
}

fn saved(halves: &Halves) -> Vec<u8> {
    let mut out = Vec::new();
    halves.save(&mut out);
    out
}

proptest! {
    /// Questions in between change nothing that is saved: reservations die with the process.
    #[test]
    fn facts_split_anywhere_by_save_and_load_give_the_same_halves(
        facts in prop::collection::vec(told(), 0..40),
        split in 0..40_usize,
        now in 0..50_i64,
    ) {
        let (mut whole, mut first) = (Halves::default(), Halves::default());
        let split = split.min(facts.len());
        facts.iter().for_each(|fact| tell(&mut whole, fact));
        facts[..split].iter().for_each(|fact| tell(&mut first, fact));
        first.reserve(LogOffset(3));
        first.take_due(Timestamp(now), 2);
        let mut second = Halves::default();
        second.load(&mut Reader::new(&saved(&first))).expect("just saved");
        facts[split..].iter().for_each(|fact| tell(&mut second, fact));
        prop_assert_eq!(saved(&second), saved(&whole));
        let (mut topics, mut same) = (second.by_topic().collect::<Vec<_>>(), whole.by_topic().collect::<Vec<_>>());
        topics.sort_unstable();
        same.sort_unstable();
        prop_assert_eq!(topics, same);
        prop_assert_eq!(second.take_due(Timestamp(now), 10), whole.take_due(Timestamp(now), 10));
    }
}
