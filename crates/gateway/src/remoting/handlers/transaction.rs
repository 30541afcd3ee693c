//! Transactions: their end as the producer says it (37), and a half message to be checked again (323).

use broker::ops::end_transaction::{self, Outcome as Ended, Request, Verdict};
use model::{LogOffset, message_id};
use store::{Read, ReadError};
use tracing::warn;
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::message::{EndTransaction, ResumeCheckHalfMessage};

use super::decode;
use crate::remoting::Gateway;
use crate::remoting::dispatch::{Elsewhere, Outcome};
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

pub fn end(gateway: &Gateway, header: &Header<'_>, turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(EndTransaction, header, turn);
    let call = Call::of(header);
    let verdict = match fields.commit_or_rollback {
        // The producer does not know yet, and is never answered: it will be asked (golden README, surprise 12).
        0 => return Outcome::Done,
        8 => Verdict::Commit,
        12 => Verdict::Rollback,
        other => {
            let remark = format!("commitOrRollback {other} is neither 8, commit, nor 12, rollback, nor 0, unknown");
            turn.refuse(call, ResponseCode::INVALID_PARAMETER, remark);
            return Outcome::Done;
        }
    };
    let request = Request {
        producer_group: &fields.producer_group,
        half: LogOffset(u64::try_from(fields.commit_log_offset).unwrap_or(u64::MAX)),
        queue_offset: fields.tran_state_table_offset,
        verdict,
        from_check: fields.from_transaction_check.unwrap_or(false),
    };
    let (now, mode) = (turn.now, turn.mode);
    let buffers = &mut *turn.buffers;
    match gateway.broker.begin_end_transaction(request, now, mode, &mut buffers.staged, &mut buffers.reserved) {
        Ok(Ended::Staged) => turn.done_when_durable(call),
        Ok(Ended::Before) => turn.done(call),
        Err(end_transaction::Error::Read(ReadError::WouldBlock)) if mode == Read::Nowait => {
            return Outcome::Elsewhere(Elsewhere::Cold);
        }
        Err(error) => {
            // Official producers say it one-way: nobody else would see it.
            warn!(peer = %turn.peer.address, group = %fields.producer_group, half = %request.half, %error, "a transaction is not ended");
            turn.refuse(call, status::of_end_transaction(&error), error);
        }
    }
    Outcome::Done
}

/// Reads the disk: on a thread that may.
pub fn resume(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(ResumeCheckHalfMessage, header, turn);
    let call = Call::of(header);
    let at = message_id::log_offset_of(fields.msg_id.as_deref().unwrap_or_default()).unwrap_or(LogOffset(u64::MAX));
    let now = turn.now;
    let buffers = &mut *turn.buffers;
    match gateway.broker.begin_resume_half(at, now, &mut buffers.staged, &mut buffers.reserved) {
        Ok(()) => turn.done_when_durable(call),
        Err(error) => turn.refuse(call, status::of_resume_half(&error), error),
    }
    Outcome::Done
}
