//! Whatever happens in whatever order, the parts of the table agree.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Register { broker: usize, id: i64, address: u16, acting: bool, link: u64, counter: i64, topics: Vec<(usize, u32)> },
    Heartbeat { broker: usize, address: u16 },
    Unregister { broker: usize, address: u16, link: u64 },
    Lose { link: u64 },
    Wait { ms: i64 },
    Wipe { broker: usize },
    Delete { topic: usize },
}

const BROKERS: [&str; 3] = ["a", "b", "ours"];
const TOPICS: [&str; 4] = ["t", "u", "v", "w"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let topics = prop::collection::vec((0..TOPICS.len(), 0..20u32), 0..4);
    let register = (0..2usize, 0..3i64, 1..5u16, any::<bool>(), 0..3u64, 0..3i64, topics).prop_map(
        |(broker, id, address, acting, link, counter, topics)| Step::Register {
            broker,
            id,
            address,
            acting,
            link,
            counter,
            topics,
        },
    );
    let step = prop_oneof![
        4 => register,
        1 => (0..3usize, 1..5u16).prop_map(|(broker, address)| Step::Heartbeat { broker, address }),
        1 => (0..3usize, 1..5u16, 0..3u64)
            .prop_map(|(broker, address, link)| Step::Unregister { broker, address, link }),
        1 => (0..3u64).prop_map(|link| Step::Lose { link }),
        1 => (0..100_000i64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..3usize).prop_map(|broker| Step::Wipe { broker }),
        1 => (0..TOPICS.len()).prop_map(|topic| Step::Delete { topic }),
    ];
    prop::collection::vec(step, 0..40)
}

fn check(routes: &Routes) {
    let sum: u64 = routes.topics.values().flatten().map(QueueData::queues).sum();
    assert_eq!(sum, routes.queues);
    for (topic, row) in &routes.topics {
        assert!(!row.is_empty(), "{topic} has no queue data");
        for (i, data) in row.iter().enumerate() {
            assert!(routes.brokers.contains_key(&data.broker), "{topic} is on {}, which is gone", data.broker);
            assert!(row[..i].iter().all(|other| other.broker != data.broker), "{topic} is on {} twice", data.broker);
        }
    }
    for (name, broker) in &routes.brokers {
        assert!(!broker.members.is_empty(), "{name} has no member");
    }
    let ours = routes.members("c", "ours", Viewer::Other).expect("our own broker never goes");
    assert_eq!(ours.addresses().collect::<Vec<_>>(), [(0, "127.0.0.1:9")]);
}

proptest! {
    #[test]
    fn the_parts_of_the_table_agree(steps in steps()) {
        let mut routes = Routes::default();
        let mut now = at(0);
        routes.register(&broker("ours", 0, "127.0.0.1:9", &[topic("t", 3)]), Source::InProcess, now).expect("ours");
        for step in steps {
            match step {
                Step::Register { broker: b, id, address, acting, link, counter, topics } => {
                    let topics: Vec<_> = topics.iter().map(|(t, queues)| topic(TOPICS[*t], *queues)).collect();
                    let address = format!("127.0.0.1:{address}");
                    let registration = Registration {
                        acting_master: Some(acting),
                        version: version(counter),
                        ..broker(BROKERS[b], id, &address, &topics)
                    };
                    let before = members(&routes, Viewer::Other);
                    if routes.register(&registration, peer(link), now).is_err() {
                        assert_eq!(members(&routes, Viewer::Other), before);
                    }
                }
                Step::Heartbeat { broker, address } => {
                    let address = format!("127.0.0.1:{address}");
                    routes.heartbeat(member(BROKERS[broker], &address), peer(0), now).expect("accepted");
                }
                Step::Unregister { broker, address, link } => {
                    let address = format!("127.0.0.1:{address}");
                    // A refusal is fine here: what matters is what is left.
                    let _ = routes.unregister(member(BROKERS[broker], &address), peer(link));
                }
                Step::Lose { link } => drop(routes.connection_lost(Link(link))),
                Step::Wait { ms } => {
                    now = Timestamp(now.0 + ms);
                    routes.expire(now);
                }
                Step::Wipe { broker } => drop(routes.wipe_write_perm(BROKERS[broker])),
                Step::Delete { topic } => routes.delete_topic(TOPICS[topic], None),
            }
            check(&routes);
        }
    }
}
