//! What waits for its time is told by topic: to tools (61), and on `/metrics`.

use std::sync::Arc;

use gateway::metrics::Metrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use wire::remoting::body::timer::TimerMetrics;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::frame::next_frame;
use wire::remoting::reply::Request;

use crate::host::Host;

#[test]
fn what_waits_is_told_by_topic() {
    let host = Host::start();
    let peer = host.peer(1);
    let send = Request::new(1, RequestCode::SEND_MESSAGE_V2)
        .field("a", "producers")
        .field("b", "orders")
        .field("c", "TBW102")
        .field("d", 1)
        .field("e", 0)
        .field("f", 0)
        .field("g", 1_700_000_000_000i64)
        .field("h", 0)
        .field("i", "TIMER_DELAY_SEC\u{1}3600\u{2}")
        .field("j", 0)
        .field("k", false)
        .field("m", false)
        .body(&b"later"[..]);
    let answer = host.answer(&peer, &send);
    let answer = next_frame(&answer).expect("a frame").expect("whole");
    assert_eq!(Header::parse(&answer).expect("a header").response_code(), ResponseCode::SUCCESS);

    let told = host.answer(&peer, &Request::new(2, RequestCode::GET_TIMER_METRICS));
    let told = next_frame(&told).expect("a frame").expect("whole");
    let told = TimerMetrics::read(told.body).expect("counts");
    let counts: Vec<_> = told.timing_count.iter().map(|(topic, metric)| (topic.as_str(), metric.count)).collect();
    assert_eq!(counts, [("orders", 1)]);

    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(Arc::clone(&host.gateway))));
    let mut page = String::new();
    encode(&mut page, &registry).expect("a string takes all");
    for series in
        ["rocketmq_timing_messages", "rocketmq_timer_enqueue_total", "rocketmq_delay_message_latency_seconds_count"]
    {
        let line = page.lines().find(|line| line.starts_with(series) && line.contains(r#"topic="orders""#));
        assert!(line.is_some_and(|line| line.ends_with(" 1")), "{series}: {line:?}");
    }
    assert!(page.contains(r#"kerolox_timer_lateness_milliseconds_bucket{le="+Inf""#), "{page}");
}
