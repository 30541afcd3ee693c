//! Topics: change (17, 18, 215), configuration (21, 351, 305), what they hold (202, 321).

use broker::ops::topic_stats;
use broker::state::topics::is_system;
use model::{TopicConfig, TopicFilterType, TopicName};
use wire::remoting::body::kv::TopicList;
use wire::remoting::body::stats::{ConsumeQueueData, ConsumeQueueUnit};
use wire::remoting::body::topic::{self as body, CreateTopicList, TopicConfigWrapper, TopicOffset, TopicStatsTable};
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::message::QueryConsumeQueue;
use wire::remoting::header::topic::{DeleteTopic, GetAllTopicConfig, GetTopicConfig, GetTopicStats, UpdateTopic};

use super::clients::subscription_data;
use super::consume::queue_of;
use super::page::{self, Asked};
use super::{answer_body, answer_change, answer_list, decode, unreadable};
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::handlers::offset::cold_or_refused;
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

/// Units of a queue shown when a tool does not say how many.
const UNITS: i32 = 10;

pub fn update(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(UpdateTopic, header, turn);
    let call = Call::of(header);
    let config = TopicConfig {
        read_queues: unsigned(fields.read_queue_nums),
        write_queues: unsigned(fields.write_queue_nums),
        perm: u32::try_from(fields.perm).unwrap_or(u32::MAX),
        filter_type: filter_type(&fields.topic_filter_type),
        sys_flag: unsigned(fields.topic_sys_flag.unwrap_or(0)),
        order: fields.order,
        ..TopicConfig::new(TopicName::trusted(&fields.topic), 0)
    };
    let attributes = fields.attributes.as_deref().unwrap_or_default();
    match gateway.broker.begin_change_topic(config, attributes, &mut turn.buffers.staged) {
        Ok(change) => return answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_topic(&error), error),
    }
    Outcome::Done
}

/// All of the listed topics, or none if one is refused.
pub fn update_list(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let list = match CreateTopicList::read(body) {
        Ok(list) => list,
        Err(error) => return unreadable(call, &error, turn),
    };
    let topics = list.topic_config_list.into_iter().map(|topic| {
        let attributes = modification(&topic);
        let config = TopicConfig {
            read_queues: unsigned(topic.read_queue_nums),
            write_queues: unsigned(topic.write_queue_nums),
            perm: u32::try_from(topic.perm).unwrap_or(u32::MAX),
            filter_type: filter_type(&topic.topic_filter_type),
            sys_flag: unsigned(topic.topic_sys_flag),
            order: topic.order,
            ..TopicConfig::new(TopicName::trusted(&topic.topic_name), 0)
        };
        (config, attributes)
    });
    match gateway.broker.begin_change_topics(topics, &mut turn.buffers.staged) {
        Ok(change) => return answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_topic(&error), error),
    }
    Outcome::Done
}

/// The attributes of a listed topic in the form of [`UpdateTopic`]: its keys carry the signs, or mean to be set.
fn modification(topic: &body::TopicConfig) -> String {
    let each = topic.attributes.iter().map(|(key, value)| match key.as_bytes().first() {
        Some(b'+') => format!("{key}={value}"),
        Some(b'-') => key.clone(),
        _ => format!("+{key}={value}"),
    });
    each.collect::<Vec<_>>().join(",")
}

pub fn delete(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(DeleteTopic, header, turn);
    let call = Call::of(header);
    match gateway.broker.begin_delete_topic(&fields.topic, &mut turn.buffers.staged) {
        Ok(change) => return answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_topic(&error), error),
    }
    Outcome::Done
}

pub fn all(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetAllTopicConfig, header, turn);
    let call = Call::of(header);
    let topics = &gateway.broker.machines.topics;
    // Before the list: a change in between makes the tool begin again, not miss it.
    let data_version = page::version(&gateway.broker, topics.changes());
    let all = topics.all();
    let asked = Asked { first: fields.topic_seq, max: fields.max_topic_num, version: fields.data_version.as_deref() };
    let page = &all[page::range(asked, all.len(), data_version)];
    let body = TopicConfigWrapper {
        data_version,
        mapping_data_version: Some(wire::remoting::body::kv::DataVersion::default()),
        topic_config_table: page.iter().map(|topic| (topic.config.name.to_string(), on_wire(&topic.config))).collect(),
        ..TopicConfigWrapper::default()
    };
    answer_list(call, Some(("totalTopicNum", all.len())), body.to_json(), turn)
}

pub fn get(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetTopicConfig, header, turn);
    let call = Call::of(header);
    let Some(topic) = gateway.broker.machines.topics.get(&fields.topic) else {
        let remark = format!("No topic in this broker. topic: {}", fields.topic);
        turn.refuse(call, ResponseCode::TOPIC_NOT_EXIST, remark);
        return Outcome::Done;
    };
    answer_body(call, on_wire(&topic.config).to_json(), turn)
}

pub fn stats(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetTopicStats, header, turn);
    let stats = match gateway.broker.topic_stats(&fields.topic, turn.now, turn.mode) {
        Ok(stats) => stats,
        Err(error) => return refuse_stats(header, &error, turn),
    };
    let broker_name = &gateway.broker.settings.broker_name;
    let offset_table = stats.queues.iter().map(|queue| {
        let offset = TopicOffset {
            last_update_timestamp: queue.last_stored.map_or(0, |stored| stored.0),
            max_offset: queue.bounds.max.to_wire(),
            min_offset: queue.bounds.min.to_wire(),
        };
        (queue_of(broker_name, &fields.topic, queue.queue), offset)
    });
    let body = TopicStatsTable { offset_table: offset_table.collect(), topic_put_tps: stats.put_per_second };
    answer_body(Call::of(header), body.to_json(), turn)
}

pub fn system_topics(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let broker = &gateway.broker;
    let names = broker.machines.topics.all().into_iter().map(|topic| topic.config.name.to_string());
    let topic_list = names.filter(|name| is_system(name, &broker.settings)).collect();
    answer_body(Call::of(header), TopicList { topic_list, broker_addr: None }.to_json(), turn)
}

pub fn queue_units(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QueryConsumeQueue, header, turn);
    let topic = fields.topic.as_deref().unwrap_or_default();
    let (queue, from) = (fields.queue_id.unwrap_or(0), fields.index.unwrap_or(0));
    let count = fields.count.filter(|count| *count > 0).unwrap_or(UNITS);
    let found = match gateway.broker.queue_units(topic, queue, from, count, turn.mode) {
        Ok(found) => found,
        Err(error) => return refuse_stats(header, &error, turn),
    };
    let group = fields.consumer_group.as_deref().unwrap_or_default();
    let online = gateway.broker.clients.subscription_of(group, topic);
    let subscription = online.and_then(|online| online.subscription);
    let matching = match subscription.as_deref() {
        None => vec![true; found.units.len()],
        Some(subscription) => match gateway.broker.matching(subscription, &found.units, turn.mode) {
            Ok(matching) => matching,
            Err(error) => return refuse_stats(header, &error.into(), turn),
        },
    };
    let queue_data = found.units.iter().zip(matching).map(|(unit, eval)| ConsumeQueueUnit {
        eval,
        physic_offset: unit.at.0.cast_signed(),
        physic_size: unit.len.cast_signed(),
        tags_code: unit.tag_hash.into(),
        ..ConsumeQueueUnit::default()
    });
    let body = ConsumeQueueData {
        filter_data: None,
        max_queue_index: found.bounds.max.to_wire(),
        min_queue_index: found.bounds.min.to_wire(),
        queue_data: queue_data.collect(),
        subscription_data: subscription.as_deref().map(subscription_data),
    };
    answer_body(Call::of(header), body.to_json(), turn)
}

/// A read that would block goes on elsewhere; any other error is answered.
pub fn refuse_stats(header: &Header<'_>, error: &topic_stats::Error, turn: &mut Turn<'_>) -> Outcome {
    let code = match error {
        topic_stats::Error::Read(error) => return cold_or_refused(header, error, turn),
        topic_stats::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        topic_stats::Error::NoSuchQueue { .. } => ResponseCode::INVALID_PARAMETER,
    };
    turn.refuse(Call::of(header), code, error);
    Outcome::Done
}

fn on_wire(config: &TopicConfig) -> body::TopicConfig {
    body::TopicConfig {
        attributes: config.attributes.clone(),
        order: config.order,
        perm: config.perm.cast_signed(),
        read_queue_nums: config.read_queues.cast_signed(),
        topic_filter_type: match config.filter_type {
            TopicFilterType::SingleTag => "SINGLE_TAG".to_owned(),
            TopicFilterType::MultiTag => "MULTI_TAG".to_owned(),
        },
        topic_name: config.name.to_string(),
        topic_sys_flag: config.sys_flag.cast_signed(),
        write_queue_nums: config.write_queues.cast_signed(),
    }
}

fn filter_type(name: &str) -> TopicFilterType {
    match name {
        "MULTI_TAG" => TopicFilterType::MultiTag,
        _ => TopicFilterType::SingleTag,
    }
}

/// A number that must not be negative; the broker refuses 0 where it is out of range.
fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
