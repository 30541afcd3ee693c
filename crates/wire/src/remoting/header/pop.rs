//! Pop consumption: 200050 to 200055. (A binary header cannot carry these codes: it has 16 bits for them.)

use std::borrow::Cow;

use super::fields::headers;

headers! {
    /// 200050: takes messages for a while. Answered by [`PopAnswer`].
    pub struct PopMessage<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Cow<'h, str> = "topic",
        /// -1: all queues.
        queue_id: i32 = "queueId",
        /// 1 to 32.
        max_msg_nums: i32 = "maxMsgNums",
        /// Milliseconds.
        invisible_time: i64 = "invisibleTime",
        /// Milliseconds to wait for a message; 0 and less: not at all.
        poll_time: i64 = "pollTime",
        /// When it was asked, by the client's clock; absent or 0: now.
        born_time: Option<i64> = "bornTime",
        /// 0: a new group begins at the oldest message; 1: at the newest.
        init_mode: i32 = "initMode",
        /// `TAG` (the default) or `SQL92`.
        exp_type: Option<Cow<'h, str>> = "expType",
        /// Absent means everything.
        exp: Option<Cow<'h, str>> = "exp",
        /// One batch at a time of each queue.
        order: Option<bool> = "order",
        /// Names an ordered pop, so that it can be repeated.
        attempt_id: Option<Cow<'h, str>> = "attemptId",
    }

    /// The answer to 200050 and 200052, whatever was found. Behind it, for code 0, the records.
    pub struct PopAnswer<'h> {
        /// Milliseconds since 1970.
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        /// 999 for an ordered pop.
        revive_qid: i32 = "reviveQid",
        rest_num: i64 = "restNum",
        /// `retry queueId startOffset`, joined by `;`.
        start_offset_info: Option<Cow<'h, str>> = "startOffsetInfo",
        /// `retry queueId offset,offset`, joined by `;`.
        msg_offset_info: Option<Cow<'h, str>> = "msgOffsetInfo",
        order_count_info: Option<Cow<'h, str>> = "orderCountInfo",
    }

    /// 200051: a message has been consumed.
    pub struct AckMessage<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        /// The real topic: the retry topic, if the handle says so.
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        /// The receipt handle.
        extra_info: Cow<'h, str> = "extraInfo",
        offset: i64 = "offset",
    }

    /// 200053: a message stays invisible for another while. Answered by [`ChangeInvisibleAnswer`].
    pub struct ChangeInvisible<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        extra_info: Cow<'h, str> = "extraInfo",
        offset: i64 = "offset",
        /// Milliseconds from now.
        invisible_time: i64 = "invisibleTime",
    }

    /// The answer to 200053: what of the receipt handle is new.
    pub struct ChangeInvisibleAnswer {
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        revive_qid: i32 = "reviveQid",
    }

    /// 200052: looks without taking. Answered by [`PopAnswer`].
    pub struct PeekMessage<'h> {
        topic: Cow<'h, str> = "topic",
        /// -1: all queues.
        queue_id: i32 = "queueId",
        /// 1 to 32.
        max_msg_nums: i32 = "maxMsgNums",
        consumer_group: Cow<'h, str> = "consumerGroup",
    }

    /// 200054: is there something to pop? Answered by [`NotificationAnswer`].
    pub struct Notification<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
        poll_time: i64 = "pollTime",
        born_time: Option<i64> = "bornTime",
        order: Option<bool> = "order",
        attempt_id: Option<Cow<'h, str>> = "attemptId",
    }

    /// The answer to 200054.
    pub struct NotificationAnswer {
        has_msg: bool = "hasMsg",
        polling_full: Option<bool> = "pollingFull",
    }

    /// 200055: how many pops wait? Answered by [`PollingInfoAnswer`].
    pub struct PollingInfo<'h> {
        consumer_group: Cow<'h, str> = "consumerGroup",
        topic: Cow<'h, str> = "topic",
        queue_id: i32 = "queueId",
    }

    /// The answer to 200055.
    pub struct PollingInfoAnswer {
        polling_num: i32 = "pollingNum",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::command::Header;

    #[test]
    fn a_pop_is_read_as_a_java_client_sends_it() {
        let json = br#"{"code":200050,"extFields":{"pollTime":"15000","invisibleTime":"60000","queueId":"-1","bornTime":"1795561908015","maxMsgNums":"32","bname":"broker-a","topic":"T","expType":"TAG","exp":"*","consumerGroup":"G","initMode":"0","order":"false"},"flag":0,"language":"JAVA","opaque":260,"serializeTypeCurrentRPC":"JSON","version":479}"#;
        let header = Header::parse_json(json).unwrap();
        let pop = PopMessage::decode(&header).unwrap();
        let expected = PopMessage {
            consumer_group: "G".into(),
            topic: "T".into(),
            queue_id: -1,
            max_msg_nums: 32,
            invisible_time: 60_000,
            poll_time: 15_000,
            born_time: Some(1_795_561_908_015),
            init_mode: 0,
            exp_type: Some("TAG".into()),
            exp: Some("*".into()),
            order: Some(false),
            attempt_id: None,
        };
        assert_eq!(pop, expected);
    }
}
