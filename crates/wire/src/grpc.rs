//! RocketMQ's gRPC protocol: the types of `proto/apache/rocketmq/v2`, generated, and nothing else.
//!
//! What stands in [`v2`] is made by `cargo xtask proto`; change the `.proto` files instead. The service, which needs tasks and
//! sockets, is generated into the gateway.

#[allow(clippy::all, missing_docs, unused_qualifications, reason = "generated")]
#[rustfmt::skip]
pub mod v2;
