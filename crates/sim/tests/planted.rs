//! Bugs put in on purpose (RELIABILITY.md section 2.5): a simulation that does not find them would not find others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::Planted;
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
