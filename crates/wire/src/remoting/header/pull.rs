//! Pulling: 11 and 361. The two differ in the thread pool of the Java broker, not in their fields.

use std::borrow::Cow;

use super::fields::headers;
use super::{FieldError, number, optional_number, string};
use crate::remoting::command::Header;

/// `sysFlag`: `commitOffset` is to be committed for the group.
pub const SYS_FLAG_COMMIT_OFFSET: i32 = 1;
/// `sysFlag`: hold the request until a message comes or `suspendTimeoutMillis` has passed.
pub const SYS_FLAG_SUSPEND: i32 = 1 << 1;
/// `sysFlag`: `subscription` stands in this request.
pub const SYS_FLAG_SUBSCRIPTION: i32 = 1 << 2;
/// `sysFlag`: the subscription is a filter class.
pub const SYS_FLAG_CLASS_FILTER: i32 = 1 << 3;
/// `sysFlag`: a lite pull (361).
pub const SYS_FLAG_LITE_PULL: i32 = 1 << 4;

/// A question for messages of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullHeader<'h> {
    /// The group that reads.
    pub consumer_group: Cow<'h, str>,
    /// The topic read.
    pub topic: Cow<'h, str>,
    /// The queue within the topic.
    pub queue_id: i32,
    /// First queue offset wanted.
    pub queue_offset: i64,
    /// Messages wanted at most.
    pub max_msg_nums: i32,
    /// Sum of the `SYS_FLAG_` bits.
    pub sys_flag: i32,
    /// Consumer offset to commit when [`SYS_FLAG_COMMIT_OFFSET`] is set.
    pub commit_offset: i64,
    /// How long to wait for a message, milliseconds.
    pub suspend_timeout_millis: i64,
    /// Filter expression when [`SYS_FLAG_SUBSCRIPTION`] is set.
    pub subscription: Option<Cow<'h, str>>,
    /// The client's version of its subscription, milliseconds of its clock.
    pub sub_version: i64,
    /// `TAG` or `SQL92`; absent means `TAG`.
    pub expression_type: Option<Cow<'h, str>>,
    /// Bytes wanted at most.
    pub max_msg_bytes: Option<i32>,
    /// Who asks: a broker-side subsystem of a 5.x peer.
    pub request_source: Option<i32>,
    /// Client behind a proxy.
    pub proxy_forward_client_id: Option<Cow<'h, str>>,
}

headers! {
    /// The answer to a pull. Behind it, for code 0, the records.
    pub struct PullAnswer {
        suggest_which_broker_id: i64 = "suggestWhichBrokerId",
        next_begin_offset: i64 = "nextBeginOffset",
        min_offset: i64 = "minOffset",
        max_offset: i64 = "maxOffset",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
    }
}

/// Names on the wire, in the order of [`PullHeader`]'s fields. The misspelling is the protocol's.
const NAMES: [&str; 14] = [
    "consumerGroup",
    "topic",
    "queueId",
    "queueOffset",
    "maxMsgNums",
    "sysFlag",
    "commitOffset",
    "suspendTimeoutMillis",
    "subscription",
    "subVersion",
    "expressionType",
    "maxMsgBytes",
    "requestSource",
    "proxyFrowardClientId",
];

impl<'h> PullHeader<'h> {
    /// Reads the fields of a 11 or 361.
    pub fn decode(header: &'h Header<'_>) -> Result<PullHeader<'h>, FieldError> {
        let mut spans = [None; NAMES.len()];
        for (name, value) in header.spans() {
            if let Some(at) = NAMES.iter().position(|known| known.as_bytes() == name) {
                spans[at] = Some(value);
            }
        }
        let at = |at: usize| spans[at].map(|span| header.text(span));
        Ok(PullHeader {
            consumer_group: string(at(0), NAMES[0])?,
            topic: string(at(1), NAMES[1])?,
            queue_id: number(at(2), NAMES[2])?,
            queue_offset: number(at(3), NAMES[3])?,
            max_msg_nums: number(at(4), NAMES[4])?,
            sys_flag: number(at(5), NAMES[5])?,
            commit_offset: number(at(6), NAMES[6])?,
            suspend_timeout_millis: number(at(7), NAMES[7])?,
            subscription: at(8).map(|text| text.to_cow()),
            sub_version: number(at(9), NAMES[9])?,
            expression_type: at(10).map(|text| text.to_cow()),
            max_msg_bytes: optional_number(at(11), NAMES[11])?,
            request_source: optional_number(at(12), NAMES[12])?,
            proxy_forward_client_id: at(13).map(|text| text.to_cow()),
        })
    }

    /// The fields for a request of ours. Absent ones are left out.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let owned = |number: i64| Some(Cow::Owned(number.to_string()));
        let values = [
            Some(Cow::Borrowed(&*self.consumer_group)),
            Some(Cow::Borrowed(&*self.topic)),
            owned(self.queue_id.into()),
            owned(self.queue_offset),
            owned(self.max_msg_nums.into()),
            owned(self.sys_flag.into()),
            owned(self.commit_offset),
            owned(self.suspend_timeout_millis),
            self.subscription.as_deref().map(Cow::Borrowed),
            owned(self.sub_version),
            self.expression_type.as_deref().map(Cow::Borrowed),
            self.max_msg_bytes.and_then(|number| owned(number.into())),
            self.request_source.and_then(|number| owned(number.into())),
            self.proxy_forward_client_id.as_deref().map(Cow::Borrowed),
        ];
        NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_is_read_and_its_fields_write_it_back() {
        let json = br#"{"code":11,"extFields":{"queueId":"3","maxMsgNums":"32","sysFlag":"3","suspendTimeoutMillis":"15000","commitOffset":"7","topic":"T","queueOffset":"9","expressionType":"TAG","subVersion":"1795561550000","consumerGroup":"CG","ReqT":"0","maxMsgBytes":"2147483647"}}"#;
        let header = Header::parse_json(json).unwrap();

        let pull = PullHeader::decode(&header).unwrap();

        let expected = PullHeader {
            consumer_group: "CG".into(),
            topic: "T".into(),
            queue_id: 3,
            queue_offset: 9,
            max_msg_nums: 32,
            sys_flag: SYS_FLAG_COMMIT_OFFSET | SYS_FLAG_SUSPEND,
            commit_offset: 7,
            suspend_timeout_millis: 15_000,
            subscription: None,
            sub_version: 1_795_561_550_000,
            expression_type: Some("TAG".into()),
            max_msg_bytes: Some(i32::MAX),
            request_source: None,
            proxy_forward_client_id: None,
        };
        assert_eq!(pull, expected);
        let written: Vec<_> = pull.fields().collect();
        for (name, value) in &written {
            assert_eq!(header.field(name).unwrap().to_cow(), *value);
        }
        assert_eq!(written.len(), 11);
    }

    #[test]
    fn a_missing_offset_is_named() {
        let json = br#"{"code":11,"extFields":{"consumerGroup":"CG","topic":"T","queueId":"0"}}"#;
        let header = Header::parse_json(json).unwrap();
        assert_eq!(PullHeader::decode(&header).unwrap_err(), FieldError::Missing("queueOffset"));
    }
}
