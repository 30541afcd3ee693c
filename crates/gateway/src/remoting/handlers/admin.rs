//! Commands of tools: what there is, how it is doing, and changes of topics, groups and offsets.
//!
//! Reading is for everybody; what changes something is for the broker's own machine ([`super::only_local`]). What may look at
//! every topic or group is read on a reader thread: a million queues must not keep an I/O thread from its sends.

mod clients;
mod config;
mod consume;
mod forward;
mod group;
mod page;
mod stats;
mod topic;

use broker::ops::topic::Change;
use store::Read;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::json::JsonError;
use wire::remoting::reply::Response;

use super::{decode, only_local, transaction};
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
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
        if let Some(refused) = only_local(header, turn) {
            return Some(refused);
        }
        if is_long(code) && turn.mode == Read::Nowait {
            return Some(Outcome::Elsewhere(Elsewhere::Cold));
        }
        return Some(change(gateway, header, body, turn));
    }
    let read = reading(code)?;
    if is_long(code) && turn.mode == Read::Nowait {
        return Some(Outcome::Elsewhere(Elsewhere::Cold));
    }
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
        RequestCode::RESUME_CHECK_HALF_MESSAGE => transaction::resume,
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
        RequestCode::GET_TIMER_METRICS => stats::timers,
        RequestCode::KEROLOX_LIST_UNUSED => stats::unused,
        RequestCode::GET_BROKER_CONFIG => config::get,
        RequestCode::GET_BROKER_HA_STATUS => config::ha_status,
        RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE
        | RequestCode::CLEAN_UNUSED_TOPIC
        | RequestCode::DELETE_EXPIRED_COMMITLOG => config::nothing_to_clean,
        _ => return None,
    })
}

/// What grows with the number of topics, groups or queues, or asks the file system.
fn is_long(code: RequestCode) -> bool {
    matches!(
        code,
        RequestCode::GET_ALL_TOPIC_CONFIG
            | RequestCode::GET_TOPIC_STATS_INFO
            | RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER
            | RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG
            | RequestCode::QUERY_TOPIC_CONSUME_BY_WHO
            | RequestCode::QUERY_TOPICS_BY_CONSUMER
            | RequestCode::GET_CONSUME_STATS
            | RequestCode::GET_BROKER_CONSUME_STATS
            | RequestCode::QUERY_CONSUME_TIME_SPAN
            | RequestCode::GET_BROKER_RUNTIME_INFO
            | RequestCode::GET_TIMER_METRICS
            | RequestCode::KEROLOX_LIST_UNUSED
            | RequestCode::RESUME_CHECK_HALF_MESSAGE
    )
}

/// Answers when the change is applied. Name servers hear of it from the routes' own refresh.
fn answer_change(change: Change, call: Call, turn: &mut Turn<'_>) -> Outcome {
    match change {
        Change::Staged => turn.done_when_durable(call),
        Change::Nothing => turn.done(call),
    }
    Outcome::Done
}

/// Bytes of one answer: a connection that has more unread is closed, and clients take 16 MiB.
const ANSWER_BYTES_MAX: usize = 7 * 1024 * 1024;

/// Answers success with a body.
fn answer_body(call: Call, body: Vec<u8>, turn: &mut Turn<'_>) -> Outcome {
    answer_list(call, None, body, turn)
}

/// Answers success with a body and, under its field's name, the length of the list it is a page of.
fn answer_list(call: Call, total: Option<(&'static str, usize)>, body: Vec<u8>, turn: &mut Turn<'_>) -> Outcome {
    if body.len() > ANSWER_BYTES_MAX {
        let remark = format!(
            "the answer of {} bytes exceeds the limit of {ANSWER_BYTES_MAX}: ask for one topic or group, or in pages, as \
             tools since 5.5 do",
            body.len()
        );
        turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
        return Outcome::Done;
    }
    let mut response = Response::new(call.opaque, ResponseCode::SUCCESS).body(body);
    if let Some((name, total)) = total {
        response = response.field(name, i64::try_from(total).expect("a count fits"));
    }
    turn.answer(call, response);
    Outcome::Done
}

/// Refuses a request whose body cannot be read.
fn unreadable(call: Call, error: &JsonError, turn: &mut Turn<'_>) -> Outcome {
    turn.refuse(call, ResponseCode::SYSTEM_ERROR, format_args!("unreadable body: {error}"));
    Outcome::Done
}
