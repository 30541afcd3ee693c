//! Numbers of the whole broker: counters by name (315), how it is doing (28), what waits for its time (61), what nobody uses (our
//! own 900001).
//!
//! The keys of 28 are those tools read. What we do not have (queues of thread pools, latencies by percentile) is 0 there;
//! what nobody reads is left out.

use std::collections::BTreeMap;

use broker::ops::broker_info::RuntimeInfo;
use broker::rates::{BrokerGrowth, Growth};
use model::{Millis, Timestamp};
use wire::remoting::body::kv::DataVersion;
use wire::remoting::body::kv::KvTable;
use wire::remoting::body::stats::{BrokerStats, BrokerStatsItem};
use wire::remoting::body::timer::{TimerMetric, TimerMetrics};
use wire::remoting::body::unused::{LastUsed, UnusedList};
use wire::remoting::code::{ResponseCode, VERSION};
use wire::remoting::command::Header;
use wire::remoting::header::stats::{ListUnused, ViewBrokerStats};

use super::{answer_body, decode};
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

/// The name of [`VERSION`]: the protocol we speak. Ours is under `keroloxVersion`.
const VERSION_NAME: &str = "V5_3_3";

/// Thread pools tools ask for; we have none, so nothing ever waits for one.
const POOLS: [&str; 5] = ["send", "pull", "query", "litePull", "ack"];

pub fn counter(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ViewBrokerStats, header, turn);
    let call = Call::of(header);
    let Some(windows) = gateway.broker.broker_stats(&fields.stats_name, &fields.stats_key, turn.now) else {
        let remark = format!("The stats <{}> <{}> not exist", fields.stats_name, fields.stats_key);
        turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
        return Outcome::Done;
    };
    // Sums per call are not counted: they would cost another atomic add a message.
    let item =
        |growth: Growth| BrokerStatsItem { avgpt: 0.0, sum: growth.count.cast_signed(), tps: growth.per_second() };
    let body = BrokerStats {
        stats_day: item(windows.day),
        stats_hour: item(windows.hour),
        stats_minute: item(windows.minute),
    };
    answer_body(call, body.to_json(), turn)
}

pub fn unused(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ListUnused, header, turn);
    let span = Millis(u64::try_from(fields.unused_for_millis).unwrap_or(0));
    let unused = gateway.broker.unused(span, turn.now);
    let listed = |(name, last): (String, Timestamp)| LastUsed { name, last_used: last.0 };
    let body = UnusedList {
        topics: unused.topics.into_iter().map(|(name, last)| listed((name.to_string(), last))).collect(),
        groups: unused.groups.into_iter().map(|(name, last)| listed((name.to_string(), last))).collect(),
    };
    answer_body(Call::of(header), body.to_json(), turn)
}

pub fn timers(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let machines = &gateway.broker.machines;
    let by_topic: Vec<_> = machines.timers.lock().by_topic().collect();
    let metric = |count: u64| TimerMetric { count: count.cast_signed(), time_stamp: turn.now.0 };
    let counts = by_topic.into_iter();
    let timing_count =
        counts.filter_map(|(id, count)| Some((machines.topics.name_of(id)?.to_string(), metric(count)))).collect();
    // It is never out of date: the version is the moment.
    let data_version = DataVersion { timestamp: turn.now.0, ..DataVersion::default() };
    answer_body(Call::of(header), TimerMetrics { data_version, timing_count }.to_json(), turn)
}

pub fn runtime_info(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let info = gateway.broker.runtime_info(turn.now);
    answer_body(Call::of(header), KvTable { table: table(&info, turn.now) }.to_json(), turn)
}

fn table(info: &RuntimeInfo, now: Timestamp) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    let mut put = |key: &str, value: String| table.insert(key.to_owned(), value);
    put("brokerActive", info.active.to_string());
    put("brokerVersion", VERSION.to_string());
    put("brokerVersionDesc", VERSION_NAME.to_owned());
    put("keroloxVersion", env!("CARGO_PKG_VERSION").to_owned());
    put("bootTimestamp", info.started_at.0.to_string());
    put("startAcceptSendRequestTimeStamp", info.started_at.0.to_string());
    put("runtime", runtime(now.since(info.started_at).0 / 1_000));

    let rates = |of: fn(&BrokerGrowth) -> f64| info.growth.iter().map(|growth| decimal(of(growth))).collect::<Vec<_>>();
    put("putTps", rates(|growth| growth.messages_in().per_second()).join(" "));
    put("getTransferredTps", rates(|growth| growth.messages_out().per_second()).join(" "));
    put("getFoundTps", rates(|growth| growth.pulls_found().per_second()).join(" "));
    put("getMissTps", rates(|growth| growth.pulls_missed().per_second()).join(" "));
    let pulls = |growth: &BrokerGrowth| growth.pulls_found().per_second() + growth.pulls_missed().per_second();
    put("getTotalTps", rates(pulls).join(" "));

    let ([put_yesterday, got_yesterday], [put_today, got_today]) = (info.mornings.yesterday, info.mornings.today);
    put("msgPutTotalYesterdayMorning", put_yesterday.to_string());
    put("msgPutTotalTodayMorning", put_today.to_string());
    put("msgPutTotalTodayNow", info.totals.messages_in.to_string());
    put("msgGetTotalYesterdayMorning", got_yesterday.to_string());
    put("msgGetTotalTodayMorning", got_today.to_string());
    put("msgGetTotalTodayNow", info.totals.messages_out.to_string());
    put("putMessageTimesTotal", info.totals.messages_in.to_string());
    put("putMessageSizeTotal", info.bytes_in.to_string());
    put("putMessageAverageSize", decimal(info.bytes_in as f64 / info.totals.messages_in.max(1) as f64));
    put("putLatency99", "0.00".to_owned());
    put("putLatency999", "0.00".to_owned());

    for pool in POOLS {
        for what in ["Size", "Capacity", "HeadWaitTimeMills"] {
            put(&format!("{pool}ThreadPoolQueue{what}"), "0".to_owned());
        }
    }
    put("pageCacheLockTimeMills", "0".to_owned());

    put("commitLogMinOffset", info.log_start.to_string());
    put("commitLogMaxOffset", info.log_end.to_string());
    put("dispatchBehindBytes", info.uncommitted_bytes.to_string());
    put("remainHowManyDataToFlush", bytes(info.uncommitted_bytes));
    put("earliestMessageTimeStamp", info.oldest_message.map_or(now, |oldest| oldest).0.to_string());
    let (used, capacity) = match info.disk {
        Some(disk) => (
            1.0 - disk.free as f64 / disk.total.max(1) as f64,
            format!("Total : {}, Free : {}.", bytes(disk.total), bytes(disk.free)),
        ),
        None => (-1.0, "unknown".to_owned()),
    };
    put("commitLogDiskRatio", format!("{used:.2}"));
    put("consumeQueueDiskRatio", format!("{used:.2}"));
    put("commitLogDirCapacity", capacity);

    let [last_ten_seconds, ..] = info.growth;
    put("timerReadBehind", (info.timers_behind.0 / 1_000).to_string());
    put("timerOffsetBehind", "0".to_owned());
    put("timerCongestNum", info.timers_waiting.to_string());
    put("timerEnqueueTps", decimal(last_ten_seconds.timers_scheduled().per_second()));
    put("timerDequeueTps", decimal(last_ten_seconds.timers_delivered().per_second()));
    table
}

/// A number tools read as a decimal one.
fn decimal(number: f64) -> String {
    let text = format!("{number:.4}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

fn runtime(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", secs % 60)
}

/// Bytes as a person reads them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1_024.0, 0);
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_decimals_in_java() {
        let texts = [0.0, 0.2, 12.345_678, 1_000_000.0].map(decimal);
        assert_eq!(texts, ["0.0", "0.2", "12.3457", "1000000.0"]);
    }

    #[test]
    fn spans_and_sizes_are_for_people() {
        assert_eq!(runtime(93_784), "[ 1 days, 2 hours, 3 minutes, 4 seconds ]");
        assert_eq!([0, 1_023, 1_536, 252 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "252.0 GiB"]);
    }
}
