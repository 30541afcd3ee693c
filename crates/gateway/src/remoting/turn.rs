//! One turn: what the frames of one read have asked for so far.
//!
//! Handlers stage appends and note the answers that wait for them, or write answers that need no wait. [`Turn::finish`]
//! appends everything as one and formats the waiting answers, whose fields are known then.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use broker::Broker;
use broker::ops::pop::turn::Pops;
use broker::ops::send::{Ticket, UniqueKey};
use model::{LogOffset, Timestamp, recall_handle};
use store::{AppendError, Read, Staged, Unit};
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::frame::Encoding;
use wire::remoting::reply::Response;
use wire::remoting::reply::send::{SendAnswers, Stored};

use super::mailbox::ConnectionMailbox;
use super::reply_answer::{Place, ReplyAnswer};
use super::status;

/// Who asks.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    pub mailbox: Arc<ConnectionMailbox>,
}

impl Peer {
    /// Changing commands are for loopback until there are users (RELIABILITY.md section 3.2).
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// Which time a request is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    First,
    /// A held pull was woken; it may be held again until its deadline.
    Again {
        deadline: Timestamp,
    },
    /// As many are held as may be: answer what is there, and say so.
    Full,
    /// A held pull whose time is over: answer what is there.
    Last,
}

/// How to answer a request.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub opaque: i32,
    pub encoding: Encoding,
    pub oneway: bool,
}

impl Call {
    #[must_use]
    pub fn of(header: &Header<'_>) -> Call {
        Call { opaque: header.opaque, encoding: header.encoding, oneway: header.is_oneway() }
    }
}

/// Bytes of answers that may leave once the log has come that far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Since when they wait.
    pub since: Timestamp,
    pub end: LogOffset,
    /// Wait for `committed`; else for `written`.
    pub durable: bool,
    pub len: usize,
    /// Requests answered by these bytes.
    pub requests: usize,
}

/// An answer that waits for the turn's append.
enum Waiting {
    Sent {
        call: Call,
        ticket: Ticket,
        text: usize,
        /// Where its recall handle stands in `frames`; empty if it has none.
        recall: Range<usize>,
    },
    /// It waits for the client the reply is pushed to, too.
    Reply { call: Call, ticket: Ticket, answer: Arc<ReplyAnswer> },
    /// A frame that is written already, in `frames`.
    Framed { call: Call, frame: Range<usize> },
}

/// The buffers of a turn; kept and reused by their thread.
#[derive(Default)]
pub struct Buffers {
    pub staged: Staged,
    pub units: Vec<Unit>,
    waiting: Vec<Waiting>,
    /// Unescaped properties of the read's sends, one after another.
    texts: Vec<u8>,
    frames: Vec<u8>,
    log_offsets: Vec<i64>,
    /// Half messages whose end is staged.
    pub reserved: Vec<LogOffset>,
    /// What is popped and acked.
    pub pops: Pops,
    /// Records of a pop, on their way into its answer.
    pub records: Vec<u8>,
}

/// See the module.
pub struct Turn<'t> {
    pub peer: &'t Peer,
    pub now: Timestamp,
    /// May handlers touch the disk?
    pub mode: Read,
    pub pass: Pass,
    pub buffers: &'t mut Buffers,
    /// Answers that need no wait.
    pub out: &'t mut Vec<u8>,
}

impl Turn<'_> {
    /// Answers now.
    pub fn answer(&mut self, call: Call, response: Response<'_>) {
        if !call.oneway {
            response.write(call.encoding, self.out);
        }
    }

    /// Answers success without fields or body.
    pub fn done(&mut self, call: Call) {
        self.answer(call, Response::new(call.opaque, ResponseCode::SUCCESS));
    }

    /// Refuses now.
    pub fn refuse(&mut self, call: Call, code: ResponseCode, remark: impl std::fmt::Display) {
        self.answer(call, Response::new(call.opaque, code).remark(remark.to_string()));
    }

    /// Answers when the turn's append is durable.
    pub fn answer_when_durable(&mut self, call: Call, response: Response<'_>) {
        let start = self.buffers.frames.len();
        if !call.oneway {
            response.write(call.encoding, &mut self.buffers.frames);
        }
        let frame = start..self.buffers.frames.len();
        self.buffers.waiting.push(Waiting::Framed { call, frame });
    }

    /// Answers success without fields or body when the turn's append is durable.
    pub fn done_when_durable(&mut self, call: Call) {
        self.answer_when_durable(call, Response::new(call.opaque, ResponseCode::SUCCESS));
    }

    /// Answers a send when the turn's append is as durable as its topic wants. `text` is what
    /// [`Turn::keep_text`] answered for its properties.
    /// `recall` is what it answered for the recall handle, or empty.
    pub fn answer_sent(&mut self, call: Call, ticket: Ticket, text: Range<usize>, recall: Range<usize>) {
        self.buffers.waiting.push(Waiting::Sent { call, ticket, text: text.start, recall });
    }

    /// Answers a reply when the turn's append is as durable as its topic wants and its push is known.
    pub fn answer_reply(&mut self, call: Call, ticket: Ticket, answer: Arc<ReplyAnswer>) {
        self.buffers.waiting.push(Waiting::Reply { call, ticket, answer });
    }

    /// Keeps a text until the turn is finished.
    pub fn keep_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.buffers.texts.len();
        write(&mut self.buffers.texts);
        start..self.buffers.texts.len()
    }

    /// Keeps the recall handle of a send to `topic`, if it has one. `text` is its properties.
    pub fn keep_recall_handle(
        &mut self,
        ticket: &Ticket,
        text: &Range<usize>,
        topic: &str,
        broker_name: &str,
    ) -> Range<usize> {
        let Buffers { texts, frames, .. } = self.buffers;
        let start = frames.len();
        if let (Some(due), Some(key)) = (ticket.due, unique_key(ticket, &texts[text.clone()])) {
            recall_handle::push(frames, topic, broker_name, due, key);
        }
        start..frames.len()
    }

    /// Lends the kept texts and the append to a send, which needs both.
    pub fn texts_and_staged(&mut self) -> (&[u8], &mut Staged) {
        (&self.buffers.texts, &mut self.buffers.staged)
    }

    /// Appends what is staged and formats the answers that wait for it: bytes into `held`, what they wait for into `marks`.
    /// If the append fails, all of them are refused at once. True: something was appended, and the
    /// caller tells the log when its turn ends.
    pub fn finish(self, broker: &Broker, answers: &SendAnswers, held: &mut Vec<u8>, marks: &mut Vec<Mark>) -> bool {
        let Buffers { staged, waiting, texts, frames, log_offsets, units, reserved, pops, records } = self.buffers;
        units.clear();
        records.clear();
        broker.stage_acks(pops, staged);
        let mut appended_some = false;
        if !staged.is_empty() {
            match broker.log().append_in_turn(staged) {
                Ok(appended) => {
                    appended_some = true;
                    broker.pops_appended(pops);
                    for answer in waiting.iter() {
                        let before = held.len();
                        let durable = match answer {
                            Waiting::Framed { frame, .. } => {
                                held.extend_from_slice(&frames[frame.clone()]);
                                true
                            }
                            Waiting::Sent { call, ticket, text, recall } => {
                                if !call.oneway {
                                    let kept = (&texts[*text..], &frames[recall.clone()]);
                                    write_sent(answers, *call, ticket, kept, staged, log_offsets, held);
                                }
                                ticket.wait_durable
                            }
                            Waiting::Reply { ticket, answer, .. } => {
                                let entry = staged.entry(ticket.entry);
                                let place = Place {
                                    queue_id: ticket.queue_id,
                                    queue_offset: entry.queue_offset,
                                    at: entry.at,
                                    end: appended.end,
                                    durable: ticket.wait_durable,
                                };
                                if !answer.stored(place, held) {
                                    continue;
                                }
                                ticket.wait_durable
                            }
                        };
                        marks.push(Mark {
                            since: self.now,
                            end: appended.end,
                            durable,
                            len: held.len() - before,
                            requests: 1,
                        });
                    }
                }
                Err(error) => {
                    broker.release_halves(reserved);
                    broker.release_pops(pops);
                    refuse_all(waiting, &error, answers, self.out);
                }
            }
        }
        staged.clear();
        reserved.clear();
        waiting.clear();
        texts.clear();
        frames.clear();
        appended_some
    }
}

fn write_sent(
    answers: &SendAnswers,
    call: Call,
    ticket: &Ticket,
    (text, recall): (&[u8], &[u8]),
    staged: &Staged,
    log_offsets: &mut Vec<i64>,
    held: &mut Vec<u8>,
) {
    log_offsets.clear();
    log_offsets.extend((ticket.entry..ticket.entry + ticket.count).map(|entry| staged.entry(entry).at.0.cast_signed()));
    let transaction_id = unique_key(ticket, text);
    let stored = Stored {
        queue_id: ticket.queue_id.0.cast_signed(),
        queue_offset: staged.entry(ticket.entry).queue_offset.to_wire(),
        log_offsets,
        transaction_id,
        recall_handle: std::str::from_utf8(recall).ok().filter(|handle| !handle.is_empty()),
        remark: None,
    };
    answers.stored(call.encoding, call.opaque, ResponseCode::SUCCESS, &stored, held);
}

fn unique_key<'t>(ticket: &'t Ticket, text: &'t [u8]) -> Option<&'t str> {
    let key = match &ticket.unique_key {
        UniqueKey::Given { start, end } => &text[*start..*end],
        UniqueKey::Made(key) => &key[..],
        UniqueKey::OfBatch => return None,
    };
    std::str::from_utf8(key).ok()
}

fn refuse_all(waiting: &[Waiting], error: &AppendError, answers: &SendAnswers, out: &mut Vec<u8>) {
    let code = status::of_append(error);
    for answer in waiting {
        let (Waiting::Sent { call, .. } | Waiting::Reply { call, .. } | Waiting::Framed { call, .. }) = answer;
        if !call.oneway {
            answers.refused(call.encoding, call.opaque, code, &status::append_remark(error), out);
        }
    }
}
