//! Commands of tools that change topics, groups and offsets (17, 215, 200, 207, 222).

use broker::ops::reset_offset::{self, Target};
use broker::ops::topic::Change;
use model::{GroupConfig, GroupName, Timestamp, TopicConfig, TopicFilterType, TopicName};
use store::{Read, ReadError};
use wire::remoting::body::group::SubscriptionGroup;
use wire::remoting::body::offset::ResetOffsets;
use wire::remoting::body::queue::MessageQueue;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::group::DeleteSubscriptionGroup;
use wire::remoting::header::offset::ResetOffset;
use wire::remoting::header::topic::{DeleteTopic, UpdateTopic};
use wire::remoting::reply::Response;

use super::{decode, only_local};
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

/// Serves the codes of this file.
pub fn serve(
    gateway: &Gateway,
    code: RequestCode,
    header: &Header<'_>,
    body: &[u8],
    turn: &mut Turn<'_>,
) -> Option<Outcome> {
    let serve: fn(&Gateway, &Header<'_>, &[u8], &mut Turn<'_>) -> Outcome = match code {
        RequestCode::UPDATE_AND_CREATE_TOPIC => update_topic,
        RequestCode::DELETE_TOPIC_IN_BROKER => delete_topic,
        RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => update_group,
        RequestCode::DELETE_SUBSCRIPTIONGROUP => delete_group,
        RequestCode::INVOKE_BROKER_TO_RESET_OFFSET => reset_offset,
        _ => return None,
    };
    Some(only_local(header, turn).unwrap_or_else(|| serve(gateway, header, body, turn)))
}

fn update_topic(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(UpdateTopic, header, turn);
    let call = Call::of(header);
    let unsigned = |value: i32| u32::try_from(value).unwrap_or(0);
    let config = TopicConfig {
        read_queues: unsigned(fields.read_queue_nums),
        write_queues: unsigned(fields.write_queue_nums),
        perm: u32::try_from(fields.perm).unwrap_or(u32::MAX),
        filter_type: match &*fields.topic_filter_type {
            "MULTI_TAG" => TopicFilterType::MultiTag,
            _ => TopicFilterType::SingleTag,
        },
        sys_flag: unsigned(fields.topic_sys_flag.unwrap_or(0)),
        order: fields.order,
        ..TopicConfig::new(TopicName::trusted(&fields.topic), 0)
    };
    let attributes = fields.attributes.as_deref().unwrap_or_default();
    match gateway.broker.begin_change_topic(config, attributes, &mut turn.buffers.staged) {
        Ok(change) => answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_topic(&error), error),
    }
    Outcome::Done
}

fn delete_topic(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(DeleteTopic, header, turn);
    let call = Call::of(header);
    match gateway.broker.begin_delete_topic(&fields.topic, &mut turn.buffers.staged) {
        Ok(change) => answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_topic(&error), error),
    }
    Outcome::Done
}

fn update_group(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let group = match SubscriptionGroup::read(body) {
        Ok(group) => group,
        Err(error) => {
            turn.refuse(call, ResponseCode::SYSTEM_ERROR, format_args!("unreadable body: {error}"));
            return Outcome::Done;
        }
    };
    match gateway.broker.begin_change_group(group_config(group), &mut turn.buffers.staged) {
        Ok(change) => answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_group(&error), error),
    }
    Outcome::Done
}

fn group_config(group: SubscriptionGroup) -> GroupConfig {
    let unsigned = |value: i32| u32::try_from(value).unwrap_or(0);
    GroupConfig {
        name: GroupName::trusted(&group.group_name),
        consume_enable: group.consume_enable,
        consume_from_min_enable: group.consume_from_min_enable,
        consume_broadcast_enable: group.consume_broadcast_enable,
        consume_message_orderly: group.consume_message_orderly,
        retry_queues: unsigned(group.retry_queue_nums),
        retry_max: group.retry_max_times,
        broker_id: group.broker_id,
        which_broker_when_consume_slowly: group.which_broker_when_consume_slowly,
        notify_consumer_ids_changed: group.notify_consumer_ids_changed_enable,
        sys_flag: unsigned(group.group_sys_flag),
        consume_timeout_minutes: unsigned(group.consume_timeout_minute),
        attributes: group.attributes,
    }
}

fn delete_group(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(DeleteSubscriptionGroup, header, turn);
    let call = Call::of(header);
    let with_offsets = fields.clean_offset.unwrap_or(false);
    match gateway.broker.begin_delete_group(&fields.group_name, with_offsets, &mut turn.buffers.staged) {
        Ok(change) => answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_group(&error), error),
    }
    Outcome::Done
}

fn reset_offset(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
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
            let queue =
                |queue_id| MessageQueue { broker_name: broker_name.clone(), queue_id, topic: fields.topic.to_string() };
            let offset_table = offsets.iter().map(|(id, to)| (queue(id.0.cast_signed()), to.to_wire())).collect();
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

/// Answers when the change is applied. Name servers hear of it from the routes' own refresh.
fn answer_change(change: Change, call: Call, turn: &mut Turn<'_>) {
    match change {
        Change::Staged => turn.done_when_durable(call),
        Change::Nothing => turn.done(call),
    }
}
