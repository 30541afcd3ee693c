//! A broker in a folder of its own, asked frame by frame from loopback.

use std::sync::Arc;

use broker::state::clients::ConnectionId;
use broker::{Broker, Machines, Settings, Transactions};
use gateway::remoting::core::CoreHandle;
use gateway::remoting::dispatch::{Elsewhere, Outcome, dispatch};
use gateway::remoting::mailbox::ConnectionMailbox;
use gateway::remoting::turn::{Buffers, Pass, Peer, Turn};
use gateway::remoting::{Gateway, Limits};
use model::{Millis, Timestamp};
use namesrv::NameServer;
use store::{Log, Options, Read, Staged};
use tempfile::TempDir;
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, next_frame};
use wire::remoting::reply::Request;
use wire::remoting::reply::send::SendAnswers;

/// The moment of every request.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub struct Host {
    pub gateway: Arc<Gateway>,
    answers: SendAnswers,
    _folder: TempDir,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// The answer's frame.
    Answered(Vec<u8>),
    /// A pull is held, a client is asked, or no answer was wanted.
    Waits,
}

fn now() -> Timestamp {
    NOW
}

impl Host {
    pub fn start() -> Host {
        let settings = Settings {
            cluster: "DefaultCluster".to_owned(),
            broker_name: "broker-a".to_owned(),
            region: "DefaultRegion".to_owned(),
            store_host: "127.0.0.1:10911".parse().expect("an address"),
            auto_create_topics: true,
            auto_create_groups: true,
            default_queues: 8,
            auto_created_topics_max: 100,
            delay_levels: vec![Millis(1_000), Millis(5_000)],
            delay_max: Millis(86_400_000),
            message_bytes_max: 4 * 1024 * 1024,
            flush_async: false,
            transactions: Transactions::default(),
            retention: Millis(72 * 3_600_000),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let machines = Arc::new(Machines::new(&settings));
        let options = Options { segment_bytes: 1024 * 1024, reader_threads: 1, ..Options::new(folder.path()) };
        let log = Log::open(options, machines.clone(), Arc::new(now)).expect("an empty log opens");
        let broker = Broker::start(settings, machines, log, NOW).expect("an empty broker starts");
        let answers = SendAnswers::new(broker.settings.store_host, &broker.settings.region, true);
        let limits = Limits { connections: 10, connections_per_address: 10 };
        let gateway = Arc::new(Gateway::new(Arc::new(broker), Arc::new(NameServer::default()), now, limits));
        Host { gateway, answers, _folder: folder }
    }

    /// A connection from loopback.
    pub fn peer(&self, id: u64) -> Peer {
        self.peer_at("127.0.0.1:40000", id)
    }

    /// A connection from `address`.
    pub fn peer_at(&self, address: &str, id: u64) -> Peer {
        let mailbox = ConnectionMailbox::new(ConnectionId(id), Arc::new(CoreHandle::default()));
        Peer { address: address.parse().expect("an address"), mailbox: Arc::new(mailbox) }
    }

    /// Asks, and waits for the log where the answer does.
    pub fn ask(&self, peer: &Peer, frame: &[u8]) -> Asked {
        self.ask_in(peer, frame, Pass::First)
    }

    /// Asks for the first time, or again.
    pub fn ask_in(&self, peer: &Peer, frame: &[u8], pass: Pass) -> Asked {
        let frame = next_frame(frame).expect("a frame").expect("whole");
        let header = Header::parse(&frame).expect("a header");
        let (mut buffers, mut out, mut held, mut marks) = (Buffers::default(), Vec::new(), Vec::new(), Vec::new());
        loop {
            let mut turn = Turn { peer, now: NOW, mode: Read::Wait, pass, buffers: &mut buffers, out: &mut out };
            let outcome = dispatch(&self.gateway, &header, frame.body, &mut turn);
            turn.finish(&self.gateway.broker, &self.answers, &mut held, &mut marks);
            self.gateway.broker.log().flush();
            match outcome {
                Outcome::Done => break,
                Outcome::Hold(_) | Outcome::Elsewhere(Elsewhere::Cold) => return Asked::Waits,
                Outcome::Elsewhere(Elsewhere::Topic(config)) => {
                    let mut staged = Staged::default();
                    self.gateway.broker.begin_create_topic(*config, &mut staged);
                    self.gateway.broker.append_and_wait(&mut staged).expect("the disk has room");
                }
            }
        }
        out.append(&mut held);
        if out.is_empty() { Asked::Waits } else { Asked::Answered(out) }
    }

    /// Asks with fields and a body; the answer must come.
    pub fn answer(&self, peer: &Peer, request: &Request<'_>) -> Vec<u8> {
        let mut frame = Vec::new();
        request.write(Encoding::Json, &mut frame);
        match self.ask(peer, &frame) {
            Asked::Answered(answer) => answer,
            Asked::Waits => panic!("no answer to {request:?}"),
        }
    }
}
