//! One run: storm, healing, calm, a last look at everything, and the rules.

use store::disk::recorded::Rng;

use crate::drain::drain;
use crate::history::{Drained, History};
use crate::invariants;
use crate::marks::Marks;
use crate::op::{DEAD, DEAD_CHECK, POP_DEAD, RETRY, When};
use crate::plan::{Plan, Planted};
use crate::world::{Tell, World};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub marks: Marks,
    /// Hash of all that happened.
    pub trace: u64,
    /// Messages whose send was answered.
    pub acknowledged: usize,
}

/// Runs one seed. An error says which rule is broken, and how. `tell` hears of every event.
pub fn run(seed: u64, planted: Option<Planted>, tell: Option<Tell>) -> Result<Report, String> {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    let (storm_ms, calm_ms) = (plan.storm_ms, plan.calm_ms);
    let mut world = World::new(plan, rng, planted, tell);
    world.run_until(storm_ms)?;
    world.heal();
    world.run_until(storm_ms + calm_ms)?;
    if world.node.broker().is_none() {
        return Err(format!("liveness: no broker {calm_ms} ms after everything was healed"));
    }
    world.look()?;
    let mut drained = drain(&mut world.node)?;
    drained.clock_high = world.clock_high;
    mark_end(&mut world.marks, &world.history, &drained);
    invariants::check(&world.history, &drained)?;
    let acknowledged = world.history.sends(|_| true).filter(|send| send.ok).map(|send| send.ids.len()).sum();
    Ok(Report { marks: world.marks, trace: world.trace, acknowledged })
}

/// Marks that show in the end only.
fn mark_end(marks: &mut Marks, history: &History, end: &Drained) {
    let there: std::collections::BTreeSet<_> =
        end.queues.values().flat_map(|content| &content.messages).filter_map(|message| message.id).collect();
    for send in history.sends(|_| true) {
        let found = there.contains(&send.ids[0]);
        match (send.ok, send.when != When::Now, found) {
            (true, true, true) => marks.hit("delayed message delivered"),
            (false, _, true) => marks.hit("unknown send found"),
            (false, _, false) => marks.hit("unknown send not found"),
            (true, ..) => {}
        }
    }
    let any = |queue| end.queues.get(&(queue, 0)).is_some_and(|content| !content.messages.is_empty());
    if any(DEAD) {
        marks.hit("dead letter");
    }
    if any(POP_DEAD) {
        marks.hit("popped message dead");
    }
    if any(DEAD_CHECK) {
        marks.hit("half message given up");
    }
    if any(RETRY) {
        marks.hit("retry delivered");
    }
}
