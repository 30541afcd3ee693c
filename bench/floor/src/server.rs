//! The event loop: read, answer, append, release.
//!
//! `append` and `sync` read straight into the staging buffer, behind what the turn has already read, at an address
//! congruent to the file position: the frames are never copied in user space, and the kernel's copy is a fast one.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::connection::{Connection, Flushed};
use crate::frame::{self, Answer, FRAME_MAX, Frame, Unreadable};
use crate::records::{RECORD_LEN, Records};
use crate::ring::Ring;
use crate::{Args, Mode};

const PAGE: usize = 4096;

/// One read takes at most this much: more frames than a client has in flight, small enough to stay in the L2 cache.
const READ_MAX: usize = 256 * 1024;

/// A turn stops reading and writes when this much is staged.
const STAGE_MAX: usize = 256 * 1024;

/// Rest of a frame + one read + the alignment.
const BUFFER_LEN: usize = STAGE_MAX + FRAME_MAX + READ_MAX + 2 * PAGE;

const LISTENER: u64 = u64::MAX;
const SYNCED: u64 = u64::MAX - 1;

const EVENTS_MAX: usize = 1024;

/// What was done, readable from another thread.
#[derive(Default)]
pub struct Counters {
    sends: AtomicU64,
    pulled: AtomicU64,
    syncs: AtomicU64,
}

impl Counters {
    pub fn sends(&self) -> u64 {
        self.sends.load(Ordering::Relaxed)
    }

    pub fn pulled(&self) -> u64 {
        self.pulled.load(Ordering::Relaxed)
    }

    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub fn add_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers of one connection that wait for a position to be durable.
struct Held {
    end: u64,
    connection: usize,
    answers_end: u64,
}

/// The fixed answers.
struct Answers {
    send: Answer,
    route: Answer,
    min_offset: Answer,
    max_offset: Answer,
    success: Answer,
}

pub struct Server {
    mode: Mode,
    epoll: rustix::fd::OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Box<[u8]>,
    /// First page boundary in `buffer`.
    base: usize,
    /// Staged bytes: `buffer[stage_start..stage_end]`.
    stage_start: usize,
    stage_end: usize,
    /// Connections with answers to what is staged.
    staged: Vec<usize>,
    held: VecDeque<Held>,
    ring: Option<Ring>,
    records: Records,
    answers: Answers,
    counters: Arc<Counters>,
}

impl Server {
    pub fn new(listener: TcpListener, args: &Args, counters: Arc<Counters>) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let ring = match args.mode {
            Mode::Net => None,
            Mode::Append | Mode::Sync => Some(Ring::create(&args.dir.join("ring"), args.ring_mib << 20)?),
        };
        if let Some(ring) = ring.as_ref().filter(|_| args.mode == Mode::Sync) {
            epoll::add(&epoll, ring.wake_fd(), EventData::new_u64(SYNCED), EventFlags::IN)?;
            ring.start_syncing(Arc::clone(&counters))?;
        }
        let buffer = vec![0; BUFFER_LEN].into_boxed_slice();
        let base = buffer.as_ptr().align_offset(PAGE);
        Ok(Self {
            mode: args.mode,
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            buffer,
            base,
            stage_start: base,
            stage_end: base,
            staged: Vec::new(),
            held: VecDeque::new(),
            ring,
            records: Records::create(&args.dir.join("records"), args.records)?,
            answers: Answers {
                send: Answer::to_send(),
                route: Answer::to_route(port, args.queues),
                min_offset: Answer::new(0, r#"{"offset":"0"}"#, Vec::new()),
                max_offset: Answer::new(0, &format!(r#"{{"offset":"{}"}}"#, args.records), Vec::new()),
                success: Answer::new(0, "{}", Vec::new()),
            },
            counters,
        })
    }

    /// Serves until the process is ended.
    pub fn run(&mut self) -> Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll"),
            }
            for event in &events {
                let Event { data, flags } = *event;
                match data.u64() {
                    LISTENER => self.accept()?,
                    SYNCED => self.release_synced(),
                    index => {
                        let index = usize::try_from(index).expect("an index we registered");
                        if flags.contains(EventFlags::OUT) {
                            self.flush(index);
                        }
                        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                            self.read(index)?;
                        }
                    }
                }
            }
            self.commit_stage()?;
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("accept"),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.connections.len());
            epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            let connection = Some(Connection::new(stream));
            match self.connections.get_mut(index) {
                Some(slot) => *slot = connection,
                None => self.connections.push(connection),
            }
        }
    }

    /// One read, all its complete frames, and in `net` mode one write.
    fn read(&mut self, index: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else { return Ok(()) };
        let start = match &self.ring {
            // Page-aligned behind the rest of the last read.
            None => self.base + (PAGE - connection.rest.len() % PAGE) % PAGE,
            Some(ring) if self.stage_start == self.stage_end => {
                let phase = usize::try_from(ring.file_position()).expect("64-bit") % PAGE;
                self.stage_start = self.base + phase;
                self.stage_end = self.stage_start;
                self.stage_start
            }
            Some(_) => self.stage_end,
        };
        let read_at = start + connection.rest.len();
        self.buffer[start..read_at].copy_from_slice(&connection.rest);
        connection.rest.clear();
        let end = match recv(&connection.stream, &mut self.buffer[read_at..read_at + READ_MAX], RecvFlags::empty()) {
            Ok((0, _)) => return self.close(index),
            Ok((_, n)) => read_at + n,
            Err(Errno::AGAIN | Errno::INTR) => {
                connection.rest.extend_from_slice(&self.buffer[start..read_at]);
                return Ok(());
            }
            Err(_) => return self.close(index),
        };
        let before = connection.end();
        let Ok(whole) =
            answer_frames(&self.buffer[start..end], connection, &self.answers, &self.records, &self.counters)
        else {
            return self.close(index);
        };
        connection.rest.extend_from_slice(&self.buffer[start + whole..end]);
        if connection.end() == before {
            return Ok(());
        }
        if self.ring.is_none() {
            connection.release(connection.end());
            self.flush(index);
            return Ok(());
        }
        self.stage_end = start + whole;
        self.staged.push(index);
        if self.stage_end - self.stage_start >= STAGE_MAX {
            self.commit_stage()?;
        }
        Ok(())
    }

    /// Writes what the turn has read; answers it, or holds the answers until it is durable.
    fn commit_stage(&mut self) -> Result<()> {
        let Some(ring) = self.ring.as_mut().filter(|_| self.stage_end > self.stage_start) else { return Ok(()) };
        let end = ring.append(&self.buffer[self.stage_start..self.stage_end])?;
        self.stage_end = self.stage_start;
        if self.mode == Mode::Sync {
            ring.publish();
        }
        for index in std::mem::take(&mut self.staged) {
            let Some(connection) = self.connections[index].as_mut() else { continue };
            let answers_end = connection.end();
            if self.mode == Mode::Sync {
                self.held.push_back(Held { end, connection: index, answers_end });
            } else {
                connection.release(answers_end);
                self.flush(index);
            }
        }
        Ok(())
    }

    /// Sends the answers whose position is durable by now.
    fn release_synced(&mut self) {
        let Some(ring) = &self.ring else { return };
        let mut count = [0; 8];
        // Drained before `synced` is read, so a sync in between wakes us again.
        let _ = rustix::io::read(ring.wake_fd(), &mut count);
        let synced = ring.synced();
        let mut ready = Vec::new();
        while let Some(held) = self.held.pop_front_if(|held| held.end <= synced) {
            if let Some(connection) = self.connections[held.connection].as_mut() {
                connection.release(held.answers_end);
                if ready.last() != Some(&held.connection) {
                    ready.push(held.connection);
                }
            }
        }
        for index in ready {
            self.flush(index);
        }
    }

    fn flush(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else { return };
        let blocked = match connection.flush(&self.records.file) {
            Flushed::All => false,
            Flushed::Blocked => true,
            // Epoll reports the hang-up, which closes it.
            Flushed::Closed => return,
        };
        if blocked != connection.waits_for_room {
            connection.waits_for_room = blocked;
            let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(index as u64), flags)
                .expect("a registered socket");
        }
    }

    /// Drops the connection; its slot is used again only when no held answer can refer to it.
    fn close(&mut self, index: usize) -> Result<()> {
        self.connections[index] = None;
        if self.ring.is_none() {
            self.free.push(index);
        }
        Ok(())
    }
}

/// Answers every complete frame of `bytes`; returns how many bytes they took.
fn answer_frames(
    bytes: &[u8],
    connection: &mut Connection,
    answers: &Answers,
    records: &Records,
    counters: &Counters,
) -> Result<usize, Unreadable> {
    let mut at = 0;
    let mut sends = 0;
    while let Some(len) = frame::complete_len(&bytes[at..])? {
        let frame = Frame::read(&bytes[at..at + len])?;
        match frame.code {
            10 | 310 | 320 => {
                sends += 1;
                answers.send.write(frame.opaque, &mut connection.out);
            }
            11 | 361 => answer_pull(&frame, connection, records, counters),
            30 => answers.max_offset.write(frame.opaque, &mut connection.out),
            31 => answers.min_offset.write(frame.opaque, &mut connection.out),
            105 => answers.route.write(frame.opaque, &mut connection.out),
            _ => answers.success.write(frame.opaque, &mut connection.out),
        }
        at += len;
    }
    counters.sends.fetch_add(sends, Ordering::Relaxed);
    Ok(at)
}

/// Answers with as many records as asked for, from wherever the offset falls in the file.
fn answer_pull(frame: &Frame<'_>, connection: &mut Connection, records: &Records, counters: &Counters) {
    let offset = frame.ext_number(br#""queueOffset":""#).unwrap_or(0).max(0).cast_unsigned();
    let wanted = frame.ext_number(br#""maxMsgNums":""#).unwrap_or(32).clamp(1, 1024).cast_unsigned();
    let first = offset % (records.count - wanted + 1);
    let len = usize::try_from(wanted).expect("at most 1024") * RECORD_LEN;
    let next = offset + wanted;
    let ext = format!(
        r#"{{"suggestWhichBrokerId":"0","nextBeginOffset":"{next}","minOffset":"0","maxOffset":"{}"}}"#,
        i64::MAX
    );
    Answer::new(0, &ext, Vec::new()).write_head(frame.opaque, len, &mut connection.out);
    connection.push_file(first * RECORD_LEN as u64, len);
    counters.pulled.fetch_add(wanted, Ordering::Relaxed);
}
