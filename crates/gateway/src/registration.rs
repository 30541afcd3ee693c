//! Our broker at external name servers, so that it is part of a cluster of several processes or of Java brokers.
//!
//! One task a name server: connect, register with all topics, again every 30 s and at once when topics change, until
//! the process drains and the broker leaves. What one name server does or fails to do delays neither the others nor
//! anything else. The connection stays open: a name server drops a broker whose connection closes.
//!
//! Deliberately absent: asking for the data version (322) first, because a full registration also restores what was
//! deleted by hand; and deleting topics at name servers (216), which tools do themselves.

mod body;
mod changes;
mod own;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker::Machines;
use broker::state::topics::Topic;
use client::ops::Registration;
use client::{Connection, Error, Options};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, timeout};
use tracing::{debug, info, warn};
use wire::remoting::body::kv::DataVersion;

pub use changes::Changes;
pub use own::OwnNamesrv;

use crate::remoting::Gateway;
use crate::remoting::routes::{MASTER, ha_address};
use changes::Change;

/// Topics in one request. With the longest names and no attributes 4 MiB, a quarter of what name servers take.
const TOPICS_PER_REQUEST: usize = 10_000;

/// How long leaving may hold up the end of the process. Who does not hear it sees the connection close.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// Answers to our requests are awaited one by one.
const IN_FLIGHT_MAX: usize = 1;

/// When to try what.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Between full registrations, as Java brokers do it; a name server forgets a broker after 120 s.
    every: Duration,
    /// Pause after the first failure. It doubles up to `every`.
    retry: Duration,
    /// For connecting and for each answer.
    deadline: Duration,
}

const PACE: Pace =
    Pace { every: Duration::from_secs(30), retry: Duration::from_secs(1), deadline: Duration::from_secs(10) };

/// The tasks that keep the broker registered. They end with it.
pub struct Registrar {
    stop: watch::Sender<()>,
    links: JoinSet<()>,
}

impl Gateway {
    /// Registers at these name servers, `host:port`, until [`Registrar::end`]. `changes` is what [`Gateway::announce`]
    /// gave. To be called on a Tokio runtime, which runs the tasks.
    #[must_use]
    pub fn register_at(&self, namesrvs: Vec<String>, own: OwnNamesrv, changes: &Arc<Changes>) -> Registrar {
        let settings = &self.broker.settings;
        let registration = Registration {
            cluster: settings.cluster.clone(),
            broker_name: settings.broker_name.clone(),
            broker_address: settings.store_host.to_string(),
            ha_address: ha_address(settings),
            broker_id: MASTER.unsigned_abs(),
        };
        let link = |namesrv| {
            Link::new(namesrv, registration.clone(), Arc::clone(&self.broker.machines), Arc::clone(changes), own)
        };
        Registrar::start(namesrvs.into_iter().map(link))
    }
}

impl Registrar {
    fn start(links: impl Iterator<Item = Link>) -> Registrar {
        let (stop, stopped) = watch::channel(());
        Registrar { stop, links: links.map(|link| link.run(stopped.clone())).collect() }
    }

    /// Takes the broker out of the routes, within a second.
    pub async fn end(self) {
        drop(self.stop);
        self.links.join_all().await;
    }
}

/// One name server, and what was last said about it.
struct Link {
    namesrv: String,
    registration: Registration,
    machines: Arc<Machines>,
    changes: Arc<Changes>,
    heard: Receiver<Change>,
    own: OwnNamesrv,
    pace: Pace,
    logged: Logged,
}

/// What an operator has been told, so that it is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logged {
    Nothing,
    Registered,
    Failing(&'static str),
}

impl Link {
    fn new(
        namesrv: String,
        registration: Registration,
        machines: Arc<Machines>,
        changes: Arc<Changes>,
        own: OwnNamesrv,
    ) -> Link {
        let heard = changes.listen();
        Link { namesrv, registration, machines, changes, heard, own, pace: PACE, logged: Logged::Nothing }
    }

    async fn run(mut self, mut stop: watch::Receiver<()>) {
        let mut open = None;
        tokio::select! {
            () = self.keep_registered(&mut open) => {}
            // Its sender is dropped.
            _ = stop.changed() => {}
        }
        if let Some(connection) = &open {
            match timeout(LEAVE_MAX, connection.unregister_broker(&self.registration)).await {
                Ok(Ok(())) => info!(namesrv = self.namesrv, "left the name server"),
                Ok(Err(error)) => debug!(namesrv = self.namesrv, %error, "could not leave the name server"),
                Err(_) => debug!(namesrv = self.namesrv, "the name server did not answer in time that we leave"),
            }
        }
    }

    /// Ends when the name server turns out to be our own.
    async fn keep_registered(&mut self, open: &mut Option<Connection>) {
        let mut pause = self.pace.retry;
        loop {
            let began = Instant::now();
            let Err(error) = self.session(open).await else {
                info!(namesrv = self.namesrv, "this is our own name server: nothing to register");
                return;
            };
            *open = None;
            self.failed(&error);
            if began.elapsed() > self.pace.every {
                // It went well for a while: this may be a restart of the name server.
                pause = self.pace.retry;
            }
            sleep(pause).await;
            pause = (pause * 2).min(self.pace.every);
        }
    }

    /// Registers and keeps at it while all goes well; `Ok` at our own name server. Leaves the connection in `open`.
    async fn session(&mut self, open: &mut Option<Connection>) -> Result<(), Error> {
        if self.own.is_named(&self.namesrv, self.pace.deadline).await? {
            return Ok(());
        }
        let options = Options { deadline: self.pace.deadline, in_flight_max: IN_FLIGHT_MAX };
        let connection = &*open.insert(Connection::open(&self.namesrv, &options).await?);
        self.register_all(connection).await?;
        let mut due = interval_at(Instant::now() + self.pace.every, self.pace.every);
        loop {
            tokio::select! {
                () = connection.closed() => return Err(Error::Closed),
                _ = due.tick() => self.register_all(connection).await?,
                change = self.heard.recv() => match change {
                    Ok(change) => self.register_changed(connection, change).await?,
                    Err(RecvError::Lagged(_)) => self.register_all(connection).await?,
                    Err(RecvError::Closed) => unreachable!("the sender is in `changes`"),
                },
            }
        }
    }

    /// A full registration, in as many requests as it takes.
    async fn register_all(&mut self, connection: &Connection) -> Result<(), Error> {
        // Listen, then the version, then the topics: a change in between is sent again, none is missed.
        self.heard = self.changes.listen();
        let mut version = self.changes.version();
        let topics = self.machines.topics.all();
        for part in topics.chunks(TOPICS_PER_REQUEST) {
            if topics.len() > TOPICS_PER_REQUEST {
                // A name server skips known topics of a version it has seen.
                version = self.changes.next_version();
            }
            self.send(connection, version, part).await?;
        }
        self.worked(topics.len());
        Ok(())
    }

    /// Registers `first` and what changed since. Only ever after a full registration on the same connection.
    async fn register_changed(&mut self, connection: &Connection, first: Change) -> Result<(), Error> {
        let (mut version, mut names) = (first.version, BTreeSet::from([first.topic]));
        loop {
            match self.heard.try_recv() {
                Ok(change) => {
                    // Not a version newer than the changes: the name server would skip those that follow under it.
                    version = change.version;
                    names.insert(change.topic);
                }
                Err(TryRecvError::Lagged(_)) => return self.register_all(connection).await,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let topics: Vec<_> = names.iter().filter_map(|name| self.machines.topics.get(name.as_str())).collect();
        if topics.is_empty() {
            return Ok(());
        }
        match self.send(connection, version, &topics).await {
            // It has forgotten us, after two minutes without a sign for example.
            Err(Error::Refused { .. }) => self.register_all(connection).await,
            sent => sent,
        }
    }

    async fn send(&self, connection: &Connection, version: DataVersion, topics: &[Arc<Topic>]) -> Result<(), Error> {
        let body = body::of(version, self.changes.started(), topics);
        connection.register_broker(&self.registration, &body, body::checksum(&body)).await.map(drop)
    }

    fn worked(&mut self, topics: usize) {
        if self.logged != Logged::Registered {
            info!(namesrv = self.namesrv, topics, "registered at the name server");
            self.logged = Logged::Registered;
        }
    }

    fn failed(&mut self, error: &Error) {
        let advice = advice(error);
        if self.logged != Logged::Failing(advice) {
            let every_s = self.pace.every.as_secs();
            warn!(namesrv = self.namesrv, %error, every_s, "not registered at this name server, trying on: {advice}");
            self.logged = Logged::Failing(advice);
        }
    }
}

/// What an operator can do.
fn advice(error: &Error) -> &'static str {
    match error {
        Error::Connect { .. } | Error::Closed | Error::Deadline(_) => {
            "start it, or correct its address in namesrv.external or NAMESRV_ADDR"
        }
        Error::Refused { .. } => "it refuses, and says why",
        Error::Malformed(_) => "see that namesrv.external or NAMESRV_ADDR names a name server, not another service",
    }
}

#[cfg(test)]
mod tests;
