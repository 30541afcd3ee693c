//! Pulling: 11 and 361. The two differ in the thread pool of the Java broker, not in their fields.

use std::borrow::Cow;

use super::fields::headers;
use super::{FieldError, number, optional_number, string};
use crate::remoting::command::{Header, Text};

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

/// The fields before their kinds are checked. All absent at first.
#[derive(Default)]
struct Raw<'h> {
    consumer_group: Option<Text<'h>>,
    topic: Option<Text<'h>>,
    queue_id: Option<Text<'h>>,
    queue_offset: Option<Text<'h>>,
    max_msg_nums: Option<Text<'h>>,
    sys_flag: Option<Text<'h>>,
    commit_offset: Option<Text<'h>>,
    suspend_timeout_millis: Option<Text<'h>>,
    subscription: Option<Text<'h>>,
    sub_version: Option<Text<'h>>,
    expression_type: Option<Text<'h>>,
    max_msg_bytes: Option<Text<'h>>,
    request_source: Option<Text<'h>>,
    proxy_forward_client_id: Option<Text<'h>>,
}

impl<'h> PullHeader<'h> {
    /// Reads the fields of a 11 or 361.
    pub fn decode(header: &'h Header<'_>) -> Result<PullHeader<'h>, FieldError> {
        let raw = Raw::of(header);
        Ok(PullHeader {
            consumer_group: string(raw.consumer_group, "consumerGroup")?,
            topic: string(raw.topic, "topic")?,
            queue_id: number(raw.queue_id, "queueId")?,
            queue_offset: number(raw.queue_offset, "queueOffset")?,
            max_msg_nums: number(raw.max_msg_nums, "maxMsgNums")?,
            sys_flag: number(raw.sys_flag, "sysFlag")?,
            commit_offset: number(raw.commit_offset, "commitOffset")?,
            suspend_timeout_millis: number(raw.suspend_timeout_millis, "suspendTimeoutMillis")?,
            subscription: raw.subscription.map(|text| text.to_cow()),
            sub_version: number(raw.sub_version, "subVersion")?,
            expression_type: raw.expression_type.map(|text| text.to_cow()),
            max_msg_bytes: optional_number(raw.max_msg_bytes, "maxMsgBytes")?,
            request_source: optional_number(raw.request_source, "requestSource")?,
            proxy_forward_client_id: raw.proxy_forward_client_id.map(|text| text.to_cow()),
        })
    }

    /// The fields for a request of ours. Absent ones are left out.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let owned = |number: i64| Some(Cow::Owned(number.to_string()));
        [
            ("consumerGroup", Some(Cow::Borrowed(&*self.consumer_group))),
            ("topic", Some(Cow::Borrowed(&*self.topic))),
            ("queueId", owned(self.queue_id.into())),
            ("queueOffset", owned(self.queue_offset)),
            ("maxMsgNums", owned(self.max_msg_nums.into())),
            ("sysFlag", owned(self.sys_flag.into())),
            ("commitOffset", owned(self.commit_offset)),
            ("suspendTimeoutMillis", owned(self.suspend_timeout_millis)),
            ("subscription", self.subscription.as_deref().map(Cow::Borrowed)),
            ("subVersion", owned(self.sub_version)),
            ("expressionType", self.expression_type.as_deref().map(Cow::Borrowed)),
            ("maxMsgBytes", self.max_msg_bytes.and_then(|number| owned(number.into()))),
            ("requestSource", self.request_source.and_then(|number| owned(number.into()))),
            // The misspelling is the protocol's.
            ("proxyFrowardClientId", self.proxy_forward_client_id.as_deref().map(Cow::Borrowed)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl<'h> Raw<'h> {
    fn of(header: &'h Header<'_>) -> Raw<'h> {
        let mut raw = Raw::default();
        for (key, value) in header.fields() {
            let slot = match key.raw() {
                "consumerGroup" => &mut raw.consumer_group,
                "topic" => &mut raw.topic,
                "queueId" => &mut raw.queue_id,
                "queueOffset" => &mut raw.queue_offset,
                "maxMsgNums" => &mut raw.max_msg_nums,
                "sysFlag" => &mut raw.sys_flag,
                "commitOffset" => &mut raw.commit_offset,
                "suspendTimeoutMillis" => &mut raw.suspend_timeout_millis,
                "subscription" => &mut raw.subscription,
                "subVersion" => &mut raw.sub_version,
                "expressionType" => &mut raw.expression_type,
                "maxMsgBytes" => &mut raw.max_msg_bytes,
                "requestSource" => &mut raw.request_source,
                "proxyFrowardClientId" => &mut raw.proxy_forward_client_id,
                _ => continue,
            };
            *slot = Some(value);
        }
        raw
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
