//! The crash harness: a log on a recorded disk, the power lost at every sync and at random moments, what was not synced
//! lost, kept, torn or reordered, and the log opened again.
//!
//! What must hold: everything acknowledged is there; what is there is a prefix of what was appended; nothing panics;
//! opening again changes nothing, even if the power is lost while opening. A run is a seed. `KEROLOX_CRASH_IMAGES` says how
//! many images to try, `KEROLOX_CRASH_SEED` which seed to begin with.

mod history;
mod load;
mod rot;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use store::Fault;
use store::disk::recorded::{Event, Image, LOSSES, Loss, Moment, RecordedDisk, Rng};

use history::{History, Holds, Told, check};
use load::{Setup, Style};

/// Images of the default run.
const IMAGES: usize = 20_000;

/// How a run counts and ends.
struct Budget {
    images: AtomicUsize,
    max: usize,
}

impl Budget {
    /// True: one more image may be tried.
    fn take(&self) -> bool {
        self.images.fetch_add(1, Ordering::Relaxed) < self.max
    }
}

/// What a life knew of the log: the records appended so far, and what the outside was told of them.
#[derive(Clone, Default)]
struct Known {
    history: History,
    told: Told,
}

/// A life of the directory: how it began, and what was done to the disk.
struct Life {
    image: Image,
    events: Vec<Event>,
    /// Events until the log was open. Before that nobody has seen where it was cut, and the cut may still move.
    opening: usize,
    before: Known,
    after: Known,
}

impl Life {
    /// What was known when the power was lost before event `count`; what was told is that at the beginning.
    fn known(&self, count: usize) -> &Known {
        if count < self.opening { &self.before } else { &self.after }
    }

    /// The disk and what was told after the first `count` events.
    fn at_event(&self, count: usize) -> (Moment, Known) {
        let (mut moment, mut known) = (Moment::new(&self.image), self.known(count).clone());
        for event in &self.events[..count] {
            moment.advance(event);
            known.told.hear(event, &known.history);
        }
        (moment, known)
    }
}

/// Runs one seed: a directory through several lives. An error says what was wrong.
fn run_seed(seed: u64, setup: Setup, budget: &Budget) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let style = if rng.once_in(3) { Style::Uniform } else { Style::Mixed };
    // Many short lives show what an earlier one left behind; long ones fill segments.
    let (lives, steps_max) = if style == Style::Uniform { (24, 20) } else { (4, 200) };
    let (mut image, mut known) = (Image::default(), Known::default());
    for number in 0..lives {
        let context = |error: String| format!("life {number}, {style:?}, {error}");
        let steps = steps_max / 5 + rng.below(steps_max);
        let life = live(image, known, setup, style, steps, &mut rng).map_err(context)?;
        try_images(&life, setup, budget, &mut rng).map_err(context)?;
        if budget.images.load(Ordering::Relaxed) >= budget.max {
            break;
        }
        // The next life begins with one of the images, seldom the kindest.
        let (moment, at_loss) = life.at_event(rng.below(life.events.len() + 1));
        let loss = if rng.once_in(2) { Loss::Reordered } else { LOSSES[rng.below(LOSSES.len())] };
        image = moment.image(loss, &mut rng);
        known = at_loss;
    }
    Ok(())
}

/// Opens the log in `image`, checks it, does `steps` things to it, and sometimes closes it.
fn live(image: Image, before: Known, setup: Setup, style: Style, steps: usize, rng: &mut Rng) -> Result<Life, String> {
    let disk = Arc::new(RecordedDisk::new(&image));
    let (log, projection) = load::open(&disk, setup, true).map_err(|error| format!("opening: {error}"))?;
    let opening = disk.events().len();
    let holds = check(&log, &projection, &before.history, &before.told).map_err(|error| format!("opened: {error}"))?;
    let mut after = before.clone();
    after.history.entries.truncate(holds.records);
    // From here on what was found is durable, whatever was told before.
    after.told = Told { committed: log.committed().0, seen: 0, trimmed: before.told.trimmed };
    load::run(&log, &disk, &mut after.history, setup, style, steps, rng);
    if rng.once_in(3) {
        log.close();
        disk.note(Event::Committed(log.committed().0));
    }
    disk.kill();
    drop(log);
    Ok(Life { image, events: disk.events(), opening, before, after })
}

impl Told {
    fn hear(&mut self, event: &Event, history: &History) {
        match event {
            Event::Committed(at) => self.committed = self.committed.max(*at),
            Event::Trim(to) => self.trimmed = self.trimmed.max(*to),
            Event::Seen(at) => {
                let place = history.entries.binary_search_by_key(at, |entry| entry.at);
                if let Ok(place) = place
                    && history.entries[place].durable
                {
                    self.seen = self.seen.max(at + history.entries[place].bytes.len() as u64);
                }
            }
            _ => {}
        }
    }
}

/// Loses the power around every sync and at random moments between.
fn try_images(life: &Life, setup: Setup, budget: &Budget, rng: &mut Rng) -> Result<(), String> {
    let (mut moment, mut told) = (Moment::new(&life.image), life.before.told);
    for (number, event) in life.events.iter().enumerate() {
        if number == life.opening {
            told = life.after.told;
            life.events[..number].iter().for_each(|event| told.hear(event, &life.after.history));
        }
        let at_sync = matches!(event, Event::Sync { .. } | Event::SyncDir { .. } | Event::Committed(_));
        let here = if at_sync { rng.once_in(2) } else { rng.once_in(6) };
        let history = &life.known(number).history;
        if here {
            let loss = LOSSES[rng.below(LOSSES.len())];
            if !budget.take() {
                return Ok(());
            }
            let image = moment.image(loss, rng);
            try_image(&image, history, &told, setup, rng)
                .map_err(|error| format!("power lost before event {number}, {loss:?}, {told:?}: {error}"))?;
        }
        moment.advance(event);
        told.hear(event, history);
    }
    Ok(())
}

/// Opens the image, checks it, opens it again after a kill, and after power losses while it was opened.
fn try_image(image: &Image, history: &History, told: &Told, setup: Setup, rng: &mut Rng) -> Result<(), String> {
    let disk = Arc::new(RecordedDisk::new(image));
    let first = open_and_check(&disk, history, told, setup)?;
    let again = Arc::new(RecordedDisk::new(&disk.as_it_is()));
    let second = open_and_check(&again, history, told, setup).map_err(|error| format!("opened again: {error}"))?;
    if first != second {
        return Err(format!("opening twice differs: {first:?}, then {second:?}"));
    }
    let events = disk.events();
    let mut moment = Moment::new(image);
    events[..rng.below(events.len() + 1)].iter().for_each(|event| moment.advance(event));
    let inside = moment.image(LOSSES[rng.below(LOSSES.len())], rng);
    let third = open_and_check(&Arc::new(RecordedDisk::new(&inside)), history, told, setup)
        .map_err(|error| format!("power lost while opening: {error}"))?;
    // More may come to light: a torn header that is completed by the torn write of its successor. Nobody has seen the cut.
    if third.records < first.records {
        return Err(format!("power lost while opening: {first:?}, then {third:?}"));
    }
    Ok(())
}

fn open_and_check(disk: &Arc<RecordedDisk>, history: &History, told: &Told, setup: Setup) -> Result<Holds, String> {
    let opened = load::open(disk, setup, false).map_err(|error| format!("does not open: {error}"));
    let checked = opened.and_then(|(log, projection)| {
        let holds = check(&log, &projection, history, told);
        // Closing must leave nothing behind: this was a kill.
        disk.kill();
        holds
    });
    disk.kill();
    checked
}

fn env(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// Runs seeds on two threads until the budget is used up or one fails: then the seed and what was wrong.
fn run(fault: Option<Fault>, max: usize) -> Option<(u64, String)> {
    let budget = Budget { images: AtomicUsize::new(0), max };
    let next_seed = AtomicU64::new(env("KEROLOX_CRASH_SEED", 1) as u64);
    let work = || {
        while budget.images.load(Ordering::Relaxed) < budget.max {
            let seed = next_seed.fetch_add(1, Ordering::Relaxed);
            let result = catch_unwind(AssertUnwindSafe(|| run_seed(seed, Setup { fault, ..Setup::of(seed) }, &budget)));
            let error = match result {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error,
                Err(_) => "panicked".to_owned(),
            };
            budget.images.store(budget.max, Ordering::Relaxed);
            return Some((seed, error));
        }
        None
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.or(other.join().expect("panics are caught"))
    })
}

#[test]
fn nothing_acknowledged_is_lost_whenever_the_power_goes() {
    let images = env("KEROLOX_CRASH_IMAGES", IMAGES);
    if let Some((seed, error)) = run(None, images) {
        panic!(
            "seed {seed}: {error}\nrepeat: KEROLOX_CRASH_SEED={seed} KEROLOX_CRASH_IMAGES=2000 \
             cargo test -p store --test crash nothing_acknowledged"
        );
    }
}

/// The planted bug must be found within the budget of the default run.
fn must_be_caught(fault: Fault) {
    let (seed, error) = run(Some(fault), IMAGES).unwrap_or_else(|| panic!("{fault:?} was not caught"));
    println!("{fault:?} was caught by seed {seed}: {error}");
}

#[test]
fn a_log_that_never_syncs_is_caught() {
    must_be_caught(Fault::NoSync);
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    must_be_caught(Fault::AckBeforeSync);
}

#[test]
fn a_directory_that_is_not_synced_is_caught() {
    must_be_caught(Fault::NoDirectorySync);
}

#[test]
fn a_recovery_that_believes_any_batch_is_caught() {
    must_be_caught(Fault::NoCrcInRecovery);
}

#[test]
fn a_stale_tail_that_comes_back_is_caught() {
    must_be_caught(Fault::StaleTail);
}
