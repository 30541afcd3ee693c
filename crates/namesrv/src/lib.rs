//! The name server: which broker serves which topic, and which brokers are alive.
//!
//! A pure machine: the moment is an argument, callers are told by address and connection number, and
//! nothing here reads a clock, a socket or a file, or knows the wire. Routes live in memory only: a
//! broker registers again every few seconds, so a restart forgets nothing that matters. The one durable
//! part is the key-value table ([`KvConfig`]), which is changed by facts of the log alone.
//!
//! Deliberately absent: static topic mappings, acting masters presented as id 0, and the controller.

mod config;
mod kv;
mod name;
mod network;
mod routes;
mod settings;

pub use config::Config;
pub use kv::{KvConfig, KvError, ORDER_TOPIC_CONFIG};
pub use name::{BrokerName, ClusterName};
pub use network::{Network, NetworkError};
pub use routes::{
    BrokerView, DataVersion, Link, Lost, MasterAddress, MemberError, MemberId, QueueData, RegisterError, Registered,
    Registration, Route, Routes, Source, TopicEntry, TopicKind, Viewer,
};
pub use settings::{SettingError, Settings};
