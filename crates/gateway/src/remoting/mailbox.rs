//! The thread-safe side of a connection: frames that other threads have for it.
//!
//! Notices of the broker, answers made on reader threads, answers of other clients. Bounded: a client that does not read
//! loses notices, and finds out at its next cycle.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use broker::notice::{Mailbox, Notice};
use broker::state::clients::ConnectionId;
use model::Timestamp;
use parking_lot::Mutex;
use wire::remoting::command::Header;
use wire::remoting::frame::Encoding;
use wire::remoting::reply::Request;

use super::core::CoreHandle;
use super::handlers::notice;
use super::turn::Mark;

/// Bytes of frames that wait for their connection; above it notices are dropped.
const NOTICE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that a client has not read yet; above it no more replies are pushed to it. The largest reply above it stays well
/// below what closes a connection (`connection::UNSENT_MAX`).
const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Requests to one client that wait for its answer.
const CALLS_MAX: usize = 256;

/// What to do with a client's answer: its header and body, or `None` if it did not come in time.
pub type OnAnswer = Box<dyn FnOnce(Option<(&Header<'_>, &[u8])>) + Send>;

struct OpenCall {
    deadline: Timestamp,
    on_answer: OnAnswer,
}

#[derive(Default)]
struct Contents {
    frames: Vec<u8>,
    /// Answers that wait for the log, and their marks.
    held: Vec<u8>,
    marks: Vec<Mark>,
    /// Requests that were answered on other threads.
    finished: usize,
    closed: bool,
}

/// See the module.
pub struct ConnectionMailbox {
    pub id: ConnectionId,
    core: Arc<CoreHandle>,
    contents: Mutex<Contents>,
    /// Bytes the connection has taken out and the client has not read yet.
    unsent: AtomicUsize,
    next_opaque: AtomicI32,
    calls: Mutex<HashMap<i32, OpenCall>>,
}

/// What a connection takes out at once.
#[derive(Default)]
pub struct Delivery {
    pub frames: Vec<u8>,
    pub held: Vec<u8>,
    pub marks: Vec<Mark>,
    pub finished: usize,
}

impl ConnectionMailbox {
    #[must_use]
    pub fn new(id: ConnectionId, core: Arc<CoreHandle>) -> ConnectionMailbox {
        ConnectionMailbox {
            id,
            core,
            contents: Mutex::default(),
            unsent: AtomicUsize::new(0),
            next_opaque: AtomicI32::new(0),
            calls: Mutex::default(),
        }
    }

    /// Puts a frame in. False if the connection is gone.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        self.put(|contents| contents.frames.extend_from_slice(frame))
    }

    /// Puts in what became of a request that was handled on another thread: answers that may leave, and answers that
    /// wait for the log.
    pub fn deliver_answers(&self, frames: &[u8], held: &[u8], marks: &[Mark]) {
        self.put(|contents| {
            contents.frames.extend_from_slice(frames);
            contents.held.extend_from_slice(held);
            contents.marks.extend_from_slice(marks);
            contents.finished += 1;
        });
    }

    /// Puts in an answer that waits for the log.
    pub fn deliver_held(&self, held: &[u8], mark: Mark) {
        self.put(|contents| {
            contents.held.extend_from_slice(held);
            contents.marks.push(mark);
        });
    }

    fn put(&self, change: impl FnOnce(&mut Contents)) -> bool {
        let mut contents = self.contents.lock();
        if contents.closed {
            return false;
        }
        change(&mut contents);
        drop(contents);
        self.core.mail_for(self.id);
        true
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&self) -> Delivery {
        let mut contents = self.contents.lock();
        Delivery {
            frames: std::mem::take(&mut contents.frames),
            held: std::mem::take(&mut contents.held),
            marks: std::mem::take(&mut contents.marks),
            finished: std::mem::take(&mut contents.finished),
        }
    }

    /// The connection has so many bytes left that its client has not read.
    pub fn note_unsent(&self, bytes: usize) {
        self.unsent.store(bytes, Ordering::Relaxed);
    }

    /// Whether the client reads what it is sent fast enough for another reply.
    #[must_use]
    pub fn has_room_for_replies(&self) -> bool {
        self.contents.lock().frames.len() + self.unsent.load(Ordering::Relaxed) <= REPLY_BYTES_MAX
    }

    /// Asks the client something; `on_answer` runs on the client's I/O thread, at `deadline` with `None`.
    /// False if the client cannot be asked now; `on_answer` is dropped then.
    pub fn call<'r>(&self, request: impl FnOnce(i32) -> Request<'r>, deadline: Timestamp, on_answer: OnAnswer) -> bool {
        let opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        {
            let mut calls = self.calls.lock();
            if calls.len() >= CALLS_MAX {
                return false;
            }
            calls.insert(opaque, OpenCall { deadline, on_answer });
        }
        let mut frame = Vec::new();
        request(opaque).write(Encoding::Json, &mut frame);
        if self.deliver(&frame) {
            return true;
        }
        // Closed meanwhile. Who closed it has perhaps run `on_answer` already: then it was asked, and has left.
        self.calls.lock().remove(&opaque).is_none()
    }

    /// The client has answered.
    pub fn answered(&self, header: &Header<'_>, body: &[u8]) {
        let call = self.calls.lock().remove(&header.opaque);
        if let Some(call) = call {
            (call.on_answer)(Some((header, body)));
        }
    }

    /// Ends calls whose time is over.
    pub fn expire_calls(&self, now: Timestamp) {
        let late: Vec<_> = {
            let mut calls = self.calls.lock();
            calls.extract_if(|_, call| call.deadline <= now).map(|(_, call)| call).collect()
        };
        for call in late {
            (call.on_answer)(None);
        }
    }

    /// The connection has closed.
    pub fn close(&self) {
        self.contents.lock().closed = true;
        let calls = std::mem::take(&mut *self.calls.lock());
        for call in calls.into_values() {
            (call.on_answer)(None);
        }
    }
}

impl Mailbox for ConnectionMailbox {
    fn post(&self, notice: Notice) -> bool {
        if self.contents.lock().frames.len() > NOTICE_BYTES_MAX {
            return false;
        }
        let opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        let mut frame = Vec::new();
        notice::write(&notice, opaque, &mut frame);
        self.deliver(&frame)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
