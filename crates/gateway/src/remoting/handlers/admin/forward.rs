//! Requests that a client answers: what it is doing (307), consume this message now (309), which offsets it has (223).
//!
//! The question goes to the client's connection, and its answer, whatever it says, to the tool's: nothing waits here. A
//! client that is silent for [`ANSWER_WITHIN`] or leaves is answered for with 207.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::state::clients::Client;
use model::{LogOffset, Millis, message_id};
use parking_lot::Mutex;
use store::ReadError;
use wire::remoting::body::offset::ConsumerStatus;
use wire::remoting::body::queue::ByQueue;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::client::{ConsumeMessageDirectly, GetConsumerRunningInfo};
use wire::remoting::header::offset::GetClientStatus;
use wire::remoting::reply::{Request, Response, Value};

use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::handlers::offset::cold_or_refused;
use crate::remoting::mailbox::{ConnectionMailbox, OnAnswer};
use crate::remoting::turn::{Call, Turn};

/// How long a client may take.
const ANSWER_WITHIN: Millis = Millis(10_000);

pub fn running_info(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetConsumerRunningInfo, header, turn);
    let asked = Asked { group: &fields.consumer_group, client_id: &fields.client_id };
    forward(gateway, header, asked, Added::default(), turn)
}

pub fn consume_directly(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ConsumeMessageDirectly, header, turn);
    let call = Call::of(header);
    let id = fields.msg_id.as_deref().unwrap_or_default();
    let asked = Asked { group: &fields.consumer_group, client_id: fields.client_id.as_deref().unwrap_or_default() };
    if asked.client(gateway).is_none() {
        return not_online(asked, call, turn);
    }
    let mut record = Vec::new();
    let at = message_id::log_offset_of(id).unwrap_or(LogOffset(u64::MAX));
    match gateway.broker.view_message(at, turn.mode, &mut record) {
        Ok(()) => {}
        Err(ReadError::NotFound { .. }) => {
            let remark = format!("no message has the offset id {id:?}: queryMsgById shows it as OffsetID");
            turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
            return Outcome::Done;
        }
        Err(error) => return cold_or_refused(header, &error, turn),
    }
    let machines = &gateway.broker.machines;
    let topic = machines.topics.get(fields.topic.as_deref().unwrap_or_default());
    let group = machines.groups.get(&fields.consumer_group);
    let fields = vec![
        ("brokerName", gateway.broker.settings.broker_name.clone().into()),
        ("topicSysFlag", topic.map_or(0, |topic| topic.config.sys_flag).into()),
        ("groupSysFlag", group.map_or(0, |group| group.config.sys_flag).into()),
    ];
    forward(gateway, header, asked, Added { fields, body: record }, turn)
}

/// Whom a tool asks.
#[derive(Clone, Copy)]
struct Asked<'a> {
    group: &'a str,
    client_id: &'a str,
}

impl Asked<'_> {
    fn client(&self, gateway: &Gateway) -> Option<Client> {
        gateway.broker.clients.consumer(self.group, self.client_id)
    }
}

/// What the broker puts into a request it passes on.
#[derive(Default)]
struct Added {
    fields: Vec<(&'static str, Value<'static>)>,
    body: Vec<u8>,
}

/// Passes the request on with all its fields, and the answer back as it comes.
fn forward(gateway: &Gateway, header: &Header<'_>, asked: Asked<'_>, added: Added, turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let Some(client) = asked.client(gateway) else { return not_online(asked, call, turn) };
    let silent = format!(
        "the consumer <{}> <{}> has not answered within {} s, or has left",
        asked.group,
        asked.client_id,
        ANSWER_WITHIN.0 / 1_000
    );
    let requester = Arc::clone(&turn.peer.mailbox);
    let on_answer: OnAnswer = Box::new(move |answer| {
        if call.oneway {
            return;
        }
        let mut frame = Vec::new();
        match answer {
            Some((header, body)) => pass_back(call, header, body, &mut frame),
            None => Response::new(call.opaque, ResponseCode::CONSUME_MSG_TIMEOUT)
                .remark(silent)
                .write(call.encoding, &mut frame),
        }
        requester.deliver(&frame);
    });
    let request = |opaque| {
        let ours = |name: &str| added.fields.iter().any(|(added, _)| *added == name);
        let theirs = header.fields().map(|(name, value)| (name.raw(), value.to_cow()));
        Request::new(opaque, header.request_code())
            .fields(theirs.filter(|(name, _)| !ours(name)))
            .fields(added.fields.iter().cloned())
            .body(&added.body[..])
    };
    if !ask(&client, request, turn, on_answer) {
        let remark = format!("the consumer <{}> <{}> cannot be asked now", asked.group, asked.client_id);
        turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
    }
    Outcome::Done
}

/// Writes a client's answer as the answer to the tool's call: code, remark, fields and body as they came.
fn pass_back(call: Call, header: &Header<'_>, body: &[u8], frame: &mut Vec<u8>) {
    let fields: Vec<_> = header.fields().map(|(name, value)| (name.to_cow(), value.to_cow())).collect();
    let mut response = Response::new(call.opaque, header.response_code())
        .fields(fields.iter().map(|(name, value)| (&**name, value.clone())))
        .body(body);
    if let Some(remark) = header.remark() {
        response = response.remark(remark.to_cow());
    }
    response.write(call.encoding, frame);
}

/// Sends a question to a client. False if it cannot be asked now: then `on_answer` is never run.
fn ask<'r>(client: &Client, request: impl FnOnce(i32) -> Request<'r>, turn: &Turn<'_>, on_answer: OnAnswer) -> bool {
    let mailbox = client.mailbox.as_any().downcast_ref::<ConnectionMailbox>();
    mailbox.is_some_and(|mailbox| mailbox.call(request, turn.now.after(ANSWER_WITHIN), on_answer))
}

fn not_online(asked: Asked<'_>, call: Call, turn: &mut Turn<'_>) -> Outcome {
    let remark = format!("The Consumer <{}> <{}> not online", asked.group, asked.client_id);
    turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
    Outcome::Done
}

/// Asks each member of a group, or the one that is named, for its offsets, and answers when all have answered.
pub fn consumer_status(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetClientStatus, header, turn);
    let call = Call::of(header);
    let online = gateway.broker.clients.online(&fields.group).unwrap_or_default();
    let only = fields.client_addr.as_deref().filter(|id| !id.trim().is_empty());
    let clients = online.members.into_values().map(|member| member.client);
    let members: Vec<_> = clients.filter(|client| only.is_none_or(|id| client.client_id == id)).collect();
    if members.is_empty() {
        let remark = format!("No Any Consumer online in the consumer group: [{}]", fields.group);
        turn.refuse(call, ResponseCode::SYSTEM_ERROR, remark);
        return Outcome::Done;
    }
    let gathered = Gathered { call, requester: Arc::clone(&turn.peer.mailbox), by_client: Mutex::default() };
    let gathered = Arc::new(gathered);
    for member in &members {
        let (gathered, client_id) = (Arc::clone(&gathered), member.client_id.clone());
        // A client that does not answer drops its part of the whole; the last part to go answers.
        let on_answer: OnAnswer = Box::new(move |answer| {
            let answer = answer.filter(|(header, _)| header.response_code() == ResponseCode::SUCCESS);
            if let Some(status) = answer.and_then(|(_, body)| ConsumerStatus::read(body).ok()) {
                gathered.by_client.lock().insert(client_id, status.message_queue_table);
            }
        });
        let request = |opaque| {
            Request::new(opaque, RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT)
                .field("topic", &*fields.topic)
                .field("group", &*fields.group)
        };
        ask(member, request, turn, on_answer);
    }
    Outcome::Done
}

/// What the members of a group have answered so far. Answers the tool when the last of them lets go of it.
struct Gathered {
    call: Call,
    requester: Arc<ConnectionMailbox>,
    by_client: Mutex<BTreeMap<String, ByQueue<i64>>>,
}

impl Drop for Gathered {
    fn drop(&mut self) {
        if self.call.oneway {
            return;
        }
        let consumer_table = std::mem::take(self.by_client.get_mut());
        let body = ConsumerStatus { consumer_table, ..ConsumerStatus::default() }.to_json();
        let mut frame = Vec::new();
        Response::new(self.call.opaque, ResponseCode::SUCCESS).body(body).write(self.call.encoding, &mut frame);
        self.requester.deliver(&frame);
    }
}
