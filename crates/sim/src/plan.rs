//! What a seed draws before its run: how much load, and which faults, how often. Each fault is off in half of the runs
//! (swarm testing): a fault that is always there hides what happens without it.

use store::Fault;
use store::disk::recorded::Rng;

/// A bug put in on purpose: the rules must catch it (RELIABILITY.md section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Of the store.
    Store(Fault),
    /// Consumer offsets are answered without a record in the log.
    OffsetsOutsideLog,
    /// Requests of this kind are answered before they are durable.
    NotAwaited(Hasty),
    /// A commit is two appends: the message, then the mark.
    CommitInTwo,
    /// The job for timed messages is ahead of the clock.
    TimersEarly,
    /// The job for messages that were not acked in time is ahead of the clock.
    RedeliversEarly,
    /// A process that starts does not know facts of this kind that its log holds.
    Forgets(Forgotten),
    /// Checkpoints do not hold what is in flight.
    InflightNotSaved,
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hasty {
    Pop,
    Ack,
    Recall,
    EndTransaction,
}

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    HalfStored,
    HalfResolved,
    Popped,
    Acked,
    InvisibleChanged,
    TimerStored,
    TimersEnded,
    TimerRecalled,
}

/// Something that goes wrong now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The power is lost at one of the next changes of the disk.
    LosePower,
    /// kill -9: what is written stays.
    Kill,
    /// kill -9, and somebody deletes all that can be rebuilt from the log.
    LoseState,
    /// An orderly stop and start.
    Restart,
    /// One of the next syncs fails.
    FailSync,
    /// One of the next writes fails.
    FailWrite,
    /// The disk is full for a while.
    FillDisk,
    /// Syncs take up to half a second for a while.
    SlowSync,
    /// The broker's clock jumps, up to five minutes either way.
    JumpClock,
    /// A client dies and comes back without its memory.
    LoseClient,
}

const TROUBLES: [Trouble; 10] = [
    Trouble::LosePower,
    Trouble::Kill,
    Trouble::LoseState,
    Trouble::Restart,
    Trouble::FailSync,
    Trouble::FailWrite,
    Trouble::FillDisk,
    Trouble::SlowSync,
    Trouble::JumpClock,
    Trouble::LoseClient,
];

/// The plan of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Load and trouble last so long.
    pub storm_ms: u64,
    /// Then everything is healed, and consumers have this long to catch up.
    pub calm_ms: u64,
    pub producers: usize,
    /// The longest pause of a client between two requests.
    pub think_us: u64,
    /// The longest way of a request or an answer.
    pub latency_us: u64,
    /// Requests and answers that are lost, of a thousand.
    pub lost_per_mille: usize,
    /// Requests that arrive twice, of a thousand.
    pub twice_per_mille: usize,
    /// Each with its longest pause.
    pub troubles: Vec<(Trouble, u64)>,
    /// One producer sends messages of one size to an async topic, and nobody else does anything: what is written after a cut
    /// ends exactly where old batches begin.
    pub uniform: bool,
    /// How long a sync takes at most.
    pub sync_us: u64,
    /// There is a producer of transactions.
    pub transactions: bool,
    /// There is a consumer with filters.
    pub scanner: bool,
    /// Consumers that pop.
    pub poppers: usize,
    /// Topics are deleted and created, offsets are reset.
    pub admin: bool,
    /// Messages are kept so long.
    pub keep_ms: u64,
    /// Bytes of log between two checkpoints.
    pub checkpoint_bytes: u64,
    pub delays_ms: Vec<u64>,
}

/// 72 hours, as by default: nothing is ever too old.
pub const KEEP_ALL_MS: u64 = 72 * 3_600_000;

/// Longer than a lost client's queue lock lives.
const CALM_MS: u64 = 70_000;

/// A sync takes up to so long, as a rule, and in trouble.
pub const SYNC_US: u64 = 1_000;
pub const SYNC_SLOW_US: u64 = 500_000;

impl Plan {
    /// Draws a plan.
    pub fn draw(rng: &mut Rng) -> Plan {
        if rng.once_in(8) {
            return Plan::draw_uniform(rng);
        }
        let mut troubles = Vec::new();
        // One run in eight is undisturbed: then nothing may be late.
        if !rng.once_in(8) {
            for trouble in TROUBLES {
                if rng.once_in(2) {
                    troubles.push((trouble, 500 + between(rng, 0, 6_000)));
                }
            }
        }
        let network = rng.once_in(2);
        Plan {
            storm_ms: between(rng, 5_000, 20_000),
            calm_ms: CALM_MS,
            producers: 1 + rng.below(4),
            think_us: between(rng, 10_000, 150_000),
            latency_us: between(rng, 200, 5_000),
            lost_per_mille: if network { rng.below(60) } else { 0 },
            twice_per_mille: if network { rng.below(60) * (1 + rng.below(4)) } else { 0 },
            troubles,
            uniform: false,
            transactions: rng.once_in(2),
            scanner: rng.once_in(2),
            poppers: 1 + rng.below(3),
            sync_us: SYNC_US,
            admin: rng.once_in(2),
            keep_ms: if rng.once_in(2) { KEEP_ALL_MS } else { between(rng, 3_000, 15_000) },
            checkpoint_bytes: between(rng, 16, 256) * 1_024,
            delays_ms: vec![500, 1_500, 4_000, 9_000],
        }
    }

    /// Many short lives, with much that is not synced in each.
    fn draw_uniform(rng: &mut Rng) -> Plan {
        Plan {
            storm_ms: between(rng, 5_000, 20_000),
            calm_ms: CALM_MS,
            producers: 1,
            think_us: between(rng, 5_000, 50_000),
            latency_us: 500,
            lost_per_mille: 0,
            twice_per_mille: 0,
            troubles: vec![(Trouble::LosePower, between(rng, 100, 1_000))],
            uniform: true,
            transactions: false,
            scanner: false,
            poppers: 0,
            sync_us: SYNC_SLOW_US,
            admin: false,
            keep_ms: KEEP_ALL_MS,
            checkpoint_bytes: 64 * 1_024,
            delays_ms: vec![500],
        }
    }

    /// Whether the broker has no excuse for being late.
    #[must_use]
    pub fn undisturbed(&self) -> bool {
        self.troubles.iter().all(|(trouble, _)| *trouble == Trouble::LoseClient)
    }
}

/// From `low` to `high`.
pub fn between(rng: &mut Rng, low: u64, high: u64) -> u64 {
    low + rng.draw() % (high - low + 1)
}
