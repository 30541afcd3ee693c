//! Telemetry: the stream by which a client says what it is and the server tells it the rules, and asks (grpc.md section 5).

use std::sync::Arc;

use broker::notice::TransactionCheck;
use bytes::Bytes;
use model::Millis;
use model::record::message::Message;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Streaming};
use tracing::debug;
use wire::grpc::v2::retry_policy::Strategy;
use wire::grpc::v2::settings::PubSub;
use wire::grpc::v2::telemetry_command::Command;
use wire::grpc::v2::{
    CustomizedBackoff, ExponentialBackoff, Language, Metric, RecoverOrphanedTransactionCommand, Resource, RetryPolicy,
    Settings, TelemetryCommand,
};

use super::transaction;
use crate::grpc::Door;
use crate::grpc::caller::Caller;
use crate::grpc::check;
use crate::grpc::message::{self, span};
use crate::grpc::sessions::{self, Session};
use crate::grpc::status::{Refusal, ok};

/// Attempts of a send; clients of other languages keep their own number.
const SEND_ATTEMPTS: i32 = 3;

/// Pause before a send is tried again: the first, the longest, and how it grows.
const SEND_PAUSE: (Millis, Millis, f32) = (Millis(10), Millis(1_000), 2.0);

/// Pause before a failed message is handed out again, by attempt, as in the reference.
const RETRY_PAUSES_SECS: [u64; 18] =
    [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200];

/// The same for Node, which reads exponential pauses only.
const NODE_PAUSE: (Millis, Millis, f32) = (Millis(10_000), Millis(7_200_000), 2.0);

/// Messages of one receive.
const RECEIVE_BATCH: i32 = 32;

/// How long a receive waits for messages. Whole seconds: Python drops the rest.
const LONG_POLLING: Millis = Millis(20_000);

/// Lite topics of one client, and bytes of their names: some clients refuse to work with zeros.
const LITE: (i32, i32) = (2_000, 64);

/// Retries of a group nobody has configured.
const RETRIES: i32 = 16;

/// Serves one stream until its client ends it, or the door closes.
pub async fn serve(
    door: Arc<Door>,
    metadata: MetadataMap,
    extensions: Extensions,
    mut inbound: Streaming<TelemetryCommand>,
    outbound: mpsc::Sender<sessions::Command>,
) {
    let caller = match Caller::read(&metadata, &extensions) {
        Ok(caller) => caller,
        Err(refusal) => {
            let _ = outbound.send(Err(refusal.ends_stream())).await;
            return;
        }
    };
    let mut session = None;
    loop {
        let command = tokio::select! {
            command = inbound.message() => command,
            () = outbound.closed() => break,
            () = door.closed() => break,
        };
        let command = match command {
            Ok(Some(command)) => command.command,
            Ok(None) => break,
            Err(error) => {
                debug!(client = caller.client_id, %error, "a telemetry stream has broken");
                break;
            }
        };
        door.sessions.heard(caller.client_id, door.now());
        // Other commands answer questions we do not ask, or are of versions to come.
        let Some(Command::Settings(settings)) = command else { continue };
        match settle(&door, &caller, settings).await {
            Ok((answer, of)) => {
                if outbound.send(Ok(answer)).await.is_err() {
                    break;
                }
                // The first answer leads; whatever else there is to say comes after it.
                if session.is_none()
                    && let Some(of) = of
                {
                    of.open_stream(outbound.clone());
                    session = Some(of);
                }
            }
            Err(refusal) => {
                let _ = outbound.send(Err(refusal.ends_stream())).await;
                break;
            }
        }
    }
    if let Some(session) = session {
        session.close_stream(&outbound);
    }
}

/// Takes over what a client says of itself; answers with our part of the settings.
async fn settle(
    door: &Door,
    caller: &Caller<'_>,
    settings: Settings,
) -> Result<(TelemetryCommand, Option<Arc<Session>>), Refusal> {
    verify(door, &settings)?;
    let session = door.sessions.begin(caller, door.now());
    if let Some(session) = &session {
        session.keep_settings(settings.clone());
        match introduce(door, session).await {
            Ok(()) => {}
            // Some clients never open another stream: they are told when they receive.
            Err(refusal) => debug!(client = caller.client_id, text = refusal.text, "settings are not effective"),
        }
    }
    let answer = TelemetryCommand { status: Some(ok()), command: Some(Command::Settings(with_ours(door, settings))) };
    Ok((answer, session))
}

fn verify(door: &Door, settings: &Settings) -> Result<(), Refusal> {
    match &settings.pub_sub {
        Some(PubSub::Publishing(publishing)) => {
            for topic in &publishing.topics {
                check::topic(Some(topic), &door.gateway.broker.settings)?;
            }
            Ok(())
        }
        Some(PubSub::Subscription(subscription)) => check::group(subscription.group.as_ref()).map(|_| ()),
        None => {
            let text = "there is no publishing or subscription data in settings";
            Err(Refusal::new(wire::grpc::v2::Code::BadRequest, text))
        }
    }
}

/// Makes a client known to the broker, with what is missing for it.
pub async fn introduce(door: &Door, session: &Session) -> Result<(), Refusal> {
    let appended = door.with_scratch(|scratch| {
        session.introduce(&door.gateway.broker, &mut scratch.staged)?;
        Ok::<_, Refusal>(door.append(scratch)?)
    })?;
    door.durable_or_refuse(appended).await
}

/// What the client has sent, overlaid with the values that are ours to choose (grpc.md section 5.3).
fn with_ours(door: &Door, mut settings: Settings) -> Settings {
    let node = settings.user_agent.as_ref().is_some_and(|agent| agent.language() == Language::NodeJs);
    let policy = match &mut settings.pub_sub {
        Some(PubSub::Subscription(subscription)) => {
            let group = subscription.group.as_ref().map_or("", |group| group.name.as_str());
            let group = door.gateway.broker.machines.groups.get(group);
            let retries = group.as_ref().map_or(RETRIES, |group| group.config.retry_max);
            subscription.fifo = Some(group.is_some_and(|group| group.config.consume_message_orderly));
            subscription.receive_batch_size = Some(RECEIVE_BATCH);
            subscription.long_polling_timeout = Some(span(LONG_POLLING));
            (subscription.lite_subscription_quota, subscription.max_lite_topic_size) = (Some(LITE.0), Some(LITE.1));
            let pauses = RETRY_PAUSES_SECS.map(|secs| span(Millis::from_secs(secs)));
            let listed = Strategy::CustomizedBackoff(CustomizedBackoff { next: pauses.to_vec() });
            let strategy = if node { exponential(NODE_PAUSE) } else { listed };
            RetryPolicy { max_attempts: retries.saturating_add(1), strategy: Some(strategy) }
        }
        Some(PubSub::Publishing(publishing)) => {
            let max = door.gateway.broker.settings.message_bytes_max;
            publishing.max_body_size = i32::try_from(max).unwrap_or(i32::MAX);
            publishing.validate_message_type = true;
            RetryPolicy { max_attempts: SEND_ATTEMPTS, strategy: Some(exponential(SEND_PAUSE)) }
        }
        None => return settings,
    };
    settings.backoff_policy = Some(policy);
    settings.metric = Some(Metric::default());
    settings
}

fn exponential((initial, max, multiplier): (Millis, Millis, f32)) -> Strategy {
    Strategy::ExponentialBackoff(ExponentialBackoff { initial: Some(span(initial)), max: Some(span(max)), multiplier })
}

/// The question about a half message.
pub fn check(check: &TransactionCheck) -> TelemetryCommand {
    let told = Message::parse(&check.record).map(|record| {
        let topic = Resource { name: record.topic().to_owned(), ..Resource::default() };
        message::told(&record, Bytes::copy_from_slice(record.body()), &topic)
    });
    let command = RecoverOrphanedTransactionCommand {
        message: told,
        transaction_id: transaction::id(check.half, check.queue_offset),
    };
    TelemetryCommand { status: Some(ok()), command: Some(Command::RecoverOrphanedTransactionCommand(command)) }
}
