//! One connection: the incomplete frame it left behind, and what is still to be sent to it.

use std::collections::VecDeque;
use std::fs::File;
use std::net::TcpStream;

use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

/// Sent bytes are cut off the front of `out` when this many have gathered.
const COMPACT_AT: usize = 256 * 1024;

/// A run of the records file that follows the byte before `after`.
struct FileRun {
    after: u64,
    offset: u64,
    len: usize,
}

pub struct Connection {
    pub stream: TcpStream,
    /// Bytes of a frame whose rest has not arrived.
    pub rest: Vec<u8>,
    /// Answers, in order; the first byte is number `base` of all that were ever written here.
    pub out: Vec<u8>,
    /// Whether epoll already watches for room in the socket.
    pub waits_for_room: bool,
    base: u64,
    sent: u64,
    released: u64,
    files: VecDeque<FileRun>,
}

/// What became of a flush.
#[derive(Debug, PartialEq, Eq)]
pub enum Flushed {
    All,
    /// The socket is full.
    Blocked,
    /// The peer is gone.
    Closed,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            rest: Vec::new(),
            out: Vec::new(),
            waits_for_room: false,
            base: 0,
            sent: 0,
            released: 0,
            files: VecDeque::new(),
        }
    }

    /// Number of the next byte of `out`, counted from the connection's begin.
    pub fn end(&self) -> u64 {
        self.base + self.out.len() as u64
    }

    /// Allows everything before byte `end` to be sent: its group commit is done.
    pub fn release(&mut self, end: u64) {
        assert!(self.released <= end && end <= self.end());
        self.released = end;
    }

    /// Promises `len` bytes of the records file behind what `out` holds now.
    pub fn push_file(&mut self, offset: u64, len: usize) {
        self.files.push_back(FileRun { after: self.end(), offset, len });
    }

    /// Sends what is released, as far as the socket takes it.
    pub fn flush(&mut self, records: &File) -> Flushed {
        loop {
            let run = self.files.front_mut().filter(|run| run.after <= self.released);
            let limit = run.as_ref().map_or(self.released, |run| run.after);
            let result = if self.sent < limit {
                let flags = if run.is_some() { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
                send(&self.stream, &self.out[index(self.base, self.sent)..index(self.base, limit)], flags)
                    .map(|n| self.sent += n as u64)
            } else if let Some(run) = run {
                match sendfile(&self.stream, records, Some(&mut run.offset), run.len) {
                    // The file is shorter than promised: nothing sensible can follow.
                    Ok(0) => return Flushed::Closed,
                    Ok(n) => {
                        run.len -= n;
                        if run.len == 0 {
                            self.files.pop_front();
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            } else {
                break;
            };
            match result {
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Flushed::Blocked,
                Err(_) => return Flushed::Closed,
            }
        }
        let sent = index(self.base, self.sent);
        if sent == self.out.len() || sent >= COMPACT_AT {
            self.out.drain(..sent);
            self.base = self.sent;
        }
        Flushed::All
    }
}

fn index(base: u64, at: u64) -> usize {
    usize::try_from(at - base).expect("an index into a Vec")
}
