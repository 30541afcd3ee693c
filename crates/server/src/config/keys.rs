//! Every key of the configuration: its section, documentation, type, default and range, each written once.
//!
//! The `sections!` macro makes the structs the program reads, the table the documentation is printed from, and the check of
//! values out of the same lines. To add a key, add it here and use the field.

use std::time::Duration;

use namesrv::Network;
use toml::Value;

use super::value::{Flush, HostPort, Levels, Listen, LogFormat, Percent, Setting, Size};
use super::{Problem, Values};

/// One key as the documentation and the layers see it.
pub struct Key {
    /// Name of the table it stands in.
    pub section: &'static str,
    /// Its name in that table.
    pub name: &'static str,
    /// What it does, line by line, as in the source.
    pub doc: &'static [&'static str],
    /// What may be written, in words.
    pub expected: &'static str,
    /// Smallest and largest value, where there are such.
    pub range: Option<(Value, Value)>,
    /// The built-in value.
    pub default: Value,
}

/// A table of keys.
pub struct Section {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static [&'static str],
    /// Its keys, in the order of the documentation.
    pub keys: Vec<Key>,
}

macro_rules! sections {
    ($(
        $(#[doc = $section_doc:literal])*
        $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident: $Type:ty = $default:expr $(, $least:literal to $most:literal)?;
            )*
        }
    )*) => {
        // No `PartialEq` outside tests: it would read every field, and the compiler could no longer name a key that nothing uses.

        /// The whole configuration, read once at start.
        #[derive(Clone, Debug)]
        #[cfg_attr(test, derive(PartialEq))]
        pub struct Config {
            $( $(#[doc = $section_doc])* pub $section: $Section, )*
        }

        $(
            $(#[doc = $section_doc])*
            #[derive(Clone, Debug)]
            #[cfg_attr(test, derive(PartialEq))]
            pub struct $Section {
                $( $(#[doc = $doc])* pub $name: $Type, )*
            }
        )*

        /// All sections, in the order of the documentation.
        pub fn sections() -> Vec<Section> {
            vec![$( Section {
                name: stringify!($section),
                doc: &[$($section_doc),*],
                keys: vec![$( Key {
                    section: stringify!($section),
                    name: stringify!($name),
                    doc: &[$($doc),*],
                    expected: <$Type as Setting>::EXPECTED,
                    range: sections!(@range $($least $most)?),
                    default: Value::from($default),
                }, )*],
            }, )*]
        }

        impl Config {
            /// Reads every key from the merged layers. All problems are reported at once.
            pub(super) fn read(values: &Values) -> Result<Self, Vec<Problem>> {
                let mut problems = Vec::new();
                $( let $section = {
                    $(
                        let $name: Option<$Type> = values
                            .read(concat!(stringify!($section), ".", stringify!($name)), &mut problems)
                            $( .and_then(|value| values.within(
                                concat!(stringify!($section), ".", stringify!($name)),
                                value, $least, $most, &mut problems)) )?;
                    )*
                    (|| Some($Section { $( $name: $name?, )* }))()
                }; )*
                (|| Some(Self { $( $section: $section?, )* }))().ok_or(problems)
            }
        }
    };
    (@range) => { None };
    (@range $least:literal $most:literal) => { Some((Value::from($least), Value::from($most))) };
}

sections! {
    /// Who this broker is and where it keeps its data.
    node: Node {
        /// Broker name, unique in the cluster. Empty: the host's name.
        name: String = "";
        /// Cluster name, as shown by `mqadmin clusterList`.
        cluster: String = "DefaultCluster";
        /// Everything the broker keeps. One process at a time may use it. Relative to the working directory.
        data_dir: String = "./kerolox-data";
        /// The address clients are told to connect to: an IPv4 address or a host name that has one. "auto" takes the address
        /// this machine uses towards the internet. Clients on this machine are told 127.0.0.1 in any case.
        advertise: String = "auto";
    }

    /// Where we listen. Clients must reach the name server, the broker port, and for some old clients the VIP port, which is
    /// the broker port minus 2.
    listen: ListenOn {
        /// Name server: where clients ask for routes.
        namesrv: Listen = "0.0.0.0:9876";
        /// Broker: where clients send and consume.
        broker: Listen = "0.0.0.0:10911";
        /// gRPC, for RocketMQ 5.x clients: TLS and plaintext on the same port.
        grpc: Listen = "0.0.0.0:8081";
        /// HTTP: /metrics, /healthz, /readyz, /rocketmq/nsaddr. Nobody logs in here: keep it on a private address.
        http: Listen = "127.0.0.1:8082";
    }

    /// TLS of the gRPC port. Clients in Java, Go, C++ and C# speak it by default and take any certificate.
    tls: Tls {
        /// File with the certificate, and those that vouch for it, in PEM. Empty: one that vouches for itself is made at the
        /// first start and kept in the data directory.
        certificate: String = "";
        /// File with its private key in PEM. Empty: it stands in the certificate's file.
        key: String = "";
    }

    /// Other name servers and other brokers: for a cluster of several processes, or one shared with Java brokers.
    namesrv: Namesrv {
        /// Name servers this broker registers at besides its own, "host:port": those of a Java cluster it shall join, or
        /// of other processes like this one. Its own address among them is skipped. While nobody sets this, the environment
        /// variable NAMESRV_ADDR="a:9876;b:9876" does.
        external: Vec<HostPort> = Vec::<String>::new();
        /// Networks whose brokers may register at our name server. A broker that may register can take over the traffic of
        /// clients: name only networks you trust.
        accept_brokers: Vec<Network> = vec!["127.0.0.0/8", "::1/128"];
    }

    /// The log on disk.
    storage: Storage {
        /// "group": a send is answered after fdatasync; messages that arrive together share one. "async": it is answered
        /// after the write: kill -9 loses nothing, a crash of the machine the last moments. A topic may choose for itself.
        flush: Flush = "group";
        /// Size of one log file. Disk space is freed in these steps.
        segment_bytes: Size = "256MiB", "64KiB" to "1GiB";
        /// Messages older than this are deleted, consumed or not.
        retention: Duration = "72h", "1m" to "3650d";
        /// Oldest messages are deleted when the log is larger than this. 0: no limit but the disk.
        max_bytes: Size = "0";
        /// Share of the file system that may be in use. Above it the oldest messages are deleted, and sends are refused
        /// while that does not help; consuming goes on.
        max_disk: Percent = "85%", "5%" to "99%";
        /// Memory for the newest messages, from which consumers that keep up are served.
        tail_cache_bytes: Size = "64MiB", "1MiB" to "64GiB";
        /// Threads that read old messages from disk, so that such reads never delay a send.
        reader_threads: u32 = 2, 1 to 64;
    }

    /// Topics and consumer groups that come into being by use.
    topics: Topics {
        /// A send to an unknown topic creates it.
        auto_create: bool = true;
        /// A consumer of an unknown group creates it.
        auto_create_groups: bool = true;
        /// Queues of an automatically created topic. A client may ask for fewer.
        default_queues: u32 = 8, 1 to 65535;
        /// Automatically created topics in all; then sends to unknown topics are refused.
        max_auto_created: u32 = 100000, 0 to 10000000;
    }

    /// Delayed messages, exact delivery times and retries.
    delay: Delay {
        /// Delay of level 1, 2, 3, ... A failed message waits level 3 the first time, then one level more each time.
        levels: Levels = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";
        /// How far ahead an exact delivery time may lie. Java brokers take three days.
        max: Duration = "3650d", "1s" to "36500d";
    }

    /// Half messages: sent within a transaction, invisible until their producer commits them.
    transactions: Transactions {
        /// A half message is this old when a producer of its group is asked what became of it. A message may say another time
        /// itself. Java brokers: transactionTimeOut.
        check_after: Duration = "6s", "100ms" to "1h";
        /// From one such question to the next. Java brokers: transactionCheckInterval.
        check_every: Duration = "30s", "100ms" to "24h";
        /// Questions that were sent and not answered; then the message goes to the topic TRANS_CHECK_MAX_TIME_TOPIC. While no
        /// producer of the group is online, none is counted. Java brokers: transactionCheckMax.
        max_checks: u32 = 15, 1 to 100000;
        /// Half messages waiting in all; above it new ones are refused. One takes 150 bytes of memory.
        max_half_messages: u32 = 1000000, 1 to 100000000;
    }

    /// What one client may ask of us. Beyond a limit the answer says so, and other clients notice nothing.
    limits: Limits {
        /// Body of one message. The default is that of Java brokers and clients.
        message_bytes: Size = "4MiB", "1KiB" to "15MiB";
        /// Open connections in all.
        connections: u32 = 10000, 1 to 1000000;
        /// Open connections from one address. This machine is exempt.
        connections_per_address: u32 = 1000, 1 to 1000000;
    }

    /// The log of events, on standard error.
    log: Log {
        /// "error", "warn", "info", "debug" or "trace"; or by part, as in "info,store=debug".
        level: String = "info";
        /// "text" for people, "json" for machines.
        format: LogFormat = "text";
    }

    /// Numbers for Prometheus.
    metrics: Metrics {
        /// Serve /metrics on the HTTP address.
        enabled: bool = true;
    }
}
