//! `kerolox serve`: ports, log, broker and listeners in order; then signals until the end.
//!
//! The order matters. Ports are opened before the store, so that a second start fails before it touches data; nothing is
//! accepted before recovery is done. What the parts do is theirs: here they are only introduced to each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateway::http::HttpState;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::advertise::{self, Advertised};
use crate::banner::{self, Facts, Ports};
use crate::config::Config;
use crate::failure::{self, Failure, Kind};
use crate::logs;

/// From the first signal to the exit. A supervisor that waits longer than this before it kills sees every drain finish.
const DRAIN_MAX: Duration = Duration::from_secs(5);

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
    let (sockets, ports) = Sockets::bind(config)?;
    let broker_name = match config.node.name.as_str() {
        "" => advertise::host_name(),
        name => name.to_owned(),
    };
    let ground = Ground { config, broker_name: &broker_name, advertised: &advertised, ports };
    let running = assemble(&ground, sockets).await?;
    println!("{}", banner::text(&Facts { config, broker_name: &broker_name, advertised: &advertised, ports, dev }));
    info!(broker = %broker_name, address = %advertised.address, port = ports.broker.port(), "serving");

    let first = signals.next().await;
    info!(signal = first.name, "draining: no new sends, staged ones are answered");
    tokio::select! {
        drained = tokio::time::timeout(DRAIN_MAX, running.drain()) => match drained {
            Ok(result) => result,
            Err(_) => Err(Failure::failed(format!("not drained after {} s", DRAIN_MAX.as_secs()))),
        },
        second = signals.next() => {
            warn!(signal = second.name, "second signal: exit without a drain");
            Err(Failure { kind: Kind::Signalled(second.number), text: "interrupted by a second signal".into() })
        }
    }
}

/// What the parts are built from: settings, and what became of them.
struct Ground<'a> {
    config: &'a Config,
    broker_name: &'a str,
    advertised: &'a Advertised,
    ports: Ports,
}

/// The parts at work.
struct Running {
    draining: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    http: JoinHandle<std::io::Result<()>>,
}

/// Builds the parts on the bound sockets and introduces them to each other.
async fn assemble(ground: &Ground<'_>, sockets: Sockets) -> Result<Running, Failure> {
    let (stop, stopped) = watch::channel(false);
    let draining = Arc::new(AtomicBool::new(false));
    let registry = Registry::default();
    let state = HttpState {
        metrics: ground.config.metrics.enabled.then(|| Arc::new(registry)),
        unready: {
            let draining = Arc::clone(&draining);
            Arc::new(move || match draining.load(Ordering::Relaxed) {
                true => vec!["draining".into()],
                false => Vec::new(),
            })
        },
        name_servers: banner::name_server(ground.advertised.address, &ground.ports).into(),
    };
    let http = tokio::spawn(gateway::http::serve(sockets.http, state, wait_for(stopped)));
    Ok(Running { draining, stop, http })
}

impl Running {
    /// Stops taking work and finishes what was begun.
    async fn drain(self) -> Result<(), Failure> {
        self.draining.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        match self.http.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::failed(format!("http listener: {error}"))),
            Err(panic) => Err(Failure::failed(format!("http listener: {panic}"))),
        }
    }
}

/// Resolves once the value is true, or nobody can set it any more.
async fn wait_for(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

/// The opened ports.
struct Sockets {
    namesrv: TcpListener,
    broker: TcpListener,
    vip: TcpListener,
    http: TcpListener,
}

impl Sockets {
    fn bind(config: &Config) -> Result<(Self, Ports), Failure> {
        let listen = &config.listen;
        let bind = |key: &str, address: SocketAddr| {
            let bound = gateway::listen::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
            bound.map_err(|error| failure::of_bind(key, address, &error))
        };
        let (namesrv_at, namesrv) = bind("listen.namesrv", listen.namesrv.0)?;
        let (broker_at, broker) = bind("listen.broker", listen.broker.0)?;
        let (vip_at, vip) = bind("listen.broker minus 2", vip_of(broker_at)?)?;
        let (http_at, http) = bind("listen.http", listen.http.0)?;
        let ports = Ports { namesrv: namesrv_at, broker: broker_at, vip: vip_at, http: http_at };
        Ok((Self { namesrv, broker, vip, http }, ports))
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
