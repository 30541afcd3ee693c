//! A broker in a folder of its own behind a door on a port of the system's choice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use broker::{Broker, Machines, Settings, Transactions};
use gateway::grpc::{self, Door, Listening};
use gateway::remoting::{Gateway, Limits};
use gateway::tls::Identity;
use model::{Millis, Timestamp, TopicConfig, TopicName};
use namesrv::NameServer;
use store::{Log, Options, Staged};
use tempfile::TempDir;

pub struct Host {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    listening: Listening,
    _folder: TempDir,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("before the year 292277026"))
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
        let broker = Broker::start(settings, machines, log, now()).expect("an empty broker starts");
        let limits = Limits { connections: 10, connections_per_address: 10 };
        let gateway = Arc::new(Gateway::new(Arc::new(broker), Arc::new(NameServer::default()), now, limits));
        let listener = gateway::listen::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let identity = Identity::self_signed(vec!["localhost".into()]).expect("made");
        let tls = identity.acceptor().expect("it serves");
        let listening = grpc::listen(Door::new(Arc::clone(&gateway), address), listener, tls);
        Host { gateway, address, listening, _folder: folder }
    }

    /// A topic with two queues that takes messages of one type.
    pub fn topic(&self, name: &str, kind: &str) {
        let config = TopicConfig {
            attributes: [("message.type".to_owned(), kind.to_owned())].into(),
            ..TopicConfig::new(TopicName::trusted(name), 2)
        };
        let mut staged = Staged::default();
        self.gateway.broker.begin_create_topic(config, &mut staged);
        self.gateway.broker.append_and_wait(&mut staged).expect("the disk has room");
    }

    /// Ends the door and waits for its connections.
    pub async fn close(self) {
        self.listening.closed().await;
    }
}
