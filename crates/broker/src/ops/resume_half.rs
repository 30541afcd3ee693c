//! A half message is to be checked again from the beginning (code 323): one that was given up, or one that still waits.
//!
//! It keeps its identity, the log offset of its first record, so that resuming it twice, or after its commit, makes no
//! second message of it.

use model::record::message::Message;
use model::{LogOffset, Timestamp};
use store::{Read, ReadError, Staged};

use crate::broker::Broker;
use crate::ops::send;
use crate::state::halves::{Half, Reservation};
use crate::state::topics::system_topic;

/// Why a half message is not resumed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no half message at log offset {0}: give the OffsetID of a message in TRANS_CHECK_MAX_TIME_TOPIC")]
    NotFound(LogOffset),
    #[error("the half message at log offset {0} has been committed: there is nothing to check")]
    Committed(LogOffset),
    #[error("the topic the message is meant for does not exist any more: create it again")]
    TopicGone,
    #[error("the half message at log offset {0} is being resolved")]
    Busy(LogOffset),
    #[error(transparent)]
    Send(#[from] send::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Broker {
    /// Stages the half message found at `at` once more, with no checks counted; notes it in `reserved`, if it waits.
    pub fn begin_resume_half(
        &self,
        at: LogOffset,
        now: Timestamp,
        staged: &mut Staged,
        reserved: &mut Vec<LogOffset>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.view_message(at, Read::Wait, &mut bytes).map_err(|error| match error {
            ReadError::NotFound { at } => Error::NotFound(at),
            other @ (ReadError::WouldBlock | ReadError::Damaged { .. } | ReadError::Io { .. }) => Error::Read(other),
        })?;
        let message = Message::parse(&bytes).expect("view_message answers a whole record");
        let (id, queue_offset) = match message.topic() {
            // A record that retention has written anew says where the first one was.
            system_topic::HALF if message.prepared_offset() == LogOffset::ZERO => (at, message.queue_offset()),
            system_topic::HALF | system_topic::DEAD_CHECK => (message.prepared_offset(), message.queue_offset()),
            _ => return Err(Error::NotFound(at)),
        };
        let reservation = self.machines.halves.lock().reserve(id);
        let half = match reservation {
            Reservation::Granted(half) => Half { stored: now, checks: 0, due: now, ..half },
            Reservation::Busy => return Err(Error::Busy(id)),
            Reservation::Unknown if self.was_committed(id, &message, Timestamp(0), Read::Wait)? => {
                return Err(Error::Committed(id));
            }
            Reservation::Unknown => {
                let topic = self.real_place(message.properties()).ok_or(Error::TopicGone)?.topic.id;
                Half { topic, at, queue_offset, stored: now, checks: 0, due: now }
            }
        };
        let staged_record = self.stage_half_again(id, &half, &message, staged);
        if matches!(reservation, Reservation::Granted(_)) {
            match staged_record {
                Ok(_) => reserved.push(id),
                Err(_) => self.release_halves(&[id]),
            }
        }
        staged_record?;
        Ok(())
    }
}
