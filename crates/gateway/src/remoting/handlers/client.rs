//! Clients and their groups: heartbeat (34), leaving (35), members (38), queue locks (41, 42), subscription check (46).

use broker::ops::heartbeat;
use broker::state::clients::{self, Client, ConsumeFrom, ConsumeMode, ConsumerHeard};
use broker::state::queue_locks::NamedQueue;
use broker::subscription::{self, Subscription};
use model::{GroupName, QueueId, TopicName};
use wire::remoting::body::heartbeat::{
    CheckClient, ConsumeFromWhere, ConsumeType, ConsumerData, ConsumerIdList, HeartbeatData, MessageModel,
    SubscriptionData,
};
use wire::remoting::body::lock::{LockBatchRequest, LockBatchResponse};
use wire::remoting::body::queue::MessageQueue;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::client::{GetConsumerList, IS_SUB_CHANGE, IS_SUPPORT_HEART_BEAT_V2, UnregisterClient};
use wire::remoting::json::JsonError;
use wire::remoting::reply::Response;

use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

/// Serves the codes of this file.
pub fn serve(
    gateway: &Gateway,
    code: RequestCode,
    header: &Header<'_>,
    body: &[u8],
    turn: &mut Turn<'_>,
) -> Option<Outcome> {
    let served = match code {
        RequestCode::HEART_BEAT => heartbeat(gateway, header, body, turn),
        RequestCode::UNREGISTER_CLIENT => return Some(unregister(gateway, header, turn)),
        RequestCode::GET_CONSUMER_LIST_BY_GROUP => return Some(consumer_list(gateway, header, turn)),
        RequestCode::LOCK_BATCH_MQ => lock(gateway, header, body, turn),
        RequestCode::UNLOCK_BATCH_MQ => unlock(gateway, header, body, turn),
        RequestCode::CHECK_CLIENT_CONFIG => check(header, body, turn),
        _ => return None,
    };
    if let Err(error) = served {
        turn.refuse(Call::of(header), ResponseCode::SYSTEM_ERROR, format_args!("unreadable body: {error}"));
    }
    Some(Outcome::Done)
}

fn heartbeat(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let data = HeartbeatData::read(body)?;
    let call = Call::of(header);
    let client = introduced(header, data.client_id, turn);
    // A broker that has restarted knows no subscriptions: a client that left them out must send them again.
    let unknown = |consumer: &ConsumerData| !gateway.broker.clients.is_online(&consumer.group_name);
    let send_again = data.without_sub && data.consumer_data_set.iter().any(unknown);
    let mut consumers = Vec::with_capacity(data.consumer_data_set.len());
    let mut refused = None;
    for consumer in data.consumer_data_set {
        let group = consumer.group_name.clone();
        match heard(consumer, data.without_sub) {
            Ok(heard) => consumers.push(heard),
            Err(error) => refused = Some((group, error)),
        }
    }
    let producers =
        data.producer_data_set.into_iter().map(|producer| GroupName::trusted(&producer.group_name)).collect();
    let request = heartbeat::Request { client, producers, consumers };
    gateway.broker.begin_heartbeat(request, &mut turn.buffers.staged);
    if let Some((group, error)) = refused {
        turn.refuse(call, ResponseCode::SUBSCRIPTION_PARSE_FAILED, format_args!("group {group}: {error}"));
        return Ok(());
    }
    // Without fingerprint the reference answers true, which such a client does not read.
    let changed = data.heartbeat_fingerprint == 0 || send_again;
    let response = Response::new(call.opaque, ResponseCode::SUCCESS)
        .field(IS_SUPPORT_HEART_BEAT_V2, true)
        .field(IS_SUB_CHANGE, changed);
    if turn.buffers.staged.is_empty() {
        turn.answer(call, response);
    } else {
        turn.answer_when_durable(call, response);
    }
    Ok(())
}

/// The client on this turn's connection.
pub(super) fn introduced(header: &Header<'_>, client_id: String, turn: &Turn<'_>) -> Client {
    Client {
        connection: turn.peer.mailbox.id,
        client_id,
        address: turn.peer.address,
        language: header.language.to_string(),
        version: header.version,
        heard: turn.now,
        mailbox: turn.peer.mailbox.clone(),
    }
}

/// One consumer group of a heartbeat. A subscription that cannot be read refuses the group: it would get other messages than
/// it asked for. The client's other groups, which share its heartbeat, are heard all the same.
fn heard(data: ConsumerData, without_subscriptions: bool) -> Result<ConsumerHeard, subscription::Error> {
    let mode = ConsumeMode {
        by: match data.consume_type {
            ConsumeType::ConsumeActively => Some(clients::ConsumeType::Actively),
            ConsumeType::ConsumePassively => Some(clients::ConsumeType::Passively),
            ConsumeType::ConsumePop => Some(clients::ConsumeType::Pop),
            ConsumeType::Unknown => None,
        },
        model: match data.message_model {
            MessageModel::Broadcasting => Some(clients::MessageModel::Broadcasting),
            MessageModel::Clustering => Some(clients::MessageModel::Clustering),
            MessageModel::Unknown => None,
        },
        from: match data.consume_from_where {
            ConsumeFromWhere::ConsumeFromLastOffset => Some(ConsumeFrom::Last),
            ConsumeFromWhere::ConsumeFromLastOffsetAndFromMinWhenBootFirst => {
                Some(ConsumeFrom::LastAndMinWhenBootFirst)
            }
            ConsumeFromWhere::ConsumeFromMinOffset => Some(ConsumeFrom::Min),
            ConsumeFromWhere::ConsumeFromMaxOffset => Some(ConsumeFrom::Max),
            ConsumeFromWhere::ConsumeFromFirstOffset => Some(ConsumeFrom::First),
            ConsumeFromWhere::ConsumeFromTimestamp => Some(ConsumeFrom::Timestamp),
            ConsumeFromWhere::Unknown => None,
        },
    };
    let subscriptions = if without_subscriptions {
        None
    } else {
        Some(data.subscription_data_set.iter().map(subscription).collect::<Result<_, _>>()?)
    };
    Ok(ConsumerHeard { group: GroupName::trusted(&data.group_name), mode, subscriptions })
}

fn subscription(data: &SubscriptionData) -> Result<Subscription, subscription::Error> {
    Subscription::parse(&data.topic, &data.sub_string, data.expression_type.as_deref(), data.sub_version)
}

fn unregister(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(UnregisterClient, header, turn);
    let (producer, consumer) = (fields.producer_group.as_deref(), fields.consumer_group.as_deref());
    gateway.broker.unregister(turn.peer.mailbox.id, producer, consumer);
    turn.done(Call::of(header));
    Outcome::Done
}

fn consumer_list(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetConsumerList, header, turn);
    let call = Call::of(header);
    let consumer_id_list = gateway.broker.clients.consumer_ids(&fields.consumer_group);
    if consumer_id_list.is_empty() {
        let remark = format!("no consumer for this group, {}", fields.consumer_group);
        turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
    } else {
        let body = ConsumerIdList { consumer_id_list }.to_json();
        turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(body));
    }
    Outcome::Done
}

fn lock(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let request = LockBatchRequest::read(body)?;
    let call = Call::of(header);
    let group = GroupName::trusted(&request.consumer_group);
    let queues = request.mq_set.iter().filter_map(named).collect();
    let held = gateway.broker.lock_queues(&group, &request.client_id, queues, turn.now);
    let broker_name = &gateway.broker.settings.broker_name;
    let lock_ok_mq_set = held.into_iter().map(|(topic, queue)| MessageQueue {
        broker_name: broker_name.clone(),
        queue_id: queue.0.cast_signed(),
        topic: topic.to_string(),
    });
    let body = LockBatchResponse { lock_ok_mq_set: lock_ok_mq_set.collect() }.to_json();
    turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(body));
    Ok(())
}

fn unlock(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let request = LockBatchRequest::read(body)?;
    let group = GroupName::trusted(&request.consumer_group);
    let queues: Vec<_> = request.mq_set.iter().filter_map(named).collect();
    gateway.broker.unlock_queues(&group, &request.client_id, &queues);
    turn.done(Call::of(header));
    Ok(())
}

fn named(queue: &MessageQueue) -> Option<NamedQueue> {
    Some((TopicName::trusted(&queue.topic), QueueId(u32::try_from(queue.queue_id).ok()?)))
}

fn check(header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let request = CheckClient::read(body)?;
    let call = Call::of(header);
    match request.subscription_data.as_ref().map(subscription) {
        None | Some(Ok(_)) => turn.done(call),
        Some(Err(error @ subscription::Error::UnsupportedType(_))) => {
            turn.refuse(call, ResponseCode::SYSTEM_ERROR, error);
        }
        Some(Err(error)) => turn.refuse(call, ResponseCode::SUBSCRIPTION_PARSE_FAILED, error),
    }
    Ok(())
}
