//! Which brokers and queues a run uses.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::ops::Route;
use client::{Connection, Options};
use serde::Serialize;

use super::Common;
use crate::servers::name_server;

/// Queues a topic is assumed to have when there is no route to ask: the default of the Java producer.
const QUEUES_UNKNOWN: u32 = 4;

/// Topic whose route says where unknown topics may be created.
const TEMPLATE_TOPIC: &str = "TBW102";

const PERM_READ: i32 = 4;
const PERM_WRITE: i32 = 2;

/// A created topic reaches the name server a moment later.
const ROUTE_ATTEMPTS: u32 = 100;
const ROUTE_RETRY: Duration = Duration::from_millis(100);

/// One broker and how many queues of the topic it has, numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    pub address: String,
    pub queues: u32,
}

/// What the run does with the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Send,
    Receive,
}

/// Asks the name server, or takes the broker that was given.
pub async fn resolve(common: &Common, what: Use) -> Result<Vec<Target>> {
    if let Some(broker) = &common.broker {
        return Ok(vec![Target { address: broker.clone(), queues: common.queues.unwrap_or(QUEUES_UNKNOWN) }]);
    }
    let topic = &common.topic;
    let names = name_server(&common.namesrv).await?;
    let route = match (names.route(topic).await?, what) {
        (Some(route), _) => route,
        (None, Use::Receive) => bail!("topic {topic} does not exist: send to it first"),
        (None, Use::Send) => names.route(TEMPLATE_TOPIC).await?.with_context(|| {
            format!(
                "topic {topic} does not exist and the cluster does not create topics: use --create --broker HOST:PORT"
            )
        })?,
    };
    let targets = targets(&route, what, common.queues);
    if targets.is_empty() {
        bail!("no broker with a master serves topic {topic}");
    }
    Ok(targets)
}

/// Creates the topic on every broker that would hold it and waits until it has a route.
pub async fn create(common: &Common, queues: u32) -> Result<()> {
    let brokers = match &common.broker {
        Some(broker) => vec![broker.clone()],
        None => resolve(common, Use::Send).await?.into_iter().map(|target| target.address).collect(),
    };
    for broker in &brokers {
        Connection::open(broker, &Options::default()).await?.create_topic(&common.topic, queues).await?;
    }
    if common.broker.is_some() {
        return Ok(());
    }
    let names = name_server(&common.namesrv).await?;
    for _ in 0..ROUTE_ATTEMPTS {
        if names.route(&common.topic).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(ROUTE_RETRY).await;
    }
    bail!("topic {} was created but has no route after 10 s", common.topic)
}

fn targets(route: &Route, what: Use, limit: Option<u32>) -> Vec<Target> {
    let usable = route.queue_datas.iter().filter_map(|queue| {
        let (perm, queues) = match what {
            Use::Send => (PERM_WRITE, queue.write_queue_nums),
            Use::Receive => (PERM_READ, queue.read_queue_nums),
        };
        let queues = queues.min(limit.unwrap_or(u32::MAX));
        let address = route.master(&queue.broker_name)?.to_owned();
        (queue.perm & perm != 0 && queues > 0).then_some(Target { address, queues })
    });
    usable.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_masters_with_the_permission_count_and_queues_are_limited() {
        let route = Route::parse(
            br#"{"brokerDatas":[{"brokerAddrs":{"0":"a:1"},"brokerName":"a","cluster":"c"},
                {"brokerAddrs":{"1":"b:1"},"brokerName":"b","cluster":"c"},
                {"brokerAddrs":{"0":"r:1"},"brokerName":"r","cluster":"c"}],
                "queueDatas":[{"brokerName":"a","perm":6,"readQueueNums":8,"writeQueueNums":4},
                {"brokerName":"b","perm":6,"readQueueNums":8,"writeQueueNums":4},
                {"brokerName":"r","perm":4,"readQueueNums":2,"writeQueueNums":2}]}"#,
        )
        .unwrap();
        let target = |address: &str, queues| Target { address: address.into(), queues };
        assert_eq!(targets(&route, Use::Send, None), [target("a:1", 4)]);
        assert_eq!(targets(&route, Use::Receive, None), [target("a:1", 8), target("r:1", 2)]);
        assert_eq!(targets(&route, Use::Receive, Some(1)), [target("a:1", 1), target("r:1", 1)]);
    }
}
