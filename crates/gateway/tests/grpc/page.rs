//! docs/protocols.md names every method of the service and says truly which are served.

use std::collections::BTreeMap;

use crate::client::{Client, UNIMPLEMENTED, framed};
use crate::host::Host;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols.md");
const SERVICE: &str = include_str!("../../../wire/proto/apache/rocketmq/v2/service.proto");

/// The rows of the table under `heading`: method -> the other cells.
fn table(page: &str, heading: &str) -> BTreeMap<String, Vec<String>> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("docs/protocols.md has no section {heading:?}"));
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| method"));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].clone(), cells[1..].to_vec())).collect()
}

#[tokio::test]
async fn the_page_names_every_method_and_tells_the_truth() {
    let page = std::fs::read_to_string(PAGE).expect("docs/protocols.md is part of the project");
    let (served, not_served) = (table(&page, "gRPC: served"), table(&page, "gRPC: not served"));
    let methods = SERVICE.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split_once('('));
    let methods: Vec<_> = methods.map(|(method, _)| method.to_owned()).collect();
    let host = Host::start();
    let mut client = Client::plain(host.address, "client@1").await;
    for method in &methods {
        let (messages, mut call) = client.begin(method).await;
        // An empty message: refused in one way or another, but by a handler.
        messages.send(framed(&())).await.expect("the call has begun");
        drop(messages);
        while call.next::<()>().await.is_some() {}
        let is_served = call.code() != UNIMPLEMENTED;
        assert_eq!((served.contains_key(method), not_served.contains_key(method)), (is_served, !is_served), "{method}");
    }
    let told = served.keys().chain(not_served.keys());
    assert_eq!(told.filter(|method| !methods.contains(method)).collect::<Vec<_>>(), Vec::<&String>::new());
}
