//! Sends (10, 310, 320), send-back (36) and recall (370).

use std::net::SocketAddr;
use std::ops::Range;

use broker::ops::send::{self, Inner, Request};
use broker::ops::{recall, send_back};
use model::properties::{self, key};
use model::{LogOffset, Timestamp};
use store::{Read, ReadError};
use wire::remoting::body::batch::Batch;
use wire::remoting::code::{ResponseCode, VERSION_MAX_RECONSUME_TIMES};
use wire::remoting::command::Header;
use wire::remoting::header::message::{Recall, SendBack};
use wire::remoting::header::send::SendHeader;
use wire::remoting::reply::Response;

use super::client::introduced;
use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

pub fn send(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(SendHeader, header, turn);
    let call = Call::of(header);
    let text = keep_properties(&fields, turn);
    let (now, born_host) = (turn.now, turn.peer.address);
    let (texts, staged) = turn.texts_and_staged();
    let request = request(&fields, header, &texts[text.clone()], body, born_host);
    let result = if fields.batch {
        let messages = Batch::new(body).map(|message| match message {
            Ok(message) => Ok(Inner { flag: message.flag, properties: message.properties, body: message.body }),
            Err(_) => Err("is cut off or malformed"),
        });
        gateway.broker.begin_send_batch(&request, messages, now, staged)
    } else {
        gateway.broker.begin_send(&request, now, staged)
    };
    let log = gateway.broker.log();
    match result {
        Ok(ticket)
            if ticket.wait_durable
                && let Err(behind) = gateway.admission.check(log.committed()) =>
        {
            staged.truncate(ticket.entry);
            if !call.oneway {
                let (code, remark) = (ResponseCode::SYSTEM_BUSY, behind.to_string());
                gateway.send_answers.refused(call.encoding, call.opaque, code, &remark, turn.out);
            }
        }
        Ok(ticket) => {
            if ticket.asks
                && let Some(id) = properties::find(request.properties, key::REPLY_TO_CLIENT)
            {
                let id = id.to_owned();
                gateway.broker.clients.requester_heard(&id, || introduced(header, id.clone(), turn));
            }
            let recall = turn.keep_recall_handle(&ticket, &text, &fields.topic, &gateway.broker.settings.broker_name);
            turn.answer_sent(call, ticket, text, recall);
        }
        Err(send::Error::NeedsTopic(config)) => return Outcome::Elsewhere(Elsewhere::Topic(config)),
        Err(error) => {
            if !call.oneway {
                let code = status::of_send(&error);
                gateway.send_answers.refused(call.encoding, call.opaque, code, &error.to_string(), turn.out);
            }
        }
    }
    Outcome::Done
}

/// Keeps the properties of a send, without the escapes of the wire.
pub(super) fn keep_properties(fields: &SendHeader<'_>, turn: &mut Turn<'_>) -> Range<usize> {
    turn.keep_text(|texts| {
        if let Some(properties) = fields.properties {
            properties.unescape_into(texts);
        }
    })
}

/// The send as the broker understands it.
pub(super) fn request<'a>(
    fields: &'a SendHeader<'_>,
    header: &Header<'_>,
    properties: &'a [u8],
    body: &'a [u8],
    born_host: SocketAddr,
) -> Request<'a> {
    Request {
        topic: &fields.topic,
        default_topic: &fields.default_topic,
        default_queues: u32::try_from(fields.default_topic_queue_nums).unwrap_or(0),
        queue_id: fields.queue_id,
        sys_flag: fields.sys_flag,
        flag: fields.flag,
        born_timestamp: Timestamp(fields.born_timestamp),
        born_host,
        properties,
        reconsume_times: fields.reconsume_times,
        max_reconsume_times: fields.max_reconsume_times.filter(|_| header.version >= VERSION_MAX_RECONSUME_TIMES),
        body,
    }
}

pub fn recall(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(Recall, header, turn);
    let call = Call::of(header);
    let request = recall::Request { topic: &fields.topic, handle: &fields.recall_handle };
    let (now, region) = (turn.now, &gateway.broker.settings.region);
    match gateway.broker.begin_recall(request, now, &mut turn.buffers.staged) {
        Ok(unique_key) => {
            let response = Response::new(call.opaque, ResponseCode::SUCCESS);
            turn.answer_when_durable(call, response.field("msgId", unique_key).field("MSG_REGION", region.as_str()));
        }
        Err(error) => {
            let response = Response::new(call.opaque, status::of_recall(&error)).remark(error.to_string());
            turn.answer(call, response.field("MSG_REGION", region.as_str()));
        }
    }
    Outcome::Done
}

pub fn send_back(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(SendBack, header, turn);
    let call = Call::of(header);
    let request = send_back::Request {
        group: &fields.group,
        at: LogOffset(u64::try_from(fields.offset).unwrap_or(u64::MAX)),
        delay_level: fields.delay_level,
        max_reconsume_times: fields.max_reconsume_times.filter(|_| header.version >= VERSION_MAX_RECONSUME_TIMES),
    };
    let (now, mode) = (turn.now, turn.mode);
    match gateway.broker.begin_send_back(request, now, mode, &mut turn.buffers.staged) {
        Ok(send_back::Outcome::Staged) => turn.done_when_durable(call),
        Ok(send_back::Outcome::Dropped) => turn.done(call),
        Err(send_back::Error::Send(send::Error::NeedsTopic(config))) => {
            return Outcome::Elsewhere(Elsewhere::Topic(config));
        }
        Err(send_back::Error::Read(ReadError::WouldBlock)) if mode == Read::Nowait => {
            return Outcome::Elsewhere(Elsewhere::Cold);
        }
        Err(error) => turn.refuse(call, status::of_send_back(&error), error),
    }
    Outcome::Done
}
