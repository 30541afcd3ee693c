//! Time, the network, and who acts when. Everything that happens is an event on the agenda; two never happen at once.

use std::collections::BTreeMap;

use model::Timestamp;
use store::disk::recorded::Rng;

use crate::clients::{Client, Role};
use crate::drain::content_from;
use crate::history::{Asked, Call, History, Recovered, Run, Tick};
use crate::marks::Marks;
use crate::node::{Ending, Node, START, Served};
use crate::op::{Answer, Check, Op, Queue, TOPICS, consumed, lasting};
use crate::plan::{Plan, Planted, Trouble, between};

mod marking;
mod trouble;

/// A client hears nothing for so long: it gives up.
const PATIENCE_US: u64 = 3_000_000;

/// Pause of a client that has nothing to do, or finds nobody.
const IDLE_US: u64 = 100_000;

/// Events of one run at most; a run that needs more hangs in itself.
const EVENTS_MAX: u64 = 2_000_000;

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    /// A client does something.
    Think {
        client: usize,
        number: u32,
    },
    Arrive {
        call: usize,
    },
    Answered {
        call: usize,
        answer: Option<Answer>,
    },
    GiveUp {
        call: usize,
    },
    /// The broker's question reaches a client.
    Asked {
        client: u32,
        check: Check,
    },
    /// The broker's process comes up.
    Start,
    /// Something the broker's threads do.
    Work {
        life: u32,
        work: Work,
    },
    Trouble(Trouble, u64),
    /// A trouble that lasts is over.
    DiskHasRoom,
    DiskIsFast,
}

/// What the server's threads do.
#[derive(Clone, Copy, Debug)]
enum Work {
    Flush,
    Keep,
    DeliverTimed,
    SettleTimers,
    Redeliver,
    WriteOffsets,
    ExpireAndRetain,
}

struct Seat {
    role: Role,
    client: Client,
    /// Another one for each life.
    number: u32,
    /// The request it waits for, and when it was made.
    waits_for: Option<(usize, u64)>,
}

/// Everything.
pub struct World {
    plan: Plan,
    rng: Rng,
    now_us: u64,
    tick: Tick,
    agenda: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    pub node: Node,
    seats: Vec<Seat>,
    clients_made: u32,
    /// Who was granted the lock of a queue last, in which life of the broker.
    lock_holders: BTreeMap<Queue, (u32, u32)>,
    /// Up to where the queues were looked at.
    looked_at: BTreeMap<Queue, u64>,
    pub history: History,
    pub marks: Marks,
    /// By how much the broker's clock is wrong.
    skew_ms: i64,
    pub clock_high: Timestamp,
    flush_scheduled: bool,
    sync_us: u64,
    calm: bool,
    /// Hash of all events so far: two runs of a seed must agree.
    pub trace: u64,
    tell: Option<Tell>,
}

/// Hears of every event, for whoever looks into a failure.
pub type Tell = fn(&str);

impl World {
    #[must_use]
    pub fn new(plan: Plan, rng: Rng, planted: Option<Planted>, tell: Option<Tell>) -> World {
        let history = History {
            keep_ms: plan.keep_ms,
            undisturbed: plan.undisturbed(),
            delays_ms: plan.delays_ms.clone(),
            ..History::default()
        };
        let mut world = World {
            node: Node::new(&plan, planted),
            rng,
            now_us: 0,
            tick: 0,
            agenda: BTreeMap::new(),
            scheduled: 0,
            seats: Vec::new(),
            clients_made: 0,
            lock_holders: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            history,
            marks: Marks::default(),
            skew_ms: 0,
            clock_high: START,
            flush_scheduled: false,
            sync_us: plan.sync_us,
            calm: false,
            trace: 0xCBF2_9CE4_8422_2325,
            tell,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let mut queues: Vec<Queue> = consumed().collect();
        let second = queues.split_off(TOPICS.len());
        let mut roles = vec![Role::Plain(queues), Role::Plain(second), Role::Ordered, Role::Ordered];
        roles.extend((0..self.plan.producers).map(|_| Role::Producer { uniform: self.plan.uniform }));
        if self.plan.transactions {
            roles.push(Role::Transactions);
        }
        roles.extend((0..self.plan.poppers).map(|_| Role::Popper));
        if self.plan.scanner {
            roles.push(Role::Scanner);
        }
        if self.plan.admin {
            roles.push(Role::Admin);
        }
        for role in roles {
            let (client, number) = self.new_client(&role);
            let place = self.seats.len();
            let pause_us = if self.plan.uniform && client.consumes() { self.plan.storm_ms * 1_000 } else { 0 };
            self.seats.push(Seat { role, client, number, waits_for: None });
            self.after(pause_us, Event::Think { client: place, number });
        }
        self.after(0, Event::Start);
        for (trouble, every_ms) in self.plan.troubles.clone() {
            self.next_trouble(trouble, every_ms);
        }
    }

    fn new_client(&mut self, role: &Role) -> (Client, u32) {
        self.clients_made += 1;
        (Client::new(role, self.clients_made), self.clients_made)
    }

    fn after(&mut self, pause_us: u64, event: Event) {
        self.scheduled += 1;
        self.agenda.insert((self.now_us + pause_us, self.scheduled), event);
    }

    fn next_trouble(&mut self, trouble: Trouble, every_ms: u64) {
        let pause = between(&mut self.rng, 1, every_ms * 1_000);
        self.after(pause, Event::Trouble(trouble, every_ms));
    }

    /// Lets everything happen until `until_ms`.
    pub fn run_until(&mut self, until_ms: u64) -> Result<(), String> {
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= until_ms * 1_000
        {
            let ((at, _), event) = entry.remove_entry();
            self.now_us = at;
            self.tick += 1;
            if self.tick > EVENTS_MAX {
                return Err(format!("does not come to an end: {EVENTS_MAX} events, the last is {event:?}"));
            }
            self.show_clock();
            self.note(&event);
            self.happen(event)?;
            self.look_after_node();
        }
        self.now_us = until_ms * 1_000;
        Ok(())
    }

    fn show_clock(&mut self) {
        let right = START.0 + i64::try_from(self.now_us / 1_000).expect("small");
        let now = Timestamp(right + self.skew_ms);
        self.clock_high = self.clock_high.max(now);
        self.node.set_clock(now);
    }

    /// Folds an event into the trace.
    fn note(&mut self, event: &Event) {
        let text = format!("{}{event:?}", self.now_us);
        if let Some(tell) = self.tell {
            let log = self.node.broker().map(|broker| broker.log());
            let log = log.map(|log| [log.start().0, log.committed().0, log.end().0]);
            tell(&format!("tick {} clock {} log {log:?} us {text}", self.tick, self.node.now().0 - START.0));
        }
        for byte in text.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Think { client, number } => self.think(client, number),
            Event::Arrive { call } => self.arrive(call),
            Event::Answered { call, answer } => self.end_call(call, answer),
            Event::GiveUp { call } => self.end_call(call, None),
            Event::Asked { client, check } => {
                if let Some(seat) = self.seats.iter_mut().find(|seat| seat.number == client) {
                    self.marks.hit("half message checked");
                    seat.client.asked(check);
                }
            }
            Event::Start => return self.start(),
            Event::Work { life, work } => {
                if life == self.node.life && self.node.broker().is_some() {
                    return self.work(work);
                }
            }
            Event::Trouble(trouble, every_ms) => {
                if !self.calm {
                    self.trouble(trouble);
                    self.next_trouble(trouble, every_ms);
                }
            }
            Event::DiskHasRoom => self.node.disk().trouble(|trouble| trouble.free = None),
            Event::DiskIsFast => self.sync_us = self.plan.sync_us,
        }
        Ok(())
    }

    // Clients and the network.

    fn think(&mut self, place: usize, number: u32) {
        let seat = &mut self.seats[place];
        if seat.number != number || seat.waits_for.is_some() || self.calm && !seat.client.goes_on() {
            return;
        }
        let Some(op) = seat.client.next(self.now_us, self.calm, &mut self.rng) else {
            return self.after(IDLE_US, Event::Think { client: place, number });
        };
        let call = self.history.calls.len();
        seat.waits_for = Some((call, self.now_us));
        if let Op::Send { ids, .. } = &op
            && ids.len() > 1
        {
            self.marks.hit("batch sent");
        }
        let (started, runs) = (self.tick, Vec::new());
        self.history.calls.push(Call { client: number, op, started, ended: None, answer: None, runs });
        self.after(PATIENCE_US, Event::GiveUp { call });
        if self.network_loses() {
            self.marks.hit("request lost");
        } else {
            let way = self.way();
            self.after(way, Event::Arrive { call });
        }
        if !self.calm && self.rng.below(1_000) < self.plan.twice_per_mille {
            self.marks.hit("duplicate request");
            let way = self.way() * (1 + self.rng.draw() % 50);
            self.after(way, Event::Arrive { call });
        }
    }

    fn network_loses(&mut self) -> bool {
        !self.calm && self.rng.below(1_000) < self.plan.lost_per_mille
    }

    fn way(&mut self) -> u64 {
        between(&mut self.rng, 50, self.plan.latency_us)
    }

    fn arrive(&mut self, call: usize) {
        // Nobody listens: the client notices at once.
        if self.node.broker().is_none() {
            return self.answer(call, None);
        }
        let Call { client, op, .. } = &self.history.calls[call];
        let served = self.node.serve(call, *client, op);
        let granted = matches!(served, Served::Now(Answer::Locked(true)));
        self.mark_arrival(call, granted);
        self.history.calls[call].runs.push(Run {
            tick: self.tick,
            life: self.node.life,
            clock: self.node.now(),
            clock_high: self.clock_high,
            granted,
        });
        match served {
            Served::Now(answer) => self.answer(call, Some(answer)),
            Served::Later => {}
            // A process that is about to die answers nothing.
            Served::Refused if self.node.must_end() => {}
            Served::Refused => self.answer(call, None),
        }
    }

    fn answer(&mut self, call: usize, answer: Option<Answer>) {
        if self.network_loses() {
            self.marks.hit("answer lost");
            return;
        }
        let way = self.way();
        self.after(way, Event::Answered { call, answer });
    }

    fn end_call(&mut self, call: usize, answer: Option<Answer>) {
        let client = self.history.calls[call].client;
        let Some(place) = self.seats.iter().position(|seat| seat.waits_for.is_some_and(|(waited, _)| waited == call))
        else {
            return;
        };
        let found = self.history.calls[call].ended.replace(self.tick).is_none();
        assert!(found, "a request ends once");
        let seat = &mut self.seats[place];
        let (_, asked_us) = seat.waits_for.take().expect("looked at above");
        let op = &self.history.calls[call].op;
        seat.client.heard(op, answer.as_ref(), asked_us, &mut self.rng);
        self.mark_answer(call, answer.as_ref());
        let quiet = match &answer {
            None => true,
            Some(Answer::Pulled { found, .. }) => found.is_empty(),
            Some(Answer::Scanned { found, .. }) => found.is_empty(),
            Some(Answer::Popped(found)) => found.is_empty(),
            Some(Answer::Locked(granted)) => !granted,
            Some(_) => false,
        };
        self.history.calls[call].answer = answer;
        let think = between(&mut self.rng, 100, self.plan.think_us);
        let pause = match (quiet, self.calm) {
            (true, _) => IDLE_US,
            (false, true) => think.min(20_000),
            (false, false) => think,
        };
        self.after(pause, Event::Think { client: place, number: client });
    }

    // The broker.

    fn start(&mut self) -> Result<(), String> {
        if self.node.broker().is_some() {
            return Ok(());
        }
        self.flush_scheduled = false;
        if self.node.start(&mut self.marks)? {
            let life = self.node.life;
            let ends = self.node.queue_ends();
            if self.node.in_flight() > 0 {
                self.marks.hit("message in flight across a restart");
            }
            self.history.recovered.push(Recovered { life, ends });
            for work in [
                Work::Keep,
                Work::DeliverTimed,
                Work::SettleTimers,
                Work::Redeliver,
                Work::WriteOffsets,
                Work::ExpireAndRetain,
            ] {
                self.after(1_000, Event::Work { life, work });
            }
        } else if self.node.disk().is_dead() {
            self.marks.hit("crash during recovery");
        } else if !self.node.must_end() {
            // It has not even opened its log. Somebody starts it again.
            self.marks.hit("sync failed");
            self.end_process(Ending::DiskFailed);
        }
        Ok(())
    }

    fn work(&mut self, work: Work) -> Result<(), String> {
        let pause_us = match work {
            Work::Flush => {
                self.flush_scheduled = false;
                self.history.sync_failures.extend(self.node.flush());
                return Ok(());
            }
            Work::Keep => {
                self.node.keep();
                250_000
            }
            Work::DeliverTimed => {
                let wait = self.node.deliver_timed();
                wait.map_or(20_000, |wait| (wait.0 * 1_000).clamp(1_000, 50_000))
            }
            Work::SettleTimers => {
                let (wait, files) = self.node.settle_timers().unwrap_or_default();
                if files {
                    self.marks.hit("timers in files");
                }
                (wait.0 * 1_000).clamp(1_000, 1_000_000)
            }
            Work::Redeliver => {
                let wait = self.node.redeliver();
                wait.map_or(20_000, |wait| (wait.0 * 1_000).clamp(1_000, 50_000))
            }
            Work::WriteOffsets => {
                self.node.write_offsets();
                self.node.check_halves();
                1_000_000
            }
            Work::ExpireAndRetain => {
                self.look()?;
                self.node.expire_and_retain(&mut self.marks);
                2_000_000
            }
        };
        self.after(pause_us, Event::Work { life: self.node.life, work });
        Ok(())
    }

    /// Notes what there is, before anything of it is deleted.
    pub fn look(&mut self) -> Result<(), String> {
        for queue in lasting() {
            let from = self.looked_at.get(&queue).copied().unwrap_or(0);
            let content =
                content_from(&self.node, queue, from).map_err(|error| format!("unreadable: {queue:?}: {error}"))?;
            let found = content.messages.into_iter().map(|message| ((queue, message.offset), message));
            self.history.found.extend(found);
            self.looked_at.insert(queue, content.max);
        }
        Ok(())
    }

    /// After each event: answers go out, a sync is on its way if something waits for it, a dead process is replaced.
    fn look_after_node(&mut self) {
        for (call, answer) in self.node.answers() {
            self.answer(call, Some(answer));
        }
        for (client, check) in self.node.posted() {
            self.history.asked.push(Asked { check, clock_high: self.clock_high });
            if self.network_loses() {
                self.marks.hit("check lost");
            } else {
                let way = self.way();
                self.after(way, Event::Asked { client, check });
            }
        }
        if self.node.must_end() {
            let power = self.node.disk().is_dead();
            let ending = if power { Ending::PowerLost } else { Ending::DiskFailed };
            self.marks.hit(if power { "power lost" } else { "sync failed" });
            self.end_process(ending);
        } else if self.node.wants_flush() && !self.flush_scheduled {
            self.flush_scheduled = true;
            let pause = between(&mut self.rng, self.sync_us / 4, self.sync_us);
            self.after(pause, Event::Work { life: self.node.life, work: Work::Flush });
        }
    }

    fn end_process(&mut self, ending: Ending) {
        if matches!(ending, Ending::PowerLost | Ending::DiskFailed) {
            self.history.power_losses.push(self.tick);
        }
        self.node.end(ending, &mut self.rng);
        let pause = between(&mut self.rng, 1_000, 500_000);
        self.after(pause, Event::Start);
        // Sometimes the next one goes down before it is up.
        if !self.calm && ending == Ending::PowerLost && self.rng.once_in(3) {
            let after = Some(self.rng.draw() % 20);
            self.node.disk().trouble(|trouble| trouble.power_lost_after = after);
        }
    }
}
