//! Offsets: of a group (14, 15), of a queue (29 to 32), resetting them (220 to 222), and cloning them (314).

use std::borrow::Cow;

use super::fields::headers;

headers! {
    /// 14: the next queue offset a group wants. Answered by [`OffsetAnswer`] or 22.
    pub struct QueryConsumerOffset<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        set_zero_if_not_found: Option<bool> = "setZeroIfNotFound",
    }

    /// 15: commits a consumer offset. Mostly one-way; Go commits -1 for queues it has not read.
    pub struct UpdateConsumerOffset<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        commit_offset: i64 = "commitOffset",
    }

    /// 30: the next offset to be written.
    pub struct GetMaxOffset<'h> {
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        committed: Option<bool> = "committed",
    }

    /// 31: the first offset that still exists.
    pub struct GetMinOffset<'h> {
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
    }

    /// 29: the offset at a store time. Answered by [`OffsetAnswer`].
    pub struct SearchOffsetByTimestamp<'h> {
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        /// Milliseconds since 1970.
        timestamp: i64 = "timestamp",
        /// `lower` (the default) or `upper`, in any case.
        boundary_type: Option<Cow<'h, str>> = "boundaryType",
    }

    /// 32: store time of a queue's first message. Answered by [`TimestampAnswer`].
    pub struct GetEarliestMsgStoretime<'h> {
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
    }

    /// The answer to 14, 29, 30 and 31.
    pub struct OffsetAnswer {
        offset: i64 = "offset",
    }

    /// The answer to 32: milliseconds since 1970, -1 for an empty queue.
    pub struct TimestampAnswer {
        timestamp: i64 = "timestamp",
    }

    /// 222: sets a group back or forward in a topic. Body of the answer: the offsets as they are now.
    pub struct ResetOffset<'h> {
        group: Cow<'h, str> = "group",
        topic: Cow<'h, str> = "topic",
        /// One queue; -1 or absent for all of them.
        queue_id: Option<i32> = "queueId",
        /// The offset wanted; absent to search by `timestamp`.
        offset: Option<i64> = "offset",
        /// Milliseconds since 1970; -1 for the end.
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce",
    }

    /// 220, to a client, one-way: take these offsets. They stand in the body.
    pub struct ResetClientOffset<'h> {
        topic: Cow<'h, str> = "topic",
        group: Cow<'h, str> = "group",
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce",
        queue_id: Option<i32> = "queueId",
        offset: Option<i64> = "offset",
    }

    /// 314: one group begins where another one is.
    pub struct CloneGroupOffset<'h> {
        src_group: Cow<'h, str> = "srcGroup",
        dest_group: Cow<'h, str> = "destGroup",
        /// Absent for all topics of the group.
        topic: Option<Cow<'h, str>> = "topic",
        /// Also topics that the group does not subscribe to now.
        offline: Option<bool> = "offline",
    }

    /// 221, to a client: which offsets do you have? 223 from a tool has the same fields.
    pub struct GetClientStatus<'h> {
        topic: Cow<'h, str> = "topic",
        group: Cow<'h, str> = "group",
        client_addr: Option<Cow<'h, str>> = "clientAddr",
    }
}
