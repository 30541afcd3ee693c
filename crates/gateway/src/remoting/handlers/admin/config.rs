//! The broker's configuration (26, 25), its replicas (907), and cleaning that happens by itself (306, 316, 329).

use model::Millis;
use wire::remoting::body::kv::DataVersion;
use wire::remoting::body::stats::HaStatus;
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::reply::Response;

use super::answer_body;
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

/// Expired files go at any hour: `deleteWhen` lists them all.
const ALL_HOURS: &str = "00;01;02;03;04;05;06;07;08;09;10;11;12;13;14;15;16;17;18;19;20;21;22;23";

/// Our settings under the names tools know, in the properties format. Ours that have no such name are left out, and so are
/// names of the reference that stand for nothing here.
pub fn get(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let settings = &gateway.broker.settings;
    let levels: Vec<_> = settings.delay_levels.iter().copied().map(span).collect();
    let host = settings.store_host;
    let entries: [(&str, String); 26] = [
        ("autoCreateSubscriptionGroup", settings.auto_create_groups.to_string()),
        ("autoCreateTopicEnable", settings.auto_create_topics.to_string()),
        ("brokerClusterName", settings.cluster.clone()),
        ("brokerIP1", host.ip().to_string()),
        ("brokerIP2", host.ip().to_string()),
        ("brokerId", "0".to_owned()),
        ("brokerName", settings.broker_name.clone()),
        ("brokerPermission", "6".to_owned()),
        ("brokerRole", "ASYNC_MASTER".to_owned()),
        ("defaultTopicQueueNums", settings.default_queues.to_string()),
        ("deleteWhen", ALL_HOURS.to_owned()),
        ("enablePropertyFilter", "true".to_owned()),
        ("fileReservedTime", hours(settings.retention).to_string()),
        ("flushDiskType", if settings.flush_async { "ASYNC_FLUSH" } else { "SYNC_FLUSH" }.to_owned()),
        ("keroloxVersion", env!("CARGO_PKG_VERSION").to_owned()),
        ("listenPort", host.port().to_string()),
        ("longPollingEnable", "true".to_owned()),
        ("maxMessageSize", settings.message_bytes_max.to_string()),
        ("messageDelayLevel", levels.join(" ")),
        ("msgTraceTopicName", broker::state::topics::system_topic::TRACE.to_owned()),
        ("popConsumerKVServiceEnable", "false".to_owned()),
        ("regionId", settings.region.clone()),
        ("slaveReadEnable", "false".to_owned()),
        ("timerWheelEnable", "true".to_owned()),
        ("traceOn", "true".to_owned()),
        ("traceTopicEnable", "true".to_owned()),
    ];
    let text: String = entries.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    // Set at start and never changed since.
    let version = DataVersion { counter: 0, state_version: 0, timestamp: gateway.broker.started_at.0 };
    let version = String::from_utf8(version.to_json()).expect("JSON is UTF-8");
    let response = Response::new(call.opaque, ResponseCode::SUCCESS).field("version", version).body(text.into_bytes());
    turn.answer(call, response);
    Outcome::Done
}

/// Refused: what the network may change, it must be able to change back, and nobody could say who did it.
pub fn update(_: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let remark = "nothing was changed: the configuration is set in kerolox.toml, by KEROLOX_ variables or by --set, \
                  and read at start; topics and groups have commands of their own (updateTopic, updateSubGroup)";
    turn.refuse(Call::of(header), ResponseCode::NO_PERMISSION, remark);
    Outcome::Done
}

/// A master without replicas.
pub fn ha_status(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let body = HaStatus {
        master: true,
        master_commit_log_max_offset: gateway.broker.log().committed().0.cast_signed(),
        ..HaStatus::default()
    };
    answer_body(Call::of(header), body.to_json(), turn)
}

/// Queue indexes and messages of deleted topics go with their segments, and segments when their time has come.
pub fn nothing_to_clean(_: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let remark = "nothing to do: expired segments go by themselves, with their indexes and what deleted topics left";
    turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).remark(remark));
    Outcome::Done
}

/// Whole hours, at least the span.
fn hours(span: Millis) -> u64 {
    span.0.div_ceil(3_600_000)
}

/// A delay as `messageDelayLevel` has it.
fn span(delay: Millis) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match UNITS.iter().find(|(unit, _)| delay.0 > 0 && delay.0.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", delay.0 / unit),
        None => format!("{}ms", delay.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_written_in_their_largest_whole_unit() {
        let texts = [1_000, 90_000, 120_000, 7_200_000, 86_400_000, 250, 0].map(|millis| span(Millis(millis)));
        assert_eq!(texts, ["1s", "90s", "2m", "2h", "1d", "250ms", "0ms"]);
    }

    #[test]
    fn a_part_of_an_hour_is_an_hour() {
        assert_eq!([0, 1, 3_600_000, 259_200_001].map(|millis| hours(Millis(millis))), [0, 1, 1, 73]);
    }
}
