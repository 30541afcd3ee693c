//! Connections: TLS or plaintext by their first byte, then HTTP/2, within the limits of RELIABILITY.md section 3.4.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tonic::codegen::{Service as _, http};
use tracing::{debug, warn};

use super::Door;
use super::service::Service;
use super::stub::messaging_service_server::MessagingServiceServer;
use crate::remoting::accept::Place;
use crate::tls;

/// Largest request: a batch of messages may be larger than one message may.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Calls of one connection at a time. A client has a stream, a long poll a topic, and what it sends.
const STREAMS_MAX: u32 = 128;

/// Bytes of the headers of one call.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Calls a connection may have cancelled that are not cleaned up yet (CVE-2023-44487).
const RESETS_MAX: usize = 20;

/// Bytes a client may have on the way to us, for one call and for all of a connection.
const WINDOWS: (u32, u32) = (1024 * 1024, 4 * 1024 * 1024);

/// Bytes that wait for a client that does not read.
const UNSENT_MAX: usize = 1024 * 1024;

/// A connection shows its first byte, and finishes its TLS handshake, within this.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// A peer that has gone without a word is noticed by a ping this long after its last byte, unanswered for so long.
const PING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// A connection without a call for this long is closed; an open stream is a call.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// Idle connections and silent clients are looked for this often.
const TICK: Duration = Duration::from_secs(5);

/// Pause after a failed accept: out of descriptors, most likely.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Calls under way when the door closes may take this long.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The address a call comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Whether a connection is in use.
#[derive(Debug, Default)]
struct Use {
    calls: AtomicUsize,
    served: AtomicUsize,
}

/// A call under way; its connection is not idle before this is dropped.
#[derive(Debug)]
pub struct Call(Arc<Use>);

impl Call {
    fn begin(of: &Arc<Use>) -> Call {
        of.calls.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(of))
    }
}

impl Clone for Call {
    fn clone(&self) -> Call {
        Call::begin(&self.0)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.served.fetch_add(1, Ordering::Relaxed);
    }
}

/// One of the connections that are counted; dropping it frees its place.
struct Counted {
    door: Arc<Door>,
    _place: Place,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.door.gateway.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The open door.
pub struct Listening {
    door: Arc<Door>,
    acceptor: AbortHandle,
    connections: tokio::sync::oneshot::Receiver<()>,
}

/// Takes connections of both kinds from now on.
pub fn listen(door: Arc<Door>, listener: TcpListener, tls: TlsAcceptor) -> Listening {
    let (ended, connections) = tokio::sync::oneshot::channel();
    tokio::spawn(look_after_clients(Arc::clone(&door)));
    let own = Arc::clone(&door);
    let acceptor = tokio::spawn(async move {
        accept(&own, &listener, tls).await;
        drop(ended);
    });
    Listening { door, acceptor: acceptor.abort_handle(), connections }
}

impl Listening {
    /// Takes no more connections; long polls and streams end, and what is under way is answered.
    pub fn begin_close(&self) {
        self.door.closing.send_replace(true);
    }

    /// Resolves when the connections have ended, or have had their time.
    pub async fn closed(self) {
        self.begin_close();
        if tokio::time::timeout(CLOSE_WITHIN, self.connections).await.is_err() {
            self.acceptor.abort();
        }
    }
}

async fn look_after_clients(door: Arc<Door>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => door.tick().await,
            () = door.closed() => return,
        }
    }
}

async fn accept(door: &Arc<Door>, listener: &TcpListener, tls: TlsAcceptor) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = door.closed() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        match count(door, peer) {
            Ok(counted) => {
                connections.spawn(serve(Arc::clone(door), socket, peer, tls.clone(), counted));
            }
            Err(reason) => warn!(%peer, reason, "connection refused"),
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Counts a connection among all of this process, whatever their protocol.
fn count(door: &Arc<Door>, peer: SocketAddr) -> Result<Counted, String> {
    let gateway = &door.gateway;
    let max = gateway.limits.connections;
    if gateway.open.load(Ordering::Relaxed) >= max {
        return Err(format!("{max} connections are open, the limit (limits.connections)"));
    }
    let max = gateway.limits.connections_per_address;
    let Some(place) = gateway.per_address.take(peer.ip(), max) else {
        return Err(format!("the address has {max} connections, the limit (limits.connections_per_address)"));
    };
    gateway.open.fetch_add(1, Ordering::Relaxed);
    Ok(Counted { door: Arc::clone(door), _place: place })
}

async fn serve(door: Arc<Door>, socket: TcpStream, peer: SocketAddr, acceptor: TlsAcceptor, counted: Counted) {
    let _ = socket.set_nodelay(true);
    let mut first = [0];
    let peeked = tokio::time::timeout(HANDSHAKE_WITHIN, socket.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1))) {
        debug!(%peer, "connection closed: silent");
        return;
    }
    if first[0] != tls::HANDSHAKE {
        converse(&door, socket, peer).await;
    } else {
        match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(socket)).await {
            Ok(Ok(stream)) => converse(&door, stream, peer).await,
            Ok(Err(error)) => debug!(%peer, %error, "connection closed: no TLS"),
            Err(_) => debug!(%peer, "connection closed: the TLS handshake takes too long"),
        }
    }
    drop(counted);
}

/// Serves the calls of one connection.
async fn converse(door: &Arc<Door>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
    let used = Arc::new(Use::default());
    let service = MessagingServiceServer::new(Service(Arc::clone(door)))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(usize::MAX);
    let calls = Arc::clone(&used);
    let serve = service_fn(move |mut request: http::Request<Incoming>| {
        let call = Call::begin(&calls);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(call.clone());
        let mut service = service.clone();
        async move {
            let answered = service.call(request).await;
            drop(call);
            Ok::<_, Infallible>(answered.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_send_buf_size(UNSENT_MAX)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .serve_connection(TokioIo::new(stream), serve);
    let mut connection = std::pin::pin!(connection);
    let (mut since, mut served) = (Instant::now(), 0);
    let mut tick = tokio::time::interval(TICK);
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            () = door.closed() => {
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
            _ = tick.tick() => {
                let now_served = used.served.load(Ordering::Relaxed);
                if used.calls.load(Ordering::Relaxed) > 0 || now_served != served {
                    (since, served) = (Instant::now(), now_served);
                } else if since.elapsed() > IDLE_MAX {
                    connection.as_mut().graceful_shutdown();
                    break connection.await;
                }
            }
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection has broken");
    }
}
