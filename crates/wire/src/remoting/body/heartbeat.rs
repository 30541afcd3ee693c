//! Who a client is and what it reads: heartbeat (34), subscription check (46), subscription (345),
//! members of a group (38).

use serde::{Deserialize, Serialize};

use super::bodies;

/// A client's producers and consumers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HeartbeatData {
    #[serde(rename = "clientID")]
    pub client_id: String,
    pub consumer_data_set: Vec<ConsumerData>,
    /// Hash of the subscriptions, for heartbeats without them; 0 when not used.
    pub heartbeat_fingerprint: i32,
    pub producer_data_set: Vec<ProducerData>,
    /// The subscriptions are left out: they are those with the same fingerprint.
    pub without_sub: bool,
}

/// One consumer group of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerData {
    #[serde(skip_serializing_if = "ConsumeFromWhere::is_unknown")]
    pub consume_from_where: ConsumeFromWhere,
    #[serde(skip_serializing_if = "ConsumeType::is_unknown")]
    pub consume_type: ConsumeType,
    pub group_name: String,
    #[serde(skip_serializing_if = "MessageModel::is_unknown")]
    pub message_model: MessageModel,
    pub subscription_data_set: Vec<SubscriptionData>,
    pub unit_mode: bool,
}

/// One producer group of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProducerData {
    pub group_name: String,
}

/// What a group wants of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubscriptionData {
    pub class_filter_mode: bool,
    /// Hashes of the tags.
    pub code_set: Vec<i32>,
    /// `TAG` or `SQL92`; absent (old clients) means `TAG`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression_type: Option<String>,
    /// The expression: `*`, `a || b`, or SQL.
    pub sub_string: String,
    /// The client's clock when it subscribed: milliseconds, of Go clients nanoseconds.
    pub sub_version: i64,
    pub tags_set: Vec<String>,
    pub topic: String,
}

macro_rules! names {
    ($($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
            /// Absent, or a name of the future. Never written.
            #[default]
            #[serde(other)]
            Unknown,
        }

        impl $type {
            /// Whether nothing is known.
            pub fn is_unknown(&self) -> bool {
                *self == $type::Unknown
            }
        }
    )+};
}

// In the order of their ordinals: C++ writes those.
names! {
    /// How a consumer gets its messages.
    ConsumeType { ConsumeActively, ConsumePassively, ConsumePop, }

    /// Every member gets all messages, or each message goes to one member.
    MessageModel { Broadcasting, Clustering, }

    /// Where a new group begins.
    ConsumeFromWhere {
        ConsumeFromLastOffset,
        ConsumeFromLastOffsetAndFromMinWhenBootFirst,
        ConsumeFromMinOffset,
        ConsumeFromMaxOffset,
        ConsumeFromFirstOffset,
        ConsumeFromTimestamp,
    }
}

/// 46: is this subscription acceptable?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CheckClient {
    pub client_id: String,
    pub group: String,
    pub subscription_data: Option<SubscriptionData>,
}

/// The answer to 345.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QuerySubscription {
    pub group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// The answer to 38.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerIdList {
    pub consumer_id_list: Vec<String>,
}

bodies! {
    to_standard: HeartbeatData, CheckClient, QuerySubscription, ConsumerIdList;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_heartbeat_is_written_as_it_was_read() {
        let json = r#"{"clientID":"10.0.0.9@1#2","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"CG","messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[97,98],"expressionType":"TAG","subString":"a || b","subVersion":1700000000000,"tagsSet":["a","b"],"topic":"T"}],"unitMode":false}],"heartbeatFingerprint":0,"producerDataSet":[{"groupName":"PG"}],"withoutSub":false}"#;
        let heartbeat = HeartbeatData::read(json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(heartbeat.to_json()).unwrap(), json);
    }

    #[test]
    fn ordinals_numbers_in_strings_and_missing_members_are_read() {
        let cpp = br#"{"clientID":"c","consumerDataSet":[{"consumeFromWhere":0,"consumeType":1,"groupName":"CG","messageModel":1,"subscriptionDataSet":[{"subString":"*","subVersion":"1795562433061","topic":"T","codeSet":["7"]}]}]}"#;
        let consumer = HeartbeatData::read(cpp).unwrap().consumer_data_set.remove(0);
        assert_eq!(consumer.consume_from_where, ConsumeFromWhere::ConsumeFromLastOffset);
        assert_eq!(consumer.consume_type, ConsumeType::ConsumePassively);
        assert_eq!(consumer.message_model, MessageModel::Clustering);
        assert_eq!(consumer.subscription_data_set[0].sub_version, 1_795_562_433_061);
        assert_eq!(consumer.subscription_data_set[0].code_set, [7]);
    }

    #[test]
    fn an_unknown_name_or_ordinal_is_no_error() {
        for model in ["\"FANCY\"", "9", "null", "-1", "\"1\""] {
            let json = format!("{{\"consumerDataSet\":[{{\"messageModel\":{model}}}]}}");
            let consumer = HeartbeatData::read(json.as_bytes()).unwrap().consumer_data_set.remove(0);
            assert_eq!(consumer.message_model.is_unknown(), model != "\"1\"", "{model}");
        }
    }

    #[test]
    fn a_repeated_subscription_is_followed() {
        let json = br#"{"consumerDataSet":[{"groupName":"A","subscriptionDataSet":[{"topic":"T","subString":"*"}]},{"groupName":"B","subscriptionDataSet":[{"$ref":"$.consumerDataSet[0].subscriptionDataSet[0]"}]}]}"#;
        let heartbeat = HeartbeatData::read(json).unwrap();
        let [a, b] = &heartbeat.consumer_data_set[..] else { panic!("two groups") };
        assert_eq!(a.subscription_data_set, b.subscription_data_set);
    }
}
