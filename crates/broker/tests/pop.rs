//! Pop consumption over a real log: taken once, invisible across a restart, delivered again, dead-lettered at last.

mod popping;

use std::sync::Arc;

use broker::Machines;
use broker::ops::ack::Outcome;
use broker::ops::pop::Request;
use broker::ops::pop::turn::Pops;
use model::receipt_handle::Origin;
use model::record::message::Message;
use model::{Millis, QueueOffset, TopicName, properties};
use popping::*;
use store::disk::recorded::{Image, RecordedDisk};
use store::{Log, Options, Policy, Read, Staged};

fn pop(broker: &broker::Broker, now: model::Timestamp) -> Vec<Got> {
    pop_as(broker, &ALL, now)
}

fn bodies(got: &[Got]) -> Vec<&str> {
    let mut bodies: Vec<_> = got.iter().map(|got| &*got.body).collect();
    bodies.sort_unstable();
    bodies
}

#[test]
fn a_message_is_taken_once_and_what_is_not_acked_comes_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    send(&broker, 0, b"", b"a");
    send(&broker, 1, b"", b"b");
    send(&broker, 1, b"KEYS\x01k\x02", b"c");
    let first = pop(&broker, at(0));
    assert_eq!(bodies(&first), ["a", "b", "c"]);
    assert_eq!(pop(&broker, at(1)), []);
    let (kept, acked): (Vec<_>, Vec<_>) = first.iter().partition(|got| got.body == "c");
    for got in acked {
        assert_eq!((ack(&broker, got), ack(&broker, got)), (Outcome::Staged, Outcome::Late));
    }

    redeliver(&broker, at(9_999));
    assert_eq!(pop(&broker, at(9_999)), []);
    redeliver(&broker, at(10_000));
    let second = pop(&broker, at(10_000));
    assert_eq!(bodies(&second), ["c"]);
    assert_eq!((second[0].origin, second[0].attempts), (Origin::RetryV1, 1));
    assert_eq!(ack(&broker, kept[0]), Outcome::Late, "the first delivery is over");
    assert_eq!(ack(&broker, &second[0]), Outcome::Staged);
    redeliver(&broker, at(60_000));
    assert_eq!(pop(&broker, at(60_000)), []);
}

#[test]
fn what_is_invisible_stays_so_across_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    for body in [b"a", b"b", b"c"] {
        send(&broker, 0, b"", body);
    }
    let first = pop(&broker, at(0));
    ack(&broker, &first[0]);

    let broker = again(broker, folder.path());
    assert_eq!(pop(&broker, at(1)), []);
    assert_eq!(ack(&broker, &first[1]), Outcome::Staged, "a handle is good across a restart");
    let broker = again(broker, folder.path());
    redeliver(&broker, at(10_000));
    let broker = again(broker, folder.path());
    assert_eq!(bodies(&pop(&broker, at(10_001))), ["c"]);
}

#[test]
fn a_changed_invisible_time_counts_and_the_old_handle_stays_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    send(&broker, 0, b"", b"later");
    send(&broker, 0, b"", b"sooner");
    let got = pop(&broker, at(0));
    let change = |got: &Got, invisible, now| {
        let (mut staged, mut pops) = (Staged::default(), Pops::default());
        let (topic, invisible) = (topic_of(got), Millis(invisible));
        let outcome =
            broker.begin_change_invisible(&named(got, &topic), invisible, now, &mut staged, &mut pops).expect("there");
        broker.append_and_wait(&mut staged).expect("the disk has room");
        broker.pops_appended(&mut pops);
        outcome
    };
    assert_eq!(change(&got[0], 50_000, at(5_000)), Outcome::Staged);
    assert_eq!(change(&got[1], 1_000, at(5_000)), Outcome::Staged);
    redeliver(&broker, at(6_000));
    assert_eq!(bodies(&pop(&broker, at(6_000))), ["sooner"]);
    redeliver(&broker, at(54_999));
    assert_eq!(ack(&broker, &got[0]), Outcome::Staged);
}

/// An ack was answered at once while another fact about its message was on its way: then it was no ack when that fact was a
/// change of its time, and nobody's promise when it was an ack that got lost.
#[test]
fn an_ack_beside_another_fact_about_its_message_counts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    send(&broker, 0, b"", b"a");
    send(&broker, 0, b"", b"b");
    let got = pop(&broker, at(0));
    let (orders, mut staged, mut pops) = (TopicName::trusted("orders"), Staged::default(), Pops::default());
    let more_time = broker.begin_change_invisible(&named(&got[0], &orders), INVISIBLE, at(1), &mut staged, &mut pops);
    assert_eq!(more_time.expect("there"), Outcome::Staged);
    for name in [&got[0], &got[1], &got[1]] {
        assert_eq!(broker.begin_ack(&named(name, &orders), &mut pops).expect("there"), Outcome::Staged);
    }
    broker.stage_acks(&pops, &mut staged);
    broker.append_and_wait(&mut staged).expect("the disk has room");
    broker.pops_appended(&mut pops);
    redeliver(&broker, at(60_000));
    assert_eq!(pop(&broker, at(60_000)), []);
}

#[test]
fn after_the_last_attempt_a_message_is_a_dead_letter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    set_group(&broker, 2);
    send(&broker, 0, b"", b"poison");
    let mut now = 0;
    for attempt in 0..=2 {
        let got = pop(&broker, at(now));
        assert_eq!((bodies(&got), got[0].attempts), (vec!["poison"], attempt));
        now += INVISIBLE.0;
        redeliver(&broker, at(now));
    }
    assert_eq!(pop(&broker, at(now)), []);
    let slot = broker.slot_of("%DLQ%g", 0).expect("created by itself");
    let mut units = Vec::new();
    broker.log().units(slot, QueueOffset::ZERO, 10, Read::Wait, &mut units).expect("readable");
    let mut record = Vec::new();
    broker.log().read(units[0].at, units[0].len, Read::Wait, &mut record).expect("readable");
    let message = Message::parse(&record).expect("a message");
    assert_eq!((message.body(), units.len()), (&b"poison"[..], 1));
    let property = |name| properties::find(message.properties(), name);
    assert_eq!((property("DLQ_ORIGIN_TOPIC"), property("RETRY_TOPIC")), (Some("orders"), Some("orders")));
    assert!(property("1ST_POP_TIME").is_some() && property("DLQ_ORIGIN_MESSAGE_ID").is_some());
    assert_eq!(broker.counters.messages_to_dead_letter.get(), 1);
}

#[test]
fn only_wanted_tags_are_taken_and_the_others_are_passed_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    for index in 0..6 {
        let tag: &[u8] = if index % 2 == 0 { b"TAGS\x01even\x02" } else { b"TAGS\x01odd\x02" };
        send(&broker, 0, tag, index.to_string().as_bytes());
    }
    let request = Request { expression: "odd || prime", max_messages: 2, ..ALL };
    assert_eq!(bodies(&pop_as(&broker, &request, at(0))), ["1", "3"]);
    assert_eq!(bodies(&pop_as(&broker, &request, at(0))), ["5"]);
    redeliver(&broker, at(10_000));
    assert_eq!(bodies(&pop(&broker, at(10_000))), ["1", "3", "5"]);
}

#[test]
fn a_pop_that_could_not_be_appended_takes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    for body in [b"a", b"b"] {
        send(&broker, 0, b"", body);
    }
    let (mut staged, mut pops) = (Staged::default(), Pops::default());
    let one = Request { max_messages: 1, ..ALL };
    for _ in 0..2 {
        let plan = plan(&broker, &one, at(0), &pops);
        broker.begin_pop(&plan, &mut staged, &mut pops).expect("the same turn goes on");
    }
    // Another turn finds the queue busy and must not go beyond what may be taken back.
    assert!(plan(&broker, &one, at(0), &Pops::default()).parts.is_empty());
    broker.release_pops(&mut pops);
    assert_eq!(bodies(&pop(&broker, at(0))), ["a", "b"]);
}

#[test]
fn the_second_of_two_plans_for_the_same_messages_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    send(&broker, 0, b"", b"a");
    let (mut staged, mut pops) = (Staged::default(), Pops::default());
    let (one, other) = (plan(&broker, &ALL, at(0), &pops), plan(&broker, &ALL, at(0), &pops));
    broker.begin_pop(&one, &mut staged, &mut pops).expect("first");
    assert!(broker.begin_pop(&other, &mut staged, &mut Pops::default()).is_err());
    broker.append_and_wait(&mut staged).expect("the disk has room");
    broker.pops_appended(&mut pops);
    assert_eq!(pop(&broker, at(0)), []);
}

#[test]
fn a_reset_offset_brings_messages_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    send(&broker, 0, b"", b"a");
    send(&broker, 0, b"", b"b");
    assert_eq!(bodies(&pop(&broker, at(0))), ["a", "b"]);
    let mut staged = Staged::default();
    let target = broker::ops::reset_offset::Target::Offset(1);
    let reset = broker::ops::reset_offset::Request { group: "g", topic: "orders", queue_id: 0, target };
    broker.begin_reset_offset(reset, Read::Wait, &mut staged).expect("in range");
    broker.append_and_wait(&mut staged).expect("the disk has room");
    assert_eq!(bodies(&pop(&broker, at(1))), ["b"]);
    redeliver(&broker, at(10_001));
    assert_eq!(bodies(&pop(&broker, at(10_001))), ["a", "b"], "each once");
}

#[test]
fn a_message_in_flight_outlives_its_segment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    send(&broker, 0, b"", b"in flight");
    assert_eq!(bodies(&pop(&broker, at(0))), ["in flight"]);
    for _ in 0..100 {
        send(&broker, 1, b"", &[b'x'; 3_000]);
    }
    let policy = Policy { keep: Millis(72 * 3_600_000), bytes_max: Some(128 * 1024), ..Policy::default() };
    let mut staged = Staged::default();
    let before = broker.log().start();
    assert_eq!(broker.retain(&policy, at(5), &mut staged).expect("retained"), before, "not before it is safe");
    redeliver(&broker, at(5));
    assert!(broker.retain(&policy, at(6), &mut staged).expect("retained") > before);
    let broker = again(broker, folder.path());
    let got = pop_as(&broker, &Request { queue_id: 0, ..ALL }, at(7));
    assert_eq!(bodies(&got), ["in flight"]);
}

/// Found by the simulation: a pop was appended and not yet durable when retention asked what is in flight; then the segment with
/// its message went, and the message, which was never acked, did not come again.
#[test]
fn a_message_whose_pop_is_on_its_way_to_the_log_outlives_its_segment() {
    let machines = Arc::new(Machines::new(&settings()));
    // Nothing is flushed unless somebody waits for it.
    let options = Options { segment_bytes: 64 * 1024, reader_threads: 1, ..Options::new("recorded") };
    let disk = Arc::new(RecordedDisk::new(&Image::default()));
    let log = Arc::new(Log::open_on(disk, options, machines.clone(), Arc::new(|| START)).expect("opens"));
    let broker = start(machines, log);
    send(&broker, 0, b"", b"in flight");
    for _ in 0..100 {
        send(&broker, 1, b"", &[b'x'; 3_000]);
    }
    (0..10).for_each(|_| broker.log().keep());
    let (mut staged, mut pops) = (Staged::default(), Pops::default());
    let plan = plan(&broker, &Request { queue_id: 0, ..ALL }, at(0), &pops);
    broker.begin_pop(&plan, &mut staged, &mut pops).expect("nobody else pops");
    broker.log().append(&mut staged).expect("the disk has room");
    broker.pops_appended(&mut pops);

    let policy = Policy { keep: Millis(72 * 3_600_000), bytes_max: Some(128 * 1024), ..Policy::default() };
    let before = broker.log().start();
    assert!(broker.log().expired(at(5), &policy).expect("readable").is_some(), "it would go now");
    assert_eq!(broker.retain(&policy, at(5), &mut staged).expect("retained"), before, "not before it is safe");
    redeliver(&broker, at(5));
    assert!(broker.retain(&policy, at(6), &mut staged).expect("retained") > before);
    let got = pop_as(&broker, &Request { queue_id: 0, ..ALL }, at(7));
    assert_eq!(bodies(&got), ["in flight"]);
}

#[test]
fn a_sql_expression_chooses_what_is_popped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    for amount in [10, 200, 20, 3_000] {
        let mut string = Vec::new();
        properties::push(&mut string, "amount", &amount.to_string());
        send(&broker, 0, &string, amount.to_string().as_bytes());
    }
    let request = Request { expression: "amount BETWEEN 20 AND 200", kind: Some("SQL92"), ..ALL };
    let bodies = |got: Vec<Got>| got.into_iter().map(|got| (got.offset.0, got.body)).collect::<Vec<_>>();
    assert_eq!(bodies(pop_as(&broker, &request, START)), [(1, "200".to_owned()), (2, "20".to_owned())]);
    // What was passed over is gone for the group, as with tags, whether it lies before or behind what was popped.
    assert_eq!(bodies(pop_as(&broker, &request, START)), []);
    assert_eq!(bodies(pop_as(&broker, &ALL, START)), []);
    // What nobody has acked comes again, to those who want it.
    redeliver(&broker, at(10_001));
    let other = Request { expression: "amount > 100", ..request };
    assert_eq!(bodies(pop_as(&broker, &other, at(10_001))), [(0, "200".to_owned())]);
}

#[test]
fn a_broken_expression_refuses_a_pop_with_its_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = open(folder.path());
    let request = Request { expression: "amount >", kind: Some("SQL92"), ..ALL };
    let refused = broker.plan_pop(&request, START, Read::Wait, &Pops::default()).expect_err("broken");
    assert!(refused.to_string().ends_with("\n    amount >\n            ^"), "{refused}");
}
