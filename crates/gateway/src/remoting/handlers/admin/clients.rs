//! Who is connected (203, 204, 328), and what a group subscribes to (345).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use broker::state::clients::{Client, ConsumeFrom, ConsumeType, MessageModel};
use broker::subscription::{Subscription, Tags};
use wire::remoting::body::connection::{
    Connection, ConsumerConnection, ProducerConnection, ProducerInfo, ProducerTable,
};
use wire::remoting::body::heartbeat::{self, QuerySubscription, SubscriptionData};
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::client::{GetConsumerConnections, GetProducerConnections};
use wire::remoting::header::group::QuerySubscriptionByConsumer;

use super::{answer_body, decode};
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

pub fn consumers(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetConsumerConnections, header, turn);
    let call = Call::of(header);
    let Some(online) = gateway.broker.clients.online(&fields.consumer_group) else {
        let remark = format!("the consumer group[{}] not online", fields.consumer_group);
        turn.refuse(call, ResponseCode::CONSUMER_NOT_ONLINE, remark);
        return Outcome::Done;
    };
    let subscriptions = online.subscriptions().into_iter();
    let body = ConsumerConnection {
        connection_set: online.members.values().map(|member| connection(&member.client)).collect(),
        consume_from_where: online.mode.from.map_or(heartbeat::ConsumeFromWhere::Unknown, from_where),
        consume_type: online.mode.by.map_or(heartbeat::ConsumeType::Unknown, consume_type),
        message_model: online.mode.model.map_or(heartbeat::MessageModel::Unknown, message_model),
        subscription_table: subscriptions.map(|(topic, of)| (topic, subscription_data(&of))).collect(),
    };
    answer_body(call, body.to_json(), turn)
}

pub fn producers(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetProducerConnections, header, turn);
    let call = Call::of(header);
    let producers = gateway.broker.clients.producers(&fields.producer_group);
    if producers.is_empty() {
        let remark = format!("the producer group[{}] not exist", fields.producer_group);
        turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
        return Outcome::Done;
    }
    let body = ProducerConnection { connection_set: producers.iter().map(connection).collect() };
    answer_body(call, body.to_json(), turn)
}

pub fn all_producers(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let info = |client: &Client| ProducerInfo {
        client_id: client.client_id.clone(),
        language: client.language.clone(),
        last_update_timestamp: client.heard.0,
        remote_ip: format!("/{}", plain(client.address)),
        version: client.version,
    };
    let all = gateway.broker.clients.all_producers().into_iter();
    let data: BTreeMap<_, Vec<_>> =
        all.map(|(group, clients)| (group.to_string(), clients.iter().map(info).collect())).collect();
    answer_body(Call::of(header), ProducerTable { data }.to_json(), turn)
}

pub fn subscription(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(QuerySubscriptionByConsumer, header, turn);
    let topic = fields.topic.as_deref().unwrap_or_default();
    let online = gateway.broker.clients.subscription_of(&fields.group, topic);
    let body = QuerySubscription {
        group: fields.group.to_string(),
        subscription_data: online.and_then(|online| online.subscription).as_deref().map(subscription_data),
        topic: fields.topic.as_deref().map(str::to_owned),
    };
    answer_body(Call::of(header), body.to_json(), turn)
}

/// A subscription as heartbeats carry it.
pub fn subscription_data(subscription: &Subscription) -> SubscriptionData {
    let (mut code_set, tags_set) = match &subscription.tags {
        Tags::All => (Vec::new(), Vec::new()),
        Tags::Hashes(hashes) => {
            let tags = subscription.expression.split("||").map(str::trim).filter(|tag| !tag.is_empty());
            (hashes.iter().copied().collect(), tags.map(str::to_owned).collect())
        }
    };
    code_set.sort_unstable();
    SubscriptionData {
        class_filter_mode: false,
        code_set,
        expression_type: Some(subscription.kind().to_owned()),
        sub_string: subscription.expression.clone(),
        sub_version: subscription.version,
        tags_set,
        topic: subscription.topic.clone(),
    }
}

fn connection(client: &Client) -> Connection {
    Connection {
        client_addr: plain(client.address).to_string(),
        client_id: client.client_id.clone(),
        language: client.language.clone(),
        version: client.version,
    }
}

/// An IPv4 address that came over an IPv6 socket, as IPv4.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn consume_type(by: ConsumeType) -> heartbeat::ConsumeType {
    match by {
        ConsumeType::Actively => heartbeat::ConsumeType::ConsumeActively,
        ConsumeType::Passively => heartbeat::ConsumeType::ConsumePassively,
        ConsumeType::Pop => heartbeat::ConsumeType::ConsumePop,
    }
}

fn message_model(model: MessageModel) -> heartbeat::MessageModel {
    match model {
        MessageModel::Broadcasting => heartbeat::MessageModel::Broadcasting,
        MessageModel::Clustering => heartbeat::MessageModel::Clustering,
    }
}

fn from_where(from: ConsumeFrom) -> heartbeat::ConsumeFromWhere {
    use heartbeat::ConsumeFromWhere as Wire;
    match from {
        ConsumeFrom::Last => Wire::ConsumeFromLastOffset,
        ConsumeFrom::LastAndMinWhenBootFirst => Wire::ConsumeFromLastOffsetAndFromMinWhenBootFirst,
        ConsumeFrom::Min => Wire::ConsumeFromMinOffset,
        ConsumeFrom::Max => Wire::ConsumeFromMaxOffset,
        ConsumeFrom::First => Wire::ConsumeFromFirstOffset,
        ConsumeFrom::Timestamp => Wire::ConsumeFromTimestamp,
    }
}
