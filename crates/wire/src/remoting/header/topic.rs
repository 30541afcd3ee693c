//! Topics on a broker: configuration (17, 21, 215, 351), statistics (202), who consumes them (300).
//!
//! 18 has a body and no fields.

use std::borrow::Cow;

use super::fields::headers;

headers! {
    /// 17: creates or changes a topic.
    pub struct UpdateTopic<'h> {
        topic: Cow<'h, str> = "topic",
        default_topic: Cow<'h, str> = "defaultTopic",
        read_queue_nums: i32 = "readQueueNums",
        write_queue_nums: i32 = "writeQueueNums",
        /// Sum of 4 (read), 2 (write), 1 (inherit).
        perm: i32 = "perm",
        topic_filter_type: Cow<'h, str> = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        order: bool = "order",
        /// `+name=value` and `-name`, joined by commas.
        attributes: Option<Cow<'h, str>> = "attributes",
        force: Option<bool> = "force",
    }

    /// 215: deletes a topic with all it has.
    pub struct DeleteTopic<'h> {
        topic: Cow<'h, str> = "topic",
    }

    /// 21: every topic. Old clients send no field and want everything at once.
    pub struct GetAllTopicConfig<'h> {
        topic_seq: Option<i32> = "topicSeq",
        data_version: Option<Cow<'h, str>> = "dataVersion",
        max_topic_num: Option<i32> = "maxTopicNum",
    }

    /// The answer to 21.
    pub struct GetAllTopicConfigAnswer {
        total_topic_num: Option<i32> = "totalTopicNum",
    }

    /// 351: one topic.
    pub struct GetTopicConfig<'h> {
        topic: Cow<'h, str> = "topic",
        lo: Option<bool> = "lo",
    }

    /// 202: offsets and times of a topic's queues.
    pub struct GetTopicStats<'h> {
        topic: Cow<'h, str> = "topic",
    }

    /// 300: the groups of a topic.
    pub struct QueryTopicConsumeByWho<'h> {
        topic: Cow<'h, str> = "topic",
    }
}
