//! Numbers about consuming and storing: 208, 303, 315, 317; what nobody uses (our own 900001).

use std::borrow::Cow;

use super::fields::headers;

headers! {
    /// 208: how far a group has come.
    pub struct GetConsumeStats<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Option<Cow<'h, str>> = "topic",
        /// Topics joined by semicolons; they count also without a live subscription.
        topic_list: Option<Cow<'h, str>> = "topicList",
    }

    /// 317: how far every group has come.
    pub struct GetBrokerConsumeStats {
        is_order: bool = "isOrder",
    }

    /// 303: store times of what a group has and has not consumed.
    pub struct QueryConsumeTimeSpan<'h> {
        topic: Cow<'h, str> = "topic",
        group: Cow<'h, str> = "group",
    }

    /// 315: one counter of the broker.
    pub struct ViewBrokerStats<'h> {
        stats_name: Cow<'h, str> = "statsName",
        stats_key: Cow<'h, str> = "statsKey",
    }

    /// `KEROLOX_LIST_UNUSED`: topics and groups not used for this many milliseconds.
    pub struct ListUnused {
        unused_for_millis: i64 = "unusedForMillis",
    }
}
