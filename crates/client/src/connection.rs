//! Many calls over one socket.
//!
//! A writer task sends what has gathered in one write, a reader task hands each answer to its caller. A caller that
//! gives up takes its entry out of the table, so a late answer meets nobody. In-flight calls and bytes to be written
//! are bounded; who exceeds the bound waits.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::{Frame, announced_len, next_frame};
use wire::remoting::reply::Response;

use crate::error::Error;
use crate::request::Request;

/// Frames that may wait for the writer task. It takes all of them per write, so this bounds memory, not speed.
const OUT_MAX: usize = 256;

/// First size of the read buffer; it grows to the largest frame announced.
const READ_BUFFER_LEN: usize = 64 * 1024;

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// For connecting, and for each call.
    pub deadline: Duration,
    /// Calls that may wait for their answer at one time; the next caller waits.
    pub in_flight_max: usize,
}

impl Default for Options {
    /// The Java client's 3 s; and in flight what keeps a server's group commit busy.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(3), in_flight_max: 1024 }
    }
}

/// An answer, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: ResponseCode,
    pub remark: Option<String>,
    pub fields: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The number in the field of this name.
    pub fn number(&self, name: &str) -> Result<i64, Error> {
        let text = self.field(name).ok_or_else(|| Error::Malformed(format!("field {name} is absent")))?;
        text.parse().map_err(|_| Error::Malformed(format!("field {name} is `{text}`, not a number")))
    }

    /// This answer if it is a success, the refusal as an error otherwise.
    pub fn success(self) -> Result<Self, Error> {
        if self.code == ResponseCode::SUCCESS {
            return Ok(self);
        }
        Err(Error::Refused { code: self.code, remark: self.remark.unwrap_or_default() })
    }
}

/// A request of the server: a consumer list changed, a transaction is to be checked, and the like.
#[derive(Debug, Clone)]
pub struct ServerRequest {
    pub code: RequestCode,
    pub oneway: bool,
    pub fields: Vec<(String, String)>,
    pub body: Bytes,
}

/// What a server's request is answered with; `None` answers nothing.
pub type OnRequest = Box<dyn FnMut(ServerRequest) -> Option<Answer> + Send>;

/// Who waits for which answer.
#[derive(Debug, Default)]
struct Waiting(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    calls: HashMap<i32, oneshot::Sender<Answer>>,
    /// The reader has ended: a call that came now would wait for ever.
    closed: bool,
}

impl Waiting {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("no code panics while it holds the table")
    }

    /// Ends all waits: dropping the senders ends the receivers.
    fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        table.calls.clear();
    }
}

/// A connection. Dropping it closes the socket; calls in flight then fail with [`Error::Closed`].
#[derive(Debug)]
pub struct Connection {
    out: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
    next_opaque: AtomicI32,
    permits: Arc<Semaphore>,
    deadline: Duration,
    /// Its sender is the reader's: it ends with it.
    ended: watch::Receiver<()>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Connection {
    /// Connects to `host:port`; requests of the server are ignored.
    pub async fn open(address: &str, options: &Options) -> Result<Self, Error> {
        Self::open_with(address, options, Box::new(|_| None)).await
    }

    /// Connects, and hands requests of the server to `on_request`, which must not block: answers wait behind it.
    pub async fn open_with(address: &str, options: &Options, on_request: OnRequest) -> Result<Self, Error> {
        let stream = connect(address, options.deadline).await?;
        let (read, write) = stream.into_split();
        let (out, frames) = mpsc::channel(OUT_MAX);
        let waiting = Arc::new(Waiting::default());
        let (alive, ended) = watch::channel(());
        let reader = Reader {
            read,
            buffer: BytesMut::with_capacity(READ_BUFFER_LEN),
            waiting: Arc::clone(&waiting),
            out: out.clone(),
            on_request,
            _alive: alive,
        };
        Ok(Self {
            out,
            waiting,
            next_opaque: AtomicI32::new(1),
            permits: Arc::new(Semaphore::new(options.in_flight_max)),
            deadline: options.deadline,
            ended,
            reader: tokio::spawn(reader.run()),
            writer: tokio::spawn(write_frames(write, frames)),
        })
    }

    /// Asks and waits for the answer, whatever its code, at most for the deadline of the options.
    pub async fn call(&self, request: &Request<'_>) -> Result<Answer, Error> {
        self.call_within(request, self.deadline).await
    }

    /// As [`Connection::call`] with a deadline of its own, for long polls.
    pub async fn call_within(&self, request: &Request<'_>, deadline: Duration) -> Result<Answer, Error> {
        let answer = async { self.begin(request).await?.await };
        timeout(deadline, answer).await.unwrap_or(Err(Error::Deadline(deadline)))
    }

    /// Stages the request and returns its answer as a future, so that many can be in flight. Waits only while
    /// `in_flight_max` calls are unanswered or the socket is full.
    pub async fn begin(&self, request: &Request<'_>) -> Result<Pending, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        {
            let mut table = self.waiting.table();
            if table.closed {
                return Err(Error::Closed);
            }
            table.calls.insert(opaque, sender);
        }
        let pending = Pending { answer, opaque, waiting: Arc::clone(&self.waiting), _permit: permit };
        let mut frame = Vec::new();
        request.write(opaque, false, &mut frame);
        self.out.send(frame).await.map_err(|_| Error::Closed)?;
        Ok(pending)
    }

    /// Sends without an answer; returns when the frame is handed to the writer.
    pub async fn one_way(&self, request: &Request<'_>) -> Result<(), Error> {
        let mut frame = Vec::new();
        request.write(self.next_opaque.fetch_add(1, Ordering::Relaxed), true, &mut frame);
        self.out.send(frame).await.map_err(|_| Error::Closed)
    }

    /// Whether the server is gone.
    pub fn is_closed(&self) -> bool {
        self.waiting.table().closed
    }

    /// Waits until the server is gone.
    pub async fn closed(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}

/// The answer to come.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<Answer>,
    opaque: i32,
    waiting: Arc<Waiting>,
    _permit: OwnedSemaphorePermit,
}

impl Future for Pending {
    type Output = Result<Answer, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.answer).poll(context)).map_err(|_| Error::Closed))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.waiting.table().calls.remove(&self.opaque);
    }
}

pub(crate) async fn connect(address: &str, deadline: Duration) -> Result<TcpStream, Error> {
    let failed = |source| Error::Connect { address: address.to_owned(), source: Arc::new(source) };
    let stream =
        timeout(deadline, TcpStream::connect(address)).await.map_err(|_| Error::Deadline(deadline))?.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Sends all frames that have gathered in one write, until the connection is dropped or the peer is gone.
async fn write_frames(mut write: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    let mut batch = Vec::with_capacity(OUT_MAX);
    let mut bytes = Vec::new();
    while frames.recv_many(&mut batch, OUT_MAX).await > 0 {
        bytes.clear();
        batch.drain(..).for_each(|frame| bytes.extend_from_slice(&frame));
        if let Err(error) = write.write_all(&bytes).await {
            debug!(%error, "connection ended while writing");
            return;
        }
    }
}

struct Reader {
    read: OwnedReadHalf,
    buffer: BytesMut,
    waiting: Arc<Waiting>,
    out: mpsc::Sender<Vec<u8>>,
    on_request: OnRequest,
    _alive: watch::Sender<()>,
}

impl Reader {
    async fn run(mut self) {
        if let Err(reason) = self.read_frames().await {
            debug!(%reason, "connection ended while reading");
        }
        self.waiting.close();
    }

    async fn read_frames(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        loop {
            while let Some(Frame { len, .. }) = next_frame(&self.buffer)? {
                let bytes = self.buffer.split_to(len).freeze();
                self.take(bytes).await?;
            }
            // `next_frame` has accepted the announced length, so it is bounded.
            let wanted = announced_len(&self.buffer).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
            self.buffer.reserve(wanted.saturating_sub(self.buffer.len()).max(READ_BUFFER_LEN / 4));
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Takes one whole frame.
    async fn take(&mut self, mut bytes: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let frame = next_frame(&bytes)?.expect("cut to a whole frame");
        let header = Header::parse(&frame)?;
        let body_at = frame.len - frame.body.len();
        let fields =
            header.fields().map(|(key, value)| (key.to_cow().into_owned(), value.to_cow().into_owned())).collect();
        let (code, opaque, oneway, encoding) = (header.code, header.opaque, header.is_oneway(), header.encoding);
        let remark = header.remark().map(|remark| remark.to_cow().into_owned());
        let is_response = header.is_response();
        drop(header);
        bytes.advance(body_at);
        if is_response {
            let answer = Answer { code: ResponseCode(code), remark, fields, body: bytes };
            match self.waiting.table().calls.remove(&opaque) {
                // The caller may have given up in this moment.
                Some(sender) => drop(sender.send(answer)),
                None => debug!(opaque, code, "answer without a caller"),
            }
            return Ok(());
        }
        let request = ServerRequest { code: RequestCode(code), oneway, fields, body: bytes };
        if let Some(answer) = (self.on_request)(request).filter(|_| !oneway) {
            let fields = answer.fields.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let mut response = Response::new(opaque, answer.code).fields(fields).body(&answer.body[..]);
            if let Some(remark) = &answer.remark {
                response = response.remark(remark.as_str());
            }
            let mut frame = Vec::new();
            response.write(encoding, &mut frame);
            self.out.send(frame).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
