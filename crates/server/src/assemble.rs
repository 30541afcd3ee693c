//! The parts at work: the log, the broker over it, the name server, I/O threads, acceptors and jobs.
//!
//! What the parts do is theirs. Here they are built from the configuration, introduced to each other, and ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker::{Broker, Machines, Settings};
use gateway::grpc::{self, Door, Listening};
use gateway::metrics::Metrics;
use gateway::registration::{OwnNamesrv, Registrar};
use gateway::remoting::core::{self, CoreHandle};
use gateway::remoting::{Gateway, Limits, accept};
use model::{Millis, Timestamp};
use namesrv::NameServer;
use prometheus_client::registry::Registry;
use store::{Log, Options, Policy, Staged, SyncRule};
use tokio::task::AbortHandle;
use tracing::{error, warn};

use crate::advertise::Advertised;
use crate::banner::Ports;
use crate::certificate;
use crate::config::{Config, Flush};
use crate::failure::{self, Failure};
use crate::pages::Pages;
use crate::serve::Sockets;

/// Put into every message; clients show it in traces.
const REGION: &str = "DefaultRegion";

/// Consumer offsets that nobody waits for reach the log this often.
const WRITE_OFFSETS_EVERY: Duration = Duration::from_secs(1);

/// Counters are noted this often, for rates.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Pause between notes of which topics and groups are in use.
const NOTE_USE_EVERY: Duration = Duration::from_secs(3_600);

/// Silent clients, old queue locks and dead brokers are looked for this often.
const EXPIRE_EVERY: Duration = Duration::from_secs(5);

/// Old segments are looked for this often.
const RETAIN_EVERY: Duration = Duration::from_secs(1);

/// Share of the disk in percent, above `storage.max_disk`, at which sends are refused.
const REFUSE_ABOVE_MAX_DISK: u8 = 5;

/// What the parts are built from: settings, and what became of them.
pub struct Ground<'a> {
    pub config: &'a Config,
    pub broker_name: &'a str,
    pub advertised: &'a Advertised,
    pub ports: Ports,
}

/// An I/O thread.
type Io = (Arc<CoreHandle>, JoinHandle<()>);

/// One round of a job: answers how long to wait before the next.
type Round = Box<dyn FnMut(&Gateway, &mut Staged) -> Duration + Send>;

/// The parts at work.
pub struct Running {
    gateway: Arc<Gateway>,
    acceptors: Vec<AbortHandle>,
    cores: Vec<Io>,
    jobs: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    registrar: Registrar,
    grpc: Listening,
}

/// The system's clock, which only this crate reads.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Builds the parts on the bound sockets and introduces them to each other.
pub fn assemble(ground: &Ground<'_>, sockets: Sockets, pages: &Pages) -> Result<Running, Failure> {
    let config = ground.config;
    let settings = settings(ground);
    let machines = Arc::new(Machines::new(&settings));
    let log = Log::open(options(config), machines.clone(), Arc::new(now)).map_err(|error| failure::of_open(&error))?;
    log.on_failure(Box::new(|reason| {
        // What was not answered is not promised; the next start finds the log as it is on disk.
        error!(reason, "the log has failed: the process ends");
        std::process::exit(1);
    }));
    let broker = Broker::start(settings, machines, log, now()).map_err(Failure::failed)?;
    let namesrv = Arc::new(NameServer::new(namesrv::Config {
        accept_brokers: config.namesrv.accept_brokers.clone(),
        ..namesrv::Config::default()
    }));
    let limits = Limits {
        connections: usize::try_from(config.limits.connections).expect("a count fits"),
        connections_per_address: usize::try_from(config.limits.connections_per_address).expect("a count fits"),
    };
    let gateway = Arc::new(Gateway::new(Arc::new(broker), namesrv, now, limits));
    let changes = gateway.announce();
    let external = config.namesrv.external.iter().map(ToString::to_string).collect();
    let own = OwnNamesrv { bound: ground.ports.namesrv, advertised: ground.advertised.address.into() };
    let registrar = gateway.register_at(external, own, &changes);

    let stop = Arc::new(AtomicBool::new(false));
    let cores = start_cores(&gateway)?;
    let handles: Vec<_> = cores.iter().map(|(handle, _)| Arc::clone(handle)).collect();
    let acceptors = [sockets.namesrv, sockets.broker, sockets.vip]
        .map(|listener| tokio::spawn(accept::accept(listener, Arc::clone(&gateway), handles.clone())).abort_handle());
    let jobs = start_jobs(&gateway, &stop, policy(config))?;
    let tls = certificate::identity(ground)?.acceptor().map_err(failure::of_tls)?;
    let reached_at = SocketAddr::new(ground.advertised.address.into(), ground.ports.grpc.port());
    let grpc = grpc::listen(Door::new(Arc::clone(&gateway), reached_at), sockets.grpc, tls);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(Arc::clone(&gateway))));
    let asked = Arc::clone(&gateway);
    pages.ready(config.metrics.enabled.then_some(registry), move || {
        let full = asked.broker.log().disk_full();
        if full {
            vec!["disk nearly full: sends are refused until space is free (storage.max_disk)".into()]
        } else {
            vec![]
        }
    });
    Ok(Running { gateway, acceptors: acceptors.into(), cores, jobs, stop, registrar, grpc })
}

impl Running {
    /// Stops taking work and finishes what was begun: no new connections, sends refused, external name servers told, staged
    /// sends answered, checkpoint.
    pub async fn drain(self) {
        for acceptor in &self.acceptors {
            acceptor.abort();
        }
        self.gateway.broker.drain();
        self.grpc.begin_close();
        let ended = tokio::task::spawn_blocking(move || {
            self.stop.store(true, Ordering::Relaxed);
            for job in self.jobs {
                job.thread().unpark();
                let _ = job.join();
            }
            // Closing syncs what is staged; the I/O threads answer it as the log moves, and end after that.
            self.gateway.broker.log().close();
            for (handle, thread) in self.cores {
                handle.stop();
                let _ = thread.join();
            }
        });
        let (ended, ()) = tokio::join!(ended, self.registrar.end());
        // What was staged is durable now, and its answers leave.
        self.grpc.closed().await;
        if ended.is_err() {
            error!("a part panicked while it was ended");
        }
    }
}

fn settings(ground: &Ground<'_>) -> Settings {
    let config = ground.config;
    let millis = |span: &Duration| Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    Settings {
        cluster: config.node.cluster.clone(),
        broker_name: ground.broker_name.to_owned(),
        region: REGION.to_owned(),
        store_host: SocketAddr::new(ground.advertised.address.into(), ground.ports.broker.port()),
        auto_create_topics: config.topics.auto_create,
        auto_create_groups: config.topics.auto_create_groups,
        default_queues: config.topics.default_queues,
        auto_created_topics_max: usize::try_from(config.topics.max_auto_created).expect("a count fits"),
        delay_levels: config.delay.levels.0.iter().map(millis).collect(),
        delay_max: millis(&config.delay.max),
        message_bytes_max: usize::try_from(config.limits.message_bytes.0).expect("at most 15 MiB"),
        flush_async: matches!(config.storage.flush, Flush::Async),
        transactions: broker::Transactions {
            check_after: millis(&config.transactions.check_after),
            check_every: millis(&config.transactions.check_every),
            checks_max: config.transactions.max_checks,
            halves_max: usize::try_from(config.transactions.max_half_messages).expect("a count fits"),
        },
        retention: millis(&config.storage.retention),
    }
}

fn options(config: &Config) -> Options {
    let storage = &config.storage;
    Options {
        segment_bytes: storage.segment_bytes.0,
        tail_cache_bytes: usize::try_from(storage.tail_cache_bytes.0).expect("a cache fits the address space"),
        reader_threads: usize::try_from(storage.reader_threads).expect("a count fits"),
        sync: match storage.flush {
            Flush::Group => SyncRule::Group,
            Flush::Async => SyncRule::Async,
        },
        retention: policy(config),
        ..Options::new(&config.node.data_dir)
    }
}

fn policy(config: &Config) -> Policy {
    let storage = &config.storage;
    Policy {
        keep: Millis(u64::try_from(storage.retention.as_millis()).unwrap_or(u64::MAX)),
        bytes_max: (storage.max_bytes.0 > 0).then_some(storage.max_bytes.0),
        reclaim_percent: storage.max_disk.0,
        refuse_percent: storage.max_disk.0.saturating_add(REFUSE_ABOVE_MAX_DISK).min(99),
    }
}

fn start_cores(gateway: &Arc<Gateway>) -> Result<Vec<Io>, Failure> {
    let count = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (0..count)
        .map(|index| {
            let handle = Arc::new(CoreHandle::default());
            let listener = Arc::clone(&handle);
            gateway.broker.log().on_progress(Box::new(move |progress| listener.log_moved(progress)));
            let (gateway, own) = (Arc::clone(gateway), Arc::clone(&handle));
            let life = move || {
                if let Err(error) = core::run(gateway, own) {
                    error!(%error, "an I/O thread could not start");
                }
            };
            Ok((handle, spawn(&format!("io-{index}"), life)?))
        })
        .collect()
}

fn start_jobs(gateway: &Arc<Gateway>, stop: &Arc<AtomicBool>, policy: Policy) -> Result<Vec<JoinHandle<()>>, Failure> {
    let repeat = |name: &str, mut round: Round| {
        let (gateway, stop) = (Arc::clone(gateway), Arc::clone(stop));
        spawn(name, move || {
            let mut staged = Staged::default();
            while !stop.load(Ordering::Relaxed) {
                staged.clear();
                let pause = round(&gateway, &mut staged);
                thread::park_timeout(pause);
            }
            staged.clear();
            round(&gateway, &mut staged);
        })
    };
    let deliver = repeat("job-timed", Box::new(|gateway, staged| gateway.broker.deliver_timed(now(), staged).into()))?;
    let sleeper = deliver.thread().clone();
    gateway.broker.machines.listen_to_timers(Box::new(move || sleeper.unpark()));
    let mut retired = gateway.broker.find_runs().map_err(Failure::failed)?;
    Ok(vec![
        repeat("job-halves", Box::new(|gateway, staged| gateway.broker.check_halves(now(), staged).into()))?,
        deliver,
        repeat("job-settle", Box::new(move |gateway, _| gateway.broker.settle_timers(&mut retired).into()))?,
        repeat("job-redeliver", Box::new(|gateway, staged| gateway.broker.redeliver(now(), staged).into()))?,
        repeat(
            "job-offsets",
            Box::new(|gateway, staged| {
                if let Err(error) = gateway.broker.write_offsets(staged) {
                    warn!(%error, "consumer offsets wait for the log");
                }
                WRITE_OFFSETS_EVERY
            }),
        )?,
        repeat(
            "job-sample",
            Box::new(|gateway, _| {
                gateway.broker.sample(now());
                SAMPLE_EVERY
            }),
        )?,
        repeat(
            "job-use",
            Box::new(|gateway, staged| {
                if let Err(error) = gateway.broker.note_use(now(), staged) {
                    warn!(%error, "what is in use is noted later");
                }
                NOTE_USE_EVERY
            }),
        )?,
        repeat(
            "job-expire",
            Box::new(|gateway, _| {
                gateway.broker.expire(now());
                for lost in gateway.namesrv.write().expire(now()) {
                    warn!(broker = ?lost, "a broker has not been heard: its routes are gone");
                }
                EXPIRE_EVERY
            }),
        )?,
        repeat(
            "job-retain",
            Box::new(move |gateway, staged| {
                if let Err(error) = gateway.broker.retain(&policy, now(), staged) {
                    warn!(%error, "old segments stay for now");
                }
                RETAIN_EVERY
            }),
        )?,
    ])
}

fn spawn(name: &str, life: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(life)
        .map_err(|error| Failure::failed(format!("cannot start thread {name}: {error}")))
}
