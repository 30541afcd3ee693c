use model::record::pop::OpenMessage;
use model::{LogOffset, QueueId, TopicId};

use super::*;

const QUEUE: Queue = (TopicId(LogOffset(48)), QueueId(1));
const DELIVERIES_MAX: u32 = 3;

fn group() -> GroupName {
    GroupName::trusted("g")
}

fn batch(attempt: &str, popped_at: i64, next: u64, open: &[(u64, i64, u32)]) -> Batch {
    let message = |&(offset, visible_at, delivered): &(u64, i64, u32)| OpenMessage {
        offset: QueueOffset(offset),
        visible_at: Timestamp(visible_at),
        delivered,
    };
    let open = open.iter().map(message).collect();
    Batch { attempt: attempt.into(), popped_at: Timestamp(popped_at), next: QueueOffset(next), open }
}

fn found(offsets: &mut Offsets, attempt: &str, now: i64) -> Option<Found> {
    offsets.found_in_order("g", QUEUE, attempt, DELIVERIES_MAX, Timestamp(now), false)
}

fn pop(offsets: &mut Offsets, attempt: &str, now: i64, batch: Batch) -> Reserved {
    let found = found(offsets, attempt, now).expect("not blocked");
    offsets.reserve_in_order("g", QUEUE, &found, batch, false).expect("as found")
}

fn ack(offsets: &mut Offsets, offset: u64, popped_at: i64) -> Outcome {
    offsets.ack_in_order("g", QUEUE, QueueOffset(offset), Timestamp(popped_at))
}

fn write(offsets: &mut Offsets, at: u64) {
    let record = offsets.batch_record(&group(), QUEUE);
    apply(offsets, at, &record);
}

fn apply(offsets: &mut Offsets, at: u64, record: &System) {
    match record {
        System::OrderedBatch(record) => offsets.ordered(LogOffset(at), record),
        System::OffsetsCommitted { group, version, offsets: entries } => {
            offsets.committed(LogOffset(at), group, *version, entries);
        }
        other => panic!("not about offsets: {other:?}"),
    }
}

fn again(offsets: &Offsets) -> Offsets {
    let (mut saved, mut batches) = (Vec::new(), Vec::new());
    offsets.freeze().save(&mut saved);
    offsets.save_batches(&mut batches);
    let mut loaded = Offsets::default();
    loaded.load(&mut Reader::new(&saved)).expect("just saved");
    loaded.load_batches(&mut Reader::new(&batches)).expect("just saved");
    loaded
}

#[test]
fn nothing_more_is_handed_out_before_all_is_acked() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 2, &[(0, 100, 1), (1, 100, 1)]));
    assert_eq!(found(&mut offsets, "b", 99), None);
    assert_eq!(found(&mut offsets, "", 99), None);
    assert_eq!(ack(&mut offsets, 0, 0), Outcome::Decided);
    assert_eq!(found(&mut offsets, "b", 99), None);
    assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(1)));
    assert_eq!(ack(&mut offsets, 1, 0), Outcome::Decided);
    let free = Found { position: Position::At(QueueOffset(2)), batch: None };
    assert_eq!(found(&mut offsets, "b", 99), Some(free));
}

#[test]
fn the_same_attempt_gets_its_batch_again_and_any_other_one_when_it_is_visible() {
    let mut offsets = Offsets::default();
    let out = batch("a", 0, 2, &[(0, 100, 1), (1, 100, 1)]);
    pop(&mut offsets, "a", 0, out.clone());
    write(&mut offsets, 10);
    let mut offsets = again(&offsets);
    assert_eq!(found(&mut offsets, "a", 5).and_then(|found| found.batch), Some(out.clone()));
    assert_eq!(found(&mut offsets, "b", 99), None);
    assert_eq!(found(&mut offsets, "b", 100).and_then(|found| found.batch), Some(out));
}

#[test]
fn a_changed_invisible_time_of_one_message_holds_them_all() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 2, &[(0, 100, 1), (1, 100, 1)]));
    let change =
        |offsets: &mut Offsets, due| offsets.change_in_order("g", QUEUE, QueueOffset(1), Timestamp(0), Timestamp(due));
    assert_eq!(change(&mut offsets, 300), Outcome::Decided);
    assert_eq!(found(&mut offsets, "b", 299), None);
    assert_eq!(change(&mut offsets, 20), Outcome::Decided);
    assert_eq!(found(&mut offsets, "b", 99), None);
    assert!(found(&mut offsets, "b", 100).is_some());
}

#[test]
fn a_handle_of_an_earlier_delivery_or_of_another_place_changes_nothing() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 2, &[(0, 100, 1), (1, 100, 1)]));
    pop(&mut offsets, "b", 100, batch("b", 100, 2, &[(0, 200, 2), (1, 200, 2)]));
    assert_eq!(ack(&mut offsets, 0, 0), Outcome::Late);
    assert_eq!(ack(&mut offsets, 2, 100), Outcome::NotInBatch);
    assert_eq!(ack(&mut offsets, 0, 100), Outcome::Decided);
}

/// An ack was decided and its append failed. A second ack must not be answered before the log says so.
#[test]
fn an_ack_that_is_not_in_the_log_yet_is_written_again() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 1, &[(0, 100, 1)]));
    write(&mut offsets, 10);
    assert_eq!(ack(&mut offsets, 0, 0), Outcome::Decided);
    assert_eq!(ack(&mut offsets, 0, 0), Outcome::Decided);
    write(&mut offsets, 20);
    assert_eq!(ack(&mut offsets, 0, 0), Outcome::Late);
    assert_eq!(again(&offsets).of("g", QUEUE), Some(QueueOffset(1)));
}

#[test]
fn a_pop_that_could_not_be_appended_leaves_the_batch_as_it_was() {
    let mut offsets = Offsets::default();
    let first = found(&mut offsets, "a", 0).expect("free");
    let reserved = pop(&mut offsets, "a", 0, batch("a", 0, 2, &[(1, 100, 1)]));
    assert_eq!(first.position, Position::New);
    offsets.release_in_order("g", &reserved, &first);
    assert_eq!(found(&mut offsets, "b", 1), Some(first));
    pop(&mut offsets, "b", 1, batch("b", 1, 2, &[(0, 100, 1), (1, 100, 1)]));
    let second = found(&mut offsets, "c", 100).expect("visible");
    let reserved = pop(&mut offsets, "c", 100, batch("c", 100, 2, &[(0, 200, 2), (1, 200, 2)]));
    offsets.release_in_order("g", &reserved, &second);
    assert_eq!(found(&mut offsets, "c", 100), Some(second));
}

#[test]
fn the_second_of_two_pops_that_found_the_same_is_refused() {
    let mut offsets = Offsets::default();
    let free = found(&mut offsets, "a", 0).expect("free");
    pop(&mut offsets, "a", 0, batch("a", 0, 1, &[(0, 100, 1)]));
    assert_eq!(offsets.reserve_in_order("g", QUEUE, &free, batch("b", 0, 1, &[(0, 100, 1)]), false), None);
}

#[test]
fn a_message_had_as_often_as_it_may_be_blocks_until_it_is_moved_away() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 2, &[(0, 100, DELIVERIES_MAX), (1, 100, 1)]));
    assert_eq!(found(&mut offsets, "b", 1_000), None);
    let record = offsets.batch_record_without(&group(), QUEUE, &[QueueOffset(0)]).expect("a batch");
    apply(&mut offsets, 10, &record);
    let left = batch("a", 0, 2, &[(1, 100, 1)]);
    let position = Position::At(QueueOffset(1));
    assert_eq!(found(&mut offsets, "b", 1_000), Some(Found { position, batch: Some(left) }));
}

/// A record is staged; before it is appended another one, decided later, is.
#[test]
fn records_in_another_order_than_decided_end_in_the_newest() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 3, &[(0, 100, 1), (1, 100, 1), (2, 100, 1)]));
    ack(&mut offsets, 0, 0);
    let older = offsets.batch_record(&group(), QUEUE);
    ack(&mut offsets, 1, 0);
    let newer = offsets.batch_record(&group(), QUEUE);
    apply(&mut offsets, 10, &newer);
    apply(&mut offsets, 20, &older);
    assert_eq!(offsets.of("g", QUEUE), Some(QueueOffset(2)));
    assert_eq!(again(&offsets).batch("g", QUEUE), offsets.batch("g", QUEUE));
    assert_eq!(offsets.batch("g", QUEUE), Some(&batch("a", 0, 3, &[(2, 100, 1)])));
}

#[test]
fn a_reset_forgets_the_batch() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 8, &[(7, 100, 1)]));
    write(&mut offsets, 10);
    let back = CommittedOffset { topic: QUEUE.0, queue: QUEUE.1, offset: QueueOffset(2) };
    let version = offsets.reset("g", &[back]);
    let to = Found { position: Position::At(QueueOffset(2)), batch: None };
    assert_eq!(found(&mut offsets, "b", 1), Some(to.clone()));
    offsets.committed(LogOffset(20), &group(), version, &[back]);
    let mut offsets = again(&offsets);
    assert_eq!(found(&mut offsets, "b", 1), Some(to));
}

#[test]
fn before_its_segment_goes_a_batch_is_said_again_with_its_offset() {
    let mut offsets = Offsets::default();
    pop(&mut offsets, "a", 0, batch("a", 0, 8, &[(7, 100, 1)]));
    write(&mut offsets, 10);
    let records = offsets.facts_below(LogOffset(11));
    assert_eq!(records.len(), 1);
    let mut only = Offsets::default();
    apply(&mut only, 500, &records[0]);
    assert_eq!((only.of("g", QUEUE), only.batch("g", QUEUE)), (Some(QueueOffset(7)), offsets.batch("g", QUEUE)));
}
