//! Many seeds. `KEROLOX_SIM_SEEDS` says how many to run, `KEROLOX_SIM_SEED` which one to begin with, and
//! `KEROLOX_SIM_TRACE=1` shows every event.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::marks::Marks;

/// Seeds of the default run.
const SEEDS: u64 = 1_000;

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[test]
fn every_rule_holds_whatever_goes_wrong() {
    let (first, seeds) = (env("KEROLOX_SIM_SEED", 1), env("KEROLOX_SIM_SEEDS", SEEDS));
    let tell: Option<sim::Tell> = (env("KEROLOX_SIM_TRACE", 0) > 0).then_some(|event| println!("{event}"));
    let (mut marks, mut acknowledged) = (Marks::default(), 0);
    for seed in first..first + seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| sim::run(seed, None, tell)));
        match outcome.unwrap_or_else(|_| Err("panicked".to_owned())) {
            Ok(report) => {
                marks.add(&report.marks);
                acknowledged += report.acknowledged;
            }
            Err(error) => panic!(
                "seed {seed}: {error}\nrepeat: KEROLOX_SIM_SEED={seed} KEROLOX_SIM_SEEDS=1 \
                 cargo test -p sim --test seeds every_rule"
            ),
        }
    }
    println!("{seeds} seeds, {acknowledged} messages acknowledged\n{}", marks.table());
    if seeds >= SEEDS {
        assert_eq!(marks.missing(), [""; 0], "never reached in {seeds} seeds");
    }
}

#[test]
fn a_seed_is_a_run() {
    for seed in 1..=20 {
        assert_eq!(sim::run(seed, None, None), sim::run(seed, None, None), "seed {seed}");
    }
}
