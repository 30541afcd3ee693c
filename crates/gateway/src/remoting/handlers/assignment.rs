//! Queues assigned by the broker (400), and how groups ask for messages (401, 402).

use std::collections::BTreeMap;

use broker::ops::assignment::{AssignedQueue, Request};
use broker::ops::topic::Change;
use broker::state::request_modes;
use model::config::perm;
use namesrv::Viewer;
use wire::remoting::body::pop::{Assignment, Assignments, QueryAssignment, RequestMode, RequestModes};
use wire::remoting::body::queue::MessageQueue;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::json::JsonError;
use wire::remoting::reply::Response;

use super::only_local;
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
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
    let served = match code {
        RequestCode::QUERY_ASSIGNMENT => query(gateway, header, body, turn),
        RequestCode::SET_MESSAGE_REQUEST_MODE => match only_local(header, turn) {
            Some(refused) => return Some(refused),
            None => set_mode(gateway, header, body, turn),
        },
        RequestCode::GET_ALL_MESSAGE_REQUEST_MODE => all_modes(gateway, header, turn),
        _ => return None,
    };
    if let Err(error) = served {
        turn.refuse(Call::of(header), ResponseCode::SYSTEM_ERROR, format_args!("unreadable body: {error}"));
    }
    Some(Outcome::Done)
}

fn query(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let asked = QueryAssignment::read(body)?;
    let call = Call::of(header);
    let request = Request {
        group: &asked.consumer_group,
        topic: &asked.topic,
        client_id: &asked.client_id,
        strategy: &asked.strategy_name,
        broadcasting: asked.message_model == "BROADCASTING",
    };
    match gateway.broker.assign(&request, readable_queues(gateway, &asked.topic, turn)) {
        Ok(assigned) => {
            let mode = if assigned.pop { "POP" } else { "PULL" };
            let assignment = |AssignedQueue { broker_name, queue_id }| Assignment {
                message_queue: MessageQueue { broker_name, queue_id, topic: asked.topic.clone() },
                mode: mode.to_owned(),
            };
            let queues = assigned.queues.map(|queues| queues.into_iter().map(assignment).collect());
            let answer = Assignments { message_queue_assignments: queues };
            turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(answer.to_json()));
        }
        Err(error) => turn.refuse(call, status::of_assignment(&error), error),
    }
    Ok(())
}

/// Readable queues of a topic on every broker this name server knows, and on ours, which may not have registered it yet.
fn readable_queues(gateway: &Gateway, topic: &str, turn: &Turn<'_>) -> Vec<AssignedQueue> {
    let mut brokers = BTreeMap::new();
    let routes = gateway.namesrv.read();
    if let Some(route) = routes.route(topic, Viewer::at(turn.peer.address.ip())) {
        for queue in route.queues().filter(|queue| queue.perm & perm::READ != 0) {
            brokers.insert(queue.broker.to_string(), queue.read_queues);
        }
    }
    drop(routes);
    if let Some(own) = gateway.broker.machines.topics.get(topic).filter(|own| own.config.readable()) {
        brokers.insert(gateway.broker.settings.broker_name.clone(), own.config.read_queues);
    }
    let queues = |(broker, count): (String, u32)| {
        (0..count).map(move |queue| AssignedQueue { broker_name: broker.clone(), queue_id: queue.cast_signed() })
    };
    brokers.into_iter().flat_map(queues).collect()
}

fn set_mode(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let wanted = RequestMode::read(body)?;
    let call = Call::of(header);
    let mode = request_modes::RequestMode { pop: wanted.mode == "POP", share: wanted.pop_share_queue_num };
    let staged = &mut turn.buffers.staged;
    match gateway.broker.begin_set_request_mode(&wanted.topic, &wanted.consumer_group, mode, staged) {
        Ok(Change::Staged) => turn.done_when_durable(call),
        Ok(Change::Nothing) => turn.done(call),
        Err(error) => turn.refuse(call, status::of_assignment(&error), error),
    }
    Ok(())
}

fn all_modes(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Result<(), JsonError> {
    let call = Call::of(header);
    let mut answer = RequestModes::default();
    for (topic, group, mode) in gateway.broker.machines.request_modes.lock().all() {
        let entry = RequestMode {
            consumer_group: group.to_string(),
            mode: if mode.pop { "POP" } else { "PULL" }.to_owned(),
            pop_share_queue_num: mode.share,
            topic: topic.to_string(),
        };
        answer.message_request_mode_map.entry(topic.to_string()).or_default().insert(group.to_string(), entry);
    }
    turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(answer.to_json()));
    Ok(())
}
