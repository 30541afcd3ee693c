//! `kerolox serve`: ports, log, broker and listeners in order; then signals until the end.
//!
//! The order matters. Ports are opened before the store, so that a second start fails before it touches data; nothing is
//! accepted before recovery is done. What the parts do is theirs: here they are only introduced to each other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::advertise;
use crate::assemble::{Ground, assemble};
use crate::banner::{self, Facts, Ports};
use crate::command::print;
use crate::config::Config;
use crate::failure::{self, Failure, Kind};
use crate::logs;
use crate::pages::Pages;

/// From the first signal to the exit. A supervisor that waits longer than this before it kills sees every drain finish.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How often the system may choose a broker port again. Two free ports two apart are common.
const PORT_CHOICES_MAX: usize = 16;

/// Runs until a signal or a fatal error.
pub fn run(config: &Config, dev: bool) -> Result<(), Failure> {
    logs::start(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the threads: {error}")))?;
    let ended = runtime.block_on(serve(config, dev));
    // What still runs is past its deadline: the process is about to end.
    runtime.shutdown_background();
    ended
}

async fn serve(config: &Config, dev: bool) -> Result<(), Failure> {
    // Signals first: one that comes during recovery must not be lost.
    let mut signals = Signals::listen()?;
    let advertised = advertise::resolve(&config.node.advertise).map_err(Failure::usage)?;
    let (sockets, http, ports) = Sockets::bind(config)?;
    let broker_name = match config.node.name.as_str() {
        "" => advertise::host_name(),
        name => name.to_owned(),
    };
    let pages = Pages::open(http, banner::name_server(advertised.address, &ports));
    let ground = Ground { config, broker_name: &broker_name, advertised: &advertised, ports };
    let running = assemble(&ground, sockets, &pages)?;
    print(&banner::text(&Facts { config, broker_name: &broker_name, advertised: &advertised, ports, dev }))?;
    info!(broker = %broker_name, address = %advertised.address, port = ports.broker.port(), "serving");

    let first = signals.next().await;
    info!(signal = first.name, "draining: no new sends, staged ones are answered");
    pages.draining();
    tokio::select! {
        drained = tokio::time::timeout(DRAIN_MAX, async { running.drain().await; pages.close().await }) => {
            drained.unwrap_or_else(|_| Err(Failure::failed(format!("not drained after {} s", DRAIN_MAX.as_secs()))))
        }
        second = signals.next() => {
            warn!(signal = second.name, "second signal: exit without a drain");
            Err(Failure { kind: Kind::Signalled(second.number), text: "interrupted by a second signal".into() })
        }
    }
}

/// The opened ports.
pub struct Sockets {
    pub namesrv: TcpListener,
    pub broker: TcpListener,
    pub vip: TcpListener,
    pub grpc: TcpListener,
}

impl Sockets {
    /// Opens all ports; the one for HTTP apart, because its pages come first and go last.
    fn bind(config: &Config) -> Result<(Self, TcpListener, Ports), Failure> {
        let listen = &config.listen;
        let bind = |key: &str, address: SocketAddr| {
            let bound = gateway::listen::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
            bound.map_err(|error| failure::of_bind(key, address, &error))
        };
        let (namesrv_at, namesrv) = bind("listen.namesrv", listen.namesrv.0)?;
        let bind_pair = || {
            let (broker_at, broker) = bind("listen.broker", listen.broker.0)?;
            let (vip_at, vip) = bind("listen.broker minus 2", vip_of(broker_at)?)?;
            Ok(((broker_at, broker), (vip_at, vip)))
        };
        let mut pair = bind_pair();
        // Where the system chose the broker's port, the one below it may belong to somebody: let it choose again.
        let mut choices_left = if listen.broker.0.port() == 0 { PORT_CHOICES_MAX } else { 0 };
        while pair.is_err() && choices_left > 0 {
            choices_left -= 1;
            pair = bind_pair();
        }
        let ((broker_at, broker), (vip_at, vip)) = pair?;
        let (grpc_at, grpc) = bind("listen.grpc", listen.grpc.0)?;
        let (http_at, http) = bind("listen.http", listen.http.0)?;
        let ports = Ports { namesrv: namesrv_at, broker: broker_at, vip: vip_at, grpc: grpc_at, http: http_at };
        Ok((Self { namesrv, broker, vip, grpc }, http, ports))
    }
}

/// The VIP port lies two below the broker's: clients compute it and do not ask.
fn vip_of(broker: SocketAddr) -> Result<SocketAddr, Failure> {
    match broker.port().checked_sub(2) {
        Some(port) if port > 0 => Ok(SocketAddr::new(broker.ip(), port)),
        _ => Err(Failure::usage(format!(
            "listen.broker = {broker}: the VIP port is this port minus 2; choose 3 or more"
        ))),
    }
}

/// SIGTERM and SIGINT, which both ask for a drain.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that came.
struct Came {
    name: &'static str,
    number: u8,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.terminate.recv() => Came { name: "SIGTERM", number: 15 },
            _ = self.interrupt.recv() => Came { name: "SIGINT", number: 2 },
        }
    }
}
