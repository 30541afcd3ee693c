//! Heartbeats in, changes out.

use std::any::Any;

use super::*;
use crate::notice::Notice;

struct Deaf;

impl Mailbox for Deaf {
    fn post(&self, _: Notice) -> bool {
        false
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(super) fn client(connection: u64, id: &str, heard: i64) -> Client {
    Client {
        connection: ConnectionId(connection),
        client_id: id.to_owned(),
        address: "10.0.0.9:5000".parse().expect("an address"),
        language: "JAVA".to_owned(),
        version: 479,
        heard: Timestamp(heard),
        mailbox: Arc::new(Deaf),
    }
}

fn heard(topics: &[(&str, &str, i64)]) -> ConsumerHeard {
    let subscriptions = topics
        .iter()
        .map(|(topic, tags, version)| Subscription::parse(topic, tags, None, *version).expect("a good expression"))
        .collect();
    ConsumerHeard {
        group: GroupName::trusted("g"),
        mode: ConsumeMode { model: Some(MessageModel::Clustering), ..ConsumeMode::default() },
        subscriptions: Some(subscriptions),
    }
}

#[test]
fn a_group_changes_with_members_and_subscriptions_only() {
    let clients = Clients::default();
    assert!(clients.consumer_heard(&client(1, "a", 0), heard(&[("t", "*", 1)])), "the first member");
    assert!(!clients.consumer_heard(&client(1, "a", 1), heard(&[("t", "*", 1)])), "the same again");
    assert!(clients.consumer_heard(&client(2, "b", 2), heard(&[("t", "*", 1)])), "a second member");
    assert!(!clients.consumer_heard(&client(1, "a", 3), heard(&[("t", "*", 5)])), "newer, but the same words");
    assert!(clients.consumer_heard(&client(1, "a", 4), heard(&[("t", "x", 6)])), "other tags");
    assert!(!clients.consumer_heard(&client(2, "b", 5), heard(&[("t", "*", 1)])), "an older version is ignored");
    assert!(clients.consumer_heard(&client(1, "a", 6), heard(&[("t", "x", 6), ("u", "*", 1)])), "a topic more");
    assert!(clients.consumer_heard(&client(1, "a", 7), heard(&[("t", "x", 6)])), "a topic less");
    assert_eq!(clients.consumer_ids("g"), ["a", "b"]);
}

#[test]
fn a_heartbeat_without_subscriptions_keeps_them() {
    let clients = Clients::default();
    clients.consumer_heard(&client(1, "a", 0), heard(&[("t", "*", 1)]));
    let light = ConsumerHeard { subscriptions: None, ..heard(&[]) };
    assert!(!clients.consumer_heard(&client(1, "a", 1), light));
    assert!(clients.subscription_of("g", "t").expect("online").subscription.is_some());
}

#[test]
fn every_member_has_the_subscription_it_asked_for() {
    let clients = Clients::default();
    clients.consumer_heard(&client(1, "a", 0), heard(&[("t", "x", 5)]));
    clients.consumer_heard(&client(2, "b", 0), heard(&[("t", "y", 7), ("u", "*", 7)]));
    assert!(!clients.consumer_heard(&client(1, "a", 1), heard(&[("t", "x", 5)])), "nobody has to look again");
    let of = |connection, topic| {
        let online = clients.subscription_of_member(ConnectionId(connection), "g", topic).expect("online");
        online.subscription.map(|of| of.expression.clone())
    };
    assert_eq!([of(1, "t"), of(2, "t")], [Some("x".to_owned()), Some("y".to_owned())]);
    // A connection that has not said so itself: as the group, by its newest word.
    assert_eq!([of(3, "t"), of(1, "u"), of(1, "v")], [Some("y".to_owned()), Some("*".to_owned()), None]);
    assert_eq!(clients.subscriber_ids("g", "u"), ["b"]);
    clients.closed(ConnectionId(2));
    assert_eq!([of(3, "t"), of(3, "u")], [Some("x".to_owned()), None]);
}

#[test]
fn closed_and_silent_clients_leave_their_groups() {
    let clients = Clients::default();
    clients.consumer_heard(&client(1, "a", 0), heard(&[("t", "*", 1)]));
    clients.consumer_heard(&client(2, "b", 100_000), heard(&[("t", "*", 1)]));
    clients.producer_heard(&client(1, "a", 0), GroupName::trusted("p"));
    assert_eq!(clients.expire(Timestamp(120_000)), []);
    assert_eq!(clients.expire(Timestamp(120_001)), [GroupName::trusted("g")]);
    assert!(clients.producers("p").is_empty());
    assert_eq!(clients.closed(ConnectionId(2)), [GroupName::trusted("g")]);
    assert!(clients.online("g").is_none());
}

#[test]
fn a_requester_is_reached_where_it_spoke_last() {
    let clients = Clients::default();
    assert!(clients.requester("a").is_none());
    clients.producer_heard(&client(1, "a", 0), GroupName::trusted("p"));
    clients.producer_heard(&client(2, "a", 1), GroupName::trusted("p"));
    let connection = || clients.requester("a").map(|client| client.connection);
    assert_eq!(connection(), Some(ConnectionId(2)));
    clients.closed(ConnectionId(1));
    assert_eq!(connection(), Some(ConnectionId(2)), "the connection it has left closes late");
    clients.closed(ConnectionId(2));
    assert_eq!(connection(), None);
    clients.requester_heard("a", || client(3, "a", 2));
    clients.requester_heard("a", || client(4, "a", 2));
    assert_eq!(connection(), Some(ConnectionId(3)), "its first question makes it known");
    clients.producer_heard(&client(4, "a", 3), GroupName::trusted("p"));
    assert_eq!(connection(), Some(ConnectionId(4)), "and its heartbeat says it better");
}
