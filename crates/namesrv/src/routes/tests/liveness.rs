//! Signs of life, and what goes when they end.

use super::*;

const TWO: &[TopicEntry<'static>] = &[
    TopicEntry { name: "t1", read_queues: 4, write_queues: 4, perm: 6, sys_flag: 0 },
    TopicEntry { name: "t2", read_queues: 8, write_queues: 8, perm: 6, sys_flag: 0 },
];

fn lost(broker: &str, id: i64, address: &str, link: u64) -> Lost {
    Lost { broker: BrokerName::trusted(broker), id, address: address.into(), link: Link(link) }
}

fn with(registrations: &[(Registration<'_>, Source)]) -> Routes {
    let mut routes = Routes::default();
    for (registration, source) in registrations {
        routes.register(registration, *source, at(0)).expect("legal");
    }
    routes
}

#[test]
fn a_broker_expires_after_its_timeout_and_its_routes_with_it() {
    let quick = Registration { timeout: Some(Millis(5_000)), ..broker("b", 0, B, TWO) };
    let mut routes = with(&[(broker("a", 0, A, TWO), peer(1)), (quick, peer(2))]);

    assert_eq!(routes.expire(at(5_000)), []);
    assert_eq!(routes.expire(at(5_001)), [lost("b", 0, B, 2)]);
    assert_eq!(queues(&routes, "t1"), [q("a", 4, 6)]);

    assert_eq!(routes.expire(at(120_000)), []);
    assert_eq!(routes.expire(at(120_001)), [lost("a", 0, A, 1)]);
    assert_eq!(queues(&routes, "t1"), []);
    assert_eq!((routes.topics.len(), routes.brokers.len(), routes.queues), (0, 0, 0));
}

#[test]
fn a_timeout_asked_for_is_kept_within_bounds() {
    for (asked, alive_until) in [(0, 1_000), (u64::MAX, 3_600_000)] {
        let mut routes = with(&[(Registration { timeout: Some(Millis(asked)), ..broker("a", 0, A, TWO) }, peer(1))]);
        assert_eq!(routes.expire(at(alive_until)), [], "asked for {asked}");
        assert_eq!(routes.expire(at(alive_until + 1)).len(), 1, "asked for {asked}");
    }
}

#[test]
fn heartbeats_registrations_and_version_queries_keep_a_broker_alive() {
    let signs: [fn(&mut Routes, Timestamp); 3] = [
        |routes, now| routes.heartbeat(member("a", A), peer(7), now).expect("accepted"),
        |routes, now| drop(routes.register(&broker("a", 0, A, TWO), peer(1), now).expect("again")),
        |routes, now| assert_eq!(routes.query_data_version(member("a", A), peer(1), now), Some(version(1))),
    ];
    for (i, sign) in signs.iter().enumerate() {
        let mut routes = with(&[(broker("a", 0, A, TWO), peer(1))]);
        sign(&mut routes, at(100_000));
        assert_eq!(routes.expire(at(220_000)), [], "sign {i}");
        assert_eq!(routes.expire(at(220_001)).len(), 1, "sign {i}");
    }
}

#[test]
fn a_stranger_is_no_sign_of_life() {
    let mut routes = with(&[(broker("a", 0, A, TWO), peer(1))]);
    let refused = MemberError::NotAccepted("203.0.113.9".parse().expect("an address"));
    assert_eq!(routes.heartbeat(member("a", A), stranger(9), at(100_000)), Err(refused.clone()));
    assert_eq!(routes.unregister(member("a", A), stranger(9)), Err(refused));
    // Reading the version is free, but does not keep it alive.
    assert_eq!(routes.query_data_version(member("a", A), stranger(9), at(100_000)), Some(version(1)));
    assert_eq!(routes.expire(at(120_001)).len(), 1);
}

#[test]
fn a_word_about_an_unknown_member_changes_nothing() {
    let mut routes = with(&[(broker("a", 0, A, TWO), peer(1))]);
    for unknown in [member("b", A), member("a", B), MemberId { cluster: "d", ..member("a", A) }] {
        assert_eq!(routes.heartbeat(unknown, peer(1), at(1)), Ok(()));
        assert_eq!(routes.query_data_version(unknown, peer(1), at(1)), None);
        assert_eq!(routes.unregister(unknown, peer(1)), Ok(()));
    }
    assert_eq!(members(&routes, Viewer::Other), [m("a", 0, A)]);
}

#[test]
fn a_closed_connection_takes_its_brokers() {
    let mut routes = with(&[
        (broker("a", 0, A, TWO), peer(1)),
        (broker("b", 0, B, TWO), peer(1)),
        (broker("c", 0, "127.0.0.1:3", TWO), peer(2)),
    ]);
    assert_eq!(routes.connection_lost(Link(3)), []);
    assert_eq!(routes.connection_lost(Link(1)), [lost("a", 0, A, 1), lost("b", 0, B, 1)]);
    assert_eq!(queues(&routes, "t2"), [q("c", 8, 6)]);
}

#[test]
fn only_the_connection_that_registered_unregisters() {
    let mut routes = with(&[(broker("a", 0, A, TWO), peer(1)), (broker("o", 0, B, TWO), Source::InProcess)]);
    let other = |broker: &str, address: &str| {
        Err(MemberError::OtherConnection { broker: broker.to_owned(), address: address.to_owned() })
    };
    assert_eq!(routes.unregister(member("a", A), peer(2)), other("a", A));
    assert_eq!(routes.unregister(member("o", B), peer(2)), other("o", B));
    assert_eq!(routes.unregister(member("a", A), peer(1)), Ok(()));
    assert_eq!(members(&routes, Viewer::Other), [m("o", 0, B)]);
    assert_eq!(routes.unregister(member("o", B), Source::InProcess), Ok(()));
    assert_eq!(routes.topics.len(), 0);
}

#[test]
fn our_own_broker_never_expires() {
    let mut routes = with(&[(broker("a", 0, A, TWO), Source::InProcess)]);
    assert_eq!(routes.expire(at(i64::MAX)), []);
    assert_eq!(queues(&routes, "t1"), [q("a", 4, 6)]);
}

#[test]
fn without_its_master_an_acting_broker_can_be_read_and_not_written() {
    for (acting_master, perm) in [(true, 4), (false, 6)] {
        let join = |id, address| Registration { acting_master: Some(acting_master), ..broker("a", id, address, TWO) };
        let mut routes = with(&[(join(0, A), peer(1)), (join(1, B), peer(2))]);
        routes.connection_lost(Link(1));
        assert_eq!(members(&routes, Viewer::Other), [m("a", 1, B)]);
        assert_eq!(queues(&routes, "t1"), [q("a", 4, perm)], "acting master {acting_master}");
    }
}
