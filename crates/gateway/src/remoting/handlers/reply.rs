//! Replies of request-reply messaging (324, 325): stored like a send, and pushed to the client that asked (326).
//!
//! The push goes to the requester's connection at once; its answer and the append decide together what the one who replied
//! is told (`reply_answer`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use broker::ops::reply::NotPushed;
use broker::ops::send;
use broker::state::clients::Client;
use model::{Millis, Timestamp};
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::message::PushReply;
use wire::remoting::header::send::SendHeader;
use wire::remoting::reply::Request;

use super::decode;
use super::send::{keep_properties, request};
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
use crate::remoting::mailbox::{ConnectionMailbox, OnAnswer};
use crate::remoting::reply_answer::ReplyAnswer;
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

/// How long a requester may take to say that it has its reply; the reference's limit.
const TAKEN_WITHIN: Millis = Millis(10_000);

pub fn reply(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(SendHeader, header, turn);
    let call = Call::of(header);
    let text = keep_properties(&fields, turn);
    let (now, born_host) = (turn.now, turn.peer.address);
    let (texts, staged) = turn.texts_and_staged();
    let request = request(&fields, header, &texts[text.clone()], body, born_host);
    let begun = gateway.broker.begin_reply(&request, now, staged);
    let properties = gateway.broker.pushed_properties(request.properties, now);
    match begun {
        Ok(reply) => {
            if reply.ticket.wait_durable
                && let Err(behind) = gateway.admission.check(gateway.broker.log().committed())
            {
                staged.truncate(reply.ticket.entry);
                turn.refuse(call, ResponseCode::SYSTEM_BUSY, behind);
                return Outcome::Done;
            }
            let answer = ReplyAnswer::new(gateway, call, &turn.peer.mailbox);
            turn.answer_reply(call, reply.ticket, Arc::clone(&answer));
            match reply.requester {
                Ok(requester) => {
                    let hosts = (born_host, gateway.broker.settings.store_host);
                    let header = push_header(&fields, &properties, hosts, now);
                    Push { header, body }.send(&requester, now, answer);
                }
                Err(not_pushed) => answer.pushed(Err(not_pushed)),
            }
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

/// A reply on its way to who asked for it.
struct Push<'a> {
    header: PushReply<'a>,
    body: &'a [u8],
}

impl Push<'_> {
    /// Asks `requester` to take the reply, and tells `answer` what came of it.
    fn send(&self, requester: &Client, now: Timestamp, answer: Arc<ReplyAnswer>) {
        let client_id = requester.client_id.clone();
        let busy = NotPushed::Busy(client_id.clone());
        let not_asked = Arc::clone(&answer);
        let on_answer: OnAnswer = Box::new(move |taken| {
            let taken = taken.is_some_and(|(header, _)| header.response_code() == ResponseCode::SUCCESS);
            answer.pushed(if taken { Ok(()) } else { Err(NotPushed::NotTaken(client_id)) });
        });
        let request = |opaque| {
            let request = Request::new(opaque, RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT);
            request.fields(self.header.fields()).body(self.body)
        };
        let mailbox = requester.mailbox.as_any().downcast_ref::<ConnectionMailbox>();
        let asked = mailbox.is_some_and(|mailbox| {
            mailbox.has_room_for_replies() && mailbox.call(request, now.after(TAKEN_WITHIN), on_answer)
        });
        if !asked {
            not_asked.pushed(Err(busy));
        }
    }
}

/// What a requester is told of a reply with these fields and `properties`.
fn push_header<'a>(
    fields: &'a SendHeader<'_>,
    properties: &'a [u8],
    (born_host, store_host): (SocketAddr, SocketAddr),
    now: Timestamp,
) -> PushReply<'a> {
    PushReply {
        producer_group: Cow::Borrowed(&fields.producer_group),
        topic: Cow::Borrowed(&fields.topic),
        default_topic: Cow::Borrowed(&fields.default_topic),
        default_topic_queue_nums: fields.default_topic_queue_nums,
        queue_id: fields.queue_id,
        sys_flag: fields.sys_flag,
        born_timestamp: fields.born_timestamp,
        flag: fields.flag,
        properties: Some(String::from_utf8_lossy(properties)),
        reconsume_times: Some(fields.reconsume_times),
        unit_mode: Some(fields.unit_mode),
        born_host: born_host.to_string().into(),
        store_host: store_host.to_string().into(),
        store_timestamp: now.0,
    }
}
