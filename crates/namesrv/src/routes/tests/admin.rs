//! What an administrator changes, and when the broker's word counts again.

use super::*;

fn two_brokers() -> Routes {
    let mut routes = Routes::default();
    let topics = [topic("t", 4), topic("u", 4)];
    routes.register(&broker("a", 0, A, &topics), peer(1), at(0)).expect("a");
    let other = Registration { cluster: "d", ..broker("b", 0, B, &topics) };
    routes.register(&other, peer(2), at(0)).expect("b");
    routes
}

#[test]
fn write_permission_is_wiped_and_added_until_the_broker_says_otherwise() {
    let mut routes = two_brokers();
    assert_eq!(routes.wipe_write_perm("nope"), 0);
    assert_eq!(routes.wipe_write_perm("a"), 2);
    assert_eq!(queues(&routes, "t"), [q("a", 4, 4), q("b", 4, 6)]);

    let topics = [topic("t", 4), topic("u", 4)];
    routes.register(&broker("a", 0, A, &topics), peer(1), at(1)).expect("the same version");
    assert_eq!(queues(&routes, "t"), [q("a", 4, 4), q("b", 4, 6)]);
    let newer = Registration { version: version(2), ..broker("a", 0, A, &topics) };
    routes.register(&newer, peer(1), at(2)).expect("a newer version");
    assert_eq!(queues(&routes, "t"), [q("a", 4, 6), q("b", 4, 6)]);

    routes.wipe_write_perm("a");
    assert_eq!(routes.add_write_perm("a"), 2);
    assert_eq!(queues(&routes, "u"), [q("a", 4, 6), q("b", 4, 6)]);
}

#[test]
fn a_topic_is_deleted_everywhere_in_a_cluster_or_on_a_broker() {
    let mut routes = two_brokers();
    routes.delete_topic("nope", None);
    routes.delete_topic("t", Some("nope"));
    assert_eq!(queues(&routes, "t"), [q("a", 4, 6), q("b", 4, 6)]);
    routes.delete_topic("t", Some("c"));
    assert_eq!(queues(&routes, "t"), [q("b", 4, 6)]);
    routes.delete_topic_of("b", "t");
    assert!(routes.route("t", Viewer::Other).is_none());
    routes.delete_topic("u", None);
    assert_eq!((routes.topics.len(), routes.queues), (0, 0));
}

#[test]
fn a_topic_is_added_on_brokers_that_are_there() {
    let mut routes = two_brokers();
    let entry = topic("new", 2);
    assert_eq!(routes.add_topic("new", [("nope", entry), ("b", entry)]), Ok(()));
    assert_eq!(queues(&routes, "new"), [q("b", 2, 6)]);
    let illegal = routes.add_topic("n,w", [("b", entry)]);
    assert!(matches!(illegal, Err(RegisterError::Illegal { what: "topic name", .. })));
    let wide = routes.add_topic("wide", [("b", topic("wide", 70_000))]);
    assert!(matches!(wide, Err(RegisterError::IllegalTopic { queues: 70_000, .. })));
}
