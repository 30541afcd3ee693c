//! The service: each call to its handler, each refusal into its answer.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::{Iter, Stream};
use tonic::{Request, Response, Status, Streaming};
use wire::grpc::v2::*;

use super::Door;
use super::accept::Call;
use super::caller::Caller;
use super::handlers::{ack, assignment, client, receive, route, send, telemetry, transaction};
use super::sessions::{self, COMMANDS_MAX};
use super::status::Refusal;
use super::stub::messaging_service_server::MessagingService;

/// See the module.
pub struct Service(pub Arc<Door>);

/// The commands for one client, and the proof that its connection is in use.
pub struct Commands {
    commands: mpsc::Receiver<sessions::Command>,
    _call: Option<Call>,
}

impl Stream for Commands {
    type Item = sessions::Command;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.commands.poll_recv(context)
    }
}

/// A gRPC error: only where the protocol has no other word, or the method is none of ours.
fn not_served(method: &str) -> Status {
    Status::unimplemented(format!("{method} is not served yet"))
}

/// Answers a unary call: reads who calls, notes that it lives, runs the handler, and turns a refusal into the answer's status.
macro_rules! answer {
    ($door:expr, $request:expr, |$caller:ident, $message:ident| $handler:expr) => {{
        let (metadata, extensions, $message) = $request.into_parts();
        let handled = match Caller::read(&metadata, &extensions) {
            Ok($caller) => {
                $door.sessions.heard($caller.client_id, $door.now());
                let handled: Result<_, Refusal> = $handler;
                handled.map_err(|refusal| refusal.told(&$caller))
            }
            Err(refusal) => Err(refusal.told(&Caller::read_anyone(&metadata, &extensions))),
        };
        let refused = |status| {
            // Every answer has a status, and nothing else when it refuses.
            let mut answer = Default::default();
            Refused::refuse(&mut answer, status);
            answer
        };
        Ok(Response::new(handled.unwrap_or_else(refused)))
    }};
}

/// An answer that can be nothing but a status.
trait Refused: Default {
    fn refuse(&mut self, status: wire::grpc::v2::Status);
}

macro_rules! refused {
    ($($answer:ident)*) => {$(
        impl Refused for $answer {
            fn refuse(&mut self, status: wire::grpc::v2::Status) {
                self.status = Some(status);
            }
        }
    )*};
}

refused! {
    QueryRouteResponse HeartbeatResponse SendMessageResponse QueryAssignmentResponse AckMessageResponse
    EndTransactionResponse RecallMessageResponse
}

#[tonic::async_trait]
impl MessagingService for Service {
    type ReceiveMessageStream = receive::Answer;
    type PullMessageStream = Iter<std::vec::IntoIter<Result<PullMessageResponse, Status>>>;
    type TelemetryStream = Commands;

    async fn query_route(&self, request: Request<QueryRouteRequest>) -> Result<Response<QueryRouteResponse>, Status> {
        // Old PHP programs send no client id, and ask for nothing but routes.
        let (metadata, extensions, message) = request.into_parts();
        let caller = Caller::read_anyone(&metadata, &extensions);
        let refused =
            |refusal: Refusal| QueryRouteResponse { status: Some(refusal.told(&caller)), ..Default::default() };
        Ok(Response::new(route::query(&self.0, &message).unwrap_or_else(refused)))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        answer!(self.0, request, |caller, message| client::heartbeat(&self.0, &caller, message).await)
    }

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        answer!(self.0, request, |caller, message| send::send(&self.0, &caller, &message).await)
    }

    async fn query_assignment(
        &self,
        request: Request<QueryAssignmentRequest>,
    ) -> Result<Response<QueryAssignmentResponse>, Status> {
        answer!(self.0, request, |_caller, message| assignment::query(&self.0, &message))
    }

    async fn receive_message(
        &self,
        request: Request<ReceiveMessageRequest>,
    ) -> Result<Response<Self::ReceiveMessageStream>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        Ok(Response::new(match Caller::read(&metadata, &extensions) {
            Ok(caller) => receive::receive(&self.0, &caller, &message).await,
            Err(refusal) => {
                receive::Answer::refused(refusal.told(&Caller::read_anyone(&metadata, &extensions)), self.0.now())
            }
        }))
    }

    async fn ack_message(&self, request: Request<AckMessageRequest>) -> Result<Response<AckMessageResponse>, Status> {
        answer!(self.0, request, |caller, message| ack::ack(&self.0, &caller, message).await)
    }

    async fn forward_message_to_dead_letter_queue(
        &self,
        _: Request<ForwardMessageToDeadLetterQueueRequest>,
    ) -> Result<Response<ForwardMessageToDeadLetterQueueResponse>, Status> {
        Err(not_served("ForwardMessageToDeadLetterQueue"))
    }

    async fn pull_message(&self, _: Request<PullMessageRequest>) -> Result<Response<Self::PullMessageStream>, Status> {
        Err(not_served("PullMessage"))
    }

    async fn update_offset(&self, _: Request<UpdateOffsetRequest>) -> Result<Response<UpdateOffsetResponse>, Status> {
        Err(not_served("UpdateOffset"))
    }

    async fn get_offset(&self, _: Request<GetOffsetRequest>) -> Result<Response<GetOffsetResponse>, Status> {
        Err(not_served("GetOffset"))
    }

    async fn query_offset(&self, _: Request<QueryOffsetRequest>) -> Result<Response<QueryOffsetResponse>, Status> {
        Err(not_served("QueryOffset"))
    }

    async fn end_transaction(
        &self,
        request: Request<EndTransactionRequest>,
    ) -> Result<Response<EndTransactionResponse>, Status> {
        answer!(self.0, request, |_caller, message| transaction::end(&self.0, message).await)
    }

    async fn telemetry(
        &self,
        request: Request<Streaming<TelemetryCommand>>,
    ) -> Result<Response<Self::TelemetryStream>, Status> {
        // The answer's head leaves at once: some clients wait for it before they say anything.
        let (metadata, mut extensions, inbound) = request.into_parts();
        let call = extensions.remove::<Call>();
        let (outbound, commands) = mpsc::channel(COMMANDS_MAX);
        tokio::spawn(telemetry::serve(Arc::clone(&self.0), metadata, extensions, inbound, outbound));
        Ok(Response::new(Commands { commands, _call: call }))
    }

    async fn notify_client_termination(
        &self,
        request: Request<NotifyClientTerminationRequest>,
    ) -> Result<Response<NotifyClientTerminationResponse>, Status> {
        let (metadata, extensions, _) = request.into_parts();
        let caller = Caller::read_anyone(&metadata, &extensions);
        Ok(Response::new(client::terminate(&self.0, &caller)))
    }

    async fn change_invisible_duration(
        &self,
        request: Request<ChangeInvisibleDurationRequest>,
    ) -> Result<Response<ChangeInvisibleDurationResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        Ok(Response::new(match Caller::read(&metadata, &extensions) {
            Ok(caller) => ack::change_invisible(&self.0, &caller, message).await,
            Err(refusal) => ChangeInvisibleDurationResponse {
                status: Some(refusal.told(&Caller::read_anyone(&metadata, &extensions))),
                receipt_handle: message.receipt_handle,
            },
        }))
    }

    async fn recall_message(
        &self,
        request: Request<RecallMessageRequest>,
    ) -> Result<Response<RecallMessageResponse>, Status> {
        answer!(self.0, request, |_caller, message| transaction::recall(&self.0, message).await)
    }

    async fn sync_lite_subscription(
        &self,
        _: Request<SyncLiteSubscriptionRequest>,
    ) -> Result<Response<SyncLiteSubscriptionResponse>, Status> {
        Err(not_served("SyncLiteSubscription"))
    }
}
