//! The HTTP listener: is the process alive, may it get traffic, its numbers, and the name server list for clients that ask by
//! HTTP.
//!
//! Nothing here changes anything, and nobody logs in. The management API and the console are deliberately absent.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

/// What the pages show. Cheap to clone: one a request.
#[derive(Clone)]
pub struct HttpState {
    /// The numbers of `/metrics`, set when the parts that count exist. While it is empty the page does not exist.
    pub metrics: Arc<OnceLock<Registry>>,
    /// Why the broker must not get traffic now, in words for an operator; empty means ready. Called once a request to
    /// `/readyz`, so it may read atomics but must not wait.
    pub unready: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// `host:port;host:port`, what clients put into `NAMESRV_ADDR`.
    pub name_servers: Arc<str>,
}

/// The pages, for a listener or a test.
pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/rocketmq/nsaddr", get(name_servers))
        .with_state(state)
}

/// Serves until `shutdown` resolves and the requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    state: HttpState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(state)).with_graceful_shutdown(shutdown).await
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(state): State<HttpState>) -> (StatusCode, String) {
    let reasons = (state.unready)();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".into());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.iter().map(|reason| format!("{reason}\n")).collect())
}

async fn metrics(State(state): State<HttpState>) -> Response {
    let Some(registry) = state.metrics.get() else {
        return (StatusCode::NOT_FOUND, "no metrics: still starting, or metrics.enabled = false\n").into_response();
    };
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("a String takes every write");
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn name_servers(State(state): State<HttpState>) -> String {
    state.name_servers.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    /// One request on a connection of its own; the whole answer as text.
    async fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the server answers and closes");
        answer
    }

    fn state(ready: &Arc<AtomicBool>) -> HttpState {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        counter.inc_by(7);
        registry.register("rocketmq_messages_in", "Messages stored", counter);
        let ready = Arc::clone(ready);
        HttpState {
            metrics: Arc::new(OnceLock::from(registry)),
            unready: Arc::new(move || match ready.load(Ordering::Relaxed) {
                true => Vec::new(),
                false => vec!["recovering".into(), "disk full".into()],
            }),
            name_servers: "10.0.0.1:9876;10.0.0.2:9876".into(),
        }
    }

    #[tokio::test]
    async fn the_pages_say_what_the_broker_is_and_the_listener_stops_when_told() {
        let ready = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, state(&ready), async { drop(stopped.await) }));

        let answer = get(port, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nalive\n"), "{answer}");

        let answer = get(port, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("recovering\ndisk full\n"), "{answer}");
        ready.store(true, Ordering::Relaxed);
        assert!(get(port, "/readyz").await.starts_with("HTTP/1.1 200 "));

        let answer = get(port, "/metrics").await;
        assert!(
            answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
            "{answer}"
        );
        assert!(answer.contains("\nrocketmq_messages_in_total 7\n") && answer.ends_with("# EOF\n"), "{answer}");

        assert!(get(port, "/rocketmq/nsaddr").await.ends_with("\r\n\r\n10.0.0.1:9876;10.0.0.2:9876"));
        assert!(get(port, "/etc/passwd").await.starts_with("HTTP/1.1 404 "));

        stop.send(()).expect("the server waits for it");
        server.await.expect("no panic").expect("no error");
    }

    #[tokio::test]
    async fn without_a_registry_there_is_no_metrics_page() {
        let state = HttpState { metrics: Arc::default(), ..state(&Arc::new(AtomicBool::new(true))) };
        let answer = metrics(State(state)).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
