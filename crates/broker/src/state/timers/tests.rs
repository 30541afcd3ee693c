use super::*;

mod facts;

const A: LogOffset = LogOffset(100);
const B: LogOffset = LogOffset(200);
const KEY: u64 = 7;
const TOPIC: TopicId = TopicId(LogOffset(50));

fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

fn two() -> Timers {
    let mut timers = Timers::default();
    timers.scheduled(B, 100, Some(TOPIC), at(1_000), NO_KEY);
    timers.scheduled(A, 100, Some(TOPIC), at(2_000), KEY);
    timers
}

fn deliver(timers: &mut Timers, now: Timestamp) -> Vec<LogOffset> {
    timers.take_due(now, 10).deliver.into_iter().map(|(timer, _)| timer).collect()
}

fn saved(timers: &Timers) -> Timers {
    let mut bytes = Vec::new();
    timers.save(&mut bytes);
    let mut again = Timers::default();
    again.load(&mut Reader::new(&bytes)).expect("just saved");
    again
}

#[test]
fn a_timer_is_never_early_and_taken_once() {
    let mut timers = two();
    assert_eq!(timers.next_due(), Some(at(1_000)));
    assert_eq!(deliver(&mut timers, at(999)), []);
    assert_eq!(deliver(&mut timers, at(1_000)), [B]);
    assert_eq!(deliver(&mut timers, at(1_999)), []);
    assert_eq!(deliver(&mut timers, at(5_000)), [A]);
    assert_eq!(deliver(&mut timers, at(5_000)), []);
}

#[test]
fn a_failed_delivery_is_due_again_a_confirmed_one_is_gone() {
    let mut timers = two();
    assert_eq!(deliver(&mut timers, at(5_000)), [B, A]);
    timers.done(&[B], &[(TOPIC, 1)]);
    timers.release([B, A]);
    assert_eq!(deliver(&mut timers, at(5_000)), [A]);
    assert_eq!(timers.len(), 1);
}

#[test]
fn a_delivery_that_is_read_back_is_not_due_again() {
    let mut timers = two();
    timers.done(&[B], &[(TOPIC, 1)]);
    assert_eq!(deliver(&mut saved(&timers), at(5_000)), [A]);
    assert_eq!(deliver(&mut timers, at(5_000)), [A]);
}

#[test]
fn reservations_do_not_survive_save_and_load() {
    let mut timers = two();
    assert_eq!(deliver(&mut timers, at(1_500)), [B]);
    assert_eq!(timers.recall(at(2_000), KEY, at(1_500)), Ok(()));
    assert_eq!(deliver(&mut saved(&timers), at(5_000)), [B, A]);
}

#[test]
fn a_recalled_message_is_done_without_delivery_also_after_save_and_load() {
    let mut timers = two();
    timers.recalled(LogOffset(300), at(2_000), KEY);
    for mut timers in [saved(&timers), timers] {
        assert_eq!(deliver(&mut timers, at(1_500)), [B], "the second has begun, the recall is at work");
        for mut timers in [saved(&timers), timers] {
            timers.done(&[B], &[(TOPIC, 1)]);
            assert_eq!(timers.take_due(at(2_000), 10), Due { deliver: vec![], recalled: vec![A] });
        }
    }
}

#[test]
fn a_recall_takes_no_other_key_and_no_other_second() {
    let mut timers = two();
    timers.scheduled(LogOffset(400), 100, Some(TOPIC), at(2_001), KEY);
    timers.scheduled(LogOffset(500), 100, Some(TOPIC), at(2_000), KEY + 1);
    timers.recalled(LogOffset(600), at(1_001), KEY);
    let due = timers.take_due(at(9_000), 10);
    assert_eq!(due.recalled, [A]);
    assert_eq!(due.deliver, [(B, at(1_000)), (LogOffset(500), at(2_000)), (LogOffset(400), at(2_001))]);
}

#[test]
fn while_a_recall_is_written_its_message_waits() {
    let mut timers = two();
    assert_eq!(timers.recall(at(2_000), KEY, at(1_999)), Ok(()));
    assert_eq!(deliver(&mut timers, at(2_000)), [B]);
    timers.recalled(LogOffset(300), at(2_000), KEY);
    assert_eq!(timers.take_due(at(2_001), 10).recalled, [A]);
}

#[test]
fn a_recall_whose_append_failed_lets_its_message_go() {
    let mut timers = two();
    assert_eq!(timers.recall(at(2_000), KEY, at(1_999)), Ok(()));
    assert_eq!(deliver(&mut timers, at(1_999 + 4_999)), [B]);
    assert_eq!(deliver(&mut timers, at(1_999 + 5_000)), [A]);
}

#[test]
fn what_may_be_on_its_way_cannot_be_recalled() {
    let mut timers = two();
    assert_eq!(timers.recall(at(2_000), KEY, at(2_000)), Err(NoRecall::TooLate));
    // The job's clock was ahead of the connection's.
    assert_eq!(deliver(&mut timers, at(2_000)), [B, A]);
    assert_eq!(timers.recall(at(2_000), KEY, at(1_999)), Err(NoRecall::TooLate));
}

#[test]
fn a_moved_message_waits_at_its_new_place_and_keeps_its_recall() {
    let mut timers = two();
    let [entry] = timers.head_below(LogOffset(150))[..] else { panic!("one is below") };
    assert_eq!((entry.what.message(), entry.due, entry.key), (Some(A), at(2_000), KEY));
    assert_eq!(timers.take(None, entry), Some(true));
    assert_eq!(timers.take(None, entry), Some(false), "one job only");
    assert!(timers.any_taken_below(LogOffset(150)));
    timers.recalled(LogOffset(300), at(2_000), KEY);
    timers.moved(A, LogOffset(900), at(2_000), KEY);
    assert_eq!(timers.head_below(LogOffset(150)), []);
    let due = timers.take_due(at(5_000), 10);
    assert_eq!((due.deliver, due.recalled), (vec![(B, at(1_000))], vec![LogOffset(900)]));
}

#[test]
fn a_slot_is_the_last_whole_second_before() {
    assert_eq!(Slot::of(at(2_000)), Slot(at(1_000)));
    assert_eq!(Slot::of(at(2_001)), Slot(at(2_000)));
    assert_eq!(Slot::of(at(2_999)), Slot(at(2_000)));
}

#[test]
fn handles_that_were_made_up_do_not_fill_the_memory() {
    let mut timers = two();
    for key in 0..1_028 {
        assert_eq!(timers.recall(at(9_000), key, at(0)), Ok(()));
        timers.recalled(LogOffset(key), at(9_000), key);
    }
    assert_eq!(timers.recall(at(9_000), 5_000, at(0)), Err(NoRecall::TooMany));
    deliver(&mut timers, at(8_001));
    assert_eq!(timers.recall(at(9_500), 5_000, at(0)), Ok(()), "they go with their time");
}
