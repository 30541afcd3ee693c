//! SendMessage (grpc.md section 7): each message an entry of the answer, which leaves when all are durable.

use broker::ops::send::{self, Request, Ticket};
use model::{TopicConfig, recall_handle};
use store::Appended;
use wire::grpc::v2::{
    Code, Message, MessageType, SendMessageRequest, SendMessageResponse, SendResultEntry, Status, SystemProperties,
};

use super::transaction;
use crate::grpc::Door;
use crate::grpc::append::Scratch;
use crate::grpc::caller::Caller;
use crate::grpc::check;
use crate::grpc::durable::Late;
use crate::grpc::message::{moment_of, push_properties, sys_flag_of};
use crate::grpc::status::{Refusal, ok};

/// Template of topics created by sending.
const TEMPLATE: &str = broker::state::topics::system_topic::TEMPLATE;

/// A topic may be missing once.
const TRIES_MAX: usize = 2;

/// Why nothing was appended.
enum Unsent {
    /// Create it and try again.
    NeedsTopic(TopicConfig),
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for Unsent {
    fn from(error: E) -> Unsent {
        Unsent::Refused(error.into())
    }
}

pub async fn send(
    door: &Door,
    caller: &Caller<'_>,
    request: &SendMessageRequest,
) -> Result<SendMessageResponse, Refusal> {
    let topic = check::messages(&request.messages, &door.gateway.broker.settings, door.now())?;
    for _ in 0..TRIES_MAX {
        match door.with_scratch(|scratch| stage(door, caller, topic, &request.messages, scratch)) {
            Ok((entries, appended)) => return Ok(answer(door, entries, appended).await),
            Err(Unsent::NeedsTopic(config)) => door.create_topic(config).await?,
            Err(Unsent::Refused(refusal)) => return Err(refusal),
        }
    }
    // Deleted as fast as it is created, by somebody else.
    Err(Refusal::new(Code::TopicNotFound, format!("topic {topic} does not stay: send again")))
}

/// Stages all messages and appends them as one. Answers the entries, which count once the append is durable.
fn stage(
    door: &Door,
    caller: &Caller<'_>,
    topic: &str,
    messages: &[Message],
    scratch: &mut Scratch,
) -> Result<(Vec<SendResultEntry>, Option<Appended>), Unsent> {
    let (broker, now) = (&door.gateway.broker, door.now());
    let mut tickets = Vec::with_capacity(messages.len());
    for message in messages {
        let system = message.system_properties.as_ref().expect("checked");
        if let Some(known) = broker.machines.topics.get(topic) {
            check::fits(&known.config, system)?;
        }
        scratch.properties.clear();
        push_properties(message, system, topic, &mut scratch.properties);
        let request = Request {
            topic,
            default_topic: TEMPLATE,
            default_queues: broker.settings.default_queues,
            queue_id: system
                .message_group
                .as_deref()
                .filter(|group| !group.is_empty())
                .map_or(ANY_QUEUE, |group| broker.queue_of_message_group(topic, group)),
            sys_flag: sys_flag_of(system),
            flag: 0,
            born_timestamp: system.born_timestamp.as_ref().map_or(now, moment_of),
            born_host: caller.address,
            properties: &scratch.properties,
            reconsume_times: 0,
            max_reconsume_times: None,
            body: &message.body,
        };
        match broker.begin_send(&request, now, &mut scratch.staged) {
            Ok(ticket) => tickets.push(ticket),
            Err(send::Error::NeedsTopic(config)) => return Err(Unsent::NeedsTopic(*config)),
            Err(error) => return Err(error.into()),
        }
    }
    let durable = tickets.iter().any(|ticket| ticket.wait_durable);
    if durable {
        door.gateway.admission.check(broker.log().committed())?;
    }
    let appended = door.append(scratch)?.map(|appended| Appended { durable, ..appended });
    let entry = |(ticket, message): (&Ticket, &Message)| entry(door, topic, ticket, message, scratch);
    Ok((tickets.iter().zip(messages).map(entry).collect(), appended))
}

/// The broker chooses.
const ANY_QUEUE: i32 = -1;

fn entry(door: &Door, topic: &str, ticket: &Ticket, message: &Message, scratch: &Scratch) -> SendResultEntry {
    let system: &SystemProperties = message.system_properties.as_ref().expect("checked");
    let stored = scratch.staged.entry(ticket.entry);
    let mut recall = Vec::new();
    if let Some(due) = ticket.due {
        let broker_name = &door.gateway.broker.settings.broker_name;
        recall_handle::push(&mut recall, topic, broker_name, due, &system.message_id);
    }
    SendResultEntry {
        status: Some(ok()),
        message_id: system.message_id.clone(),
        transaction_id: match system.message_type() {
            MessageType::Transaction => transaction::id(stored.at, stored.queue_offset),
            _ => system.message_id.clone(),
        },
        offset: stored.queue_offset.to_wire(),
        recall_handle: String::from_utf8(recall).expect("base64 is ASCII"),
    }
}

async fn answer(door: &Door, mut entries: Vec<SendResultEntry>, appended: Option<Appended>) -> SendMessageResponse {
    let status = match door.durable(appended).await {
        Ok(()) => ok(),
        Err(Late) => {
            let message = "the disk has not confirmed the write in time: the message may be stored or not".to_owned();
            Status { code: Code::MasterPersistenceTimeout.into(), message }
        }
    };
    for entry in &mut entries {
        entry.status = Some(status.clone());
    }
    SendMessageResponse { status: Some(status), entries }
}
