//! The life of a client: its stream, its settings, its heartbeats, its end.

use prost_types::Duration;
use wire::grpc::v2::retry_policy::Strategy;
use wire::grpc::v2::settings::PubSub;
use wire::grpc::v2::telemetry_command::Command;
use wire::grpc::v2::{
    Address, AddressScheme, ClientType, Code, Endpoints, HeartbeatRequest, HeartbeatResponse,
    NotifyClientTerminationRequest, NotifyClientTerminationResponse, Publishing, QueryRouteRequest, QueryRouteResponse,
    Settings, Subscription, SubscriptionEntry, TelemetryCommand,
};

use crate::client::{Client, framed, named};
use crate::host::Host;

fn command(settings: Settings) -> TelemetryCommand {
    TelemetryCommand { status: None, command: Some(Command::Settings(settings)) }
}

fn consumer(group: &str, topic: &str) -> Settings {
    let entry = SubscriptionEntry { topic: named(topic), expression: None };
    let subscription = Subscription { group: named(group), subscriptions: vec![entry], ..Subscription::default() };
    Settings {
        client_type: Some(ClientType::PushConsumer.into()),
        request_timeout: Some(Duration { seconds: 3, nanos: 0 }),
        pub_sub: Some(PubSub::Subscription(subscription)),
        ..Settings::default()
    }
}

#[tokio::test]
async fn settings_are_answered_with_ours_and_make_a_member() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::tls(host.address, "client@1").await;
    let (stream, mut call) = client.begin("Telemetry").await;
    // Clients in Rust wait for the head before they say anything.
    call.head().await;
    for _ in 0..2 {
        stream.send(framed(&command(consumer("billing", "orders")))).await.expect("the stream is open");
        let answer: TelemetryCommand = call.next().await.expect("an answer");
        assert_eq!(answer.status.expect("Python insists").code(), Code::Ok);
        let Some(Command::Settings(settings)) = answer.command else { panic!("no settings") };
        let policy = settings.backoff_policy.expect("clients insist");
        assert_eq!(policy.max_attempts, 17);
        let Some(Strategy::CustomizedBackoff(pauses)) = policy.strategy else { panic!("no pauses: C# stops") };
        assert_eq!((pauses.next.len(), pauses.next[0].seconds), (18, 1));
        let Some(PubSub::Subscription(subscription)) = settings.pub_sub else { panic!("not what it has sent") };
        assert_eq!((subscription.fifo, subscription.receive_batch_size), (Some(false), Some(32)));
        assert_eq!(subscription.long_polling_timeout, Some(Duration { seconds: 20, nanos: 0 }));
        assert_eq!(subscription.subscriptions.len(), 1);
    }
    let clients = &host.gateway.broker.clients;
    assert_eq!(clients.consumer_ids("billing"), ["client@1"]);

    // A stream ends and the client lives on.
    drop((stream, call));
    let beat = HeartbeatRequest { group: named("billing"), client_type: ClientType::PushConsumer.into() };
    let answer: HeartbeatResponse = client.unary("Heartbeat", &beat).await.expect("an answer");
    assert_eq!(answer.status.expect("always there").code(), Code::Ok);
    assert_eq!(clients.consumer_ids("billing"), ["client@1"]);

    for _ in 0..2 {
        let end = NotifyClientTerminationRequest { group: named("billing") };
        let answer: NotifyClientTerminationResponse =
            client.unary("NotifyClientTermination", &end).await.expect("an answer");
        assert_eq!(answer.status.expect("always there").code(), Code::Ok);
    }
    assert!(!clients.is_online("billing"));
    host.close().await;
}

#[tokio::test]
async fn a_producer_is_told_its_limits_in_the_form_every_client_reads() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::plain(host.address, "client@1").await;
    let publishing = Publishing { topics: named("orders").into_iter().collect(), ..Publishing::default() };
    let settings = Settings {
        client_type: Some(ClientType::Producer.into()),
        pub_sub: Some(PubSub::Publishing(publishing)),
        ..Settings::default()
    };
    let (stream, mut call) = client.begin("Telemetry").await;
    stream.send(framed(&command(settings))).await.expect("the stream is open");
    let answer: TelemetryCommand = call.next().await.expect("an answer");
    let Some(Command::Settings(settings)) = answer.command else { panic!("no settings") };
    assert!(matches!(settings.backoff_policy.expect("clients insist").strategy, Some(Strategy::ExponentialBackoff(_))));
    let Some(PubSub::Publishing(publishing)) = settings.pub_sub else { panic!("not what it has sent") };
    assert_eq!((publishing.max_body_size, publishing.validate_message_type), (4 * 1024 * 1024, true));
    assert_eq!(host.gateway.broker.clients.producers("orders").len(), 1);
}

#[tokio::test]
async fn settings_that_say_nothing_end_the_stream() {
    const INVALID_ARGUMENT: i32 = 3;
    let host = Host::start();
    let mut client = Client::plain(host.address, "client@1").await;
    let (stream, mut call) = client.begin("Telemetry").await;
    stream.send(framed(&command(Settings::default()))).await.expect("the stream is open");
    assert_eq!(call.next::<TelemetryCommand>().await, None);
    assert_eq!(call.code(), INVALID_ARGUMENT);
}

#[tokio::test]
async fn a_heartbeat_before_any_settings_is_welcome() {
    let host = Host::start();
    let mut client = Client::plain(host.address, "client@1").await;
    let beat = HeartbeatRequest { group: named("billing"), client_type: ClientType::SimpleConsumer.into() };
    let answer: HeartbeatResponse = client.unary("Heartbeat", &beat).await.expect("an answer");
    assert_eq!(answer.status.expect("always there").code(), Code::Ok);
    assert_eq!(host.gateway.broker.clients.consumer_ids("billing"), ["client@1"]);
    let beat = HeartbeatRequest::default();
    client.id = "client@2".into();
    let answer: HeartbeatResponse = client.unary("Heartbeat", &beat).await.expect("an answer");
    assert_eq!(answer.status.expect("always there").code(), Code::UnrecognizedClientType);
}

#[tokio::test]
async fn a_route_names_the_address_the_client_has_used() {
    let host = Host::start();
    host.topic("orders", "FIFO");
    let mut client = Client::plain(host.address, "client@1").await;
    let used = Endpoints {
        scheme: AddressScheme::DomainName.into(),
        addresses: vec![Address { host: "broker.example.org".into(), port: 18_081 }],
    };
    for (asked, expected) in
        [(Some(used.clone()), ("broker.example.org", 18_081)), (None, ("127.0.0.1", host.address.port()))]
    {
        let route = QueryRouteRequest { topic: named("orders"), endpoints: asked };
        let answer: QueryRouteResponse = client.unary("QueryRoute", &route).await.expect("an answer");
        let queues: Vec<_> =
            answer.message_queues.iter().map(|queue| (queue.id, queue.accept_message_types.clone())).collect();
        assert_eq!(queues, [(0, vec![2]), (1, vec![2])]);
        let broker = answer.message_queues[0].broker.clone().expect("always there");
        let address = &broker.endpoints.expect("always there").addresses[0];
        assert_eq!((broker.id, &*address.host, address.port), (0, expected.0, i32::from(expected.1)));
    }
}
