//! QueryRoute: the queues of a topic, as every client can use them (grpc.md section 6.1).
//!
//! Clients choose a queue and the broker places the message, so what matters is that some queue is there, that it may be
//! used, and that ids begin at 0.

use model::TopicConfig;
use wire::grpc::v2::{
    Broker, Code, Endpoints, MessageQueue, Permission, QueryRouteRequest, QueryRouteResponse, Resource,
};

use super::endpoints;
use crate::grpc::Door;
use crate::grpc::check;
use crate::grpc::status::{Refusal, ok};

/// A master among the members of its broker name.
const MASTER: i32 = 0;

pub fn query(door: &Door, request: &QueryRouteRequest) -> Result<QueryRouteResponse, Refusal> {
    let broker = &door.gateway.broker;
    let name = check::topic(request.topic.as_ref(), &broker.settings)?;
    let config = topic(door, name)?;
    let permission = permission_of(&config);
    if permission == Permission::None {
        let text = format!("topic {name} is neither readable nor writable: see mqadmin updateTopicPerm");
        return Err(Refusal::new(Code::Forbidden, text));
    }
    let queues = if config.writable() { config.write_queues } else { config.read_queues };
    let accept_message_types: Vec<_> = check::accepted(&config).iter().map(|kind| i32::from(*kind)).collect();
    let endpoints = endpoints(door, request.endpoints.as_ref());
    let queue = |id: u32| MessageQueue {
        accept_message_types: accept_message_types.clone(),
        ..one(door, request.topic.as_ref(), id.cast_signed(), permission, &endpoints)
    };
    Ok(QueryRouteResponse { status: Some(ok()), message_queues: (0..queues).map(queue).collect() })
}

/// The configuration of a topic that exists.
pub fn topic(door: &Door, name: &str) -> Result<TopicConfig, Refusal> {
    let topic = door.gateway.broker.machines.topics.get(name);
    topic.map(|topic| topic.config.clone()).ok_or_else(|| {
        let text = format!("topic {name} does not exist: create it with mqadmin updateTopic");
        Refusal::new(Code::TopicNotFound, text)
    })
}

/// One queue of ours; `id` -1 is any of them.
pub fn one(
    door: &Door,
    topic: Option<&Resource>,
    id: i32,
    permission: Permission,
    endpoints: &Endpoints,
) -> MessageQueue {
    MessageQueue {
        topic: topic.cloned(),
        id,
        permission: permission.into(),
        broker: Some(Broker {
            name: door.gateway.broker.settings.broker_name.clone(),
            id: MASTER,
            endpoints: Some(endpoints.clone()),
        }),
        accept_message_types: Vec::new(),
    }
}

/// What clients may do with a topic's queues.
pub fn permission_of(config: &TopicConfig) -> Permission {
    match (config.readable() && config.read_queues > 0, config.writable() && config.write_queues > 0) {
        (true, true) => Permission::ReadWrite,
        (true, false) => Permission::Read,
        (false, true) => Permission::Write,
        (false, false) => Permission::None,
    }
}
