//! Requests that real clients, tools and brokers sent to a real name server, played through the handlers, and
//! the answers compared with the recorded ones: code, fields and body.
//!
//! Before each request the table is set up so that the recorded answer is the right one: the recordings keep
//! one or two frames of a kind, so the requests that led there are not all in them.

mod replay;
mod rules;

use std::net::Ipv4Addr;
use std::path::Path;

use namesrv::{Config, DataVersion, Registration, TopicEntry};
use wire::remoting::body::route::TopicRouteData;
use wire::remoting::frame::next_frame;

use super::*;

/// A name server with its key-value table, and the connection of whoever asks.
#[derive(Default)]
struct World {
    namesrv: NameServer,
    kv: Mutex<Kv>,
}

impl World {
    fn ask_from(&self, ip: IpAddr, header: &Header<'_>, body: &[u8]) -> Option<Result<Answer, Refusal>> {
        let (namesrv, kv) = (&self.namesrv, &self.kv);
        let asked = Asked { namesrv, kv, header, body, ip, link: Link(1), now: Timestamp(0) };
        answer(header.request_code(), &asked)
    }

    /// Asks from loopback and applies what was to be durable, as the log would.
    fn ask(&self, header: &Header<'_>, body: &[u8]) -> Option<Result<Answer, Refusal>> {
        let result = self.ask_from(Ipv4Addr::LOCALHOST.into(), header, body);
        if let Some(Ok(answer)) = &result {
            answer.facts.iter().for_each(|fact| self.apply(fact));
        }
        result
    }

    fn apply(&self, fact: &System) {
        let System::KvChanged { namespace, key, value } = fact else {
            panic!("not a fact of the name server: {fact:?}")
        };
        self.kv.lock().changed(model::LogOffset(0), namespace.clone(), key.clone(), value.clone());
    }

    fn put(&self, namespace: &str, key: &str, value: &str) {
        self.apply(&namesrv::plan_put(namespace, key, value, 0).expect("legal"));
    }

    /// Registers `broker-a` of the recordings with more topics.
    fn register(&self, version: DataVersion, topics: &[TopicEntry<'_>]) {
        let registration = Registration {
            cluster: "DefaultCluster",
            broker: "broker-a",
            id: 0,
            address: "127.0.0.1:10911",
            ha_address: "127.0.0.1:10912",
            zone: None,
            acting_master: Some(false),
            timeout: None,
            version,
            topics,
        };
        let source = Source::Network { ip: Ipv4Addr::LOCALHOST.into(), link: Link(1) };
        self.namesrv.write().register(&registration, source, Timestamp(0)).expect("legal");
    }
}

fn topic(name: &str) -> TopicEntry<'_> {
    TopicEntry { name, read_queues: 4, write_queues: 4, perm: 6, sys_flag: 0 }
}

/// A JSON header with these fields.
fn header(code: RequestCode, version: i32, fields: &str) -> String {
    format!("{{\"code\":{},\"extFields\":{{{fields}}},\"flag\":0,\"opaque\":7,\"version\":{version}}}", code.0)
}

fn parse(text: &str) -> Header<'_> {
    Header::parse_json(text.as_bytes()).expect("a header")
}
