//! How fast counters grow, over windows from ten seconds to a day.
//!
//! `jobs/sample` reads the counters once a second and notes them here. A reading is kept only when it differs from the one
//! before, so a quiet topic costs one. In memory only.

use std::collections::{HashMap, VecDeque};

use model::{GroupName, Millis, Timestamp, TopicId};

const SECOND: Millis = Millis(1_000);
const TEN_SECONDS: Millis = Millis(10_000);
const MINUTE: Millis = Millis(60_000);
const TEN_MINUTES: Millis = Millis(600_000);
const HOUR: Millis = Millis(3_600_000);
const DAY: Millis = Millis(86_400_000);

/// Counters of the whole broker at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub messages_in: u64,
    pub messages_out: u64,
    pub pulls_found: u64,
    pub pulls_missed: u64,
    pub timers_scheduled: u64,
    pub timers_delivered: u64,
}

/// How much a counter has grown, and in which time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Growth {
    pub count: u64,
    /// Never 0.
    pub secs: f64,
}

impl Growth {
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.count as f64 / self.secs
    }
}

/// Growth of a flow over the three windows tools know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    pub minute: Growth,
    pub hour: Growth,
    pub day: Growth,
}

/// A flow of messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FlowKey {
    IntoBroker,
    OutOfBroker,
    IntoTopic(TopicId),
    ToGroup(TopicId, GroupName),
}

/// Readings of `N` counters, oldest first, of the last `keep` and one older than that.
#[derive(Clone, Debug)]
struct History<const N: usize> {
    every: Millis,
    keep: Millis,
    next: Timestamp,
    readings: VecDeque<(Timestamp, [u64; N])>,
}

impl<const N: usize> History<N> {
    /// A history of counters that stood at `reading` at `at`.
    fn new(at: Timestamp, reading: [u64; N], every: Millis, keep: Millis) -> History<N> {
        History { every, keep, next: at.after(every), readings: VecDeque::from([(at, reading)]) }
    }

    fn note(&mut self, now: Timestamp, reading: [u64; N]) {
        if now < self.next {
            return;
        }
        self.next = now.after(self.every);
        if self.readings.back().is_none_or(|(_, last)| *last != reading) {
            self.readings.push_back((now, reading));
        }
        // The newest reading from before the window says what the counters were at its beginning.
        while self.readings.get(1).is_some_and(|(at, _)| now.since(*at) >= self.keep) {
            self.readings.pop_front();
        }
    }

    /// Growth over the last `span`, or since the counters exist if that is shorter.
    fn growth(&self, now: Timestamp, reading: [u64; N], span: Millis) -> [Growth; N] {
        let before = self.readings.partition_point(|(at, _)| now.since(*at) >= span);
        let (at, base) = self.readings[before.saturating_sub(1)];
        let secs = now.since(at).min(span).max(SECOND).0 as f64 / 1_000.0;
        std::array::from_fn(|i| Growth { count: reading[i].saturating_sub(base[i]), secs })
    }
}

/// The histories of one flow: messages and bytes.
#[derive(Clone, Debug)]
struct FlowHistory {
    minute: History<2>,
    hour: History<2>,
    day: History<2>,
    seen: Timestamp,
}

impl FlowHistory {
    /// A flow of which nothing had flowed at `at`.
    fn new(at: Timestamp) -> FlowHistory {
        FlowHistory {
            minute: History::new(at, [0; 2], TEN_SECONDS, MINUTE),
            hour: History::new(at, [0; 2], TEN_MINUTES, HOUR),
            day: History::new(at, [0; 2], HOUR, DAY),
            seen: at,
        }
    }

    fn note(&mut self, now: Timestamp, reading: [u64; 2]) {
        self.minute.note(now, reading);
        self.hour.note(now, reading);
        self.day.note(now, reading);
        self.seen = now;
    }
}

/// Messages in and out at the last two midnights (UTC), since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mornings {
    day: i64,
    pub yesterday: [u64; 2],
    pub today: [u64; 2],
}

impl Mornings {
    fn note(&mut self, now: Timestamp, in_and_out: [u64; 2]) {
        let day = now.0.div_euclid(i64::try_from(DAY.0).expect("a day is short"));
        if day > self.day {
            self.yesterday = if day == self.day + 1 { self.today } else { in_and_out };
            (self.day, self.today) = (day, in_and_out);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Rates {
    broker: History<6>,
    flows: HashMap<FlowKey, FlowHistory>,
    flows_next: Timestamp,
    mornings: Mornings,
}

impl Rates {
    /// Rates of counters that stand at `totals` now.
    #[must_use]
    pub fn new(now: Timestamp, totals: Totals) -> Rates {
        let mut mornings = Mornings::default();
        mornings.note(now, [0; 2]);
        let broker = History::new(now, totals.reading(), SECOND, TEN_MINUTES);
        Rates { broker, flows: HashMap::new(), flows_next: now.after(TEN_SECONDS), mornings }
    }

    /// Notes the counters of the broker.
    pub fn note(&mut self, now: Timestamp, totals: Totals) {
        self.broker.note(now, totals.reading());
        self.mornings.note(now, [totals.messages_in, totals.messages_out]);
    }

    /// Whether the flows are to be noted again.
    #[must_use]
    pub fn flows_due(&self, now: Timestamp) -> bool {
        now >= self.flows_next
    }

    /// Notes a flow that has ever flowed.
    pub fn note_flow(&mut self, now: Timestamp, key: FlowKey, reading: [u64; 2]) {
        // It began after the last round, or that round would have noted it.
        let began = Timestamp(now.0.saturating_sub(TEN_SECONDS.0.cast_signed()));
        self.flows.entry(key).or_insert_with(|| FlowHistory::new(began)).note(now, reading);
    }

    /// Ends a round: flows that were not noted in it are gone.
    pub fn flows_noted(&mut self, now: Timestamp) {
        self.flows.retain(|_, flow| flow.seen == now);
        self.flows_next = now.after(TEN_SECONDS);
    }

    /// Growth of the broker's counters over the last 10 s, 60 s and 600 s.
    #[must_use]
    pub fn broker(&self, now: Timestamp, totals: Totals) -> [BrokerGrowth; 3] {
        [TEN_SECONDS, MINUTE, TEN_MINUTES].map(|span| BrokerGrowth(self.broker.growth(now, totals.reading(), span)))
    }

    /// Growth of a flow, messages and bytes, that stands at `reading` now.
    #[must_use]
    pub fn flow(&self, now: Timestamp, key: &FlowKey, reading: [u64; 2]) -> [Windows; 2] {
        let fresh;
        let flow = match self.flows.get(key) {
            Some(flow) => flow,
            None => {
                fresh = FlowHistory::new(Timestamp(now.0.saturating_sub(TEN_SECONDS.0.cast_signed())));
                &fresh
            }
        };
        let minute = flow.minute.growth(now, reading, MINUTE);
        let hour = flow.hour.growth(now, reading, HOUR);
        let day = flow.day.growth(now, reading, DAY);
        std::array::from_fn(|i| Windows { minute: minute[i], hour: hour[i], day: day[i] })
    }

    #[must_use]
    pub fn mornings(&self) -> Mornings {
        self.mornings
    }
}

/// Growth of the broker's counters over one window.
#[derive(Clone, Copy, Debug)]
pub struct BrokerGrowth([Growth; 6]);

impl BrokerGrowth {
    #[must_use]
    pub fn messages_in(&self) -> Growth {
        self.0[0]
    }

    #[must_use]
    pub fn messages_out(&self) -> Growth {
        self.0[1]
    }

    #[must_use]
    pub fn pulls_found(&self) -> Growth {
        self.0[2]
    }

    #[must_use]
    pub fn pulls_missed(&self) -> Growth {
        self.0[3]
    }

    #[must_use]
    pub fn timers_scheduled(&self) -> Growth {
        self.0[4]
    }

    #[must_use]
    pub fn timers_delivered(&self) -> Growth {
        self.0[5]
    }
}

impl Totals {
    /// In the order of [`BrokerGrowth`].
    fn reading(&self) -> [u64; 6] {
        [
            self.messages_in,
            self.messages_out,
            self.pulls_found,
            self.pulls_missed,
            self.timers_scheduled,
            self.timers_delivered,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp(secs * 1_000)
    }

    fn totals(messages_in: u64) -> Totals {
        Totals { messages_in, ..Totals::default() }
    }

    const KEY: FlowKey = FlowKey::IntoTopic(TopicId(model::LogOffset(48)));

    #[test]
    fn rates_are_over_ten_seconds_a_minute_and_ten_minutes() {
        let mut rates = Rates::new(at(0), Totals::default());
        // 5 a second for 100 s, then nothing for 30 s.
        for second in 1..=130 {
            rates.note(at(second), totals(5 * u64::try_from(second.min(100)).expect("positive")));
        }
        let per_second = rates.broker(at(130), totals(500)).map(|growth| growth.messages_in().per_second());
        assert_eq!(per_second, [0.0, 150.0 / 60.0, 500.0 / 130.0]);
    }

    #[test]
    fn what_happened_before_the_window_does_not_count() {
        let mut rates = Rates::new(at(0), Totals::default());
        rates.note(at(1), totals(1_000));
        for second in 2..=700 {
            rates.note(at(second), totals(1_000));
        }
        assert_eq!(rates.broker(at(700), totals(1_000)).map(|growth| growth.messages_in().count), [0, 0, 0]);
        assert_eq!(rates.broker.readings.len(), 1, "a quiet counter costs one reading");
    }

    #[test]
    fn a_flow_counts_from_its_beginning() {
        let mut rates = Rates::new(at(0), Totals::default());
        assert_eq!(rates.flow(at(100), &KEY, [20, 2_000])[0].minute, Growth { count: 20, secs: 10.0 });
        rates.note_flow(at(100), KEY, [20, 2_000]);
        rates.flows_noted(at(100));
        let [messages, bytes] = rates.flow(at(130), &KEY, [80, 8_000]);
        assert_eq!(messages.minute, Growth { count: 80, secs: 40.0 });
        assert_eq!(bytes.day.count, 8_000);
    }

    #[test]
    fn a_minute_later_only_the_hour_remembers_a_flow() {
        let mut rates = Rates::new(at(0), Totals::default());
        for round in 1..=20 {
            rates.note_flow(at(round * 10), KEY, [7, 700]);
            rates.flows_noted(at(round * 10));
        }
        let [messages, _] = rates.flow(at(200), &KEY, [7, 700]);
        assert_eq!((messages.minute.count, messages.hour.count, messages.day.count), (0, 7, 7));
    }

    #[test]
    fn flows_that_are_gone_are_forgotten() {
        let mut rates = Rates::new(at(0), Totals::default());
        assert!(!rates.flows_due(at(9)) && rates.flows_due(at(10)));
        rates.note_flow(at(10), KEY, [7, 700]);
        rates.flows_noted(at(10));
        assert_eq!(rates.flows.len(), 1);
        rates.flows_noted(at(20));
        assert!(rates.flows.is_empty());
    }

    #[test]
    fn a_day_begins_at_midnight() {
        const DAY_SECS: i64 = 86_400;
        let mut rates = Rates::new(at(DAY_SECS - 10), Totals::default());
        rates.note(at(DAY_SECS - 1), totals(100));
        rates.note(at(DAY_SECS + 1), totals(110));
        assert_eq!((rates.mornings().yesterday, rates.mornings().today), ([0, 0], [110, 0]));
        rates.note(at(2 * DAY_SECS + 1), totals(500));
        assert_eq!((rates.mornings().yesterday, rates.mornings().today), ([110, 0], [500, 0]));
    }
}
