//! One connection: reads frames, writes answers, in turns.
//!
//! Every complete frame of one read is handled, then the read's appends become one, then everything that may leave is
//! written at once. Answers that wait for the log stay in `held`, in order, until [`Connection::release`].

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
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
use super::dispatch::{self, Kept, Outcome};
use super::held::HeldPull;
use super::mailbox::{ConnectionMailbox, Delivery};
use super::outgoing::{Outgoing, UNSENT_MAX, UNSENT_PAUSE, shrink};
use super::turn::{Call, Mark, Pass, Peer, Turn};

/// A connection must have sent its first whole frame within this.
const FIRST_FRAME_MAX: Millis = Millis(10_000);

/// A frame once begun must be whole within this, however its bytes trickle in.
const WHOLE_FRAME_MAX: Millis = Millis(30_000);

/// A connection without a word for this long is closed; clients send a heartbeat every 30 s.
const IDLE_MAX: Millis = Millis(120_000);

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

/// An id no other client connection of this process has, whatever its protocol.
pub fn next_connection_id() -> ConnectionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Connection {
    pub fn new(
        writer: OwnedWriteHalf,
        address: SocketAddr,
        place: Place,
        core: Arc<CoreHandle>,
        now: Timestamp,
    ) -> Connection {
        let id = next_connection_id();
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
        let log = core.gateway.broker.log();
        let waits = self.out.borrow_mut().release(log.committed(), log.written(), |mark| {
            core.gateway.append_latency.record(core.now().since(mark.since), mark.requests);
        });
        self.flush();
        waits
    }

    /// What the next waiting answer waits for.
    pub fn first_mark(&self) -> Option<Mark> {
        self.out.borrow().first_mark()
    }

    /// Answers what has waited for the disk longer than a client waits: stored, but not known to be durable. Answers the end
    /// of the last such append.
    pub fn answer_late(&self, now: Timestamp) -> Option<LogOffset> {
        let missed = self.out.borrow_mut().give_up(now, |mark| {
            warn!(peer = %self.peer.address, answers = mark.requests, "answered before the disk has confirmed");
        });
        self.flush();
        missed
    }

    /// Takes what other threads have for this connection.
    pub fn collect_mail(self: &Rc<Self>, core: &Core) {
        let Delivery { frames, held, marks, finished } = self.peer.mailbox.take();
        self.out.borrow_mut().receive(&frames, &held, marks, finished);
        if self.release(core) {
            core.wait_for_log(self);
        }
    }

    /// Writes what may leave, as far as the socket takes it.
    fn flush(&self) {
        let mut out = self.out.borrow_mut();
        if out.write(|parts| self.writer.try_write_vectored(parts)).is_err() {
            self.closing.set(true);
        }
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
                let full = turn.out.len() - before >= UNSENT_PAUSE || self.out.borrow().elsewhere_is_full();
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
                    turn.pass = match (dispatch::hold(core, self.peer.mailbox.id, whole, &hold), turn.pass) {
                        (Kept::Held, _) => return,
                        (Kept::Over, Pass::First | Pass::Again { .. }) => Pass::Again { deadline: hold.deadline },
                        (Kept::Full, Pass::First | Pass::Again { .. }) => Pass::Full,
                        (Kept::Over | Kept::Full, Pass::Last | Pass::Full) => Pass::Last,
                    };
                }
                Outcome::Elsewhere(reason) => {
                    self.out.borrow_mut().begin_elsewhere();
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
        let (mut ready, mut held) = self.out.borrow_mut().lend(&core.answers);
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
        self.out.borrow_mut().take_back(ready, held, found.drain(..));
        core.marks.replace(found);
        if self.release(core) {
            core.wait_for_log(self);
        }
        self.out.borrow_mut().give_back(&core.answers);
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
