//! What happens unasked: each job asks a machine and appends its effects. One call is one round; `server` repeats them.

pub mod check_halves;
pub mod deliver_timed;
mod end_batches;
pub mod note_use;
pub mod redeliver;
pub mod retention;
pub mod sample;
pub mod settle_timers;
pub mod write_offsets;
