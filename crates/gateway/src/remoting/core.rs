//! One I/O thread: a single-threaded runtime, the connections it owns, and the buffers they share.
//!
//! Other threads reach it through its [`CoreHandle`]: new sockets, mail for connections, woken pulls, and "the log has moved".
//! Everything else here is touched by this thread only.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use broker::state::arrivals::{WaitId, Wake};
use broker::state::clients::ConnectionId;
use model::Timestamp;
use namesrv::Link;
use parking_lot::Mutex;
use store::Progress;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tracing::debug;

use super::Gateway;
use super::accept::Place;
use super::connection::{self, Connection};
use super::held::HeldPulls;
use super::turn::{Buffers, Mark};

/// Bytes read at once. Page-aligned: copies from the kernel are several times slower otherwise (DATAPATH.md).
pub const READ_BYTES: usize = 256 * 1024;

/// Held pulls, idle connections and late calls are looked at this often.
const TICK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Inbox {
    sockets: Vec<(std::net::TcpStream, SocketAddr, Place)>,
    mail: Vec<ConnectionId>,
    woken: Vec<WaitId>,
}

/// The nearest positions that answers wait for; `u64::MAX`: none does.
struct Next {
    committed: AtomicU64,
    written: AtomicU64,
}

impl Default for Next {
    fn default() -> Next {
        Next { committed: AtomicU64::new(u64::MAX), written: AtomicU64::new(u64::MAX) }
    }
}

impl Next {
    fn clear(&self) {
        self.committed.store(u64::MAX, Ordering::SeqCst);
        self.written.store(u64::MAX, Ordering::SeqCst);
    }

    fn wait_for(&self, mark: Mark) {
        let position = if mark.durable { &self.committed } else { &self.written };
        position.fetch_min(mark.end.0, Ordering::SeqCst);
    }

    fn reached(&self, progress: Progress) -> bool {
        progress.committed.0 >= self.committed.load(Ordering::SeqCst)
            || progress.written.0 >= self.written.load(Ordering::SeqCst)
    }
}

/// The thread-safe side of an I/O thread.
#[derive(Default)]
pub struct CoreHandle {
    inbox: Mutex<Inbox>,
    /// Connections it owns, for the acceptor's choice.
    pub connections: AtomicUsize,
    /// Where the log must come for the next answer to leave, by what it waits for.
    next: Next,
    stopping: AtomicBool,
    wake: Notify,
}

impl CoreHandle {
    /// Hands over an accepted socket.
    pub fn adopt(&self, socket: std::net::TcpStream, peer: SocketAddr, place: Place) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.inbox.lock().sockets.push((socket, peer, place));
        self.wake.notify_one();
    }

    /// A connection has mail.
    pub fn mail_for(&self, connection: ConnectionId) {
        self.inbox.lock().mail.push(connection);
        self.wake.notify_one();
    }

    /// Ends the thread once the answers that wait for the log have left.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// `committed` or `written` has moved. Wakes the thread only if an answer may leave.
    pub fn log_moved(&self, progress: Progress) {
        if self.next.reached(progress) {
            self.wake.notify_one();
        }
    }
}

impl Wake for CoreHandle {
    fn wake(&self, waiters: &[WaitId]) {
        self.inbox.lock().woken.extend_from_slice(waiters);
        self.wake.notify_one();
    }
}

/// See the module.
pub struct Core {
    pub gateway: Arc<Gateway>,
    pub handle: Arc<CoreHandle>,
    connections: RefCell<HashMap<ConnectionId, Rc<Connection>>>,
    /// Connections with answers that wait for the log.
    waiting: RefCell<Vec<Rc<Connection>>>,
    pub held: RefCell<HeldPulls>,
    pub buffers: RefCell<Buffers>,
    /// Where the answers of a turn are written, lent to one connection at a time: one buffer that stays in the processor's
    /// cache, instead of one a connection.
    pub answers: Cell<Vec<u8>>,
    /// Scratch of a turn.
    pub marks: Cell<Vec<Mark>>,
    read_buffer: RefCell<AlignedBuffer>,
    /// Wakes the task that runs behind all connections that are ready.
    end_of_turn: Notify,
    now: Cell<Timestamp>,
}

/// Runs an I/O thread until it is told to stop.
pub fn run(gateway: Arc<Gateway>, handle: Arc<CoreHandle>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    let now = Cell::new((gateway.clock)());
    let core = Rc::new(Core {
        gateway,
        handle,
        connections: RefCell::default(),
        waiting: RefCell::default(),
        held: RefCell::default(),
        buffers: RefCell::default(),
        answers: Cell::default(),
        marks: Cell::default(),
        read_buffer: RefCell::new(AlignedBuffer::new()),
        end_of_turn: Notify::new(),
        now,
    });
    LocalSet::new().block_on(&runtime, async {
        let turns = Rc::clone(&core);
        tokio::task::spawn_local(async move {
            loop {
                turns.end_of_turn.notified().await;
                turns.gateway.broker.log().end_turn();
            }
        });
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !core.handle.stopping.load(Ordering::Relaxed) {
            tokio::select! {
                () = core.handle.wake.notified() => core.serve_inbox(),
                _ = tick.tick() => core.tick(),
            }
        }
        core.release_answers();
    });
    Ok(())
}

impl Core {
    /// The clock as it was last read.
    pub fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// The clock, read once for everything this wake-up does.
    pub fn read_clock(&self) -> Timestamp {
        self.now.set((self.gateway.clock)());
        self.now.get()
    }

    pub fn with_read_buffer<T>(&self, work: impl FnOnce(&mut [u8]) -> T) -> T {
        work(self.read_buffer.borrow_mut().as_mut_slice())
    }

    /// Something was appended: it is written and synced when every connection that is ready now has had its turn.
    pub fn appended(&self) {
        self.end_of_turn.notify_one();
    }

    /// The connection's answers wait for the log.
    pub fn wait_for_log(&self, connection: &Rc<Connection>) {
        if !connection.listed.replace(true) {
            self.waiting.borrow_mut().push(Rc::clone(connection));
        }
        if let Some(mark) = connection.first_mark() {
            self.handle.next.wait_for(mark);
        }
        // The log may have moved before it was told to tell us.
        connection.release(self);
    }

    fn serve_inbox(self: &Rc<Self>) {
        self.read_clock();
        self.release_answers();
        let Inbox { sockets, mail, woken } = std::mem::take(&mut *self.handle.inbox.lock());
        for (socket, peer, place) in sockets {
            self.adopt(socket, peer, place);
        }
        for id in mail {
            let connection = self.connections.borrow().get(&id).cloned();
            if let Some(connection) = connection {
                connection.collect_mail(self);
            }
        }
        for id in woken {
            let pull = self.held.borrow_mut().take(id);
            if let Some(pull) = pull {
                connection::look_again(self, pull, false);
            }
        }
    }

    /// Sends the answers the log has come past.
    fn release_answers(&self) {
        let still_waits = |connection: &Rc<Connection>| {
            let waits = connection.release(self);
            connection.listed.set(waits);
            waits
        };
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(still_waits);
        self.handle.next.clear();
        for mark in waiting.iter().filter_map(|connection| connection.first_mark()) {
            self.handle.next.wait_for(mark);
        }
        // The log may have moved while it was not told to tell us.
        waiting.retain(still_waits);
    }

    fn tick(self: &Rc<Self>) {
        let now = self.read_clock();
        self.release_answers();
        let waiting: Vec<_> = self.waiting.borrow().clone();
        for connection in waiting {
            if let Some(missed) = connection.answer_late(now) {
                self.gateway.admission.missed(missed);
            }
        }
        let expired = self.held.borrow_mut().take_expired(now);
        for (id, pull) in expired {
            pull.waits_for.cancel(&self.gateway.broker.machines, id);
            connection::look_again(self, pull, true);
        }
        let connections: Vec<_> = self.connections.borrow().values().cloned().collect();
        for connection in connections {
            connection.peer.mailbox.expire_calls(now);
            if connection.frame_due.get() < now {
                debug!(peer = %connection.peer.address, "connection closed: silent or too slow");
                connection.close();
            }
        }
    }

    fn adopt(self: &Rc<Self>, socket: std::net::TcpStream, peer: SocketAddr, place: Place) {
        let stream = match TcpStream::from_std(socket) {
            Ok(stream) => stream,
            Err(error) => {
                debug!(%peer, %error, "a socket could not be taken over");
                self.handle.connections.fetch_sub(1, Ordering::Relaxed);
                self.gateway.open.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        };
        let (reader, writer) = stream.into_split();
        let connection = Rc::new(Connection::new(writer, peer, place, Arc::clone(&self.handle), self.now.get()));
        self.connections.borrow_mut().insert(connection.peer.mailbox.id, Rc::clone(&connection));
        tokio::task::spawn_local(connection::run(Rc::clone(self), connection, reader));
    }

    /// Forgets a connection that has closed.
    pub fn forget(&self, connection: &Connection) {
        let id = connection.peer.mailbox.id;
        connection.peer.mailbox.close();
        self.connections.borrow_mut().remove(&id);
        for (wait, pull) in self.held.borrow_mut().take_of(id) {
            pull.waits_for.cancel(&self.gateway.broker.machines, wait);
        }
        self.gateway.broker.connection_closed(id);
        self.gateway.namesrv.write().connection_lost(Link(id.0));
        self.handle.connections.fetch_sub(1, Ordering::Relaxed);
        self.gateway.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection by its id.
    pub fn connection(&self, id: ConnectionId) -> Option<Rc<Connection>> {
        self.connections.borrow().get(&id).cloned()
    }
}

/// A buffer that starts on a page.
struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    const PAGE: usize = 4096;

    fn new() -> AlignedBuffer {
        let bytes = vec![0; READ_BYTES + AlignedBuffer::PAGE];
        let start = bytes.as_ptr().align_offset(AlignedBuffer::PAGE);
        AlignedBuffer { bytes, start }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + READ_BYTES]
    }
}
