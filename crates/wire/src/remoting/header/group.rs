//! Consumer groups on a broker: configuration (201, 207, 352), what they subscribe to (343, 345).
//!
//! 200 has a body and no fields.

use std::borrow::Cow;

use super::fields::headers;

headers! {
    /// 201: every group. Old clients send no field and want everything at once.
    pub struct GetAllSubscriptionGroups<'h> {
        group_seq: Option<i32> = "groupSeq",
        data_version: Option<Cow<'h, str>> = "dataVersion",
        max_group_num: Option<i32> = "maxGroupNum",
    }

    /// The answer to 201.
    pub struct GetAllSubscriptionGroupsAnswer {
        total_group_num: Option<i32> = "totalGroupNum",
    }

    /// 352: one group.
    pub struct GetSubscriptionGroup<'h> {
        group: Cow<'h, str> = "group",
    }

    /// 207: deletes a group, and its offsets when asked to.
    pub struct DeleteSubscriptionGroup<'h> {
        group_name: Cow<'h, str> = "groupName",
        clean_offset: Option<bool> = "cleanOffset",
    }

    /// 343: topics a group has offsets in.
    pub struct QueryTopicsByConsumer<'h> {
        group: Cow<'h, str> = "group",
    }

    /// 345: a group's subscription to a topic.
    pub struct QuerySubscriptionByConsumer<'h> {
        group: Cow<'h, str> = "group",
        topic: Option<Cow<'h, str>> = "topic",
    }
}
