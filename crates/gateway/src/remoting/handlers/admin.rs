//! Commands of tools: what there is, how it is doing, and changes of topics, groups and offsets.
//!
//! Reading is for everybody; what changes something is for the broker's own machine ([`super::only_local`]).

mod clients;
mod config;
mod consume;
mod forward;
mod group;
mod page;
mod stats;
mod topic;

use broker::ops::topic::Change;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::json::JsonError;
use wire::remoting::reply::Response;

use super::{decode, only_local};
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

/// A handler of one code.
type Handler = fn(&Gateway, &Header<'_>, &[u8], &mut Turn<'_>) -> Outcome;

/// Serves the codes of these files.
pub fn serve(
    gateway: &Gateway,
    code: RequestCode,
    header: &Header<'_>,
    body: &[u8],
    turn: &mut Turn<'_>,
) -> Option<Outcome> {
    if let Some(change) = changing(code) {
        return Some(only_local(header, turn).unwrap_or_else(|| change(gateway, header, body, turn)));
    }
    let read = reading(code)?;
    Some(read(gateway, header, body, turn))
}

/// What changes something.
fn changing(code: RequestCode) -> Option<Handler> {
    Some(match code {
        RequestCode::UPDATE_AND_CREATE_TOPIC => topic::update,
        RequestCode::UPDATE_AND_CREATE_TOPIC_LIST => topic::update_list,
        RequestCode::DELETE_TOPIC_IN_BROKER => topic::delete,
        RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => group::update,
        RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => group::update_list,
        RequestCode::DELETE_SUBSCRIPTIONGROUP => group::delete,
        RequestCode::INVOKE_BROKER_TO_RESET_OFFSET => consume::reset_offset,
        RequestCode::CLONE_GROUP_OFFSET => consume::clone_offset,
        RequestCode::CONSUME_MESSAGE_DIRECTLY => forward::consume_directly,
        RequestCode::UPDATE_BROKER_CONFIG => config::update,
        _ => return None,
    })
}

/// What only looks.
fn reading(code: RequestCode) -> Option<Handler> {
    Some(match code {
        RequestCode::GET_ALL_TOPIC_CONFIG => topic::all,
        RequestCode::GET_TOPIC_CONFIG => topic::get,
        RequestCode::GET_TOPIC_STATS_INFO => topic::stats,
        RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => topic::system_topics,
        RequestCode::QUERY_CONSUME_QUEUE => topic::queue_units,
        RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => group::all,
        RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG => group::get,
        RequestCode::QUERY_TOPIC_CONSUME_BY_WHO => consume::consumers_of,
        RequestCode::QUERY_TOPICS_BY_CONSUMER => consume::topics_of,
        RequestCode::GET_CONSUME_STATS => consume::stats,
        RequestCode::GET_BROKER_CONSUME_STATS => consume::all_stats,
        RequestCode::QUERY_CONSUME_TIME_SPAN => consume::time_spans,
        RequestCode::GET_CONSUMER_CONNECTION_LIST => clients::consumers,
        RequestCode::GET_PRODUCER_CONNECTION_LIST => clients::producers,
        RequestCode::GET_ALL_PRODUCER_INFO => clients::all_producers,
        RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER => clients::subscription,
        RequestCode::GET_CONSUMER_RUNNING_INFO => forward::running_info,
        RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS => forward::consumer_status,
        RequestCode::VIEW_BROKER_STATS_DATA => stats::counter,
        RequestCode::GET_BROKER_RUNTIME_INFO => stats::runtime_info,
        RequestCode::GET_BROKER_CONFIG => config::get,
        RequestCode::GET_BROKER_HA_STATUS => config::ha_status,
        RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE
        | RequestCode::CLEAN_UNUSED_TOPIC
        | RequestCode::DELETE_EXPIRED_COMMITLOG => config::nothing_to_clean,
        _ => return None,
    })
}

/// Answers when the change is applied. Name servers hear of it from the routes' own refresh.
fn answer_change(change: Change, call: Call, turn: &mut Turn<'_>) -> Outcome {
    match change {
        Change::Staged => turn.done_when_durable(call),
        Change::Nothing => turn.done(call),
    }
    Outcome::Done
}

/// Answers success with a body.
fn answer_body(call: Call, body: Vec<u8>, turn: &mut Turn<'_>) -> Outcome {
    turn.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS).body(body));
    Outcome::Done
}

/// Refuses a request whose body cannot be read.
fn unreadable(call: Call, error: &JsonError, turn: &mut Turn<'_>) -> Outcome {
    turn.refuse(call, ResponseCode::SYSTEM_ERROR, format_args!("unreadable body: {error}"));
    Outcome::Done
}
