//! The HTTP pages over the life of the process: they open before recovery begins and close after the drain, so that whoever asks
//! is always told what is going on.

use std::io;
use std::sync::{Arc, OnceLock};

use gateway::http::{self, HttpState};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    Draining,
    Closed,
}

type Troubles = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// The running listener and what it says.
pub struct Pages {
    phase: watch::Sender<Phase>,
    metrics: Arc<OnceLock<Registry>>,
    troubles: Arc<OnceLock<Troubles>>,
    listener: JoinHandle<io::Result<()>>,
}

impl Pages {
    /// Serves from now on; `/readyz` refuses. `name_servers` is what `/rocketmq/nsaddr` answers.
    pub fn open(listener: TcpListener, name_servers: String) -> Self {
        let (phase, seen) = watch::channel(Phase::Starting);
        let metrics = Arc::<OnceLock<Registry>>::default();
        let troubles = Arc::<OnceLock<Troubles>>::default();
        let state = HttpState {
            metrics: Arc::clone(&metrics),
            unready: {
                let (seen, troubles) = (seen.clone(), Arc::clone(&troubles));
                Arc::new(move || match *seen.borrow() {
                    Phase::Starting => vec!["starting: the log is being opened".into()],
                    Phase::Ready => troubles.get().map_or_else(Vec::new, |troubles| troubles()),
                    Phase::Draining | Phase::Closed => vec!["draining: the process is about to end".into()],
                })
            },
            name_servers: name_servers.into(),
        };
        let listener = tokio::spawn(http::serve(listener, state, closed(seen)));
        Self { phase, metrics, troubles, listener }
    }

    /// All parts work: `/readyz` agrees unless `troubles` has something to say (a full disk, say), and `/metrics` shows the
    /// registry where there is one. Called once.
    pub fn ready(&self, registry: Option<Registry>, troubles: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        if let Some(registry) = registry {
            assert!(self.metrics.set(registry).is_ok(), "ready is called once");
        }
        assert!(self.troubles.set(Box::new(troubles)).is_ok(), "ready is called once");
        self.phase.send_replace(Phase::Ready);
    }

    /// `/readyz` refuses from now on, so that no new traffic is sent here.
    pub fn draining(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Answers what was asked and stops listening.
    pub async fn close(self) -> Result<(), Failure> {
        self.phase.send_replace(Phase::Closed);
        match self.listener.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::failed(format!("http listener: {error}"))),
            Err(panic) => Err(Failure::failed(format!("http listener: {panic}"))),
        }
    }
}

/// Resolves once the pages are to close, or their owner is gone.
async fn closed(mut phase: watch::Receiver<Phase>) {
    drop(phase.wait_for(|phase| *phase == Phase::Closed).await);
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(at: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(at).await.expect("the pages are open");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the pages read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the pages answer");
        answer
    }

    #[tokio::test]
    async fn readiness_follows_the_life_of_the_process() {
        let listener = gateway::listen::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let at = listener.local_addr().expect("bound");
        let full = Arc::new(AtomicBool::new(false));
        let pages = Pages::open(listener, "127.0.0.1:9876".into());

        let answer = get(at, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\nstarting: "), "{answer}");
        assert!(get(at, "/metrics").await.starts_with("HTTP/1.1 404 "));

        let seen = Arc::clone(&full);
        let troubles = move || if seen.load(Ordering::Relaxed) { vec!["disk full".into()] } else { Vec::new() };
        pages.ready(Some(Registry::default()), troubles);
        assert!(get(at, "/readyz").await.starts_with("HTTP/1.1 200 "));
        assert!(get(at, "/metrics").await.starts_with("HTTP/1.1 200 "));
        full.store(true, Ordering::Relaxed);
        let answer = get(at, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("disk full\n"), "{answer}");

        pages.draining();
        let answer = get(at, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\ndraining: "), "{answer}");
        pages.close().await.expect("no error");
        assert!(TcpStream::connect(at).await.is_err());
    }
}
