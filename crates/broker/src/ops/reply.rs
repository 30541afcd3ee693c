//! A reply of request-reply messaging: a message to the reply topic, and the client that asked gets it at once
//! (semantics.md section 17).
//!
//! The reply is stored like any other message. What its requester is told does not wait for the disk: it is the answer to
//! a call, which the caller repeats when none comes. Deliberately absent: the request's own message, an ordinary send, and
//! its time limit, which the requester keeps.

use model::Timestamp;
use model::properties::{self, key};
use store::Staged;

use crate::broker::Broker;
use crate::ops::send::{Error, Request, Ticket};
use crate::state::clients::Client;

/// A reply that is staged.
pub struct Reply {
    pub ticket: Ticket,
    /// Who waits for it.
    pub requester: Result<Client, NotPushed>,
}

/// Why the requester does not get a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPushed {
    #[error("reply message properties[REPLY_TO_CLIENT] is null: make a reply out of the request it answers")]
    NotNamed,
    #[error("push reply message fail, channel of <{0}> not found.")]
    NotOnline(String),
    #[error("push reply message to {0} fail: too many replies wait for it already")]
    Busy(String),
    #[error("push reply message to {0} fail: it has refused it, answered nothing in time, or left")]
    NotTaken(String),
}

impl Broker {
    /// Checks and stages a reply, and says whom to push it to.
    pub fn begin_reply(&self, request: &Request<'_>, now: Timestamp, staged: &mut Staged) -> Result<Reply, Error> {
        let ticket = self.begin_send(request, now, staged)?;
        let requester = match properties::find(request.properties, key::REPLY_TO_CLIENT) {
            None => Err(NotPushed::NotNamed),
            Some(id) => self.clients.requester(id).ok_or_else(|| NotPushed::NotOnline(id.to_owned())),
        };
        Ok(Reply { ticket, requester })
    }

    /// The properties a requester gets: those of the reply, and ours.
    #[must_use]
    pub fn pushed_properties(&self, given: &[u8], now: Timestamp) -> Vec<u8> {
        let mut out = Vec::with_capacity(given.len() + 96);
        let ours = [key::MSG_REGION, key::TRACE_ON, key::PUSH_REPLY_TIME];
        properties::copy_without(&mut out, given, |name| ours.iter().any(|our| our.as_bytes() == name));
        properties::push(&mut out, key::MSG_REGION, &self.settings.region);
        properties::push(&mut out, key::TRACE_ON, "true");
        properties::push(&mut out, key::PUSH_REPLY_TIME, &now.0.to_string());
        out
    }
}
