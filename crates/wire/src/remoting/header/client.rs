//! Clients: leaving (35), members of groups (38, 40, 203, 204), and calls forwarded to one (307, 309).
//!
//! A heartbeat (34), queue locks (41, 42) and the subscription check (46) have a body and no fields.

use std::borrow::Cow;

use super::fields::headers;

/// Field of a heartbeat's answer: the broker understands heartbeats without subscriptions.
pub const IS_SUPPORT_HEART_BEAT_V2: &str = "IS_SUPPORT_HEART_BEAT_V2";
/// Field of a heartbeat's answer: the broker saw a changed subscription.
pub const IS_SUB_CHANGE: &str = "IS_SUB_CHANGE";

headers! {
    /// 35: a client leaves its groups. The channel says the same when it closes, later.
    pub struct UnregisterClient<'h> {
        client_id: Cow<'h, str> = "clientID",
        producer_group: Option<Cow<'h, str>> = "producerGroup",
        consumer_group: Option<Cow<'h, str>> = "consumerGroup",
    }

    /// 38: client ids of a group's members, for rebalancing.
    pub struct GetConsumerList<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
    }

    /// 40, to a client, one-way: its group has changed, rebalance now.
    pub struct NotifyConsumerIdsChanged<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
    }

    /// 203: connections of a consumer group.
    pub struct GetConsumerConnections<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
    }

    /// 204: connections of a producer group.
    pub struct GetProducerConnections<'h> {
        producer_group: Cow<'h, str> = "producerGroup",
    }

    /// 307: what a consumer is doing. Forwarded unchanged, as is its answer.
    pub struct GetConsumerRunningInfo<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        client_id: Cow<'h, str> = "clientId",
        jstack_enable: Option<bool> = "jstackEnable",
    }

    /// 309: one consumer shall consume one message now. The broker adds the last three fields and the
    /// record.
    pub struct ConsumeMessageDirectly<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        client_id: Option<Cow<'h, str>> = "clientId",
        msg_id: Option<Cow<'h, str>> = "msgId",
        broker_name: Option<Cow<'h, str>> = "brokerName",
        topic: Option<Cow<'h, str>> = "topic",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
    }
}
