//! Where the broker posts its questions to clients.

use std::any::Any;
use std::sync::{Arc, Mutex};

use broker::notice::{Mailbox, Notice, TransactionCheck};
use model::record::message::Message;

use crate::body;
use crate::op::{Check, TOPICS};

/// What was posted, and to whom.
#[derive(Clone, Default)]
pub struct Posted(Arc<Mutex<Vec<(u32, Check)>>>);

/// The mailbox of one client.
pub struct OfClient {
    pub client: u32,
    pub posted: Posted,
}

impl Posted {
    pub fn take(&self) -> Vec<(u32, Check)> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

impl Mailbox for OfClient {
    fn post(&self, notice: Notice) -> bool {
        if let Notice::CheckTransaction(check) = notice {
            let check = check_of(&check).expect("the record of a half message of ours");
            self.posted.0.lock().expect("nobody panics with it").push((self.client, check));
        }
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What the producer reads in a question.
fn check_of(check: &TransactionCheck) -> Option<Check> {
    let message = Message::parse(&check.record)?;
    let (topic, _) = TOPICS.into_iter().find(|(topic, _)| *topic == message.topic())?;
    let (to, id) = ((topic, message.queue_id().0), body::id_of(message.body())?);
    Some(Check { to, id, half: check.half, queue_offset: check.queue_offset.0 })
}
