//! The name server: which broker serves which topic, and which brokers are alive.
//!
//! [`Routes`] is a pure machine: the moment is an argument, callers are told by address and connection
//! number, and it reads no clock, no socket and no file and does not know the wire. It lives in memory only:
//! a broker registers again every few seconds, so a restart forgets nothing that matters. [`NameServer`] is
//! the machine behind its lock. The key-value table is durable, so it is the broker's: [`plan_put`] and
//! [`Settings`] are the rules for what becomes a fact in it.
//!
//! Deliberately absent: static topic mappings, acting masters presented as id 0, and the controller.

mod config;
mod kv;
mod name;
mod network;
mod routes;
mod settings;
mod shared;

pub use config::Config;
pub use kv::{KvError, ORDER_TOPIC_CONFIG, plan_delete, plan_put};
pub use name::{BrokerName, ClusterName};
pub use network::{Network, NetworkError};
pub use routes::{
    BrokerView, DataVersion, Link, Lost, MasterAddress, MemberError, MemberId, QueueData, RegisterError, Registered,
    Registration, Route, Routes, Source, TopicEntry, TopicKind, Viewer,
};
pub use settings::{SettingError, Settings};
pub use shared::NameServer;
