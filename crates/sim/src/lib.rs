//! The whole broker on a simulated disk, clock and network, from a seed (development only).
//!
//! One seed is one run, on one thread: [`run::run`] draws a plan of loads and faults ([`plan`]), lets simulated clients
//! ([`clients`]) work against a broker that is the real one ([`node`]), heals everything, reads all there is ([`drain`]),
//! and asks each rule ([`invariants`]) whether the history ([`history`]) keeps it. The log has no threads of its own here:
//! its flusher, its keeper and the jobs are turned by hand, at simulated times.
//!
//! `cargo test -p sim` runs 1,000 seeds and every planted bug. `KEROLOX_SIM_SEEDS` says how many seeds, `KEROLOX_SIM_SEED` which
//! one to begin with; a failure prints its seed and the command that repeats it. With `KEROLOX_SIM_TRACE=1` every event is shown.
//!
//! Deliberately absent: sockets and the protocol (the conformance tests have those), real time, and threads.

pub mod body;
pub mod clients;
pub mod drain;
pub mod history;
pub mod invariants;
pub mod marks;
pub mod node;
pub mod op;
pub mod plan;
pub mod run;
pub mod wanted;
mod world;

pub use plan::{Forgotten, Hasty, Planted};
pub use run::{Report, run};
pub use world::Tell;
