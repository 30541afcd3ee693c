//! Routes, cluster information and topic lists.

use super::*;

const HOST: &str = "192.0.2.10:10911";

#[test]
fn a_route_names_every_broker_of_the_topic_once() {
    let mut routes = Routes::default();
    let topics = [topic("t", 4), topic("only-a", 1)];
    routes.register(&broker("a", 0, A, &topics), peer(1), at(0)).expect("a");
    routes.register(&broker("a", 1, B, &[]), peer(2), at(0)).expect("its slave");
    let other = [topic("t", 8), topic("only-b", 1)];
    routes.register(&broker("b", 0, "127.0.0.1:3", &other), peer(3), at(0)).expect("b");

    let route = routes.route("t", Viewer::Other).expect("known");
    assert_eq!(queues(&routes, "t"), [q("a", 4, 6), q("b", 8, 6)]);
    let brokers: Vec<(&str, Vec<(i64, &str)>)> =
        route.brokers().map(|broker| (broker.name(), broker.addresses().collect())).collect();
    assert_eq!(brokers, [("a", vec![(0, A), (1, B)]), ("b", vec![(0, "127.0.0.1:3")])]);
    assert!(routes.route("unknown", Viewer::Other).is_none());
}

#[test]
fn a_client_on_loopback_is_told_our_loopback_address_and_nobody_elses() {
    let accept_brokers = vec!["0.0.0.0/0".parse().expect("a network")];
    let mut routes = Routes::new(Config { accept_brokers, ..Config::default() });
    routes.register(&broker("ours", 0, HOST, &[topic("t", 1)]), Source::InProcess, at(0)).expect("ours");
    let theirs = broker("theirs", 0, "192.0.2.11:10911", &[]);
    routes.register(&theirs, stranger(1), at(0)).expect("theirs");

    let at_home = [m("ours", 0, "127.0.0.1:10911"), m("theirs", 0, "192.0.2.11:10911")];
    assert_eq!(members(&routes, Viewer::at("127.0.0.1".parse().expect("an address"))), at_home);
    assert_eq!(members(&routes, Viewer::at("::ffff:127.0.0.1".parse().expect("an address"))), at_home);
    assert_eq!(members(&routes, Viewer::at("::1".parse().expect("an address"))), at_home);
    let outside = [m("ours", 0, HOST), m("theirs", 0, "192.0.2.11:10911")];
    assert_eq!(members(&routes, Viewer::at("192.0.2.1".parse().expect("an address"))), outside);

    let mut routes = Routes::new(Config { loopback_route: false, ..Config::default() });
    routes.register(&broker("ours", 0, HOST, &[]), Source::InProcess, at(0)).expect("ours");
    assert_eq!(members(&routes, Viewer::Loopback), [m("ours", 0, HOST)]);
}

#[test]
fn a_zone_keeps_its_own_brokers_and_those_without_master() {
    let mut routes = Routes::default();
    let both = [topic("t", 1), topic("u", 1)];
    let zoned = |zone, registration| Registration { zone, ..registration };
    for (registration, link) in [
        (zoned(Some("East"), broker("a", 0, A, &both)), 1),
        (zoned(Some("west"), broker("b", 0, B, &both)), 2),
        (zoned(Some("west"), broker("s", 1, "127.0.0.1:3", &both)), 3),
        (zoned(None, broker("n", 0, "127.0.0.1:4", &both)), 4),
    ] {
        routes.register(&registration, peer(link), at(0)).expect("legal");
    }
    let route = routes.route("t", Viewer::Other).expect("known").in_zone("EAST");
    assert_eq!(route.brokers().map(|broker| broker.name()).collect::<Vec<_>>(), ["a", "s"]);
    assert_eq!(route.queues().map(|data| data.broker.as_str()).collect::<Vec<_>>(), ["a", "s"]);
}

#[test]
fn clusters_members_and_topics_by_cluster() {
    let mut routes = Routes::default();
    let topics = [topic("t", 1), topic("u", 1)];
    routes.register(&broker("b", 0, B, &topics), peer(2), at(0)).expect("b");
    routes.register(&broker("a", 0, A, &topics[..0]), peer(1), at(0)).expect("a");
    let elsewhere = [topic("t", 1), topic("v", 1)];
    let other = Registration { cluster: "d", ..broker("x", 0, "127.0.0.1:3", &elsewhere) };
    routes.register(&other, peer(3), at(0)).expect("x");

    let clusters: Vec<(&str, Vec<&str>)> = routes
        .clusters()
        .into_iter()
        .map(|(cluster, brokers)| (cluster.as_str(), brokers.into_iter().map(BrokerName::as_str).collect()))
        .collect();
    assert_eq!(clusters, [("c", vec!["a", "b"]), ("d", vec!["x"])]);

    let names = |topics: &mut dyn Iterator<Item = &TopicName>| {
        let mut names: Vec<String> = topics.map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&mut routes.topics()), "t u v");
    assert_eq!(names(&mut routes.topics_of_cluster("c")), "t u");
    assert_eq!(names(&mut routes.topics_of_cluster("d")), "t v");
    assert_eq!(names(&mut routes.topics_of_cluster("nope")), "");

    let group = routes.members("c", "a", Viewer::Other).expect("known");
    assert_eq!(group.addresses().collect::<Vec<_>>(), [(0, A)]);
    assert!(routes.members("d", "a", Viewer::Other).is_none());
}

#[test]
fn topics_are_listed_by_their_unit_flags() {
    let mut routes = Routes::default();
    let topics = [(0, "plain"), (1, "unit"), (2, "sub"), (3, "both")]
        .map(|(sys_flag, name)| TopicEntry { sys_flag, ..topic(name, 1) });
    routes.register(&broker("a", 0, A, &topics), peer(1), at(0)).expect("a");
    for (kind, expected) in [
        (TopicKind::Unit, "both unit"),
        (TopicKind::UnitSubscription, "both sub"),
        (TopicKind::UnitSubscriptionNotUnit, "sub"),
    ] {
        let mut names: Vec<&str> = routes.topics_of_kind(kind).map(TopicName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), expected, "{kind:?}");
    }
}
