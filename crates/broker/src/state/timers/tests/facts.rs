//! Any facts, with runs written and merged and the process killed anywhere between: what comes due is what a plain list says.

use super::*;

/// One fact of the log.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Scheduled(LogOffset, Timestamp, u64),
    Recalled(LogOffset, Timestamp, u64),
    Moved(LogOffset, LogOffset, Timestamp, u64),
    Done(LogOffset),
}

fn apply(timers: &mut Timers, fact: Fact) {
    match fact {
        Fact::Scheduled(timer, due, key) => {
            timers.scheduled(timer, 100, Some(TOPIC), due, key);
        }
        Fact::Recalled(record, due, key) => timers.recalled(record, due, key),
        Fact::Moved(from, timer, due, key) => timers.moved(from, timer, due, key),
        Fact::Done(timer) => timers.done(&[timer], &[(TOPIC, 1)]),
    }
}

/// A message as the plain list has it.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    timer: LogOffset,
    due: Timestamp,
    key: u64,
    recalled: bool,
}

/// A broker's timers, its disk and its log.
struct World {
    random: u64,
    timers: Timers,
    files: HashMap<RunId, Vec<Entry>>,
    saved: Vec<u8>,
    /// Facts that the saved state does not hold.
    since: Vec<Fact>,
    list: Vec<Waiting>,
    recalls: HashSet<(Slot, u64)>,
    now: Timestamp,
    end: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let timers = Timers::with_head(8);
        let mut saved = Vec::new();
        timers.save(&mut saved);
        timers.save_by_topic(&mut saved);
        World {
            random: seed * 2 + 1,
            timers,
            files: HashMap::new(),
            saved,
            since: Vec::new(),
            list: Vec::new(),
            recalls: HashSet::new(),
            now: at(1),
            end: 1,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        // Xorshift: any sequence will do that a seed repeats.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % limit
    }

    fn offset(&mut self) -> LogOffset {
        self.end += 1;
        LogOffset(self.end)
    }

    fn told(&mut self, fact: Fact) {
        apply(&mut self.timers, fact);
        self.since.push(fact);
    }

    fn schedule(&mut self) {
        let (timer, due) = (self.offset(), self.now.after(Millis(1 + self.below(6_000))));
        let key = self.below(4);
        let recalled = self.recalls.contains(&(Slot::of(due), key));
        self.list.push(Waiting { timer, due, key, recalled });
        self.told(Fact::Scheduled(timer, due, key));
    }

    fn recall(&mut self) {
        let (record, due, key) = (self.offset(), self.now.after(Millis(1 + self.below(6_000))), 1 + self.below(3));
        self.recalls.insert((Slot::of(due), key));
        for waiting in &mut self.list {
            waiting.recalled |= waiting.key == key && Slot::of(waiting.due) == Slot::of(due);
        }
        self.told(Fact::Recalled(record, due, key));
    }

    /// As `jobs/deliver_timed`: what is due is delivered, or given back.
    fn deliver(&mut self) {
        self.now = self.now.after(Millis(self.below(700)));
        let max = 1 + usize::try_from(self.below(20)).expect("small");
        let mut due = Due::default();
        loop {
            while let Some(want) = self.timers.wants() {
                let file = &self.files[&want.run];
                let from = usize::try_from(want.from).expect("small").min(file.len());
                // Less than was asked for, so that runs are blind at times.
                let to = (from + 3).min(file.len());
                self.timers.read(&want, &file[from..to]);
                if self.below(2) == 0 {
                    break;
                }
            }
            let some = self.timers.take_due(self.now, max - due.len());
            due.deliver.extend(some.deliver);
            due.recalled.extend(some.recalled);
            if due.len() == max || !self.timers.runs.is_blind() {
                break;
            }
        }
        let mut expected: Vec<_> = self.list.iter().filter(|waiting| waiting.due <= self.now).copied().collect();
        expected.sort_by_key(|waiting| (waiting.due, waiting.timer));
        expected.truncate(max);
        let is = |recalled: bool| expected.iter().filter(move |waiting| waiting.recalled == recalled);
        assert_eq!(due.deliver, is(false).map(|waiting| (waiting.timer, waiting.due)).collect::<Vec<_>>());
        assert_eq!(due.recalled, is(true).map(|waiting| waiting.timer).collect::<Vec<_>>());
        let timers = due.deliver.iter().map(|(timer, _)| *timer).chain(due.recalled);
        let (back, done): (Vec<_>, Vec<_>) = timers.partition(|_| self.below(4) == 0);
        self.timers.release(back);
        for timer in done {
            self.list.retain(|waiting| waiting.timer != timer);
            self.told(Fact::Done(timer));
        }
    }

    /// As `jobs/settle_timers`.
    fn settle(&mut self) {
        let Some(merge) = self.timers.plan_merge() else { return };
        let mut entries = Vec::new();
        for (id, source, at) in &merge.from {
            let at = usize::try_from(*at).expect("small");
            match source {
                Source::Memory(all) => entries.extend(all[at..].iter().map(|entry| (*id, *entry))),
                Source::File => entries.extend(self.files[id][at..].iter().map(|entry| (*id, *entry))),
            }
        }
        entries.sort_unstable_by_key(|(_, entry)| *entry);
        let mut left_out = LeftOut::default();
        entries.retain(|(run, entry)| merge.keeps(*run, entry, &mut left_out));
        let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        if self.below(8) == 0 {
            return self.timers.give_up_merge();
        }
        // What comes due while the file is written.
        self.deliver();
        self.timers.merged(&merge, entries.len() as u64, &left_out);
        self.files.insert(merge.into, entries);
    }

    /// As `jobs/retention`: what lies below a limit is moved.
    fn rescue(&mut self) {
        let limit = LogOffset(self.end.saturating_sub(self.below(30)));
        let mut all: Vec<_> = self.timers.head_below(limit).into_iter().map(|entry| (None, entry)).collect();
        for (id, source, at) in self.timers.sources() {
            let entries = match source {
                Source::Memory(entries) => entries.to_vec(),
                Source::File => self.files[&id].clone(),
            };
            let ahead = entries.into_iter().skip(usize::try_from(at).expect("small"));
            all.extend(ahead.filter(|entry| self.timers.is_below(entry, limit)).map(|entry| (Some(id), entry)));
        }
        for (run, entry) in all {
            let Some(from) = entry.what.message() else {
                let record = self.offset();
                self.told(Fact::Recalled(record, entry.due, entry.key));
                continue;
            };
            // A new entry may have pushed one of the tree into a run: then it is moved another time.
            if self.timers.take(run, entry) == Some(true) {
                if self.below(5) == 0 {
                    self.timers.release([from]);
                    continue;
                }
                let timer = self.offset();
                let waiting = self.list.iter_mut().find(|waiting| waiting.timer == from);
                waiting.expect("it waits").timer = timer;
                self.told(Fact::Moved(from, timer, entry.due, entry.key));
            }
        }
    }

    fn save(&mut self) {
        self.saved.clear();
        self.timers.save(&mut self.saved);
        self.timers.save_by_topic(&mut self.saved);
        self.since.clear();
    }

    fn check_counts(&self) {
        assert_eq!(self.timers.len(), self.list.len());
        assert_eq!(self.timers.by_topic().map(|(_, count)| count).sum::<u64>(), self.list.len() as u64);
    }

    fn kill(&mut self) {
        self.timers = Timers::with_head(8);
        let mut fields = Reader::new(&self.saved);
        self.timers.load(&mut fields).expect("just saved");
        self.timers.load_by_topic(&mut fields).expect("just saved");
        assert!(fields.is_empty());
        for fact in self.since.clone() {
            apply(&mut self.timers, fact);
        }
        self.check_counts();
        let newest = self.files.keys().max().copied();
        newest.into_iter().for_each(|run| self.timers.number_runs_above(run));
    }
}

#[test]
fn any_facts_split_anywhere_make_the_same_timers() {
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..600 {
            match world.below(100) {
                0..50 => world.schedule(),
                50..60 => world.recall(),
                60..80 => world.deliver(),
                80..90 => world.settle(),
                90..93 => world.rescue(),
                93..97 => world.save(),
                _ => world.kill(),
            }
        }
        while !world.list.is_empty() {
            world.deliver();
        }
        assert!(world.timers.is_empty(), "seed {seed}");
    }
}
