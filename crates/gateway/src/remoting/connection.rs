//! One connection: reads frames, writes answers, in turns.
//!
//! Every complete frame of one read is handled, then the read's appends become one, then everything that may leave is
//! written at once. Answers that wait for the log stay in `held`, in order, until [`Connection::release`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use broker::state::clients::ConnectionId;
use model::{LogOffset, Millis, Timestamp};
use store::Read;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tracing::{debug, warn};
use wire::remoting::command::Header;
use wire::remoting::frame::{self, Frame};

use super::accept::Place;
use super::core::{Core, CoreHandle, READ_BYTES};
use super::dispatch::{self, Outcome};
use super::held::HeldPull;
use super::late;
use super::mailbox::{ConnectionMailbox, Delivery};
use super::turn::{Call, Mark, Pass, Peer, Turn};

/// Requests of one connection that wait for an answer; above it the connection is not read (long polls do not count).
const IN_FLIGHT_MAX: usize = 1_024;

/// An answer waits for the disk no longer than this: clients give up after 3 s.
const DISK_WAIT_MAX: Millis = Millis(2_000);

/// A connection must have sent its first whole frame within this.
const FIRST_FRAME_MAX: Millis = Millis(10_000);

/// A frame once begun must be whole within this, however its bytes trickle in.
const WHOLE_FRAME_MAX: Millis = Millis(30_000);

/// A connection without a word for this long is closed; clients send a heartbeat every 30 s.
const IDLE_MAX: Millis = Millis(120_000);

/// Bytes of answers a client has not read; above it no more of its requests are looked at until it reads.
const UNSENT_PAUSE: usize = 1024 * 1024;

/// Requests of one connection that are served on other threads. They may all be cold pulls with the largest answer, so
/// this and [`UNSENT_PAUSE`] together stay below [`UNSENT_MAX`], and a consumer of many queues is not closed for its speed.
const ELSEWHERE_MAX: usize = 16;

/// Bytes of answers a client has not read; above it, which woken pulls, notices and replies of others can reach together,
/// the connection is closed.
const UNSENT_MAX: usize = 16 * 1024 * 1024;

/// Memory of a core's buffer for answers that is kept from turn to turn: what one turn writes at most, but for the answers
/// of commands.
const LENT_KEPT: usize = 2 * UNSENT_PAUSE;

#[derive(Default)]
struct Outgoing {
    /// Bytes to send, from `sent` on.
    ready: Vec<u8>,
    sent: usize,
    /// `ready` is the core's, for this turn.
    lent: bool,
    /// Answers that wait for the log, as `marks` say; the first `free` bytes may leave.
    held: Vec<u8>,
    free: usize,
    marks: VecDeque<Mark>,
    in_flight: usize,
    /// Of those in flight: served on other threads.
    elsewhere: usize,
}

impl Outgoing {
    fn unsent(&self) -> usize {
        self.ready.len() - self.sent
    }

    /// Whether another request may be looked at.
    fn has_room(&self) -> bool {
        self.in_flight < IN_FLIGHT_MAX && self.elsewhere < ELSEWHERE_MAX && self.unsent() < UNSENT_PAUSE
    }

    /// Returns the core's buffer, unless the socket did not take all of it: then it stays until it has.
    fn give_back(&mut self, core: &Core) {
        if std::mem::take(&mut self.lent) && self.ready.is_empty() && self.ready.capacity() <= LENT_KEPT {
            core.answers.replace(std::mem::take(&mut self.ready));
        }
        shrink(&mut self.ready);
    }

    /// Answers behind the last ones in `held` wait as `mark` says.
    fn wait_for(&mut self, mark: Mark) {
        self.in_flight += mark.requests;
        match self.marks.back_mut() {
            Some(last) if last.end == mark.end && last.durable == mark.durable => {
                last.len += mark.len;
                last.requests += mark.requests;
            }
            _ => self.marks.push_back(mark),
        }
    }
}

/// See the module.
pub struct Connection {
    writer: OwnedWriteHalf,
    pub peer: Peer,
    partial: RefCell<Vec<u8>>,
    out: RefCell<Outgoing>,
    changed: Notify,
    closing: Cell<bool>,
    /// In the core's list of connections that wait for the log.
    pub listed: Cell<bool>,
    /// When the next frame must be whole; else the connection is closed.
    pub frame_due: Cell<Timestamp>,
    whole_frame_seen: Cell<bool>,
    /// Whole frames wait in `partial` until there is room for their answers.
    unhandled: Cell<bool>,
    /// Nothing is read until there is room again.
    paused: Cell<bool>,
    /// Counts against its address while the connection lives.
    _place: Place,
}

/// Why a connection ends.
enum End {
    Closed,
    Protocol(frame::FrameError),
    Header(wire::remoting::command::HeaderError),
}

impl Connection {
    pub fn new(
        writer: OwnedWriteHalf,
        address: SocketAddr,
        place: Place,
        core: Arc<CoreHandle>,
        now: Timestamp,
    ) -> Connection {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed));
        Connection {
            writer,
            peer: Peer { address, mailbox: Arc::new(ConnectionMailbox::new(id, core)) },
            partial: RefCell::default(),
            out: RefCell::default(),
            changed: Notify::new(),
            closing: Cell::new(false),
            listed: Cell::new(false),
            frame_due: Cell::new(now.after(FIRST_FRAME_MAX)),
            whole_frame_seen: Cell::new(false),
            unhandled: Cell::new(false),
            paused: Cell::new(false),
            _place: place,
        }
    }

    /// Ends the connection at its task's next step.
    pub fn close(&self) {
        self.closing.set(true);
        self.changed.notify_one();
    }

    /// Lets answers leave that the log has come past. True if more wait.
    pub fn release(&self, core: &Core) -> bool {
        let waits = {
            let mut out = self.out.borrow_mut();
            let log = core.gateway.broker.log();
            let (committed, written) = (log.committed(), log.written());
            while let Some(mark) = out.marks.front()
                && mark.end <= if mark.durable { committed } else { written }
            {
                let mark = out.marks.pop_front().expect("looked at above");
                out.free += mark.len;
                out.in_flight -= mark.requests;
                core.gateway.append_latency.record(core.now().since(mark.since), mark.requests);
            }
            !out.marks.is_empty()
        };
        self.flush();
        waits
    }

    /// What the next waiting answer waits for.
    pub fn first_mark(&self) -> Option<Mark> {
        self.out.borrow().marks.front().copied()
    }

    /// Answers what has waited for the disk longer than a client waits: stored, but not known to be durable. Answers the end
    /// of the last such append.
    pub fn answer_late(&self, now: Timestamp) -> Option<LogOffset> {
        let mut missed = None;
        {
            let mut out = self.out.borrow_mut();
            let Outgoing { ready, held, free, marks, in_flight, .. } = &mut *out;
            let late = |mark: &Mark| now.since(mark.since) > DISK_WAIT_MAX;
            while let Some(mark) = marks.front().copied().filter(late) {
                marks.pop_front();
                *in_flight -= mark.requests;
                // What may leave already stays in front of it.
                ready.extend(held.drain(..std::mem::take(free)));
                late::rewrite(&held[..mark.len], ready);
                held.drain(..mark.len);
                warn!(peer = %self.peer.address, answers = mark.requests, "answered before the disk has confirmed");
                if mark.durable {
                    missed = Some(mark.end);
                }
            }
        }
        self.flush();
        missed
    }

    /// Takes what other threads have for this connection.
    pub fn collect_mail(self: &Rc<Self>, core: &Core) {
        let Delivery { frames, held, marks, finished } = self.peer.mailbox.take();
        {
            let mut out = self.out.borrow_mut();
            out.ready.extend_from_slice(&frames);
            out.held.extend_from_slice(&held);
            out.in_flight -= finished;
            out.elsewhere -= finished;
            marks.into_iter().for_each(|mark| out.wait_for(mark));
        }
        if self.release(core) {
            core.wait_for_log(self);
        }
    }

    /// Writes what may leave, as far as the socket takes it.
    fn flush(&self) {
        let mut out = self.out.borrow_mut();
        let out = &mut *out;
        while out.sent < out.ready.len() || out.free > 0 {
            let (first, second) = (&out.ready[out.sent..], &out.held[..out.free]);
            match self.writer.try_write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(written) if written < first.len() => out.sent += written,
                Ok(written) => {
                    let of_second = written - first.len();
                    out.ready.clear();
                    out.sent = 0;
                    // A frame that is cut off goes on before anything else.
                    out.ready.extend_from_slice(&out.held[of_second..out.free]);
                    out.held.drain(..out.free);
                    out.free = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.closing.set(true);
                    break;
                }
            }
        }
        if !out.lent {
            shrink(&mut out.ready);
        }
        shrink(&mut out.held);
        let unsent = out.unsent();
        self.peer.mailbox.note_unsent(unsent);
        if unsent > UNSENT_MAX {
            warn!(peer = %self.peer.address, unsent, "connection closed: the client does not read its answers");
            self.closing.set(true);
        }
        if unsent > 0 || self.closing.get() || self.paused.get() && out.has_room() {
            self.changed.notify_one();
        }
    }

    /// Whether more may be read: not while as much waits as one client may have in flight or unsent.
    fn may_read(&self) -> bool {
        let may = self.out.borrow().has_room();
        self.paused.set(!may);
        may
    }

    fn has_unsent(&self) -> bool {
        self.out.borrow().unsent() > 0
    }

    /// One read and everything in it. Pending: nothing is there.
    fn poll_read(
        self: &Rc<Self>,
        context: &mut Context<'_>,
        core: &Rc<Core>,
        reader: &mut OwnedReadHalf,
    ) -> Poll<Result<(), End>> {
        let mut partial = self.partial.take();
        let began_before = !partial.is_empty();
        let announced = frame::announced_len(&partial).unwrap_or(0);
        let result = core.with_read_buffer(|buffer| {
            if self.unhandled.get() {
                Poll::Ready(self.handle_rest(core, &mut partial))
            } else if announced > READ_BYTES as u64 {
                self.read_long_frame(context, core, reader, &mut partial, announced, buffer)
            } else {
                self.read_frames(context, core, reader, &mut partial, buffer)
            }
        });
        let begun = !partial.is_empty();
        self.partial.replace(partial);
        result.map_ok(|frames| {
            self.whole_frame_seen.set(self.whole_frame_seen.get() || frames > 0);
            if frames > 0 || !began_before && self.whole_frame_seen.get() {
                let limit = if begun { WHOLE_FRAME_MAX } else { IDLE_MAX };
                self.frame_due.set(core.read_clock().after(limit));
            }
        })
    }

    /// Reads behind the rest of the last read. Answers the number of whole frames.
    fn read_frames(
        self: &Rc<Self>,
        context: &mut Context<'_>,
        core: &Rc<Core>,
        reader: &mut OwnedReadHalf,
        partial: &mut Vec<u8>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, End>> {
        let before = partial.len();
        buffer[..before].copy_from_slice(partial);
        let count = ready!(poll_fill(context, reader, &mut buffer[before..]))?;
        let bytes = &buffer[..before + count];
        let (frames, consumed) = self.handle(core, bytes)?;
        partial.clear();
        partial.extend_from_slice(&bytes[consumed..]);
        shrink(partial);
        Poll::Ready(Ok(frames))
    }

    /// Goes on with frames of an earlier read, which were too much to be answered at once. Answers their number.
    fn handle_rest(self: &Rc<Self>, core: &Rc<Core>, partial: &mut Vec<u8>) -> Result<usize, End> {
        let (frames, consumed) = self.handle(core, partial)?;
        partial.drain(..consumed);
        shrink(partial);
        Ok(frames)
    }

    /// A frame larger than the shared buffer is collected in the connection's own.
    fn read_long_frame(
        self: &Rc<Self>,
        context: &mut Context<'_>,
        core: &Rc<Core>,
        reader: &mut OwnedReadHalf,
        partial: &mut Vec<u8>,
        announced: u64,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, End>> {
        let announced = usize::try_from(announced).expect("checked against the limit when it was announced");
        let room = (announced - partial.len()).min(buffer.len());
        let count = ready!(poll_fill(context, reader, &mut buffer[..room]))?;
        partial.extend_from_slice(&buffer[..count]);
        if partial.len() < announced {
            return Poll::Ready(Ok(0));
        }
        let whole = std::mem::take(partial);
        let (frames, consumed) = self.handle(core, &whole)?;
        debug_assert_eq!(consumed, whole.len());
        Poll::Ready(Ok(frames))
    }

    /// Handles every whole frame in `bytes`, at least one if there is one, and as many as there is room for their answers.
    /// Answers how many it handled and how many bytes they took.
    fn handle(self: &Rc<Self>, core: &Rc<Core>, bytes: &[u8]) -> Result<(usize, usize), End> {
        let (mut at, mut count) = (0, 0);
        let mut end = None;
        self.unhandled.set(false);
        self.turn(core, Pass::First, |turn| {
            let before = turn.out.len();
            loop {
                let full = turn.out.len() - before >= UNSENT_PAUSE || self.out.borrow().elsewhere >= ELSEWHERE_MAX;
                if count > 0 && full && at < bytes.len() {
                    self.unhandled.set(true);
                    break;
                }
                let frame = match frame::next_frame(&bytes[at..]) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(error) => {
                        end = Some(End::Protocol(error));
                        break;
                    }
                };
                let header = match Header::parse(&frame) {
                    Ok(header) => header,
                    Err(error) => {
                        end = Some(End::Header(error));
                        break;
                    }
                };
                let whole = &bytes[at..at + frame.len];
                // The frame before may have been looked at more than once.
                turn.pass = Pass::First;
                self.handle_frame(core, &frame, &header, whole, turn);
                at += frame.len;
                count += 1;
            }
        });
        end.map_or(Ok((count, at)), Err)
    }

    fn handle_frame(
        self: &Rc<Self>,
        core: &Rc<Core>,
        frame: &Frame<'_>,
        header: &Header<'_>,
        whole: &[u8],
        turn: &mut Turn<'_>,
    ) {
        if header.is_response() {
            self.peer.mailbox.answered(header, frame.body);
            return;
        }
        loop {
            match dispatch::dispatch(&core.gateway, header, frame.body, turn) {
                Outcome::Done => return,
                Outcome::Hold(hold) => {
                    if dispatch::hold(core, self.peer.mailbox.id, whole, &hold) {
                        return;
                    }
                    // Something has arrived meanwhile, or nothing more can be held.
                    turn.pass = match turn.pass {
                        Pass::First | Pass::Again { .. } if hold.wait.is_over(&core.gateway.broker, turn.now) => {
                            Pass::Again { deadline: hold.deadline }
                        }
                        Pass::First | Pass::Again { .. } | Pass::Last => Pass::Last,
                    };
                }
                Outcome::Elsewhere(reason) => {
                    {
                        let mut out = self.out.borrow_mut();
                        out.in_flight += 1;
                        out.elsewhere += 1;
                    }
                    let call = Call::of(header);
                    dispatch::elsewhere(&core.gateway, &self.peer, call, whole.to_vec(), turn.pass, reason);
                    return;
                }
            }
        }
    }

    /// One turn: `work` handles frames, then their appends become one and what may leave is sent.
    fn turn(self: &Rc<Self>, core: &Rc<Core>, pass: Pass, work: impl FnOnce(&mut Turn<'_>)) {
        // Taken out while `work` runs, since handling a frame may look at the connection.
        let (mut ready, mut held) = {
            let mut out = self.out.borrow_mut();
            if out.ready.is_empty() {
                out.ready = core.answers.take();
                out.lent = true;
            }
            (std::mem::take(&mut out.ready), std::mem::take(&mut out.held))
        };
        let mut found = core.marks.take();
        {
            let mut buffers = core.buffers.borrow_mut();
            let now = core.read_clock();
            let mut turn =
                Turn { peer: &self.peer, now, mode: Read::Nowait, pass, buffers: &mut buffers, out: &mut ready };
            work(&mut turn);
            if turn.finish(&core.gateway.broker, &core.gateway.send_answers, &mut held, &mut found) {
                core.appended();
            }
        }
        {
            let mut out = self.out.borrow_mut();
            out.ready = ready;
            out.held = held;
            for mark in found.drain(..) {
                out.wait_for(mark);
            }
        }
        core.marks.replace(found);
        if self.release(core) {
            core.wait_for_log(self);
        }
        self.out.borrow_mut().give_back(core);
    }
}

/// Looks at a held pull again: woken, or for the last time.
pub fn look_again(core: &Rc<Core>, pull: HeldPull, last: bool) {
    let Some(connection) = core.connection(pull.connection) else { return };
    let pass = if last { Pass::Last } else { Pass::Again { deadline: pull.deadline } };
    let frame = frame::next_frame(&pull.frame).ok().flatten().expect("it was a whole frame when it came");
    let Ok(header) = Header::parse(&frame) else { return };
    connection.turn(core, pass, |turn| {
        connection.handle_frame(core, &frame, &header, &pull.frame, turn);
    });
}

/// Reads what is there. A read that leaves room in the buffer has emptied the socket, and tokio asks the kernel no second
/// time: half of the reads of a client that sends one message at a time.
fn poll_fill(context: &mut Context<'_>, reader: &mut OwnedReadHalf, buffer: &mut [u8]) -> Poll<Result<usize, End>> {
    let mut buffer = ReadBuf::new(buffer);
    match ready!(Pin::new(reader).poll_read(context, &mut buffer)) {
        Ok(()) if buffer.filled().is_empty() => Poll::Ready(Err(End::Closed)),
        Ok(()) => Poll::Ready(Ok(buffer.filled().len())),
        Err(_) => Poll::Ready(Err(End::Closed)),
    }
}

/// The task of a connection.
pub async fn run(core: Rc<Core>, connection: Rc<Connection>, mut reader: OwnedReadHalf) {
    while !connection.closing.get() {
        let may_read = connection.may_read();
        let read =
            poll_fn(|context| if may_read { connection.poll_read(context, &core, &mut reader) } else { Poll::Pending });
        tokio::select! {
            result = read => {
                if let Err(end) = result {
                    end.log(&connection.peer);
                    break;
                }
                // Without this a busy connection keeps its turn, and the others' tails grow threefold (DATAPATH.md).
                tokio::task::yield_now().await;
            }
            _ = connection.writer.writable(), if connection.has_unsent() => connection.flush(),
            () = connection.changed.notified() => {}
        }
    }
    debug!(peer = %connection.peer.address, "connection closed");
    core.forget(&connection);
}

impl End {
    fn log(&self, peer: &Peer) {
        match self {
            End::Closed => {}
            End::Protocol(error) => {
                warn!(peer = %peer.address, %error, "connection closed: not a frame of the protocol");
            }
            End::Header(error) => warn!(peer = %peer.address, %error, "connection closed: unreadable header"),
        }
    }
}

/// Gives back the memory of a burst.
fn shrink(bytes: &mut Vec<u8>) {
    const KEPT: usize = 64 * 1024;
    if bytes.is_empty() && bytes.capacity() > KEPT {
        *bytes = Vec::new();
    }
}
