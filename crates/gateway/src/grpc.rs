//! The gRPC door: RocketMQ 5.x clients on the operations that serve remoting clients, too.
//!
//! A listener takes TLS and plaintext on one port. A call becomes one handler, which checks what only this protocol checks,
//! calls one operation and translates its answer; what it appends is answered when it is durable. What the server knows of a
//! client between two calls is its session. Every refusal is an answer with a [`Code`](wire::grpc::v2::Code): to clients a
//! gRPC error means that the server is broken.
//!
//! Deliberately absent: lite topics, priorities and the admin service.

mod accept;
mod append;
mod caller;
mod check;
mod durable;
mod handlers;
mod message;
mod poll;
mod sessions;
mod status;
#[allow(clippy::all, missing_docs, unused_qualifications, reason = "generated")]
#[rustfmt::skip]
mod stub;
mod service;

pub use accept::{Listening, listen};

use std::net::SocketAddr;
use std::sync::Arc;

use model::Timestamp;
use tokio::sync::watch;
use tracing::debug;
use wire::grpc::v2::{Address, AddressScheme, Endpoints};

use crate::remoting::Gateway;
use durable::Durable;
use sessions::Sessions;

/// Everything a handler may use. Shared by all connections.
pub struct Door {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) sessions: Arc<Sessions>,
    durable: Arc<Durable>,
    /// Where clients reach us, if they do not say how they do.
    endpoints: Endpoints,
    /// True once the door closes: long polls and streams end.
    closing: watch::Sender<bool>,
}

impl Door {
    /// A door that tells clients `advertised` as its address.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, advertised: SocketAddr) -> Arc<Door> {
        let durable = Arc::new(Durable::default());
        let listener = Arc::clone(&durable);
        gateway.broker.log().on_progress(Box::new(move |progress| listener.log_moved(progress)));
        let scheme = if advertised.is_ipv4() { AddressScheme::IPv4 } else { AddressScheme::IPv6 };
        let address = Address { host: advertised.ip().to_string(), port: i32::from(advertised.port()) };
        Arc::new(Door {
            gateway,
            sessions: Arc::default(),
            durable,
            endpoints: Endpoints { scheme: scheme.into(), addresses: vec![address] },
            closing: watch::Sender::new(false),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.gateway.clock)()
    }

    /// Looks after clients: those who have been silent too long are gone, the others are known to the broker.
    async fn tick(&self) {
        let now = self.now();
        for gone in self.sessions.expire(now) {
            self.gateway.broker.connection_closed(gone.connection);
        }
        for session in self.sessions.all() {
            if let Err(refusal) = handlers::telemetry::introduce(self, &session).await {
                debug!(client = session.client_id, text = refusal.text, "a client is not known to the broker");
            }
        }
    }

    /// Resolves when the door closes.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is ours, so waiting for it cannot fail.
        let _ = closing.wait_for(|closing| *closing).await;
    }
}
