//! EndTransaction and RecallMessage (grpc.md sections 8 and 9).

use std::sync::Arc;

use broker::ops::end_transaction::{self, Outcome, Request, Verdict};
use broker::ops::recall;
use model::{LogOffset, QueueOffset};
use store::{Appended, Read, ReadError};
use tokio::sync::oneshot;
use wire::grpc::v2::{
    Code, EndTransactionRequest, EndTransactionResponse, RecallMessageRequest, RecallMessageResponse,
    TransactionResolution, TransactionSource,
};

use crate::grpc::Door;
use crate::grpc::check;
use crate::grpc::status::{Refusal, ok};

/// The transaction id of a half message: where it stands, so that nothing else has to be remembered, over restarts too.
pub fn id(half: LogOffset, queue_offset: QueueOffset) -> String {
    format!("{:016X}{:016X}", half.0, queue_offset.0)
}

fn parse(id: &str) -> Option<(LogOffset, QueueOffset)> {
    let (half, queue_offset) = id.split_at_checked(16).filter(|_| id.len() == 32)?;
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    Some((LogOffset(hex(half)?), QueueOffset(hex(queue_offset)?)))
}

pub async fn end(door: &Arc<Door>, request: EndTransactionRequest) -> Result<EndTransactionResponse, Refusal> {
    let invalid = |text: &str| Refusal::new(Code::InvalidTransactionId, text);
    check::topic(request.topic.as_ref(), &door.gateway.broker.settings)?;
    if request.transaction_id.trim().is_empty() {
        return Err(invalid("transaction id cannot be empty: give back the one the send has answered"));
    }
    let unknown = || invalid("transaction id is none of ours: give back the one the send has answered");
    let (half, queue_offset) = parse(&request.transaction_id).ok_or_else(unknown)?;
    let verdict = match request.resolution() {
        TransactionResolution::Commit => Verdict::Commit,
        TransactionResolution::Rollback => Verdict::Rollback,
        // The producer does not know yet, and will be asked.
        TransactionResolution::Unspecified => return Ok(EndTransactionResponse { status: Some(ok()) }),
    };
    let asked = Asked {
        topic: request.topic.as_ref().map(|topic| topic.name.clone()).unwrap_or_default(),
        half,
        queue_offset,
        verdict,
        from_check: request.source() == TransactionSource::SourceServerCheck,
    };
    let appended = match asked.end(door, Read::Nowait) {
        Err(end_transaction::Error::Read(ReadError::WouldBlock)) => asked.end_cold(door).await?,
        ended => ended??,
    };
    door.durable_or_refuse(appended).await?;
    Ok(EndTransactionResponse { status: Some(ok()) })
}

/// The end of a transaction, to be said on another thread perhaps.
#[derive(Clone)]
struct Asked {
    topic: String,
    half: LogOffset,
    queue_offset: QueueOffset,
    verdict: Verdict,
    from_check: bool,
}

impl Asked {
    fn end(&self, door: &Door, mode: Read) -> Result<Result<Option<Appended>, Refusal>, end_transaction::Error> {
        let request = Request {
            producer_group: &self.topic,
            half: self.half,
            queue_offset: self.queue_offset.to_wire(),
            verdict: self.verdict,
            from_check: self.from_check,
        };
        door.with_scratch(|scratch| {
            let (staged, reserved) = (&mut scratch.staged, &mut scratch.reserved);
            match door.gateway.broker.begin_end_transaction(request, door.now(), mode, staged, reserved)? {
                Outcome::Staged => Ok(door.append(scratch).map_err(Refusal::from)),
                Outcome::Before => Ok(Ok(None)),
            }
        })
    }

    /// On a thread that may read the disk.
    async fn end_cold(self, door: &Arc<Door>) -> Result<Option<Appended>, Refusal> {
        let (tell, told) = oneshot::channel();
        let own = Arc::clone(door);
        let work = move || {
            let ended = self.end(&own, Read::Wait).map_err(Refusal::from).and_then(|ended| ended);
            // Who has asked may be gone; what is appended stays.
            let _ = tell.send(ended);
        };
        let busy = |text: String| Refusal::new(Code::TooManyRequests, text);
        door.gateway.broker.log().run_cold(Box::new(work)).map_err(|full| busy(full.to_string()))?;
        told.await.map_err(|_| busy("the broker is shutting down".to_owned()))?
    }
}

pub async fn recall(door: &Door, request: RecallMessageRequest) -> Result<RecallMessageResponse, Refusal> {
    let topic = check::topic(request.topic.as_ref(), &door.gateway.broker.settings)?;
    let (message_id, appended) = door.with_scratch(|scratch| {
        let asked = recall::Request { topic, handle: &request.recall_handle };
        let message_id = door.gateway.broker.begin_recall(asked, door.now(), &mut scratch.staged)?;
        Ok::<_, Refusal>((message_id, door.append(scratch)?))
    })?;
    door.durable_or_refuse(appended).await?;
    Ok(RecallMessageResponse { status: Some(ok()), message_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_id_says_where_its_half_message_stands() {
        let text = id(LogOffset(4_222_196), QueueOffset(7));
        assert_eq!(text, "0000000000406CF40000000000000007");
        assert_eq!(parse(&text), Some((LogOffset(4_222_196), QueueOffset(7))));
        for wrong in ["junk", "", "01AABBCCDDEEFF04D20000004D0000002G", "é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
