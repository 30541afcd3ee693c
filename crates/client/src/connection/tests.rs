//! The connection against a server of a few lines: answers out of order, late, never; requests of the server.

use std::sync::mpsc as sync_mpsc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::remoting::frame::Encoding;
use wire::remoting::reply;

use super::*;

/// Reads frames and collects what is asked for.
struct Peer {
    stream: TcpStream,
    input: BytesMut,
}

impl Peer {
    /// The next frame: code, opaque, flag, body.
    async fn next(&mut self) -> Option<(i32, i32, bool, Vec<u8>)> {
        loop {
            if let Some(frame) = next_frame(&self.input).unwrap() {
                let header = Header::parse(&frame).unwrap();
                let seen = (header.code, header.opaque, header.is_oneway(), frame.body.to_vec());
                let len = frame.len;
                self.input.advance(len);
                return Some(seen);
            }
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn answer(&mut self, opaque: i32, body: &[u8]) {
        let mut out = Vec::new();
        Response::new(opaque, ResponseCode::SUCCESS).field("offset", 7).body(body).write(Encoding::Json, &mut out);
        self.stream.write_all(&out).await.unwrap();
    }
}

async fn pair(options: &Options, on_request: OnRequest) -> (Connection, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (connection, accepted) = tokio::join!(Connection::open_with(&address, options, on_request), listener.accept());
    let (stream, _) = accepted.unwrap();
    (connection.unwrap(), Peer { stream, input: BytesMut::new() })
}

#[tokio::test]
async fn answers_find_their_callers_in_any_order() {
    let (connection, mut peer) = pair(&Options::default(), Box::new(|_| None)).await;
    let mut pending = Vec::new();
    for body in [b"0", b"1", b"2"] {
        pending.push(connection.begin(&Request::new(RequestCode::HEART_BEAT).body(body)).await.unwrap());
    }
    let mut asked = Vec::new();
    for _ in 0..3 {
        let (_, opaque, _, body) = peer.next().await.unwrap();
        asked.push((opaque, body));
    }
    for (opaque, body) in asked.iter().rev() {
        peer.answer(*opaque, body).await;
    }
    for (index, pending) in pending.into_iter().enumerate() {
        let answer = pending.await.unwrap();
        assert_eq!(answer.body, index.to_string());
        assert_eq!(answer.number("offset").unwrap(), 7);
    }
}

#[tokio::test]
async fn a_call_that_gives_up_leaves_nothing_behind_and_its_late_answer_is_ignored() {
    let (connection, mut peer) = pair(&Options::default(), Box::new(|_| None)).await;
    let request = Request::new(RequestCode::GET_MAX_OFFSET);
    let late = connection.call_within(&request, Duration::from_millis(1)).await;
    assert!(matches!(late, Err(Error::Deadline(_))), "{late:?}");
    assert!(connection.waiting.table().calls.is_empty());

    let (_, late_opaque, ..) = peer.next().await.unwrap();
    peer.answer(late_opaque, b"late").await;
    let (answer, ()) = tokio::join!(connection.call(&request), async {
        let (_, opaque, ..) = peer.next().await.unwrap();
        peer.answer(opaque, b"in time").await;
    });
    assert_eq!(answer.unwrap().body, "in time");
}

#[tokio::test]
async fn calls_in_flight_are_bounded_and_the_next_one_waits() {
    let options = Options { in_flight_max: 2, ..Options::default() };
    let (connection, mut peer) = pair(&options, Box::new(|_| None)).await;
    let request = Request::new(RequestCode::HEART_BEAT);
    let first = connection.begin(&request).await.unwrap();
    let _second = connection.begin(&request).await.unwrap();
    tokio::select! {
        biased;
        _ = connection.begin(&request) => panic!("a third call was begun"),
        () = tokio::task::yield_now() => {}
    }
    let (_, opaque, ..) = peer.next().await.unwrap();
    peer.answer(opaque, b"").await;
    first.await.unwrap();
    connection.begin(&request).await.unwrap();
}

#[tokio::test]
async fn a_closed_connection_fails_the_calls_in_flight_and_the_later_ones() {
    let (connection, mut peer) = pair(&Options::default(), Box::new(|_| None)).await;
    let pending = connection.begin(&Request::new(RequestCode::HEART_BEAT)).await.unwrap();
    peer.next().await.unwrap();
    drop(peer);
    assert!(matches!(pending.await, Err(Error::Closed)));
    let later = connection.call(&Request::new(RequestCode::HEART_BEAT)).await;
    assert!(matches!(later, Err(Error::Closed)), "{later:?}");
    connection.closed().await;
}

#[tokio::test]
async fn dropping_the_connection_closes_the_socket() {
    let (connection, mut peer) = pair(&Options::default(), Box::new(|_| None)).await;
    drop(connection);
    assert_eq!(peer.next().await, None);
}

#[tokio::test]
async fn one_way_requests_carry_the_flag_and_wait_for_nothing() {
    let (connection, mut peer) = pair(&Options::default(), Box::new(|_| None)).await;
    connection.one_way(&Request::new(RequestCode::UPDATE_CONSUMER_OFFSET).body(b"x")).await.unwrap();
    let (code, _, oneway, body) = peer.next().await.unwrap();
    assert_eq!((code, oneway, &body[..]), (15, true, &b"x"[..]));
}

#[tokio::test]
async fn requests_of_the_server_reach_the_callback_and_are_answered_unless_one_way() {
    let (seen, requests) = sync_mpsc::channel();
    let on_request: OnRequest = Box::new(move |request| {
        let body = request.body.clone();
        seen.send(request).unwrap();
        Some(Answer { code: ResponseCode::SUCCESS, remark: None, fields: Vec::new(), body })
    });
    let (_connection, mut peer) = pair(&Options::default(), on_request).await;
    let mut out = Vec::new();
    let changed = RequestCode::NOTIFY_CONSUMER_IDS_CHANGED;
    let changed = reply::Request::new(5, changed).oneway().field("consumerGroup", "CG");
    changed.write(Encoding::Json, &mut out);
    reply::Request::new(6, RequestCode::GET_CONSUMER_RUNNING_INFO).body(&b"echo"[..]).write(Encoding::Json, &mut out);
    peer.stream.write_all(&out).await.unwrap();

    let (code, opaque, _, body) = peer.next().await.unwrap();
    assert_eq!((code, opaque, &body[..]), (0, 6, &b"echo"[..]));
    let requests: Vec<_> = requests.try_iter().collect();
    assert_eq!(requests[0].fields, [("consumerGroup".to_owned(), "CG".to_owned())]);
    assert!(requests[0].oneway && !requests[1].oneway);
}

#[tokio::test]
async fn refusals_and_wrong_answers_are_told_apart() {
    let answer = |code, fields: &[(&str, &str)]| Answer {
        code,
        remark: Some("why".into()),
        fields: fields.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        body: Bytes::new(),
    };
    let refused = answer(ResponseCode::TOPIC_NOT_EXIST, &[]).success().unwrap_err();
    assert_eq!(refused.code(), Some(ResponseCode::TOPIC_NOT_EXIST));
    assert!(refused.to_string().ends_with(": why"), "{refused}");
    assert!(matches!(answer(ResponseCode::SUCCESS, &[]).number("offset"), Err(Error::Malformed(_))));
    assert!(matches!(answer(ResponseCode::SUCCESS, &[("offset", "x")]).number("offset"), Err(Error::Malformed(_))));
}
