//! Messages through the door: sent, received, acked, given back.

use prost_types::Duration;
use wire::grpc::v2::receive_message_response::Content;
use wire::grpc::v2::{
    AckMessageEntry, AckMessageRequest, AckMessageResponse, ChangeInvisibleDurationRequest,
    ChangeInvisibleDurationResponse, Code, Message, MessageQueue, MessageType, ReceiveMessageRequest,
    SendMessageRequest, SendMessageResponse, SystemProperties,
};

use crate::client::{Client, named};
use crate::host::Host;

/// A message with an id.
pub fn message(topic: &str, id: &str, body: &str) -> Message {
    let system = SystemProperties { message_id: id.to_owned(), ..SystemProperties::default() };
    let body = body.as_bytes().to_vec().into();
    Message { topic: named(topic), system_properties: Some(system), body, ..Message::default() }
}

pub async fn send(client: &mut Client, messages: Vec<Message>) -> SendMessageResponse {
    client.unary("SendMessage", &SendMessageRequest { messages }).await.expect("application errors are answers")
}

pub fn receive(group: &str, topic: &str) -> ReceiveMessageRequest {
    ReceiveMessageRequest {
        group: named(group),
        message_queue: Some(MessageQueue { topic: named(topic), id: -1, ..MessageQueue::default() }),
        batch_size: 32,
        invisible_duration: Some(Duration { seconds: 10, nanos: 0 }),
        long_polling_timeout: Some(Duration { seconds: 5, nanos: 0 }),
        ..ReceiveMessageRequest::default()
    }
}

fn ack(group: &str, topic: &str, handles: &[&str]) -> AckMessageRequest {
    let entry = |handle: &&str| AckMessageEntry { receipt_handle: (*handle).to_owned(), ..AckMessageEntry::default() };
    AckMessageRequest { group: named(group), topic: named(topic), entries: handles.iter().map(entry).collect() }
}

fn handle_of(message: &Message) -> String {
    message.system_properties.clone().expect("always there").receipt_handle.expect("of a received message")
}

/// Status first, the time last, messages in between.
fn messages_of(contents: &[Content]) -> Vec<Message> {
    let [Content::Status(status), between @ .., Content::DeliveryTimestamp(_)] = contents else {
        panic!("not the order clients expect: {contents:?}")
    };
    let only = |content: &Content| match content {
        Content::Message(message) => message.clone(),
        other => panic!("no message: {other:?}"),
    };
    let messages: Vec<_> = between.iter().map(only).collect();
    assert_eq!(status.code() == Code::MessageNotFound, messages.is_empty(), "{status:?}");
    messages
}

#[tokio::test]
async fn what_is_sent_is_received_and_acked_once() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::tls(host.address, "client@1").await;
    let mut sent = message("orders", "01AB", "hello");
    sent.user_properties.insert("colour".into(), "red".into());
    let system = sent.system_properties.as_mut().expect("set above");
    (system.tag, system.keys) = (Some("paid".into()), vec!["k1".into(), "k2".into()]);
    let answer = send(&mut client, vec![sent]).await;
    assert_eq!(answer.status.expect("always there").code(), Code::Ok);
    assert_eq!((answer.entries.len(), &*answer.entries[0].message_id), (1, "01AB"));

    let received = messages_of(&client.receive(&receive("billing", "orders")).await);
    let [message] = &received[..] else { panic!("{received:?}") };
    let system = message.system_properties.clone().expect("always there");
    assert_eq!((&*message.body, message.user_properties["colour"].as_str()), (&b"hello"[..], "red"));
    assert_eq!((system.tag.as_deref(), &system.keys[..]), (Some("paid"), &["k1".to_owned(), "k2".to_owned()][..]));
    assert_eq!((&*system.message_id, system.delivery_attempt), ("01AB", Some(1)));
    assert_eq!(system.message_type(), MessageType::Normal);
    assert_eq!(system.body_digest.expect("clients insist").checksum, "5D41402ABC4B2A76B9719D911017C592");

    let handle = handle_of(message);
    for _ in 0..2 {
        let acked: AckMessageResponse =
            client.unary("AckMessage", &ack("billing", "orders", &[&handle])).await.expect("an answer");
        assert_eq!(acked.status.expect("always there").code(), Code::Ok);
    }
    let mixed: AckMessageResponse =
        client.unary("AckMessage", &ack("billing", "orders", &[&handle, "junk"])).await.expect("an answer");
    assert_eq!(mixed.status.expect("always there").code(), Code::MultipleResults);
    let codes: Vec<_> = mixed.entries.iter().map(|entry| entry.status.clone().expect("always there").code()).collect();
    assert_eq!(codes, [Code::Ok, Code::InvalidReceiptHandle]);
    host.close().await;
}

#[tokio::test]
async fn a_waiting_receive_is_woken_by_a_message() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let (mut producer, mut consumer) =
        (Client::plain(host.address, "producer@1").await, Client::plain(host.address, "consumer@1").await);
    let waiting = tokio::spawn(async move { consumer.receive(&receive("billing", "orders")).await });
    while host.gateway.broker.machines.polls.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    send(&mut producer, vec![message("orders", "01AB", "hello")]).await;
    assert_eq!(messages_of(&waiting.await.expect("no panic")).len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_takes_nothing() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut leaves = Client::plain(host.address, "leaves@1").await;
    let waiting = tokio::spawn(async move { leaves.receive(&receive("billing", "orders")).await });
    while host.gateway.broker.machines.polls.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    while host.gateway.broker.machines.polls.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    let mut stays = Client::plain(host.address, "stays@1").await;
    send(&mut stays, vec![message("orders", "01AB", "hello")]).await;
    let received = messages_of(&stays.receive(&receive("billing", "orders")).await);
    assert_eq!(received[0].system_properties.clone().expect("always there").delivery_attempt, Some(1));
}

#[tokio::test]
async fn a_receive_without_messages_is_held_and_then_answered() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::plain(host.address, "client@1").await;
    // Before the client's deadline: afterwards nobody would read the answer.
    client.timeout = Some("5500m");
    let began = std::time::Instant::now();
    assert!(messages_of(&client.receive(&receive("billing", "orders")).await).is_empty());
    let waited = began.elapsed();
    assert!((4_500..5_500).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test]
async fn both_the_old_and_the_new_handle_ack_a_message_with_more_time() {
    let host = Host::start();
    host.topic("orders", "NORMAL");
    let mut client = Client::plain(host.address, "client@1").await;
    send(&mut client, vec![message("orders", "01", "one"), message("orders", "02", "two")]).await;
    let mut received = messages_of(&client.receive(&receive("billing", "orders")).await);
    if received.len() == 1 {
        received.extend(messages_of(&client.receive(&receive("billing", "orders")).await));
    }
    for (message, new) in received.iter().zip([false, true]) {
        let old = handle_of(message);
        let change = ChangeInvisibleDurationRequest {
            group: named("billing"),
            topic: named("orders"),
            receipt_handle: old.clone(),
            invisible_duration: Some(Duration { seconds: 30, nanos: 0 }),
            ..ChangeInvisibleDurationRequest::default()
        };
        let changed: ChangeInvisibleDurationResponse =
            client.unary("ChangeInvisibleDuration", &change).await.expect("an answer");
        assert_eq!(changed.status.expect("always there").code(), Code::Ok);
        let handle = if new { changed.receipt_handle } else { old };
        let acked: AckMessageResponse =
            client.unary("AckMessage", &ack("billing", "orders", &[&handle])).await.expect("an answer");
        assert_eq!(acked.status.expect("always there").code(), Code::Ok);
    }
    assert_eq!(host.gateway.broker.machines.inflight.lock().counts(), []);
}

#[tokio::test]
async fn messages_of_a_group_are_in_one_queue() {
    let host = Host::start();
    host.topic("steps", "FIFO");
    let mut client = Client::plain(host.address, "client@1").await;
    let step = |number: usize| {
        let mut message = message("steps", &format!("0{number}"), "step");
        message.system_properties.as_mut().expect("set above").message_group = Some("order-7".into());
        message
    };
    for number in 0..4 {
        let answer = send(&mut client, vec![step(number)]).await;
        assert_eq!(answer.entries[0].offset, i64::try_from(number).expect("small"), "{answer:?}");
    }
}
