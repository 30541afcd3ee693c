//! A gRPC client of a few lines: what goes over the wire stands here, and nothing is done behind a test's back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use wire::grpc::v2::receive_message_response::Content;
use wire::grpc::v2::{ReceiveMessageRequest, ReceiveMessageResponse, Resource};

type Outgoing = StreamBody<Messages>;

/// The messages of one call, until their sender is dropped.
pub struct Messages(mpsc::Receiver<Bytes>);

impl tonic::codegen::tokio_stream::Stream for Messages {
    type Item = Result<Frame<Bytes>, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// One client on a connection of its own.
pub struct Client {
    calls: SendRequest<Outgoing>,
    /// Empty: the header is left out.
    pub id: String,
    pub timeout: Option<&'static str>,
}

/// A gRPC error: its number.
pub type Code = i32;

/// No method of that name.
pub const UNIMPLEMENTED: Code = 12;

/// A call is answered within this, or hangs.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

impl Client {
    /// Without TLS, as clients in Python, Node and Rust do.
    pub async fn plain(address: SocketAddr, id: &str) -> Client {
        Client::on(TcpStream::connect(address).await.expect("the door is open"), id).await
    }

    /// With TLS and any certificate, as clients in Java, Go, C++ and C# do.
    pub async fn tls(address: SocketAddr, id: &str) -> Client {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(address).await.expect("the door is open");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Client::on(stream, id).await
    }

    async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, id: &str) -> Client {
        let (calls, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        Client { calls, id: id.to_owned(), timeout: None }
    }

    /// Begins a call; the answer is complete when its body is.
    pub async fn begin(&mut self, method: &str) -> (mpsc::Sender<Bytes>, Call) {
        let mut request = Request::post(format!("http://localhost/apache.rocketmq.v2.MessagingService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let headers = [("x-mq-client-id", Some(&*self.id).filter(|id| !id.is_empty())), ("grpc-timeout", self.timeout)];
        for (name, value) in headers {
            request = value.into_iter().fold(request, |request, value| request.header(name, value));
        }
        let (send, messages) = mpsc::channel(8);
        let request = request.body(StreamBody::new(Messages(messages))).expect("a request");
        let answer = self.calls.send_request(request);
        let head = tokio::time::timeout(ANSWERED_WITHIN, answer);
        // The head may wait for the first message, so it is not waited for here.
        (
            send,
            Call {
                head: Head::Coming(Box::pin(async { head.await.expect("in time").expect("an answer") })),
                rest: BytesMut::new(),
            },
        )
    }

    /// One message, one answer.
    pub async fn unary<A: Message + Default>(&mut self, method: &str, message: &impl Message) -> Result<A, Code> {
        let (send, mut call) = self.begin(method).await;
        send.send(framed(message)).await.expect("the call has begun");
        drop(send);
        match call.next::<A>().await {
            Some(answer) => Ok(answer),
            None => Err(call.code()),
        }
    }

    /// Everything one receive brings.
    pub async fn receive(&mut self, request: &ReceiveMessageRequest) -> Vec<Content> {
        let (send, mut call) = self.begin("ReceiveMessage").await;
        send.send(framed(request)).await.expect("the call has begun");
        drop(send);
        let mut contents = Vec::new();
        while let Some(answer) = call.next::<ReceiveMessageResponse>().await {
            contents.push(answer.content.expect("some clients stop without"));
        }
        contents
    }
}

enum Head {
    Coming(std::pin::Pin<Box<dyn Future<Output = Response<Incoming>> + Send>>),
    Here(Response<Incoming>, Option<Code>),
}

/// A call under way.
pub struct Call {
    head: Head,
    rest: BytesMut,
}

impl Call {
    /// Waits for the answer's head.
    pub async fn head(&mut self) {
        if let Head::Coming(coming) = &mut self.head {
            let head = coming.await;
            let code = head
                .headers()
                .get("grpc-status")
                .map(|code| code.to_str().expect("a number").parse().expect("a number"));
            self.head = Head::Here(head, code);
        }
    }

    /// The next message of the answer; `None` at its end.
    pub async fn next<A: Message + Default>(&mut self) -> Option<A> {
        self.head().await;
        let Head::Here(response, code) = &mut self.head else { unreachable!("waited for above") };
        loop {
            if self.rest.len() >= 5 {
                let len = u32::from_be_bytes(self.rest[1..5].try_into().expect("four bytes")) as usize;
                if self.rest.len() >= 5 + len {
                    let message = self.rest.split_to(5 + len).freeze();
                    return Some(A::decode(message.slice(5..)).expect("a message"));
                }
            }
            let frame = tokio::time::timeout(ANSWERED_WITHIN, response.body_mut().frame()).await.expect("in time");
            let frame = frame?.expect("the connection holds");
            match frame.into_data() {
                Ok(data) => self.rest.put(data),
                Err(trailers) => {
                    let trailers = trailers.into_trailers().expect("data or trailers");
                    let value = trailers.get("grpc-status").expect("every answer ends with it");
                    *code = Some(value.to_str().expect("a number").parse().expect("a number"));
                }
            }
        }
    }

    /// How the answer has ended.
    pub fn code(&self) -> Code {
        match &self.head {
            Head::Here(_, Some(code)) => *code,
            _ => panic!("it has not ended"),
        }
    }
}

/// A message as it stands on the wire.
pub fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).expect("small"));
    message.encode(&mut bytes).expect("room");
    bytes.freeze()
}

/// A topic or group.
pub fn named(name: &str) -> Option<Resource> {
    Some(Resource { name: name.to_owned(), ..Resource::default() })
}

/// Takes every certificate.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
