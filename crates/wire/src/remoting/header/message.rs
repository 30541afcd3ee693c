//! Single messages: looking them up (12, 33), sending them back (36), the end of a transaction (37, 323), taking them back
//! (370), pushing a reply to who asked for it (326), and looking into a queue (321).

use std::borrow::Cow;

use super::fields::headers;

headers! {
    /// 12: messages by key within a time window. Body of the answer: records.
    pub struct QueryMessage<'h> {
        topic: Cow<'h, str> = "topic",
        key: Cow<'h, str> = "key",
        max_num: i32 = "maxNum",
        begin_timestamp: i64 = "beginTimestamp",
        end_timestamp: i64 = "endTimestamp",
        /// `key` is the unique key that the client gave.
        unique_key_query: Option<bool> = "_UNIQUE_KEY_QUERY",
    }

    /// The answer to 12: how far the key index reaches.
    pub struct QueryMessageAnswer {
        index_last_update_timestamp: i64 = "indexLastUpdateTimestamp",
        index_last_update_phyoffset: i64 = "indexLastUpdatePhyoffset",
    }

    /// 33: the message at a log offset. Body of the answer: one record.
    pub struct ViewMessage<'h> {
        topic: Option<Cow<'h, str>> = "topic",
        /// Log offset.
        offset: i64 = "offset",
    }

    /// 36: a message that could not be consumed, for its retry or dead-letter topic.
    pub struct SendBack<'h> {
        /// Log offset of the message.
        offset: i64 = "offset",
        group: Cow<'h, str> = "group",
        /// Negative: dead letter. 0: the broker chooses. Else a delay level.
        delay_level: i32 = "delayLevel",
        origin_msg_id: Option<Cow<'h, str>> = "originMsgId",
        origin_topic: Option<Cow<'h, str>> = "originTopic",
        unit_mode: Option<bool> = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    }

    /// 370: takes back a message before its delivery time.
    pub struct Recall<'h> {
        producer_group: Option<Cow<'h, str>> = "producerGroup",
        topic: Cow<'h, str> = "topic",
        /// What the answer to the send said.
        recall_handle: Cow<'h, str> = "recallHandle",
    }

    /// 37: what becomes of a half message.
    pub struct EndTransaction<'h> {
        topic: Option<Cow<'h, str>> = "topic",
        producer_group: Cow<'h, str> = "producerGroup",
        /// Offset in the queue of halves.
        tran_state_table_offset: i64 = "tranStateTableOffset",
        /// Log offset of the half message.
        commit_log_offset: i64 = "commitLogOffset",
        /// 0: unknown, 8: commit, 12: rollback.
        commit_or_rollback: i32 = "commitOrRollback",
        from_transaction_check: Option<bool> = "fromTransactionCheck",
        msg_id: Option<Cow<'h, str>> = "msgId",
        transaction_id: Option<Cow<'h, str>> = "transactionId",
    }

    /// 323: a half message to be checked again.
    pub struct ResumeCheckHalfMessage<'h> {
        topic: Option<Cow<'h, str>> = "topic",
        /// Offset id.
        msg_id: Option<Cow<'h, str>> = "msgId",
    }

    /// 326, to a client: the reply it waits for. The body is the reply's, perhaps compressed.
    pub struct PushReply<'h> {
        /// Of the one who replies, as the next four.
        producer_group: Cow<'h, str> = "producerGroup",
        topic: Cow<'h, str> = "topic",
        default_topic: Cow<'h, str> = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp: i64 = "bornTimestamp",
        flag: i32 = "flag",
        /// With the id by which the client knows its request, `CORRELATION_ID`.
        properties: Option<Cow<'h, str>> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: Option<bool> = "unitMode",
        /// `ip:port`, as the store host.
        born_host: Cow<'h, str> = "bornHost",
        store_host: Cow<'h, str> = "storeHost",
        store_timestamp: i64 = "storeTimestamp",
    }

    /// 321: units of a queue, for a curious admin.
    pub struct QueryConsumeQueue<'h> {
        topic: Option<Cow<'h, str>> = "topic",
        queue_id: Option<i32> = "queueId",
        index: Option<i64> = "index",
        count: Option<i32> = "count",
        consumer_group: Option<Cow<'h, str>> = "consumerGroup",
    }
}
