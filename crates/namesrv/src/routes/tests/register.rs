//! Registration: what is taken, what is refused, and that a refusal changes nothing.

use super::*;

const TWO: &[TopicEntry<'static>] = &[
    TopicEntry { name: "t1", read_queues: 4, write_queues: 4, perm: 6, sys_flag: 0 },
    TopicEntry { name: "t2", read_queues: 8, write_queues: 8, perm: 6, sys_flag: 0 },
];

#[test]
fn a_full_registration_then_single_topics() {
    let mut routes = Routes::default();
    let first = routes.register(&broker("a", 0, A, TWO), peer(1), at(0));
    assert_eq!(first, Ok(Registered { first: true, master: None }));

    let created = [topic("t3", 2)];
    let increment = Registration { version: version(2), ..broker("a", 0, A, &created) };
    assert_eq!(routes.register(&increment, peer(1), at(1)), Ok(Registered { first: false, master: None }));

    assert_eq!(queues(&routes, "t1"), [q("a", 4, 6)]);
    assert_eq!(queues(&routes, "t3"), [q("a", 2, 6)]);
    assert_eq!(routes.queues, 14);
}

#[test]
fn a_single_topic_first_is_refused_except_from_our_own_broker() {
    let mut routes = Routes::default();
    let one = [topic("t", 4)];
    assert_eq!(routes.register(&broker("a", 0, A, &one), peer(1), at(0)), Err(RegisterError::NotRegistered));
    assert_eq!(members(&routes, Viewer::Other), []);

    assert!(routes.register(&broker("a", 0, A, &one), Source::InProcess, at(0)).is_ok());
    assert_eq!(queues(&routes, "t"), [q("a", 4, 6)]);
}

#[test]
fn topics_are_replaced_when_the_version_changed_and_kept_when_absent() {
    let mut routes = Routes::default();
    routes.register(&broker("a", 0, A, TWO), peer(1), at(0)).expect("first");

    // The same version: t1 is known and stays, t3 is not known and comes in.
    let same = [topic("t1", 16), topic("t3", 1)];
    routes.register(&broker("a", 0, A, &same), peer(1), at(1)).expect("same version");
    assert_eq!(queues(&routes, "t1"), [q("a", 4, 6)]);
    assert_eq!(queues(&routes, "t3"), [q("a", 1, 6)]);

    let newer = Registration { version: version(2), ..broker("a", 0, A, &same) };
    routes.register(&newer, peer(1), at(2)).expect("newer version");
    assert_eq!(queues(&routes, "t1"), [q("a", 16, 6)]);
    assert_eq!(queues(&routes, "t2"), [q("a", 8, 6)]);
    assert_eq!(routes.queues, 16 + 8 + 1);
}

#[test]
fn only_accepted_networks_register() {
    let mut routes = Routes::default();
    let refused = routes.register(&broker("a", 0, A, TWO), stranger(1), at(0));
    assert_eq!(refused, Err(RegisterError::NotAccepted("203.0.113.9".parse().expect("an address"))));

    let accept_brokers = vec!["203.0.113.0/24".parse().expect("a network")];
    let mut routes = Routes::new(Config { accept_brokers, ..Config::default() });
    assert!(routes.register(&broker("a", 0, A, TWO), stranger(1), at(0)).is_ok());
    assert!(matches!(routes.register(&broker("b", 0, B, TWO), peer(2), at(0)), Err(RegisterError::NotAccepted(_))));
}

#[test]
fn a_living_broker_is_not_displaced() {
    let held =
        |id: i64, address: &str| Err(RegisterError::HeldBy { broker: "a".to_owned(), id, address: address.to_owned() });
    let mut routes = Routes::default();
    routes.register(&broker("a", 0, A, TWO), peer(1), at(0)).expect("first");

    // Another address for the name and id; another id for the address, over another connection.
    assert_eq!(routes.register(&broker("a", 0, B, TWO), peer(2), at(120_000)), held(0, A));
    assert_eq!(routes.register(&broker("a", 5, A, TWO), peer(2), at(120_000)), held(0, A));
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, A)]);

    // Once it is dead the place is free.
    assert!(routes.register(&broker("a", 0, B, TWO), peer(2), at(120_001)).is_ok());
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, B)]);
}

#[test]
fn a_broker_may_change_its_address_or_role_over_its_own_connection() {
    let mut routes = Routes::default();
    routes.register(&broker("a", 1, A, TWO), peer(1), at(0)).expect("a slave");
    routes.register(&broker("a", 0, A, TWO), peer(1), at(1)).expect("became the master");
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, A)]);
    routes.register(&broker("a", 0, B, TWO), peer(1), at(2)).expect("moved");
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, B)]);
}

#[test]
fn a_restarted_broker_takes_over_from_its_old_connection() {
    let mut routes = Routes::default();
    routes.register(&broker("a", 0, A, TWO), peer(1), at(0)).expect("first");
    routes.register(&broker("a", 0, A, TWO), peer(2), at(1)).expect("restarted");
    assert_eq!(routes.connection_lost(Link(1)), []);
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, A)]);
}

#[test]
fn nobody_on_the_network_speaks_for_our_own_broker() {
    let mut routes = Routes::default();
    routes.register(&broker("a", 0, A, TWO), Source::InProcess, at(0)).expect("ours");
    let later = at(i64::MAX);
    for claim in [broker("a", 0, A, TWO), broker("a", 0, B, TWO), broker("a", 1, A, TWO), broker("other", 0, A, TWO)] {
        let refused = routes.register(&claim, peer(1), later);
        assert!(matches!(refused, Err(RegisterError::HeldBy { .. })), "{claim:?}: {refused:?}");
    }
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, A)]);
}

#[test]
fn a_broker_name_belongs_to_one_cluster() {
    let mut routes = Routes::default();
    routes.register(&broker("a", 0, A, TWO), peer(1), at(0)).expect("first");
    let moved = Registration { cluster: "d", ..broker("a", 1, B, TWO) };
    let refused = RegisterError::OtherCluster { broker: "a".to_owned(), cluster: "c".to_owned() };
    assert_eq!(routes.register(&moved, peer(2), at(1)), Err(refused));

    let renamed = Registration { cluster: "d", ..broker("a", 0, A, TWO) };
    routes.register(&renamed, peer(1), at(2)).expect("alone, it may move");
    assert_eq!(routes.topics_of_cluster("c").count(), 0);
    assert_eq!(routes.topics_of_cluster("d").count(), 2);
}

#[test]
fn a_slave_learns_its_master_and_leaves_the_topics_alone() {
    let mut routes = Routes::default();
    let master = Registration { ha_address: "127.0.0.1:10912", ..broker("a", 0, A, TWO) };
    routes.register(&master, peer(1), at(0)).expect("master");
    let more = [topic("t1", 64), topic("slave-only", 1)];
    let slave = Registration { version: version(9), ..broker("a", 1, B, &more) };

    let answer = routes.register(&slave, peer(2), at(0)).expect("slave");

    let address = MasterAddress { address: A.into(), ha_address: "127.0.0.1:10912".into() };
    assert_eq!(answer, Registered { first: true, master: Some(address) });
    assert_eq!(queues(&routes, "t1"), [q("a", 4, 6)]);
    assert_eq!(queues(&routes, "slave-only"), []);
}

#[test]
fn the_smallest_slave_speaks_for_a_broker_without_master() {
    let table = [(Some(true), [q("a", 4, 4)].to_vec()), (Some(false), [q("a", 4, 6)].to_vec()), (None, vec![])];
    for (acting_master, expected) in table {
        let mut routes = Routes::default();
        let slave = Registration { acting_master, ..broker("a", 1, A, TWO) };
        routes.register(&slave, peer(1), at(0)).expect("slave");
        assert_eq!(queues(&routes, "t1"), expected, "acting master {acting_master:?}");
    }
}

#[test]
fn malformed_values_are_named() {
    let mut routes = Routes::default();
    let base = broker("a", 0, A, TWO);
    let bad_topic = [topic("t\"", 1), topic("u", 1)];
    let table = [
        (Registration { cluster: "", ..base }, "cluster name"),
        (Registration { broker: "a b", ..base }, "broker name"),
        (Registration { zone: Some("z,"), ..base }, "zone name"),
        (Registration { address: "10911", ..base }, "broker address"),
        (Registration { address: "a:1\",1:\"evil:1", ..base }, "broker address"),
        (Registration { ha_address: "x", ..base }, "ha address"),
        (Registration { id: -1, ..base }, "broker id"),
        (Registration { topics: &bad_topic, ..base }, "topic name"),
    ];
    for (registration, named) in table {
        match routes.register(&registration, peer(1), at(0)) {
            Err(RegisterError::Illegal { what, .. }) => assert_eq!(what, named),
            other => panic!("{named}: {other:?}"),
        }
    }
    assert_eq!(members(&routes, Viewer::Other), []);
}

#[test]
fn every_dimension_has_an_end_and_a_refusal_changes_nothing() {
    let config = Config {
        topics_per_registration_max: 3,
        topics_max: 4,
        queues_per_topic_max: 16,
        queues_max: 40,
        members_max: 2,
        ..Config::default()
    };
    let mut routes = Routes::new(config);
    routes.register(&broker("a", 0, A, TWO), peer(1), at(0)).expect("within the bounds");

    let four = ["w", "x", "y", "z"].map(|name| topic(name, 1));
    let refused = routes.register(&broker("b", 0, B, &four), peer(2), at(0));
    assert_eq!(refused, Err(RegisterError::TooManyTopics { count: 4, max: 3 }));

    let refused = routes.register(&broker("b", 0, B, &four[..3]), peer(2), at(0));
    assert_eq!(refused, Err(RegisterError::Full { what: "topics", max: 4 }));

    let wide = [topic("w", 17), topic("x", 1)];
    let refused = routes.register(&broker("b", 0, B, &wide), peer(2), at(0));
    assert!(matches!(refused, Err(RegisterError::IllegalTopic { queues: 17, .. })));
    let odd = [TopicEntry { perm: 16, ..topic("w", 1) }, topic("x", 1)];
    let refused = routes.register(&broker("b", 0, B, &odd), peer(2), at(0));
    assert!(matches!(refused, Err(RegisterError::IllegalTopic { perm: 16, .. })));

    let many = [topic("w", 16), topic("x", 16)];
    let refused = routes.register(&broker("b", 0, B, &many), peer(2), at(0));
    assert_eq!(refused, Err(RegisterError::Full { what: "queues", max: 40 }));

    // What a broker has already does not count twice.
    let wider = [topic("t1", 16), topic("t2", 16)];
    let again = Registration { version: version(2), ..broker("a", 0, A, &wider) };
    routes.register(&again, peer(1), at(0)).expect("32 queues instead of 12");

    // Nor does a topic that is named twice make room for others.
    let twice = [topic("t1", 0), topic("t1", 0), topic("w", 9)];
    let refused = routes.register(&Registration { version: version(3), ..broker("a", 0, A, &twice) }, peer(1), at(0));
    assert_eq!(refused, Err(RegisterError::Full { what: "queues", max: 40 }));

    routes.register(&broker("a", 1, B, &[]), peer(2), at(0)).expect("a second member");
    let refused = routes.register(&broker("a", 2, "127.0.0.1:3", &[]), peer(3), at(0));
    assert_eq!(refused, Err(RegisterError::Full { what: "brokers", max: 2 }));
    assert_eq!((routes.topics.len(), routes.queues), (2, 32));
}
