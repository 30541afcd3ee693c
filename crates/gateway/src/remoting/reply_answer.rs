//! The answer to a reply (324, 325). It leaves when two things are known: where the reply is stored, and whether its
//! requester has taken it.
//!
//! The first comes from the turn that appends the reply, the second from the requester's I/O thread. Whichever comes later
//! writes the answer. Nothing waits here.

use std::sync::Arc;

use broker::ops::reply::NotPushed;
use model::{LogOffset, QueueId, QueueOffset, Timestamp};
use parking_lot::Mutex;
use wire::remoting::code::ResponseCode;
use wire::remoting::reply::send::{SendAnswers, Stored};

use super::Gateway;
use super::mailbox::ConnectionMailbox;
use super::turn::{Call, Mark};

/// Where a reply is stored, and how far the log must come before its sender may be told.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub queue_id: QueueId,
    pub queue_offset: QueueOffset,
    pub at: LogOffset,
    /// End of the append.
    pub end: LogOffset,
    /// Wait for `committed`; else for `written`.
    pub durable: bool,
}

#[derive(Default)]
struct Parts {
    stored: Option<Place>,
    pushed: Option<Result<(), NotPushed>>,
}

/// See the module.
pub struct ReplyAnswer {
    call: Call,
    responder: Arc<ConnectionMailbox>,
    answers: Arc<SendAnswers>,
    clock: fn() -> Timestamp,
    parts: Mutex<Parts>,
}

impl ReplyAnswer {
    #[must_use]
    pub fn new(gateway: &Gateway, call: Call, responder: &Arc<ConnectionMailbox>) -> Arc<ReplyAnswer> {
        Arc::new(ReplyAnswer {
            call,
            responder: Arc::clone(responder),
            answers: Arc::clone(&gateway.send_answers),
            clock: gateway.clock,
            parts: Mutex::default(),
        })
    }

    /// The reply is appended. True: its push is known already and the answer is now in `held`.
    pub fn stored(&self, place: Place, held: &mut Vec<u8>) -> bool {
        let mut parts = self.parts.lock();
        parts.stored = Some(place);
        let Some(pushed) = parts.pushed.take() else { return false };
        self.write(place, &pushed, held);
        true
    }

    /// The requester has taken the reply, or not.
    pub fn pushed(&self, pushed: Result<(), NotPushed>) {
        let mut parts = self.parts.lock();
        let Some(place) = parts.stored else {
            parts.pushed = Some(pushed);
            return;
        };
        drop(parts);
        let mut held = Vec::new();
        self.write(place, &pushed, &mut held);
        let Place { end, durable, .. } = place;
        // What was waited for until now was not the disk.
        let since = (self.clock)();
        self.responder.deliver_held(&held, Mark { since, end, durable, len: held.len(), requests: 1 });
    }

    /// Writes the answer: where the reply is stored, also when it was not pushed, as the reference does (golden README,
    /// surprise 4).
    fn write(&self, place: Place, pushed: &Result<(), NotPushed>, held: &mut Vec<u8>) {
        if self.call.oneway {
            return;
        }
        let remark = pushed.as_ref().err().map(ToString::to_string);
        let code = if remark.is_none() { ResponseCode::SUCCESS } else { ResponseCode::SYSTEM_ERROR };
        let stored = Stored {
            queue_id: place.queue_id.0.cast_signed(),
            queue_offset: place.queue_offset.to_wire(),
            log_offsets: &[place.at.0.cast_signed()],
            transaction_id: None,
            recall_handle: None,
            remark: remark.as_deref(),
        };
        self.answers.stored(self.call.encoding, self.call.opaque, code, &stored, held);
    }
}
