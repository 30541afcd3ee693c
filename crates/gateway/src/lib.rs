//! The listeners: remoting, gRPC and HTTP; and our broker at other name servers. Translations only; what a request means is
//! decided in `broker` and `namesrv`.

#![allow(clippy::disallowed_methods, reason = "the gateway listens and reads the clock for the broker")]

pub mod grpc;
pub mod http;
pub mod listen;
pub mod metrics;
pub mod registration;
pub mod remoting;
pub mod tls;
