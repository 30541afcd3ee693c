//! The operations our own tools and peers use, one method each. Codes and fields are those of the protocol; an answer
//! other than success is an [`Error::Refused`] unless the method says otherwise.

mod cleaning;
mod messages;
mod offsets;
mod pop;
mod registration;
mod route;
mod topics;

pub use messages::{Pull, Pulled, Send, Sent};
pub use offsets::QueueRef;
pub use pop::{Ack, Pop};
pub use registration::{ClusterInfo, Registration};
pub use route::{BrokerData, QueueData, Route};
