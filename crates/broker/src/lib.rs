//! The broker: operations, state and jobs over the log. It knows no protocol, no socket, no runtime and no system clock.

pub mod broker;
pub mod counters;
pub mod jobs;
pub mod notice;
pub mod ops;
mod progress;
mod projections;
pub mod rates;
pub mod settings;
pub mod state;
pub mod subscription;
mod unique_key;

pub use broker::{Broker, Machines, StartError, TopicListener};
pub use settings::{Settings, Transactions};
