//! What a connection has to send: answers that may leave, and behind them answers that wait for the log.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use model::{LogOffset, Millis, Timestamp};

use super::late;
use super::turn::Mark;

/// Requests of one connection that wait for an answer; above it the connection is not read (long polls do not count).
const IN_FLIGHT_MAX: usize = 1_024;

/// An answer waits for the disk no longer than this: clients give up after 3 s.
pub const DISK_WAIT_MAX: Millis = Millis(2_000);

/// Bytes of answers a client has not read; above it no more of its requests are looked at until it reads.
pub const UNSENT_PAUSE: usize = 1024 * 1024;

/// Requests of one connection that are served on other threads. They may all be cold pulls with the largest answer, so
/// this and [`UNSENT_PAUSE`] together stay below [`UNSENT_MAX`], and a consumer of many queues is not closed for its speed.
const ELSEWHERE_MAX: usize = 16;

/// Bytes of answers a client has not read; above it, which woken pulls, notices and replies of others can reach together,
/// the connection is closed.
pub const UNSENT_MAX: usize = 16 * 1024 * 1024;

/// Memory of a core's buffer for answers that is kept from turn to turn: what one turn writes at most, but for the answers
/// of commands.
const LENT_KEPT: usize = 2 * UNSENT_PAUSE;

/// See the module.
#[derive(Default)]
pub struct Outgoing {
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
    /// Bytes that may leave and have not.
    pub fn unsent(&self) -> usize {
        self.ready.len() - self.sent + self.free
    }

    /// Whether another request may be looked at.
    pub fn has_room(&self) -> bool {
        self.in_flight < IN_FLIGHT_MAX && !self.elsewhere_is_full() && self.unsent() < UNSENT_PAUSE
    }

    /// Whether no more requests may be served on other threads.
    pub fn elsewhere_is_full(&self) -> bool {
        self.elsewhere >= ELSEWHERE_MAX
    }

    /// What the next waiting answer waits for.
    pub fn first_mark(&self) -> Option<Mark> {
        self.marks.front().copied()
    }

    /// A request is served on another thread from now on.
    pub fn begin_elsewhere(&mut self) {
        self.in_flight += 1;
        self.elsewhere += 1;
    }

    /// Takes what other threads have made: `frames` that may leave, and `held` ones that wait as `marks` say.
    pub fn receive(&mut self, frames: &[u8], held: &[u8], marks: Vec<Mark>, finished: usize) {
        self.ready.extend_from_slice(frames);
        self.held.extend_from_slice(held);
        self.in_flight -= finished;
        self.elsewhere -= finished;
        marks.into_iter().for_each(|mark| self.wait_for(mark));
    }

    /// The buffers for the answers of a turn: those that may leave at its end, in the core's buffer if none is left from
    /// before, and those that wait.
    pub fn lend(&mut self, answers: &Cell<Vec<u8>>) -> (Vec<u8>, Vec<u8>) {
        if self.ready.is_empty() {
            self.ready = answers.take();
            self.lent = true;
        }
        (std::mem::take(&mut self.ready), std::mem::take(&mut self.held))
    }

    /// The turn's answers.
    pub fn take_back(&mut self, ready: Vec<u8>, held: Vec<u8>, marks: impl Iterator<Item = Mark>) {
        self.ready = ready;
        self.held = held;
        marks.for_each(|mark| self.wait_for(mark));
    }

    /// Returns the core's buffer, unless the socket did not take all of it: then it stays until it has.
    pub fn give_back(&mut self, answers: &Cell<Vec<u8>>) {
        if std::mem::take(&mut self.lent) && self.ready.is_empty() && self.ready.capacity() <= LENT_KEPT {
            answers.replace(std::mem::take(&mut self.ready));
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

    /// Lets answers leave that the log has come past, and tells of each mark. True if more wait.
    pub fn release(&mut self, committed: LogOffset, written: LogOffset, mut tell: impl FnMut(Mark)) -> bool {
        while let Some(mark) = self.marks.front()
            && mark.end <= if mark.durable { committed } else { written }
        {
            let mark = self.marks.pop_front().expect("looked at above");
            self.free += mark.len;
            self.in_flight -= mark.requests;
            tell(mark);
        }
        !self.marks.is_empty()
    }

    /// Answers what has waited for the disk longer than a client waits: stored, but not known to be durable. Tells of each
    /// mark, and answers the end of the last such append.
    pub fn give_up(&mut self, now: Timestamp, mut tell: impl FnMut(Mark)) -> Option<LogOffset> {
        let mut missed = None;
        let late = |mark: &Mark| now.since(mark.since) > DISK_WAIT_MAX;
        while let Some(mark) = self.marks.front().copied().filter(late) {
            self.marks.pop_front();
            self.in_flight -= mark.requests;
            // What may leave already stays in front of it.
            self.ready.extend(self.held.drain(..std::mem::take(&mut self.free)));
            late::rewrite(&self.held[..mark.len], &mut self.ready);
            self.held.drain(..mark.len);
            tell(mark);
            if mark.durable {
                missed = Some(mark.end);
            }
        }
        missed
    }

    /// Writes what may leave, as far as the socket takes it. An error other than a full socket means that it is of no use.
    pub fn write(&mut self, mut socket: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        while self.sent < self.ready.len() || self.free > 0 {
            let (first, second) = (&self.ready[self.sent..], &self.held[..self.free]);
            match socket(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(written) if written < first.len() => self.sent += written,
                Ok(written) => {
                    let of_second = written - first.len();
                    self.ready.clear();
                    self.sent = 0;
                    // A frame that is cut off goes on before anything else.
                    self.ready.extend_from_slice(&self.held[of_second..self.free]);
                    self.held.drain(..self.free);
                    self.free = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if !self.lent {
            shrink(&mut self.ready);
        }
        shrink(&mut self.held);
        Ok(())
    }
}

/// Gives back the memory of a burst.
pub fn shrink(bytes: &mut Vec<u8>) {
    const KEPT: usize = 64 * 1024;
    if bytes.is_empty() && bytes.capacity() > KEPT {
        *bytes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(end: u64, len: usize) -> Mark {
        Mark { since: Timestamp(0), end: LogOffset(end), durable: true, len, requests: 1 }
    }

    /// An answer that waits for position 10.
    fn waiting(text: &[u8]) -> Outgoing {
        let mut out = Outgoing::default();
        out.take_back(vec![], text.to_vec(), [mark(10, text.len())].into_iter());
        out
    }

    #[test]
    fn an_answer_leaves_when_the_log_has_come_past_it() {
        let mut out = waiting(b"stored");
        assert!(out.release(LogOffset(9), LogOffset(99), |_| unreachable!("it is not durable")));
        out.write(|_| unreachable!("nothing may leave")).expect("nothing was written");
        let mut told = vec![];
        assert!(!out.release(LogOffset(10), LogOffset(99), |mark| told.push(mark)));
        let mut sent = vec![];
        let socket = |parts: &[IoSlice<'_>]| {
            parts.iter().for_each(|part| sent.extend_from_slice(part));
            Ok(parts.iter().map(|part| part.len()).sum())
        };
        out.write(socket).expect("written");
        assert_eq!((sent, out.unsent(), told.len()), (b"stored".to_vec(), 0, 1));
    }

    #[test]
    fn an_answer_a_full_socket_does_not_take_still_wants_to_be_sent() {
        let mut out = waiting(b"stored");
        out.release(LogOffset(10), LogOffset(10), |_| {});
        out.write(|_| Err(io::ErrorKind::WouldBlock.into())).expect("full is no error");
        assert_eq!(out.unsent(), 6, "the connection must wait for room in the socket");
    }

    #[test]
    fn a_frame_that_was_cut_off_goes_on_before_anything_else() {
        let mut out = waiting(b"stored");
        out.release(LogOffset(10), LogOffset(10), |_| {});
        let mut sent = vec![];
        let mut room = [4, 0].into_iter();
        let mut socket = |parts: &[IoSlice<'_>]| {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            let taken = room.next().map_or(bytes.len(), |room| room.min(bytes.len()));
            sent.extend_from_slice(&bytes[..taken]);
            if taken > 0 { Ok(taken) } else { Err(io::ErrorKind::WouldBlock.into()) }
        };
        out.write(&mut socket).expect("some of it is written");
        out.receive(b" later", b"", vec![], 0);
        out.write(&mut socket).expect("the rest is written");
        assert_eq!(String::from_utf8(sent).expect("text"), "stored later");
    }
}
