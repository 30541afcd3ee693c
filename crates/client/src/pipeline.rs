//! One task, one socket, many frames per wake.
//!
//! The owner stages frames into [`Pipeline::out`] and calls [`Pipeline::turn`], which writes what the socket takes,
//! waits for the next read, and hands every complete answer of it to a closure. No task, no channel and no allocation
//! per message: a load generator must cost less than what it measures.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use wire::remoting::command::Header;
use wire::remoting::frame::{announced_len, next_frame};

use crate::connection::connect;
use crate::error::Error;

/// One read takes at most this much, unless a frame is larger.
const READ_LEN: usize = 256 * 1024;

/// A connection driven by its owner.
#[derive(Debug)]
pub struct Pipeline {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    filled: usize,
}

impl Pipeline {
    /// Connects to `host:port`.
    pub async fn open(address: &str, deadline: Duration) -> Result<Self, Error> {
        let stream = connect(address, deadline).await?;
        Ok(Self { stream, out: Vec::new(), sent: 0, input: vec![0; READ_LEN], filled: 0 })
    }

    /// Where whole frames are appended to be sent by the next turn.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Sends, reads once, and calls `on_answer` with header and body of every whole frame: answers and requests of the
    /// server alike. Returns how many there were, at least 1. May be dropped while it waits: nothing is lost.
    pub async fn turn(&mut self, mut on_answer: impl FnMut(&Header<'_>, &[u8])) -> Result<usize, Error> {
        loop {
            let read = poll_fn(|context| self.poll_io(context)).await.map_err(|_| Error::Closed)?;
            if read == 0 {
                return Err(Error::Closed);
            }
            self.filled += read;
            let count = self.take_frames(&mut on_answer)?;
            if count > 0 {
                return Ok(count);
            }
        }
    }

    /// Sends what is staged, without reading. Ends when the kernel has taken all of it.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_send(context)).await.map_err(|_| Error::Closed)
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            return Poll::Ready(Err(error));
        }
        let mut buffer = ReadBuf::new(&mut self.input[self.filled..]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            self.sent += ready!(Pin::new(&mut self.stream).poll_write(context, &self.out[self.sent..]))?;
        }
        self.out.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn take_frames(&mut self, on_answer: &mut impl FnMut(&Header<'_>, &[u8])) -> Result<usize, Error> {
        let malformed = |error: &dyn std::error::Error| Error::Malformed(error.to_string());
        let (mut at, mut count) = (0, 0);
        while let Some(frame) = next_frame(&self.input[at..self.filled]).map_err(|error| malformed(&error))? {
            let header = Header::parse(&frame).map_err(|error| malformed(&error))?;
            on_answer(&header, frame.body);
            at += frame.len;
            count += 1;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        // `next_frame` has accepted the announced length, so it is bounded.
        let wanted = announced_len(&self.input[..self.filled]).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        if wanted > self.input.len() {
            self.input.resize(wanted, 0);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use wire::remoting::code::{RequestCode, ResponseCode};
    use wire::remoting::frame::Encoding;
    use wire::remoting::reply::Response;

    use super::*;
    use crate::request::Request;

    #[tokio::test]
    async fn answers_cut_anywhere_arrive_whole_and_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut answers = Vec::new();
        let body = vec![7; 2 * READ_LEN];
        for opaque in 0..5 {
            // The third is larger than the buffer.
            let body = if opaque == 2 { &body[..] } else { &[] };
            Response::new(opaque, ResponseCode::SUCCESS).body(body).write(Encoding::Json, &mut answers);
        }
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = vec![0; 8];
            stream.read_exact(&mut request).await.unwrap();
            for piece in answers.chunks(100_003) {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            stream
        });

        let mut pipeline = Pipeline::open(&address, Duration::from_secs(10)).await.unwrap();
        Request::new(RequestCode::HEART_BEAT).write(0, false, pipeline.out());
        let mut seen = Vec::new();
        while seen.len() < 5 {
            pipeline.turn(|header, body| seen.push((header.opaque, body.len()))).await.unwrap();
        }
        assert_eq!(seen, [(0, 0), (1, 0), (2, 2 * READ_LEN), (3, 0), (4, 0)]);

        drop(server.await.unwrap());
        assert!(matches!(pipeline.turn(|_, _| ()).await, Err(Error::Closed)));
    }
}
