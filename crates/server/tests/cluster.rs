//! Two processes as one cluster: the second registers at the name server of the first.

#![allow(clippy::disallowed_methods, reason = "starts the binary, as its users do")]

mod running;

use std::future::Future;
use std::time::Duration;

use client::{Connection, Options};
use running::{Broker, Home};
use rustix::process::Signal;
use tokio::time::{interval, timeout};

/// From a change to the moment it is seen at the other's name server. Ample: these machines are busy.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// What a drain may take, and some time to start on a busy machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(10);

/// Asks until the answer is there.
async fn seen<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        let mut again = interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    timeout(SEEN_WITHIN, asking).await.unwrap_or_else(|_| panic!("never seen: {what}"))
}

async fn connect(address: impl ToString) -> Connection {
    Connection::open(&address.to_string(), &Options::default()).await.expect("it listens")
}

/// Waits until the name server knows exactly these brokers of the cluster, and these addresses of theirs.
async fn await_brokers(namesrv: &Connection, expected: &[(&str, &Broker)]) {
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let info = seen(&format!("brokers {names:?}"), || async {
        let info = namesrv.cluster_info().await.expect("an answer");
        let mut known = info.cluster_addr_table.get("DefaultCluster")?.clone();
        known.sort();
        (known == names).then_some(info)
    })
    .await;
    for (name, broker) in expected {
        assert_eq!(info.broker_addr_table[*name].broker_addrs[&0], broker.address(), "{name}");
    }
}

fn pair() -> (Home, Broker, Broker, Home) {
    let mut home_a = Home::new(&["node.name=broker-a"]);
    let a = home_a.start();
    let mut home_b = Home::new(&["node.name=broker-b", &format!("namesrv.external={}", a.ports.namesrv)]);
    let b = home_b.start();
    (home_a, a, b, home_b)
}

#[tokio::test]
async fn two_processes_are_one_cluster_until_one_leaves() {
    let (_home_a, a, mut b, _home_b) = pair();
    let namesrv = connect(a.ports.namesrv).await;
    await_brokers(&namesrv, &[("broker-a", &a), ("broker-b", &b)]).await;

    connect(b.address()).await.create_topic("orders", 3).await.expect("created");
    let route = seen("the topic of broker-b", || async { namesrv.route("orders").await.expect("an answer") }).await;
    assert_eq!(route.master("broker-b"), Some(b.address().as_str()));
    assert_eq!(route.queue_datas.len(), 1);
    assert_eq!(route.queue_datas[0].write_queue_nums, 3);

    // A topic that is there already changes, too.
    connect(b.address()).await.create_topic("orders", 5).await.expect("changed");
    seen("the changed topic", || async {
        let route = namesrv.route("orders").await.expect("an answer")?;
        (route.queue_datas[0].write_queue_nums == 5).then_some(())
    })
    .await;

    b.signal(Signal::TERM);
    assert_eq!(b.exit_code_within(DRAINED_WITHIN), Some(0));
    await_brokers(&namesrv, &[("broker-a", &a)]).await;
    assert_eq!(namesrv.route("orders").await.expect("an answer"), None);
}

#[tokio::test]
async fn a_name_server_that_comes_back_learns_of_the_other_broker_again() {
    let (mut home_a, a, b, home_b) = pair();
    await_brokers(&connect(a.ports.namesrv).await, &[("broker-a", &a), ("broker-b", &b)]).await;

    a.kill();
    let a = home_a.start();
    await_brokers(&connect(a.ports.namesrv).await, &[("broker-a", &a), ("broker-b", &b)]).await;
    let told = home_b.log().matches("not registered at this name server").count();
    assert_eq!(told, 1, "a failure is told once:\n{}", home_b.log());
}
