//! What is printed on start: where to connect, what clients must be able to reach, what is kept where. A pure text.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::advertise::Advertised;
use crate::config::{Config, Flush, show_duration};

/// What the text is made of: settings, and what became of them.
pub struct Facts<'a> {
    /// The settings in force.
    pub config: &'a Config,
    /// Broker name, with the host's name filled in.
    pub broker_name: &'a str,
    /// What routes say.
    pub advertised: &'a Advertised,
    /// The ports really bound.
    pub ports: Ports,
    /// Whether the development profile is on: only then snippets are shown.
    pub dev: bool,
}

/// The addresses really bound; they differ from the settings where those say port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Name server.
    pub namesrv: SocketAddr,
    /// Broker.
    pub broker: SocketAddr,
    /// The broker's second port, for clients that use the VIP channel.
    pub vip: SocketAddr,
    /// gRPC.
    pub grpc: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

/// The whole text.
pub fn text(facts: &Facts<'_>) -> String {
    let Facts { config, broker_name, advertised, ports, dev } = facts;
    let namesrv = name_server(advertised.address, ports);
    let data = std::path::absolute(&config.node.data_dir);
    let data = data.as_deref().unwrap_or(Path::new(&config.node.data_dir)).display();
    let durability = match config.storage.flush {
        Flush::Group => "a send is answered after fdatasync",
        Flush::Async => {
            "a send is answered after the write; a crash of the machine loses the last moments (storage.flush)"
        }
    };
    let mut text = format!(
        "Kerolox {version}: broker {broker_name} of cluster {cluster}\n\n\
         \x20 connect to   {namesrv}   (name server address of any RocketMQ client)\n\
         \x20 or to        {address}:{grpc}   (endpoint of a RocketMQ 5.x gRPC client, TLS or plaintext)\n\
         \x20 advertised   {address}   ({reason})\n\
         \x20 must reach   TCP {namesrv_port} name server, {broker} broker, {vip} broker VIP, {grpc} gRPC\n\
         \x20 durability   {durability}\n\
         \x20 data         {data}, kept {retention}\n\
         \x20 health       http://{http}/readyz   metrics http://{http}/metrics\n",
        version = env!("CARGO_PKG_VERSION"),
        cluster = config.node.cluster,
        address = advertised.address,
        reason = advertised.reason,
        namesrv_port = ports.namesrv.port(),
        broker = ports.broker.port(),
        vip = ports.vip.port(),
        grpc = ports.grpc.port(),
        retention = show_duration(config.storage.retention),
        http = ports.http,
    );
    if *dev {
        text.push_str(&snippets(&namesrv));
    }
    text
}

/// The name server address to hand out: the advertised address, unless the name server listens on one address only.
pub fn name_server(advertised: Ipv4Addr, ports: &Ports) -> String {
    match ports.namesrv {
        SocketAddr::V4(bound) if !bound.ip().is_unspecified() => bound.to_string(),
        bound => format!("{advertised}:{}", bound.port()),
    }
}

/// Ten lines each that send a message and show it arriving; README.md carries the same ones.
fn snippets(namesrv: &str) -> String {
    let java = include_str!("snippets/quickstart.java").replace("127.0.0.1:9876", namesrv);
    let python = include_str!("snippets/quickstart.py").replace("127.0.0.1:9876", namesrv);
    format!(
        "\nJava (Maven: org.apache.rocketmq:rocketmq-client:5.3.3)\n\n{}\n\
         Python (pip install rocketmq==0.4.4)\n\n{}\nStop with Ctrl-C.\n",
        indented(&java),
        indented(&python)
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn ports(namesrv: &str) -> Ports {
        let port = |text: &str| text.parse().expect("an address");
        Ports {
            namesrv: port(namesrv),
            broker: port("0.0.0.0:10911"),
            vip: port("0.0.0.0:10909"),
            grpc: port("0.0.0.0:8081"),
            http: port("127.0.0.1:8082"),
        }
    }

    #[test]
    fn the_banner_names_what_a_client_must_reach() {
        let (config, _) =
            load(&Sources { set: vec!["node.data_dir=/data".into()], ..Sources::default() }).expect("right");
        let advertised = Advertised { address: Ipv4Addr::new(10, 0, 0, 7), reason: "set by node.advertise".into() };
        let facts = Facts {
            config: &config,
            broker_name: "broker-a",
            advertised: &advertised,
            ports: ports("0.0.0.0:9876"),
            dev: false,
        };
        let text = text(&facts);
        let lines: Vec<&str> = text.lines().skip(2).map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "connect to   10.0.0.7:9876   (name server address of any RocketMQ client)",
                "or to        10.0.0.7:8081   (endpoint of a RocketMQ 5.x gRPC client, TLS or plaintext)",
                "advertised   10.0.0.7   (set by node.advertise)",
                "must reach   TCP 9876 name server, 10911 broker, 10909 broker VIP, 8081 gRPC",
                "durability   a send is answered after fdatasync",
                "data         /data, kept 3d",
                "health       http://127.0.0.1:8082/readyz   metrics http://127.0.0.1:8082/metrics",
            ]
        );
    }

    #[test]
    fn snippets_are_shown_in_dev_only_and_carry_the_address() {
        assert_eq!(name_server(Ipv4Addr::new(10, 0, 0, 7), &ports("127.0.0.1:19876")), "127.0.0.1:19876");
        let text = snippets("127.0.0.1:19876");
        assert!(text.contains("127.0.0.1:19876") && !text.contains("127.0.0.1:9876"), "{text}");
    }

    #[test]
    fn the_readme_shows_the_same_snippets() {
        let readme = include_str!("../../../README.md");
        for snippet in [include_str!("snippets/quickstart.java"), include_str!("snippets/quickstart.py")] {
            assert!(readme.contains(snippet), "README.md lacks this snippet:\n{snippet}");
        }
    }
}
