//! Errors of operations -> response codes of the protocol. Exhaustive: a new error asks for its code at compile time.

use broker::ops::{
    ack, assignment, clone_offset, consumer_offset, end_transaction, group, pop, pull, recall, reset_offset,
    resume_half, send, send_back, topic,
};
use store::{AppendError, ReadError};
use wire::remoting::code::ResponseCode;

#[must_use]
pub fn of_append(error: &AppendError) -> ResponseCode {
    match error {
        AppendError::TooLarge { .. } => ResponseCode::MESSAGE_ILLEGAL,
        AppendError::Busy { .. } => ResponseCode::SYSTEM_BUSY,
        AppendError::DiskFull | AppendError::ShuttingDown | AppendError::Failed => ResponseCode::SERVICE_NOT_AVAILABLE,
    }
}

/// What to tell a client whose append failed, with what to do.
#[must_use]
pub fn append_remark(error: &AppendError) -> String {
    match error {
        AppendError::TooLarge { .. } => format!("{error}: send less at once"),
        AppendError::Busy { .. } => format!("[PC_SYNCHRONIZED]broker busy, start flow control for a while: {error}"),
        AppendError::DiskFull => {
            format!("service not available now: {error}; free space, or lower storage.retention or storage.max_bytes")
        }
        AppendError::ShuttingDown => format!("service not available now: {error}; another broker or a retry will do"),
        AppendError::Failed => format!("service not available now: {error}; see the broker's log"),
    }
}

#[must_use]
pub fn of_send(error: &send::Error) -> ResponseCode {
    match error {
        send::Error::Name(_) | send::Error::NoSuchQueue { .. } => ResponseCode::INVALID_PARAMETER,
        send::Error::TopicNotFound(_) | send::Error::NeedsTopic(_) | send::Error::TooManyTopics { .. } => {
            ResponseCode::TOPIC_NOT_EXIST
        }
        send::Error::Closed(_) | send::Error::NotWritable(_) => ResponseCode::NO_PERMISSION,
        send::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        send::Error::NoBody
        | send::Error::BodyTooLarge { .. }
        | send::Error::Encode(_)
        | send::Error::BadBatch(_)
        | send::Error::NoProducerGroup => ResponseCode::MESSAGE_ILLEGAL,
        send::Error::NotANumber { .. } | send::Error::TooFar { .. } | send::Error::RecallTooLate => {
            ResponseCode::MESSAGE_ILLEGAL
        }
        send::Error::TooManyHalves { .. } => ResponseCode::SYSTEM_BUSY,
        send::Error::Draining | send::Error::TimersFull => ResponseCode::SERVICE_NOT_AVAILABLE,
    }
}

#[must_use]
pub fn of_recall(error: &recall::Error) -> ResponseCode {
    match error {
        recall::Error::Draining => ResponseCode::SERVICE_NOT_AVAILABLE,
        recall::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        recall::Error::BadHandle
        | recall::Error::OtherTopic(_)
        | recall::Error::OtherBroker(_)
        | recall::Error::TooLate { .. }
        | recall::Error::TooFar { .. }
        | recall::Error::TooMany => ResponseCode::ILLEGAL_OPERATION,
    }
}

#[must_use]
pub fn of_pull(error: &pull::Error) -> ResponseCode {
    match error {
        pull::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        pull::Error::GroupDisabled(_) | pull::Error::BroadcastDisabled(_) | pull::Error::NotReadable(_) => {
            ResponseCode::NO_PERMISSION
        }
        pull::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        pull::Error::NoSuchQueue { .. } => ResponseCode::INVALID_PARAMETER,
        pull::Error::GroupNotOnline | pull::Error::NotSubscribed { .. } => ResponseCode::SUBSCRIPTION_NOT_EXIST,
        pull::Error::SubscriptionNotLatest => ResponseCode::SUBSCRIPTION_NOT_LATEST,
        pull::Error::Subscription(_) => ResponseCode::SUBSCRIPTION_PARSE_FAILED,
        pull::Error::Read(error) => of_read(error),
    }
}

#[must_use]
pub fn of_pop(error: &pop::Error) -> ResponseCode {
    match error {
        pop::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        pop::Error::GroupDisabled(_) | pop::Error::NotReadable(_) => ResponseCode::NO_PERMISSION,
        pop::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        pop::Error::NoSuchQueue { .. } | pop::Error::Count(_) => ResponseCode::INVALID_PARAMETER,
        pop::Error::Attempt(_) => ResponseCode::MESSAGE_ILLEGAL,
        pop::Error::TooManyInFlight => ResponseCode::SYSTEM_BUSY,
        pop::Error::Subscription(_) => ResponseCode::SUBSCRIPTION_PARSE_FAILED,
        pop::Error::Read(error) => of_read(error),
    }
}

#[must_use]
pub fn of_ack(error: &ack::Error) -> ResponseCode {
    match error {
        ack::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        ack::Error::NoSuchQueue { .. } | ack::Error::NotInBatch { .. } => ResponseCode::MESSAGE_ILLEGAL,
        ack::Error::OffsetIllegal { .. } => ResponseCode::NO_MESSAGE,
    }
}

#[must_use]
pub fn of_assignment(error: &assignment::Error) -> ResponseCode {
    match error {
        assignment::Error::RetryTopic(_) => ResponseCode::NO_PERMISSION,
        assignment::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        assignment::Error::Name(_) => ResponseCode::INVALID_PARAMETER,
        assignment::Error::Strategy(_) => ResponseCode::SYSTEM_ERROR,
    }
}

#[must_use]
pub fn of_read(error: &ReadError) -> ResponseCode {
    match error {
        ReadError::WouldBlock => ResponseCode::SYSTEM_BUSY,
        ReadError::NotFound { .. } | ReadError::Damaged { .. } | ReadError::Io { .. } => ResponseCode::SYSTEM_ERROR,
    }
}

#[must_use]
pub fn of_consumer_offset(error: &consumer_offset::Error) -> ResponseCode {
    match error {
        consumer_offset::Error::NotFound { .. } => ResponseCode::QUERY_NOT_FOUND,
        consumer_offset::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        consumer_offset::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        consumer_offset::Error::NoSuchQueue { .. } => ResponseCode::INVALID_PARAMETER,
    }
}

#[must_use]
pub fn of_send_back(error: &send_back::Error) -> ResponseCode {
    match error {
        send_back::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        send_back::Error::MessageNotFound { .. } => ResponseCode::SYSTEM_ERROR,
        send_back::Error::NotWritable(_) => ResponseCode::NO_PERMISSION,
        send_back::Error::Send(error) => of_send(error),
        send_back::Error::Read(error) => of_read(error),
    }
}

#[must_use]
pub fn of_end_transaction(error: &end_transaction::Error) -> ResponseCode {
    match error {
        end_transaction::Error::NotFound(_)
        | end_transaction::Error::OtherGroup { .. }
        | end_transaction::Error::OtherQueueOffset { .. }
        | end_transaction::Error::EndedOtherwise(..) => ResponseCode::SYSTEM_ERROR,
        end_transaction::Error::TooLate => ResponseCode::ILLEGAL_OPERATION,
        end_transaction::Error::Busy(_) => ResponseCode::SYSTEM_BUSY,
        end_transaction::Error::TopicGone(_) => ResponseCode::TOPIC_NOT_EXIST,
        end_transaction::Error::Send(error) => of_send(error),
        end_transaction::Error::Read(error) => of_read(error),
    }
}

#[must_use]
pub fn of_resume_half(error: &resume_half::Error) -> ResponseCode {
    match error {
        resume_half::Error::NotFound(_) | resume_half::Error::Committed(_) => ResponseCode::SYSTEM_ERROR,
        resume_half::Error::TopicGone => ResponseCode::TOPIC_NOT_EXIST,
        resume_half::Error::Busy(_) => ResponseCode::SYSTEM_BUSY,
        resume_half::Error::Send(error) => of_send(error),
        resume_half::Error::Read(error) => of_read(error),
    }
}

#[must_use]
pub fn of_topic(error: &topic::Error) -> ResponseCode {
    match error {
        topic::Error::Name(_) | topic::Error::System(_) | topic::Error::OutOfRange { .. } => {
            ResponseCode::INVALID_PARAMETER
        }
        topic::Error::Attribute { .. } => ResponseCode::SYSTEM_ERROR,
    }
}

#[must_use]
pub fn of_group(error: &group::Error) -> ResponseCode {
    match error {
        group::Error::Name(_) | group::Error::RetryQueues { .. } => ResponseCode::INVALID_PARAMETER,
    }
}

#[must_use]
pub fn of_clone(error: &clone_offset::Error) -> ResponseCode {
    match error {
        clone_offset::Error::Name(_) => ResponseCode::INVALID_PARAMETER,
        clone_offset::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        clone_offset::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
    }
}

#[must_use]
pub fn of_reset(error: &reset_offset::Error) -> ResponseCode {
    match error {
        reset_offset::Error::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        reset_offset::Error::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        reset_offset::Error::NoSuchQueue { .. } => ResponseCode::INVALID_PARAMETER,
        reset_offset::Error::OutOfRange { .. } => ResponseCode::SYSTEM_ERROR,
        reset_offset::Error::Read(error) => of_read(error),
    }
}
