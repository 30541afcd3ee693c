//! What `/metrics` says of timed messages. Delay levels and exact times are one mechanism here and are counted together, where
//! the reference counts its timer wheel only.
//!
//! Absent: how far the wheel lags behind its topic (a timer is known with its record here), and how many are due within
//! which span (entries far ahead are on disk, and a scrape never waits for it).

use std::fmt;

use broker::counters::Reading;
use model::TopicName;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::{Metrics, family, histogram};

impl Metrics {
    pub(super) fn timers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (machines, counters) = (&self.0.broker.machines, &self.0.broker.counters);
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        let plain = |value: u64| [(self.labels([]), value)];
        let stored = |value: u64| [(self.storage_labels(), value)];
        let of_topic = |name: &TopicName| self.labels([("topic", name.to_string())]);

        let now = (self.0.clock)();
        let timers = machines.timers.lock();
        let (waiting, overdue) = (timers.len() as u64, timers.overdue(now) as u64);
        let late = timers.next_due().map_or(0, |due| now.since(due).0);
        let by_topic: Vec<_> = timers.by_topic().collect();
        drop(timers);
        family(encoder, "kerolox_timers_waiting", "Messages waiting for their time", gauge, &plain(waiting))?;
        let help = "Messages whose time has come and that are not delivered yet";
        family(encoder, "rocketmq_timer_dequeue_lag", help, gauge, &stored(overdue))?;
        let help = "How late the next message is";
        family(encoder, "rocketmq_timer_dequeue_latency_milliseconds", help, gauge, &stored(late))?;
        let by_topic: Vec<_> = by_topic
            .into_iter()
            .filter_map(|(id, count)| Some((of_topic(&machines.topics.name_of(id)?), count)))
            .collect();
        family(encoder, "rocketmq_timing_messages", "Messages waiting for their time", gauge, &by_topic)?;

        let [mut scheduled, mut delivered] = [const { Vec::new() }; 2];
        let mut delays = Vec::new();
        machines.topics.for_each(|topic| {
            let Some(timed) = topic.traffic.timed() else { return };
            let (labels, delay): (_, Reading) = (of_topic(&topic.config.name), timed.delay_secs.reading());
            scheduled.push((labels.clone(), delay.count()));
            delivered.push((labels.clone(), timed.delivered.get()));
            delays.push((labels, delay));
        });
        family(encoder, "rocketmq_timer_enqueue", "Messages that had to wait", counter, &scheduled)?;
        family(encoder, "rocketmq_timer_dequeue", "Messages delivered at their time", counter, &delivered)?;
        let help = "How far ahead of their birth messages were to be delivered";
        histogram(encoder, "rocketmq_delay_message_latency_seconds", help, &delays)?;
        let total = counters.timers_delivered.get();
        family(encoder, "kerolox_timers_delivered", "Timed messages delivered", counter, &plain(total))?;
        let help = "From a message's time to its being stored for consumers";
        let lateness = [(self.labels([]), counters.timer_lateness_ms.reading())];
        histogram(encoder, "kerolox_timer_lateness_milliseconds", help, &lateness)
    }
}
