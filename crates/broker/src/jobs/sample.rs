//! Once a second: the counters are noted, so that tools can be told rates. Topics and groups every ten seconds.

use model::Timestamp;

use crate::broker::Broker;
use crate::rates::{FlowKey, Totals};

impl Broker {
    /// One round.
    pub fn sample(&self, now: Timestamp) {
        let totals = self.totals();
        let mut rates = self.rates.lock();
        rates.note(now, totals);
        if !rates.flows_due(now) {
            return;
        }
        let mut note = |key, reading: [u64; 2]| {
            if reading[0] > 0 {
                rates.note_flow(now, key, reading);
            }
        };
        let counters = &self.counters;
        note(FlowKey::IntoBroker, [counters.messages_in.get(), counters.bytes_in.get()]);
        note(FlowKey::OutOfBroker, [counters.messages_out.get(), counters.bytes_out.get()]);
        self.machines.topics.for_each(|topic| {
            let traffic = &topic.traffic;
            note(FlowKey::IntoTopic(topic.id), traffic.put.reading());
            traffic.forget_taken(|group| self.machines.groups.get(group.as_str()).is_none());
            traffic.for_each_taken(|group, taken| {
                note(FlowKey::ToGroup(topic.id, group.clone()), taken.flow.reading());
            });
        });
        rates.flows_noted(now);
    }

    /// The counters now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let counters = &self.counters;
        let timers_delivered = counters.timers_delivered.get();
        Totals {
            messages_in: counters.messages_in.get(),
            messages_out: counters.messages_out.get(),
            pulls_found: counters.pulls_found.get(),
            pulls_missed: counters.pulls_missed.get(),
            timers_scheduled: timers_delivered + self.machines.timers.lock().len() as u64,
            timers_delivered,
        }
    }
}
