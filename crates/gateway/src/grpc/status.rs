//! Errors of operations -> codes of the gRPC protocol. Exhaustive: a new error asks for its code at compile time.
//!
//! What cannot get better by repeating must have a code its client does not repeat (grpc.md section 3): acks and nacks know
//! two ends only, OK and INVALID_RECEIPT_HANDLE.

use broker::ops::{ack, end_transaction, pop, recall, send};
use broker::subscription;
use store::{AppendError, ReadError};
use wire::grpc::v2::{Code, Status};

use super::caller::Caller;
use crate::remoting::admission::Behind;
use crate::remoting::status::append_remark;

/// Why a call is refused; told in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    /// What is wrong and what to do; never empty.
    pub text: String,
}

impl Refusal {
    pub fn new(code: Code, text: impl Into<String>) -> Refusal {
        Refusal { code, text: text.into() }
    }

    /// The refusal as the end of a stream, which has no other word for it.
    pub fn ends_stream(self) -> tonic::Status {
        match i32::from(self.code) {
            40_000..50_000 => tonic::Status::invalid_argument(self.text),
            _ => tonic::Status::internal(self.text),
        }
    }

    /// The refusal in words this client knows.
    pub fn told(self, caller: &Caller<'_>) -> Status {
        let code = if caller.knows_old_codes_only() { old_code(self.code) } else { self.code };
        Status { code: code.into(), message: self.text }
    }
}

/// Success.
pub fn ok() -> Status {
    Status { code: Code::Ok.into(), message: "OK".to_owned() }
}

/// The status of a whole call from those of its parts: theirs, if they agree. There is at least one part.
pub fn common(parts: &[Status]) -> Status {
    match parts {
        [first, rest @ ..] if rest.iter().all(|part| part.code == first.code) => first.clone(),
        _ => Status { code: Code::MultipleResults.into(), message: "MULTIPLE_RESULTS: see the entries".to_owned() },
    }
}

/// The nearest code that every client knows.
fn old_code(code: Code) -> Code {
    match code {
        Code::IllegalOffset | Code::IllegalLiteTopic | Code::InvalidClientProperties | Code::OffsetNotFound => {
            Code::BadRequest
        }
        Code::MessageBodyEmpty => Code::MessageCorrupted,
        Code::LiteTopicQuotaExceeded | Code::LiteSubscriptionQuotaExceeded => Code::TooManyRequests,
        known => known,
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Refusal {
        let code = match error {
            AppendError::TooLarge { .. } => Code::PayloadTooLarge,
            AppendError::Busy { .. } => Code::TooManyRequests,
            AppendError::DiskFull => Code::Forbidden,
            AppendError::ShuttingDown | AppendError::Failed => Code::InternalServerError,
        };
        Refusal::new(code, append_remark(&error))
    }
}

impl From<Behind> for Refusal {
    fn from(behind: Behind) -> Refusal {
        Refusal::new(Code::TooManyRequests, behind.to_string())
    }
}

impl From<send::Error> for Refusal {
    fn from(error: send::Error) -> Refusal {
        let code = match &error {
            send::Error::Name(_) | send::Error::Closed(_) => Code::IllegalTopic,
            send::Error::TopicNotFound(_) | send::Error::NeedsTopic(_) | send::Error::TooManyTopics { .. } => {
                Code::TopicNotFound
            }
            send::Error::NotWritable(_) => Code::Forbidden,
            send::Error::GroupNotFound(_) => Code::ConsumerGroupNotFound,
            send::Error::NoBody => Code::MessageBodyEmpty,
            send::Error::BodyTooLarge { .. } => Code::MessageBodyTooLarge,
            send::Error::Encode(_) => Code::MessagePropertiesTooLarge,
            send::Error::TooFar { .. } => Code::IllegalDeliveryTime,
            send::Error::NoSuchQueue { .. }
            | send::Error::BadBatch(_)
            | send::Error::NoProducerGroup
            | send::Error::NotANumber { .. }
            | send::Error::RecallTooLate => Code::BadRequest,
            send::Error::TooManyHalves { .. } | send::Error::TimersFull => Code::TooManyRequests,
            send::Error::Draining => Code::InternalServerError,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<pop::Error> for Refusal {
    fn from(error: pop::Error) -> Refusal {
        let code = match &error {
            pop::Error::GroupNotFound(_) => Code::ConsumerGroupNotFound,
            pop::Error::GroupDisabled(_) | pop::Error::NotReadable(_) => Code::Forbidden,
            pop::Error::TopicNotFound(_) => Code::TopicNotFound,
            pop::Error::NoSuchQueue { .. } | pop::Error::Count(_) | pop::Error::Attempt(_) => Code::BadRequest,
            pop::Error::TooManyInFlight => Code::TooManyRequests,
            pop::Error::Subscription(error) => return of_subscription(error),
            pop::Error::Read(error) => return of_read(error),
        };
        Refusal::new(code, error.to_string())
    }
}

/// An expression that cannot be used.
pub fn of_subscription(error: &subscription::Error) -> Refusal {
    Refusal::new(Code::IllegalFilterExpression, error.to_string())
}

/// A record that cannot be read.
pub fn of_read(error: &ReadError) -> Refusal {
    let code = match error {
        ReadError::WouldBlock => Code::TooManyRequests,
        ReadError::NotFound { .. } | ReadError::Damaged { .. } | ReadError::Io { .. } => Code::InternalServerError,
    };
    Refusal::new(code, error.to_string())
}

/// What becomes of an ack: a message that is gone needs none.
pub fn of_ack(error: &ack::Error) -> Result<(), Refusal> {
    match error {
        ack::Error::TopicNotFound(_) => Ok(()),
        ack::Error::OffsetIllegal { offset, min, .. } if *offset < min.to_wire() => Ok(()),
        ack::Error::OffsetIllegal { .. } | ack::Error::NoSuchQueue { .. } | ack::Error::NotInBatch { .. } => {
            Err(Refusal::new(Code::InvalidReceiptHandle, format!("{error}: the handle is none of ours")))
        }
    }
}

impl From<end_transaction::Error> for Refusal {
    fn from(error: end_transaction::Error) -> Refusal {
        let code = match error {
            end_transaction::Error::Send(error) => return error.into(),
            end_transaction::Error::Read(error) => return of_read(&error),
            end_transaction::Error::NotFound(_)
            | end_transaction::Error::OtherGroup { .. }
            | end_transaction::Error::OtherQueueOffset { .. } => Code::InvalidTransactionId,
            end_transaction::Error::EndedOtherwise(..) | end_transaction::Error::TooLate => Code::BadRequest,
            end_transaction::Error::Busy(_) => Code::TooManyRequests,
            end_transaction::Error::TopicGone(_) => Code::TopicNotFound,
        };
        Refusal::new(code, error.to_string())
    }
}

impl From<recall::Error> for Refusal {
    fn from(error: recall::Error) -> Refusal {
        let code = match error {
            recall::Error::Draining => Code::InternalServerError,
            recall::Error::TopicNotFound(_) => Code::TopicNotFound,
            recall::Error::TooMany => Code::TooManyRequests,
            recall::Error::BadHandle
            | recall::Error::OtherTopic(_)
            | recall::Error::OtherBroker(_)
            | recall::Error::TooLate { .. }
            | recall::Error::TooFar { .. } => Code::BadRequest,
        };
        Refusal::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_agree_give_the_whole_their_status() {
        let bad = Refusal::new(Code::InvalidReceiptHandle, "junk");
        let bad = Status { code: bad.code.into(), message: bad.text };
        assert_eq!(common(&[ok(), ok()]), ok());
        assert_eq!(common(std::slice::from_ref(&bad)), bad);
        assert_eq!(common(&[ok(), bad]).code(), Code::MultipleResults);
    }
}
