//! The remoting protocol: listeners, connections, and one handler a code.
//!
//! The walk of a frame: `core` reads what is there into its buffer, `connection` cuts frames, `dispatch` finds the
//! handler, the handler stages an append or writes an answer into the [`turn::Turn`], and after the last frame of the read
//! the turn's appends become one; answers that wait for the disk leave with `committed`. No frame is awaited.
//!
//! Every port serves every code: a client finds what it asks for on the name server's port and on the broker's.

pub mod accept;
pub mod admission;
pub mod connection;
pub mod core;
pub mod dispatch;
pub mod handlers;
pub mod held;
mod late;
pub mod latency;
pub mod mailbox;
pub(crate) mod outgoing;
pub mod reply_answer;
pub mod routes;
pub mod status;
pub mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::Broker;
use model::Timestamp;
use namesrv::NameServer;
use wire::remoting::reply::send::SendAnswers;

/// What one connection and all of them together may use (RELIABILITY.md section 3.4).
#[derive(Clone, Debug)]
pub struct Limits {
    pub connections: usize,
    /// From one address; loopback is exempt.
    pub connections_per_address: usize,
}

/// Everything a handler may use. Shared by all connections.
pub struct Gateway {
    pub broker: Arc<Broker>,
    pub namesrv: Arc<NameServer>,
    pub clock: fn() -> Timestamp,
    pub limits: Limits,
    pub(crate) send_answers: Arc<SendAnswers>,
    pub append_latency: latency::Latency,
    /// Whether a send can still be answered in time.
    pub admission: admission::Admission,
    pub(crate) open: AtomicUsize,
    pub(crate) per_address: Arc<accept::PerAddress>,
}

impl Gateway {
    #[must_use]
    pub fn new(broker: Arc<Broker>, namesrv: Arc<NameServer>, clock: fn() -> Timestamp, limits: Limits) -> Gateway {
        let send_answers = SendAnswers::new(broker.settings.store_host, &broker.settings.region, true);
        let send_answers = Arc::new(send_answers);
        Gateway {
            broker,
            namesrv,
            clock,
            limits,
            send_answers,
            append_latency: latency::Latency::default(),
            admission: admission::Admission::default(),
            open: AtomicUsize::new(0),
            per_address: Arc::default(),
        }
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}
