//! Heartbeat and NotifyClientTermination: a client lives, a client goes (grpc.md sections 5.6 and 5.7).

use wire::grpc::v2::settings::PubSub;
use wire::grpc::v2::{
    ClientType, Code, HeartbeatRequest, HeartbeatResponse, NotifyClientTerminationResponse, Publishing, Settings,
    Subscription,
};

use super::telemetry;
use crate::grpc::Door;
use crate::grpc::caller::Caller;
use crate::grpc::check;
use crate::grpc::status::{Refusal, ok};

/// A client without settings is taken in by what its heartbeat says: until it is answered OK, clients send nothing.
pub async fn heartbeat(
    door: &Door,
    caller: &Caller<'_>,
    request: HeartbeatRequest,
) -> Result<HeartbeatResponse, Refusal> {
    let now = door.now();
    if let Some(session) = door.sessions.begin(caller, now) {
        if session.client_type().is_none() {
            session.keep_settings(provisional(&request)?);
        }
        telemetry::introduce(door, &session).await?;
    }
    Ok(HeartbeatResponse { status: Some(ok()) })
}

/// What is known of a client by its heartbeat alone.
fn provisional(request: &HeartbeatRequest) -> Result<Settings, Refusal> {
    let pub_sub = match request.client_type() {
        ClientType::Producer => PubSub::Publishing(Publishing::default()),
        ClientType::Unspecified => {
            let text = "the heartbeat names no client type: say what the client is";
            return Err(Refusal::new(Code::UnrecognizedClientType, text));
        }
        ClientType::PushConsumer
        | ClientType::SimpleConsumer
        | ClientType::PullConsumer
        | ClientType::LitePushConsumer
        | ClientType::LiteSimpleConsumer => {
            check::group(request.group.as_ref())?;
            PubSub::Subscription(Subscription { group: request.group.clone(), ..Subscription::default() })
        }
    };
    Ok(Settings { client_type: Some(request.client_type), pub_sub: Some(pub_sub), ..Settings::default() })
}

/// Whoever is not known has gone already.
pub fn terminate(door: &Door, caller: &Caller<'_>) -> NotifyClientTerminationResponse {
    if let Some(session) = door.sessions.end(caller.client_id) {
        door.gateway.broker.connection_closed(session.connection);
    }
    NotifyClientTerminationResponse { status: Some(ok()) }
}
