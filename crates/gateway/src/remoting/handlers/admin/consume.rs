//! How far groups have come (208, 317, 303), who consumes what (300, 343), and setting groups back or forward (222, 314).

use std::collections::BTreeMap;

use broker::ops::clone_offset;
use broker::ops::consume_stats::{Asked, Progress, QueueProgress};
use broker::ops::reset_offset::{self, Target};
use model::{QueueId, Timestamp};
use store::{Read, ReadError};
use wire::remoting::body::kv::{GroupList, TopicList};
use wire::remoting::body::offset::ResetOffsets;
use wire::remoting::body::queue::MessageQueue;
use wire::remoting::body::stats::{ConsumeStats, ConsumeStatsList, ConsumeTimeSpan, ConsumeTimeSpans, OffsetWrapper};
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::group::QueryTopicsByConsumer;
use wire::remoting::header::offset::{CloneGroupOffset, ResetOffset};
use wire::remoting::header::stats::{GetBrokerConsumeStats, GetConsumeStats, QueryConsumeTimeSpan};
use wire::remoting::header::topic::QueryTopicConsumeByWho;
use wire::remoting::reply::Response;

use super::topic::refuse_stats;
use super::{answer_body, answer_change, decode};
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
use crate::remoting::handlers::offset::cold_or_refused;
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

/// Where there is no message to tell the time of.
const NO_TIME: i64 = -1;

pub fn stats(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetConsumeStats, header, turn);
    let list = fields.topic_list.as_deref().unwrap_or_default();
    let listed: Vec<_> = list.split(';').map(str::trim).filter(|topic| !topic.is_empty()).collect();
    let one = fields.topic.as_deref().filter(|topic| !topic.trim().is_empty());
    let asked = match one {
        _ if !listed.is_empty() => Asked::Listed(&listed),
        Some(topic) => Asked::One(topic),
        None => Asked::Consumed,
    };
    match gateway.broker.consume_stats(&fields.consumer_group, asked, turn.now, turn.mode) {
        Ok(progress) => {
            let body = on_wire(&gateway.broker.settings.broker_name, &progress);
            answer_body(Call::of(header), body.to_json(), turn)
        }
        Err(error) => cold_or_refused(header, &error, turn),
    }
}

pub fn all_stats(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetBrokerConsumeStats, header, turn);
    let settings = &gateway.broker.settings;
    let all = match gateway.broker.all_consume_stats(fields.is_order, turn.now, turn.mode) {
        Ok(all) => all,
        Err(error) => return cold_or_refused(header, &error, turn),
    };
    let queues = || all.iter().flat_map(|(_, topics)| topics).flat_map(|progress| &progress.queues);
    let of_group = |topics: &[Progress]| topics.iter().map(|of| on_wire(&settings.broker_name, of)).collect();
    let body = ConsumeStatsList {
        broker_addr: settings.store_host.to_string(),
        total_diff: queues().map(QueueProgress::lag).sum(),
        total_inflight_diff: queues().map(QueueProgress::in_flight).sum(),
        consume_stats_list: all
            .iter()
            .map(|(group, topics)| BTreeMap::from([(group.to_string(), of_group(topics))]))
            .collect(),
    };
    answer_body(Call::of(header), body.to_json(), turn)
}

fn on_wire(broker_name: &str, progress: &Progress) -> ConsumeStats {
    let queues = progress.queues.iter().map(|of| {
        let offsets = OffsetWrapper {
            broker_offset: of.end.to_wire(),
            consumer_offset: of.committed.to_wire(),
            last_timestamp: of.last_consumed.map_or(0, |stored| stored.0),
            pull_offset: of.handed_out.to_wire(),
        };
        (queue_of(broker_name, of.topic.as_str(), of.queue), offsets)
    });
    ConsumeStats { consume_tps: progress.per_second, offset_table: queues.collect() }
}

pub fn time_spans(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QueryConsumeTimeSpan, header, turn);
    let spans = match gateway.broker.consume_time_spans(&fields.group, &fields.topic, turn.now, turn.mode) {
        Ok(spans) => spans,
        Err(error) => return refuse_stats(header, &error, turn),
    };
    let time = |stored: Option<Timestamp>| stored.map_or(NO_TIME, |stored| stored.0);
    let spans = spans.iter().map(|span| ConsumeTimeSpan {
        consume_time_stamp: time(span.consumed),
        delay_time: span.delay.0.cast_signed(),
        max_time_stamp: time(span.last),
        message_queue: queue_of(&gateway.broker.settings.broker_name, &fields.topic, span.queue),
        min_time_stamp: time(span.first),
    });
    answer_body(Call::of(header), ConsumeTimeSpans { consume_time_span_set: spans.collect() }.to_json(), turn)
}

pub fn consumers_of(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QueryTopicConsumeByWho, header, turn);
    let group_list = gateway.broker.consumers_of(&fields.topic).iter().map(ToString::to_string).collect();
    answer_body(Call::of(header), GroupList { group_list }.to_json(), turn)
}

pub fn topics_of(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QueryTopicsByConsumer, header, turn);
    let body = TopicList {
        broker_addr: Some(gateway.broker.settings.store_host.to_string()),
        topic_list: gateway.broker.topics_consumed_by(&fields.group).iter().map(ToString::to_string).collect(),
    };
    answer_body(Call::of(header), body.to_json(), turn)
}

pub fn reset_offset(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ResetOffset, header, turn);
    let call = Call::of(header);
    let queue_id = fields.queue_id.unwrap_or(-1);
    let target = match fields.offset {
        Some(offset) if offset != -1 && queue_id >= 0 => Target::Offset(offset),
        _ => Target::Time(Timestamp(fields.timestamp)),
    };
    let request = reset_offset::Request { group: &fields.group, topic: &fields.topic, queue_id, target };
    let mode = turn.mode;
    match gateway.broker.begin_reset_offset(request, mode, &mut turn.buffers.staged) {
        Ok(offsets) => {
            let broker_name = &gateway.broker.settings.broker_name;
            let offset_table =
                offsets.iter().map(|(id, to)| (queue_of(broker_name, &fields.topic, *id), to.to_wire())).collect();
            let body = ResetOffsets { offset_table }.to_json();
            turn.answer_when_durable(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(body));
        }
        Err(reset_offset::Error::Read(ReadError::WouldBlock)) if mode == Read::Nowait => {
            return Outcome::Elsewhere(Elsewhere::Cold);
        }
        Err(error) => turn.refuse(call, status::of_reset(&error), error),
    }
    Outcome::Done
}

pub fn clone_offset(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(CloneGroupOffset, header, turn);
    let call = Call::of(header);
    let request = clone_offset::Request {
        from: &fields.src_group,
        to: &fields.dest_group,
        topic: fields.topic.as_deref().filter(|topic| !topic.trim().is_empty()),
        unsubscribed_too: fields.offline.unwrap_or(false),
    };
    match gateway.broker.begin_clone_offset(request, &mut turn.buffers.staged) {
        Ok(change) => return answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_clone(&error), error),
    }
    Outcome::Done
}

/// A queue of ours in the words of the wire.
pub fn queue_of(broker_name: &str, topic: &str, queue: QueueId) -> MessageQueue {
    MessageQueue { broker_name: broker_name.to_owned(), queue_id: queue.0.cast_signed(), topic: topic.to_owned() }
}
