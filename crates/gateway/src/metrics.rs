//! The numbers of `/metrics`, computed when they are asked for: names and labels of a RocketMQ 5.3 broker for what exists
//! here, and our own under `kerolox_`.
//!
//! Counting happens where things happen, with an atomic add; nothing is kept twice for the sake of a scrape.

use std::fmt;
use std::sync::Arc;

use broker::counters::Reading;
use broker::ops::consume_stats::{Asked, QueueProgress};
use broker::state::clients::{Client, MessageModel};
use broker::state::{groups, topics};
use model::config::perm;
use model::name::RETRY_PREFIX;
use model::{Timestamp, TopicName};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use store::Read;

use crate::remoting::Gateway;
use crate::remoting::latency::BOUNDS_MS;
use crate::remoting::mailbox::ConnectionMailbox;

mod timers;

type Labels = Vec<(&'static str, String)>;

/// See the module.
pub struct Metrics(pub Arc<Gateway>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.topics(&mut encoder)?;
        self.transactions(&mut encoder)?;
        self.timers(&mut encoder)?;
        self.groups(&mut encoder)?;
        self.clients(&mut encoder)?;
        self.broker(&mut encoder)?;
        self.latency(&mut encoder)
    }
}

/// One family: its rows are computed by the caller.
fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    rows: &[(Labels, u64)],
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in rows {
        let mut row = metric.encode_family(labels)?;
        match kind {
            MetricType::Counter => row.encode_counter::<NoLabelSet, _, u64>(value, None)?,
            _ => row.encode_gauge(value)?,
        }
    }
    Ok(())
}

/// One family of histograms.
fn histogram(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, rows: &[(Labels, Reading)]) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, reading) in rows {
        let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| bound as f64);
        let buckets: Vec<_> = reading.buckets.iter().map(|(upper, count)| (bound(*upper), *count)).collect();
        let row = &mut metric.encode_family(labels)?;
        row.encode_histogram::<NoLabelSet>(reading.sum as f64, reading.count(), &buckets, None)?;
    }
    Ok(())
}

impl Metrics {
    /// The labels every series of a broker has, and these.
    fn labels<const N: usize>(&self, more: [(&'static str, String); N]) -> Labels {
        let settings = &self.0.broker.settings;
        let common = [
            ("cluster", settings.cluster.clone()),
            ("node_type", "broker".to_owned()),
            ("node_id", settings.broker_name.clone()),
        ];
        common.into_iter().chain(more).collect()
    }

    /// The labels of what is told of a storage.
    fn storage_labels(&self) -> Labels {
        self.labels([("storage_type", "local".to_owned()), ("storage_medium", "disk".to_owned())])
    }

    fn topics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let broker = &self.0.broker;
        let is_system = |topic: &str| topics::is_system(topic, &broker.settings).to_string();
        let [mut messages_in, mut bytes_in, mut messages_out, mut bytes_out] = [const { Vec::new() }; 4];
        let [mut examined, mut dropped, mut failed] = [const { Vec::new() }; 3];
        broker.machines.topics.for_each(|topic| {
            let name = topic.config.name.as_str();
            let [messages, bytes] = topic.traffic.put.reading();
            if messages > 0 && !topics::belongs_to_group(name) {
                let kind = ("message_type", "normal".to_owned());
                let labels = self.labels([("topic", name.to_owned()), kind, ("is_system", is_system(name))]);
                messages_in.push((labels.clone(), messages));
                bytes_in.push((labels, bytes));
            }
            topic.traffic.for_each_taken(|group, taken| {
                let [messages, bytes] = taken.flow.reading();
                let labels = self.labels([
                    ("topic", name.to_owned()),
                    ("consumer_group", group.to_string()),
                    ("is_retry", name.starts_with(RETRY_PREFIX).to_string()),
                    ("is_system", groups::is_system(group.as_str()).to_string()),
                ]);
                let filtered = taken.filters.reading();
                if filtered.examined > 0 {
                    examined.push((labels.clone(), filtered.examined));
                    dropped.push((labels.clone(), filtered.dropped));
                    failed.push((labels.clone(), filtered.failed));
                }
                messages_out.push((labels.clone(), messages));
                bytes_out.push((labels, bytes));
            });
        });
        let counter = MetricType::Counter;
        family(encoder, "rocketmq_messages_in", "Messages stored", counter, &messages_in)?;
        family(encoder, "rocketmq_throughput_in", "Bytes of records stored", counter, &bytes_in)?;
        family(encoder, "rocketmq_messages_out", "Messages handed out", counter, &messages_out)?;
        family(encoder, "rocketmq_throughput_out", "Bytes of records handed out", counter, &bytes_out)?;
        family(encoder, "kerolox_filter_examined", "Messages a filter has looked at", counter, &examined)?;
        family(encoder, "kerolox_filter_dropped", "Messages a filter has held back", counter, &dropped)?;
        let help = "Messages held back because the filter expression could not be evaluated on them";
        family(encoder, "kerolox_filter_failed", help, counter, &failed)
    }

    /// Half messages and how they end, by the topic they are meant for.
    fn transactions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let machines = &self.0.broker.machines;
        let of_topic = |name: &TopicName| self.labels([("topic", name.to_string())]);
        let waiting: Vec<_> = machines.halves.lock().by_topic().collect();
        let name_of = |id| machines.topics.name_of(id);
        let waiting: Vec<_> =
            waiting.into_iter().filter_map(|(id, count)| Some((of_topic(&name_of(id)?), count))).collect();
        let [mut committed, mut rolled_back] = [const { Vec::new() }; 2];
        let mut latencies = Vec::new();
        machines.topics.for_each(|topic| {
            let Some(ended) = topic.traffic.ended() else { return };
            let labels = of_topic(&topic.config.name);
            committed.push((labels.clone(), ended.committed.get()));
            rolled_back.push((labels.clone(), ended.rolled_back.get()));
            latencies.push((labels, ended.finish_secs.reading()));
        });
        family(encoder, "rocketmq_half_messages", "Half messages waiting", MetricType::Gauge, &waiting)?;
        let counter = MetricType::Counter;
        family(encoder, "rocketmq_commit_messages", "Half messages committed", counter, &committed)?;
        family(encoder, "rocketmq_rollback_messages", "Half messages rolled back", counter, &rolled_back)?;
        // The name is the reference's, and so is that its numbers are seconds.
        let (name, help) =
            ("rocketmq_finish_message_latency_milliseconds", "Seconds from a half message to its commit");
        histogram(encoder, name, help, &latencies)
    }

    fn groups(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let broker = &self.0.broker;
        let [mut lag, mut in_flight, mut ready, mut lag_ms, mut queueing_ms] = [const { Vec::new() }; 5];
        let now = (self.0.clock)();
        // Popping moves the consumer offset; what is not acked is not consumed all the same.
        let popped = broker.machines.inflight.lock().counts();
        let popped_by = |group: &str, topic: &str| -> u64 {
            let topic = broker.machines.topics.id_of(topic);
            let counts = popped.iter().filter(|(of, id, _)| of.as_str() == group && Some(*id) == topic);
            counts.map(|(_, _, count)| *count).sum()
        };
        for group in broker.machines.groups.all() {
            let name = group.config.name.as_str();
            // Store times may lie on disk; lag needs none, so a scrape never waits for it.
            let Ok(progress) = broker.consume_stats(name, Asked::Consumed, now, Read::Nowait) else {
                continue;
            };
            for of_topic in progress.queues.chunk_by(|a, b| a.topic == b.topic) {
                let labels = self.group_labels(name, &of_topic[0].topic);
                let sum = |count: fn(&QueueProgress) -> i64| {
                    u64::try_from(of_topic.iter().map(count).sum::<i64>()).unwrap_or(0)
                };
                let popped = popped_by(name, of_topic[0].topic.as_str());
                let (behind, taken) = (sum(QueueProgress::lag) + popped, sum(QueueProgress::in_flight) + popped);
                let since = of_topic.iter().map(|queue| broker.waiting_since(queue));
                let oldest = since.fold([None; 2], |[a, b], [c, d]| [earlier(a, c), earlier(b, d)]);
                let [waiting, queueing] = oldest.map(|oldest| oldest.map_or(0, |oldest| now.since(oldest).0));
                lag_ms.push((labels.clone(), waiting));
                queueing_ms.push((labels.clone(), queueing));
                lag.push((labels.clone(), behind));
                in_flight.push((labels.clone(), taken));
                ready.push((labels, behind.saturating_sub(taken)));
            }
        }
        let gauge = MetricType::Gauge;
        family(encoder, "rocketmq_consumer_lag_messages", "Messages not yet consumed", gauge, &lag)?;
        let help = "Messages handed out and not yet consumed";
        family(encoder, "rocketmq_consumer_inflight_messages", help, gauge, &in_flight)?;
        family(encoder, "rocketmq_consumer_ready_messages", "Messages not yet handed out", gauge, &ready)?;
        let help = "Age of the oldest message not yet consumed";
        family(encoder, "rocketmq_consumer_lag_latency_milliseconds", help, gauge, &lag_ms)?;
        let help = "Age of the oldest message not yet handed out";
        family(encoder, "rocketmq_consumer_queueing_latency_milliseconds", help, gauge, &queueing_ms)
    }

    fn group_labels(&self, group: &str, topic: &TopicName) -> Labels {
        self.labels([
            ("consumer_group", group.to_owned()),
            ("topic", topic.to_string()),
            ("is_retry", topic.is_retry().to_string()),
            ("is_system", groups::is_system(group).to_string()),
        ])
    }

    fn clients(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let clients = &self.0.broker.clients;
        let of_client =
            |client: &Client| [("language", client.language.clone()), ("version", client.version.to_string())];
        let protocol = |client: &Client| ("protocol_type", protocol_of(client).to_owned());
        let mut producers: Vec<(Labels, u64)> = Vec::new();
        for (_, members) in clients.all_producers() {
            for client in &members {
                let [language, version] = of_client(client);
                count(&mut producers, self.labels([language, version, protocol(client)]));
            }
        }
        let [mut consumers, mut differing] = [const { Vec::<(Labels, u64)>::new() }; 2];
        for (name, _) in clients.consumer_groups() {
            let Some(group) = clients.online(name.as_str()) else { continue };
            let mode = match group.mode.model {
                Some(MessageModel::Broadcasting) => "broadcasting",
                Some(MessageModel::Clustering) | None => "clustering",
            };
            for difference in group.differences() {
                let labels = [("consumer_group", name.to_string()), ("topic", difference.topic)];
                differing.push((self.labels(labels), difference.said.len() as u64));
            }
            for member in group.members.values() {
                let [language, version] = of_client(&member.client);
                let labels = self.labels([
                    ("consumer_group", name.to_string()),
                    language,
                    version,
                    ("consume_mode", mode.to_owned()),
                    protocol(&member.client),
                    ("is_system", groups::is_system(name.as_str()).to_string()),
                ]);
                count(&mut consumers, labels);
            }
        }
        let gauge = MetricType::Gauge;
        family(encoder, "rocketmq_producer_connections", "Producers online", gauge, &producers)?;
        family(encoder, "rocketmq_consumer_connections", "Consumers online", gauge, &consumers)?;
        let help = "Different subscriptions of one group to a topic, where its members do not agree";
        family(encoder, "kerolox_differing_subscriptions", help, gauge, &differing)
    }

    fn broker(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let broker = &self.0.broker;
        let (log, counters) = (broker.log(), &broker.counters);
        let plain = |value: u64| [(self.labels([]), value)];
        let stored = |value: u64| [(self.storage_labels(), value)];
        let gauge = MetricType::Gauge;
        let topics = broker.machines.topics.len() as u64;
        let groups = broker.machines.groups.len() as u64;
        let unsynced = log.end().since(log.committed());
        let permission = u64::from(perm::READ | perm::WRITE);
        let size = log.end().since(log.start());
        family(encoder, "rocketmq_broker_permission", "4 readable, 2 writable, 6 both", gauge, &plain(permission))?;
        family(encoder, "rocketmq_topic_number", "Topics", gauge, &plain(topics))?;
        family(encoder, "rocketmq_consumer_group_number", "Consumer groups", gauge, &plain(groups))?;
        family(encoder, "rocketmq_storage_size_bytes", "Bytes of log kept", gauge, &stored(size))?;
        let help = "Bytes appended and not yet durable";
        family(encoder, "rocketmq_storage_flush_behind_bytes", help, gauge, &stored(unsynced))?;
        let help = "Bytes appended and not yet visible";
        family(encoder, "rocketmq_storage_dispatch_behind_bytes", help, gauge, &stored(unsynced))?;

        let connections = self.0.connections() as u64;
        family(encoder, "kerolox_connections", "Client connections open", gauge, &plain(connections))?;
        let held = broker.machines.arrivals.waiting() as u64;
        family(encoder, "kerolox_pulls_waiting", "Long polls held now", gauge, &plain(held))?;
        let dead = counters.messages_to_dead_letter.get();
        let counter = MetricType::Counter;
        family(encoder, "kerolox_dead_letters", "Messages sent to dead-letter topics", counter, &plain(dead))?;
        let redelivered = counters.pops_redelivered.get();
        let help = "Popped messages that went to a retry or dead-letter topic";
        family(encoder, "rocketmq_pop_revive_retry_messages", help, counter, &plain(redelivered))?;
        let popping = broker.machines.polls.waiting() as u64;
        family(encoder, "kerolox_pops_waiting", "Pops held now", gauge, &plain(popping))
    }

    /// From a send's arrival to its answer's leave, the disk included.
    fn latency(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (buckets, sum_ms) = self.0.append_latency.reading();
        let bounds = BOUNDS_MS.iter().map(|bound| *bound as f64).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(buckets).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let help = "From the arrival of a request that appends to its answer's leave";
        let mut metric =
            encoder.encode_descriptor("kerolox_append_latency_milliseconds", help, None, MetricType::Histogram)?;
        metric.encode_family(&self.labels([]))?.encode_histogram::<NoLabelSet>(sum_ms as f64, count, &buckets, None)
    }
}

/// By which protocol a client has come.
fn protocol_of(client: &Client) -> &'static str {
    if client.mailbox.as_any().is::<ConnectionMailbox>() { "remoting" } else { "grpc" }
}

/// The earlier of two moments, where there are such.
fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// One more with these labels.
fn count(rows: &mut Vec<(Labels, u64)>, labels: Labels) {
    match rows.iter_mut().find(|(known, _)| *known == labels) {
        Some((_, number)) => *number += 1,
        None => rows.push((labels, 1)),
    }
}
