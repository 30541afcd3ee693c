//! Handlers: check what only this protocol checks, call one operation, encode. No decision about messaging is made here.

pub mod ack;
pub mod assignment;
pub mod client;
pub mod receive;
pub mod route;
pub mod send;
pub mod telemetry;
pub mod transaction;

use model::receipt_handle::{Origin, ReceiptHandle};
use model::{QueueId, TopicName};
use wire::grpc::v2::{Code, Endpoints};

use super::Door;
use super::status::Refusal;

/// How a client reaches us: as it says, if that is one address; else as we are told to say. Whoever asks has come that way.
pub fn endpoints(door: &Door, asked: Option<&Endpoints>) -> Endpoints {
    let usable = |endpoints: &&Endpoints| match &endpoints.addresses[..] {
        [only] => endpoints.scheme != 0 && !only.host.is_empty() && u16::try_from(only.port).is_ok_and(|port| port > 0),
        _ => false,
    };
    asked.filter(usable).unwrap_or(&door.endpoints).clone()
}

/// A receipt handle out of a request, and the topic its message was popped from.
fn handle<'a>(text: &'a str, group: &str, topic: &str) -> Result<(ReceiptHandle<'a>, TopicName), Refusal> {
    let Some(handle) = ReceiptHandle::parse(text) else {
        let text = "the receipt handle is none of ours: give back the one the message came with";
        return Err(Refusal::new(Code::InvalidReceiptHandle, text));
    };
    let popped_from = match handle.origin {
        Origin::Topic => TopicName::trusted(topic),
        Origin::RetryV1 => TopicName::pop_retry_of(group, topic),
        Origin::RetryV2 => TopicName::pop_retry_v2_of(group, topic),
    };
    Ok((handle, popped_from))
}

/// A queue id in the words of an operation.
fn queue_of(queue: QueueId) -> i32 {
    queue.0.cast_signed()
}
