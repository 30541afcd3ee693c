//! A producer takes back a message before its delivery time (code 370; semantics.md section 11).
//!
//! The reference answers success as soon as its delete marker is stored. Here success means that the message is not
//! delivered: while the recall is on its way to the disk, its message is held back.

use model::recall_handle;
use model::record::system::System;
use model::{Timestamp, TopicName};
use store::Staged;

use crate::broker::Broker;
use crate::ops::timed::timer_key;
use crate::state::timers::NoRecall;

/// A message to be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub topic: &'a str,
    /// What the send answered.
    pub handle: &'a str,
}

/// Why a message is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("recall failed, the broker is shutting down: ask again elsewhere")]
    Draining,
    #[error("recall failed, the topic[{0}] not exist")]
    TopicNotFound(String),
    #[error("recall handle is invalid: use the one the send of the message answered")]
    BadHandle,
    #[error("recall failed, topic not match: the handle is one of topic {0}")]
    OtherTopic(String),
    #[error("recall failed, broker service not available: the handle is one of broker {0}")]
    OtherBroker(String),
    #[error("recall failed, timestamp invalid: the message was due at {due} and is delivered")]
    TooLate { due: i64 },
    #[error("recall failed, timestamp invalid: no message can be due at {due}")]
    TooFar { due: i64 },
    #[error("recall failed, more recalls wait than messages: they are for messages that were never sent here")]
    TooMany,
}

impl Broker {
    /// Stages the recall. Answers the unique key of the message; success may be answered when it is durable.
    pub fn begin_recall(&self, request: Request<'_>, now: Timestamp, staged: &mut Staged) -> Result<String, Error> {
        if self.is_draining() {
            return Err(Error::Draining);
        }
        let unknown = || Error::TopicNotFound(request.topic.to_owned());
        TopicName::new(request.topic).map_err(|_| unknown())?;
        let topic = self.machines.topics.get(request.topic).ok_or_else(unknown)?;
        let handle = recall_handle::parse(request.handle).ok_or(Error::BadHandle)?;
        if handle.topic != request.topic {
            return Err(Error::OtherTopic(handle.topic));
        }
        if handle.broker_name != self.settings.broker_name {
            return Err(Error::OtherBroker(handle.broker_name));
        }
        let due = handle.due;
        if due.since(now) > self.settings.delay_max {
            return Err(Error::TooFar { due: due.0 });
        }
        let key = timer_key(&topic, &handle.unique_key);
        let reserved = self.machines.timers.lock().recall(due, key, now);
        reserved.map_err(|refused| match refused {
            NoRecall::TooLate => Error::TooLate { due: due.0 },
            NoRecall::TooMany => Error::TooMany,
        })?;
        staged.system(&System::TimerRecalled { due, key });
        self.counters.timers_recalled.add(1);
        Ok(handle.unique_key)
    }
}
