//! Popping in order over a real log: one batch of a queue at a time, across restarts, to the dead-letter topic at last.

mod popping;

use broker::ops::ack::{self, Outcome};
use broker::ops::pop::Request;
use broker::ops::pop::turn::Pops;
use model::record::message::Message;
use model::{Millis, QueueOffset, properties};
use popping::*;
use store::{Read, Staged};

const IN_ORDER: Request<'static> = Request { queue_id: 0, max_messages: 2, order: Some(""), ..ALL };

fn attempt(name: &str) -> Request<'_> {
    Request { order: Some(name), ..IN_ORDER }
}

fn five(folder: &std::path::Path) -> broker::Broker {
    let broker = open(folder);
    for body in ["0", "1", "2", "3", "4"] {
        send(&broker, 0, b"", body.as_bytes());
    }
    broker
}

/// Bodies in the order they came, with how often each was delivered before.
fn seen(got: &[Got]) -> Vec<(&str, i32)> {
    got.iter().map(|got| (&*got.body, got.attempts)).collect()
}

fn nack(broker: &broker::Broker, got: &Got, invisible: u64, now: u64) {
    let (mut staged, mut pops) = (Staged::default(), Pops::default());
    let topic = topic_of(got);
    let request = named(got, &topic);
    let outcome = broker.begin_change_invisible(&request, Millis(invisible), at(now), &mut staged, &mut pops);
    assert_eq!(outcome.expect("there"), Outcome::Staged);
    broker.stage_acks(&pops, &mut staged);
    broker.append_and_wait(&mut staged).expect("the disk has room");
    broker.pops_appended(&mut pops);
}

#[test]
fn the_next_batch_waits_for_the_last_ack_and_so_across_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    let first = pop_as(&broker, &IN_ORDER, at(0));
    assert_eq!(seen(&first), [("0", 0), ("1", 0)]);
    assert_eq!(pop_as(&broker, &IN_ORDER, at(1)), []);
    assert_eq!(ack(&broker, &first[0]), Outcome::Staged);
    let broker = again(broker, folder.path());
    assert_eq!(pop_as(&broker, &IN_ORDER, at(2)), []);
    assert_eq!(ack(&broker, &first[1]), Outcome::Staged, "a handle is good across a restart");
    assert_eq!(ack(&broker, &first[1]), Outcome::Late);
    assert_eq!(seen(&pop_as(&broker, &IN_ORDER, at(3))), [("2", 0), ("3", 0)]);
}

#[test]
fn what_is_not_acked_comes_first_again_and_what_is_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    let wide = Request { max_messages: 3, ..IN_ORDER };
    let first = pop_as(&broker, &wide, at(0));
    ack(&broker, &first[1]);
    let broker = again(broker, folder.path());
    redeliver(&broker, at(9_999));
    assert_eq!(pop_as(&broker, &wide, at(9_999)), []);
    redeliver(&broker, at(10_000));
    let second = pop_as(&broker, &wide, at(10_000));
    assert_eq!(seen(&second), [("0", 1), ("2", 1), ("3", 0)]);
    assert_eq!(ack(&broker, &first[0]), Outcome::Late, "the first delivery is over");
    // Room for one: the others of the batch are still known, and their count does not rise.
    nack(&broker, &second[2], 0, 10_001);
    let narrow = Request { max_messages: 1, ..IN_ORDER };
    let third = pop_as(&broker, &narrow, at(20_000));
    assert_eq!(seen(&third), [("0", 2)]);
    ack(&broker, &third[0]);
    assert_eq!(seen(&pop_as(&broker, &wide, at(20_001))), [("2", 2), ("3", 1), ("4", 0)]);
}

#[test]
fn an_attempt_whose_answer_was_lost_gets_its_batch_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    let lost = pop_as(&broker, &attempt("one"), at(0));
    let broker = again(broker, folder.path());
    assert_eq!(pop_as(&broker, &attempt("two"), at(5)), []);
    let second = pop_as(&broker, &Request { max_messages: 32, ..attempt("one") }, at(5));
    assert_eq!(seen(&second), [("0", 0), ("1", 0)], "no more than before, and no more often");
    assert_eq!(ack(&broker, &lost[0]), Outcome::Staged, "should the first answer have come through after all");
    assert_eq!(ack(&broker, &second[1]), Outcome::Staged);
    assert_eq!(seen(&pop_as(&broker, &attempt("two"), at(6))), [("2", 0), ("3", 0)]);
}

#[test]
fn a_nack_brings_the_batch_back_when_its_last_message_is_visible() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    let first = pop_as(&broker, &IN_ORDER, at(0));
    nack(&broker, &first[0], 1_000, 0);
    assert_eq!(pop_as(&broker, &IN_ORDER, at(1_000)), [], "the other one is out until 10 s");
    nack(&broker, &first[1], 2_000, 0);
    let broker = again(broker, folder.path());
    assert_eq!(pop_as(&broker, &IN_ORDER, at(1_999)), []);
    assert_eq!(seen(&pop_as(&broker, &IN_ORDER, at(2_000))), [("0", 1), ("1", 1)]);
}

#[test]
fn a_message_that_is_never_acked_is_a_dead_letter_and_the_queue_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut broker = five(folder.path());
    set_group(&broker, 2);
    for round in 0..3 {
        let now = round * INVISIBLE.0;
        redeliver(&broker, at(now));
        let got = pop_as(&broker, &IN_ORDER, at(now));
        assert_eq!(seen(&got)[0], ("0", i32::try_from(round).expect("small")));
        if round == 1 {
            ack(&broker, &got[1]);
        }
        broker = again(broker, folder.path());
    }
    assert_eq!(pop_as(&broker, &IN_ORDER, at(30_000)), [], "not before it is moved away");
    redeliver(&broker, at(30_000));
    assert_eq!(broker.counters.messages_to_dead_letter.get(), 1);
    assert_eq!(seen(&pop_as(&broker, &IN_ORDER, at(30_000))), [("2", 1), ("3", 0)]);
    let slot = broker.slot_of("%DLQ%g", 0).expect("created by itself");
    let (mut units, mut record) = (Vec::new(), Vec::new());
    broker.log().units(slot, QueueOffset::ZERO, 10, Read::Wait, &mut units).expect("readable");
    broker.log().read(units[0].at, units[0].len, Read::Wait, &mut record).expect("readable");
    let message = Message::parse(&record).expect("a message");
    assert_eq!((message.body(), message.reconsume_times(), units.len()), (&b"0"[..], 3, 1));
    assert_eq!(properties::find(message.properties(), "DLQ_ORIGIN_TOPIC"), Some("orders"));
}

#[test]
fn only_wanted_tags_are_in_a_batch() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    for index in 0..6 {
        let tag: &[u8] = if index % 2 == 0 { b"TAGS\x01even\x02" } else { b"TAGS\x01odd\x02" };
        send(&broker, 0, tag, index.to_string().as_bytes());
    }
    let odd = Request { expression: "odd", ..IN_ORDER };
    let first = pop_as(&broker, &odd, at(0));
    assert_eq!(seen(&first), [("1", 0), ("3", 0)]);
    ack(&broker, &first[1]);
    assert_eq!(seen(&pop_as(&broker, &odd, at(10_000))), [("1", 1), ("5", 0)]);
}

#[test]
fn a_pop_in_order_that_could_not_be_appended_takes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    let (mut staged, mut pops) = (Staged::default(), Pops::default());
    let plan = plan(&broker, &IN_ORDER, at(0), &pops);
    broker.begin_pop(&plan, &mut staged, &mut pops).expect("free");
    assert_eq!(pop_as(&broker, &IN_ORDER, at(0)), [], "another turn finds it taken");
    broker.release_pops(&mut pops);
    assert_eq!(seen(&pop_as(&broker, &IN_ORDER, at(0))), [("0", 0), ("1", 0)]);
}

#[test]
fn queues_do_not_wait_for_one_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    send(&broker, 1, b"", b"other");
    assert_eq!(pop_as(&broker, &IN_ORDER, at(0)).len(), 2);
    let all = Request { queue_id: -1, ..IN_ORDER };
    assert_eq!(seen(&pop_as(&broker, &all, at(1))), [("other", 0)]);
}

#[test]
fn an_ack_behind_the_batch_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = five(folder.path());
    let first = pop_as(&broker, &IN_ORDER, at(0));
    let topic = topic_of(&first[0]);
    let request = ack::Request { offset: 4, ..named(&first[0], &topic) };
    let refused = broker.begin_ack(&request, &mut Pops::default()).expect_err("never popped");
    assert!(matches!(refused, ack::Error::NotInBatch { offset: 4, .. }));
}
