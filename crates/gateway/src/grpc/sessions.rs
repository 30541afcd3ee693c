//! What is known of a client between two calls: its settings, its streams, and when it was last heard.
//!
//! A session belongs to a client id, never to a connection or a stream: streams end and come again, and one connection may
//! carry many clients (grpc.md section 5.1). It ends when the client says so, or has been silent too long. A client without
//! one is served all the same.

use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use broker::Broker;
use broker::notice::{Mailbox, Notice};
use broker::ops::heartbeat;
use broker::state::clients::{
    Client, ConnectionId, ConsumeFrom, ConsumeMode, ConsumeType, ConsumerHeard, MessageModel, SILENCE_MAX,
};
use broker::subscription::Subscription;
use model::{GroupName, Timestamp};
use parking_lot::{Mutex, RwLock};
use store::Staged;
use tokio::sync::{mpsc, watch};
use tonic::Status;
use wire::grpc::v2::settings::PubSub;
use wire::grpc::v2::{ClientType, FilterType, Settings, TelemetryCommand};

use super::caller::Caller;
use super::handlers::telemetry;
use super::status::{Refusal, of_subscription};
use crate::remoting::connection::next_connection_id;

/// Sessions in all; clients above it are served without, and are asked nothing. About 1 KB each.
const SESSIONS_MAX: usize = 100_000;

/// Commands that wait for one stream; a client that does not read them loses the next.
pub const COMMANDS_MAX: usize = 64;

/// Open streams of one client; the oldest goes when there is one more.
const STREAMS_MAX: usize = 16;

/// The version number tools are shown for clients whose own is a text.
const SHOWN_VERSION: i32 = 0;

/// What a stream carries to its client.
pub type Command = Result<TelemetryCommand, Status>;

/// One client.
pub struct Session {
    pub client_id: String,
    /// As which the broker knows it.
    pub connection: ConnectionId,
    address: SocketAddr,
    language: String,
    heard: AtomicI64,
    state: Mutex<State>,
    /// True once the session has ended: its long polls end, too.
    ended: watch::Sender<bool>,
    mailbox: Arc<StreamMailbox>,
}

#[derive(Default)]
struct State {
    settings: Option<Settings>,
    /// The newest last.
    streams: Vec<mpsc::Sender<Command>>,
}

/// The broker's way to the client.
struct StreamMailbox(Weak<Session>);

/// All sessions, by client id.
#[derive(Default)]
pub struct Sessions {
    by_id: RwLock<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    /// The session of a client that has one; hearing from it counts as a sign of life.
    pub fn heard(&self, client_id: &str, now: Timestamp) -> Option<Arc<Session>> {
        let session = self.by_id.read().get(client_id).cloned()?;
        session.heard.store(now.0, Ordering::Relaxed);
        Some(session)
    }

    /// The session of a client, begun if it has none. `None`: there are too many.
    pub fn begin(&self, caller: &Caller<'_>, now: Timestamp) -> Option<Arc<Session>> {
        if let Some(session) = self.heard(caller.client_id, now) {
            return Some(session);
        }
        let mut by_id = self.by_id.write();
        if let Some(session) = by_id.get(caller.client_id) {
            return Some(Arc::clone(session));
        }
        if by_id.len() >= SESSIONS_MAX {
            return None;
        }
        let session = Arc::new_cyclic(|session| Session {
            client_id: caller.client_id.to_owned(),
            connection: next_connection_id(),
            address: caller.address,
            language: caller.language.to_owned(),
            heard: AtomicI64::new(now.0),
            state: Mutex::default(),
            ended: watch::Sender::new(false),
            mailbox: Arc::new(StreamMailbox(session.clone())),
        });
        by_id.insert(session.client_id.clone(), Arc::clone(&session));
        Some(session)
    }

    /// Ends the session of a client.
    pub fn end(&self, client_id: &str) -> Option<Arc<Session>> {
        let session = self.by_id.write().remove(client_id)?;
        session.ended.send_replace(true);
        Some(session)
    }

    /// Ends the sessions of clients that have been silent too long.
    pub fn expire(&self, now: Timestamp) -> Vec<Arc<Session>> {
        let silent = |session: &Session| now.since(session.last_heard()) > SILENCE_MAX;
        let gone: Vec<_> = {
            let mut by_id = self.by_id.write();
            by_id.extract_if(|_, session| silent(session)).map(|(_, session)| session).collect()
        };
        for session in &gone {
            session.ended.send_replace(true);
        }
        gone
    }

    pub fn all(&self) -> Vec<Arc<Session>> {
        self.by_id.read().values().cloned().collect()
    }
}

impl Session {
    pub fn last_heard(&self) -> Timestamp {
        Timestamp(self.heard.load(Ordering::Relaxed))
    }

    /// What the client has said of itself, if it has.
    pub fn settings(&self) -> Option<Settings> {
        self.state.lock().settings.clone()
    }

    pub fn client_type(&self) -> Option<ClientType> {
        self.state.lock().settings.as_ref().map(Settings::client_type)
    }

    pub fn keep_settings(&self, settings: Settings) {
        self.state.lock().settings = Some(settings);
    }

    /// A new stream is the way to the client from now on.
    pub fn open_stream(&self, stream: mpsc::Sender<Command>) {
        let mut state = self.state.lock();
        state.streams.retain(|stream| !stream.is_closed());
        if state.streams.len() >= STREAMS_MAX {
            state.streams.remove(0);
        }
        state.streams.push(stream);
    }

    /// A stream has ended; the session goes on.
    pub fn close_stream(&self, stream: &mpsc::Sender<Command>) {
        self.state.lock().streams.retain(|open| !open.same_channel(stream) && !open.is_closed());
    }

    /// Tells the client something, on its newest stream. False: it has none, or does not read.
    pub fn tell(&self, command: TelemetryCommand) -> bool {
        let state = self.state.lock();
        let mut command = Some(Ok(command));
        state.streams.iter().rev().any(|stream| match stream.try_send(command.take().expect("given back on failure")) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => {
                command = Some(back);
                false
            }
        })
    }

    /// Resolves when the session ends.
    pub async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender is ours, so waiting for it cannot fail.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Tells the broker who this is: a producer of its topics, or a member of its group. What is missing is staged.
    pub fn introduce(&self, broker: &Broker, staged: &mut Staged) -> Result<(), Refusal> {
        let Some(settings) = self.settings() else { return Ok(()) };
        let (mut producers, mut consumers) = (Vec::new(), Vec::new());
        match &settings.pub_sub {
            // A half message of this protocol belongs to the producers of its topic: to the broker, a group of that name.
            Some(PubSub::Publishing(publishing)) => {
                producers.extend(publishing.topics.iter().map(|topic| GroupName::trusted(&topic.name)));
            }
            Some(PubSub::Subscription(subscription)) => {
                let version = self.last_heard().0;
                let parse = |entry: &wire::grpc::v2::SubscriptionEntry| {
                    let topic = entry.topic.as_ref().map_or("", |topic| topic.name.as_str());
                    let (expression, kind) = expression_of(entry.expression.as_ref());
                    Subscription::parse(topic, expression, Some(kind), version)
                };
                let subscriptions = subscription.subscriptions.iter().map(parse).collect::<Result<Vec<_>, _>>();
                let subscriptions = subscriptions.map_err(|error| of_subscription(&error))?;
                if let Some(group) = subscription.group.as_ref().filter(|group| !group.name.is_empty()) {
                    consumers.push(ConsumerHeard {
                        group: GroupName::trusted(&group.name),
                        mode: MODE,
                        // A client that has not said what it subscribes to changes nothing.
                        subscriptions: (!subscriptions.is_empty()).then_some(subscriptions),
                    });
                }
            }
            None => {}
        }
        let client = Client {
            connection: self.connection,
            client_id: self.client_id.clone(),
            address: self.address,
            language: self.language.clone(),
            version: SHOWN_VERSION,
            heard: self.last_heard(),
            mailbox: self.mailbox.clone(),
        };
        broker.begin_heartbeat(heartbeat::Request { client, producers, consumers }, staged);
        Ok(())
    }
}

/// Members of a group share its messages by popping; a group begins where the broker says.
const MODE: ConsumeMode =
    ConsumeMode { by: Some(ConsumeType::Pop), model: Some(MessageModel::Clustering), from: Some(ConsumeFrom::Last) };

/// A filter expression and its kind, as the broker knows them.
pub fn expression_of(filter: Option<&wire::grpc::v2::FilterExpression>) -> (&str, &'static str) {
    match filter {
        None => ("*", "TAG"),
        Some(filter) => match filter.r#type() {
            FilterType::Sql => (&filter.expression, "SQL92"),
            FilterType::Tag | FilterType::Unspecified => (&filter.expression, "TAG"),
        },
    }
}

impl Mailbox for StreamMailbox {
    fn post(&self, notice: Notice) -> bool {
        let Some(session) = self.0.upgrade() else { return false };
        match notice {
            // Members of these groups divide no queues.
            Notice::ConsumersChanged { .. } => true,
            Notice::CheckTransaction(check) => session.tell(telemetry::check(&check)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
