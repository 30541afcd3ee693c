//! Bugs put in on purpose (RELIABILITY.md section 2.5): a simulation that does not find them would not find others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::{Forgotten, Hasty, Planted};
use store::Fault;

/// Seeds within which each must be found: those of the default run.
const SEEDS: u64 = 1_000;

fn must_be_caught(planted: Planted) {
    let caught = (1..=SEEDS).find_map(|seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| sim::run(seed, Some(planted), None)));
        outcome.unwrap_or_else(|_| Err("panicked".to_owned())).err().map(|error| (seed, error))
    });
    let (seed, error) = caught.unwrap_or_else(|| panic!("{planted:?} was not caught"));
    println!("{planted:?} was caught by seed {seed}: {error}");
}

#[test]
fn a_log_that_never_syncs_is_caught() {
    must_be_caught(Planted::Store(Fault::NoSync));
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    must_be_caught(Planted::Store(Fault::AckBeforeSync));
}

#[test]
fn a_directory_that_is_not_synced_is_caught() {
    must_be_caught(Planted::Store(Fault::NoDirectorySync));
}

#[test]
fn a_recovery_that_believes_any_batch_is_caught() {
    must_be_caught(Planted::Store(Fault::NoCrcInRecovery));
}

#[test]
fn a_stale_tail_that_comes_back_is_caught() {
    must_be_caught(Planted::Store(Fault::StaleTail));
}

#[test]
fn consumer_offsets_outside_the_log_are_caught() {
    must_be_caught(Planted::OffsetsOutsideLog);
}

#[test]
fn reads_beyond_what_is_committed_are_caught() {
    must_be_caught(Planted::Store(Fault::ReadBeyondCommitted));
}

#[test]
fn numbering_that_goes_on_from_what_was_committed_is_caught() {
    must_be_caught(Planted::Store(Fault::NumberingFromCommitted));
}

#[test]
fn a_replay_that_counts_twice_is_caught() {
    must_be_caught(Planted::Store(Fault::ReplayTwice));
}

#[test]
fn a_pop_that_is_answered_before_it_is_durable_is_caught() {
    must_be_caught(Planted::NotAwaited(Hasty::Pop));
}

#[test]
fn an_ack_that_is_answered_before_it_is_durable_is_caught() {
    must_be_caught(Planted::NotAwaited(Hasty::Ack));
}

#[test]
fn a_recall_that_is_answered_before_it_is_durable_is_caught() {
    must_be_caught(Planted::NotAwaited(Hasty::Recall));
}

#[test]
fn an_end_of_a_transaction_that_is_answered_before_it_is_durable_is_caught() {
    must_be_caught(Planted::NotAwaited(Hasty::EndTransaction));
}

#[test]
fn a_commit_in_two_appends_is_caught() {
    must_be_caught(Planted::CommitInTwo);
}

#[test]
fn a_job_for_timed_messages_that_is_ahead_of_the_clock_is_caught() {
    must_be_caught(Planted::TimersEarly);
}

#[test]
fn a_job_for_unacked_messages_that_is_ahead_of_the_clock_is_caught() {
    must_be_caught(Planted::RedeliversEarly);
}

#[test]
fn checkpoints_without_what_is_in_flight_are_caught() {
    must_be_caught(Planted::InflightNotSaved);
}

#[test]
fn a_start_that_forgets_a_kind_of_fact_is_caught() {
    for kind in [
        Forgotten::HalfStored,
        Forgotten::HalfResolved,
        Forgotten::Popped,
        Forgotten::Acked,
        Forgotten::InvisibleChanged,
        Forgotten::TimerStored,
        Forgotten::TimersEnded,
        Forgotten::TimerRecalled,
    ] {
        must_be_caught(Planted::Forgets(kind));
    }
}
