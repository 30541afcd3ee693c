//! QueryAssignment: where a consumer asks for messages (grpc.md section 6.2).
//!
//! Members of a group share messages, not queues: each gets the same answer, call for call. An ordered group asks queue by
//! queue.

use wire::grpc::v2::{Assignment, Code, QueryAssignmentRequest, QueryAssignmentResponse};

use super::{endpoints, route};
use crate::grpc::Door;
use crate::grpc::check;
use crate::grpc::status::{Refusal, ok};

/// Any queue of the broker.
const ANY: i32 = -1;

pub fn query(door: &Door, request: &QueryAssignmentRequest) -> Result<QueryAssignmentResponse, Refusal> {
    let broker = &door.gateway.broker;
    let name = check::topic(request.topic.as_ref(), &broker.settings)?;
    let group = check::group(request.group.as_ref())?;
    let config = route::topic(door, name)?;
    if !config.readable() || config.read_queues == 0 {
        let text = format!("no readable queue: give topic {name} permission 6 with mqadmin updateTopicPerm");
        return Err(Refusal::new(Code::Forbidden, text));
    }
    let ordered = broker.machines.groups.get(group).is_some_and(|group| group.config.consume_message_orderly);
    let endpoints = endpoints(door, request.endpoints.as_ref());
    let permission = route::permission_of(&config);
    let assigned = |id: i32| Assignment {
        message_queue: Some(route::one(door, request.topic.as_ref(), id, permission, &endpoints)),
    };
    let assignments = match ordered {
        true => (0..config.read_queues).map(|id| assigned(id.cast_signed())).collect(),
        false => vec![assigned(ANY)],
    };
    Ok(QueryAssignmentResponse { status: Some(ok()), assignments })
}
