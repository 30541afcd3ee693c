//! The name server: routes (105), brokers (103, 104, 322, 901, 904), key-values (100 to 102, 219),
//! permissions (205, 327), topics (216, 217, 224).
//!
//! 106, 206 and 304 have neither fields nor a body.

use std::borrow::Cow;

use super::fields::headers;

/// Namespace of the key-values that name ordered topics.
pub const NAMESPACE_ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

headers! {
    /// 105: where a topic is.
    pub struct GetRoute<'h> {
        topic: Cow<'h, str> = "topic",
        accept_standard_json_only: Option<bool> = "acceptStandardJsonOnly",
        zone_mode: Option<Cow<'h, str>> = "__ZONE_MODE",
        zone_name: Option<Cow<'h, str>> = "__ZONE_NAME",
    }

    /// 103: a broker says that it is there and what it has. Its topics stand in the body.
    pub struct RegisterBroker<'h> {
        broker_name: Cow<'h, str> = "brokerName",
        broker_addr: Cow<'h, str> = "brokerAddr",
        cluster_name: Cow<'h, str> = "clusterName",
        ha_server_addr: Cow<'h, str> = "haServerAddr",
        broker_id: i64 = "brokerId",
        heartbeat_timeout_millis: Option<i64> = "heartbeatTimeoutMillis",
        enable_acting_master: Option<bool> = "enableActingMaster",
        /// Unreliable: 5.3.3 sends a compressed body with `false`. Look at the first byte.
        compressed: Option<bool> = "compressed",
        /// CRC-32 of the body as sent, without its top bit; 0 or absent when not computed.
        body_crc32: Option<i32> = "bodyCrc32",
        zone_name: Option<Cow<'h, str>> = "__ZONE_NAME",
    }

    /// The answer to 103. Body: the ordered topics, as a key-value table.
    pub struct RegisterBrokerAnswer<'h> {
        ha_server_addr: Option<Cow<'h, str>> = "haServerAddr",
        master_addr: Option<Cow<'h, str>> = "masterAddr",
    }

    /// 104: a broker leaves.
    pub struct UnregisterBroker<'h> {
        broker_name: Cow<'h, str> = "brokerName",
        broker_addr: Cow<'h, str> = "brokerAddr",
        cluster_name: Cow<'h, str> = "clusterName",
        broker_id: i64 = "brokerId",
    }

    /// 904: a broker is still there.
    pub struct BrokerHeartbeat<'h> {
        cluster_name: Cow<'h, str> = "clusterName",
        broker_addr: Cow<'h, str> = "brokerAddr",
        broker_name: Cow<'h, str> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        epoch: Option<i32> = "epoch",
        max_offset: Option<i64> = "maxOffset",
        confirm_offset: Option<i64> = "confirmOffset",
        heartbeat_timeout_mills: Option<i64> = "heartbeatTimeoutMills",
        election_priority: Option<i32> = "electionPriority",
    }

    /// 322: has the broker's configuration changed? Its version stands in the body.
    pub struct QueryDataVersion<'h> {
        broker_name: Cow<'h, str> = "brokerName",
        broker_addr: Cow<'h, str> = "brokerAddr",
        cluster_name: Cow<'h, str> = "clusterName",
        broker_id: i64 = "brokerId",
    }

    /// The answer to 322. Body: the version the name server knows.
    pub struct QueryDataVersionAnswer {
        changed: bool = "changed",
    }

    /// 901: the addresses of one broker name.
    pub struct GetBrokerMemberGroup<'h> {
        cluster_name: Cow<'h, str> = "clusterName",
        broker_name: Cow<'h, str> = "brokerName",
    }

    /// 100: sets a value.
    pub struct PutKvConfig<'h> {
        namespace: Cow<'h, str> = "namespace",
        key: Cow<'h, str> = "key",
        value: Cow<'h, str> = "value",
    }

    /// 101: reads a value. Answered by [`GetKvConfigAnswer`] or 22.
    pub struct GetKvConfig<'h> {
        namespace: Cow<'h, str> = "namespace",
        key: Cow<'h, str> = "key",
    }

    /// The answer to 101.
    pub struct GetKvConfigAnswer<'h> {
        value: Option<Cow<'h, str>> = "value",
    }

    /// 102: forgets a value.
    pub struct DeleteKvConfig<'h> {
        namespace: Cow<'h, str> = "namespace",
        key: Cow<'h, str> = "key",
    }

    /// 219: all values of a namespace.
    pub struct GetKvList<'h> {
        namespace: Cow<'h, str> = "namespace",
    }

    /// 205: nobody shall write to a broker any more.
    pub struct WipeWritePerm<'h> {
        broker_name: Cow<'h, str> = "brokerName",
    }

    /// The answer to 205.
    pub struct WipeWritePermAnswer {
        wipe_topic_count: i32 = "wipeTopicCount",
    }

    /// 327: takes 205 back.
    pub struct AddWritePerm<'h> {
        broker_name: Cow<'h, str> = "brokerName",
    }

    /// The answer to 327.
    pub struct AddWritePermAnswer {
        add_topic_count: i32 = "addTopicCount",
    }

    /// 216: forgets a topic, in one cluster when it is named.
    pub struct DeleteTopicInNamesrv<'h> {
        topic: Cow<'h, str> = "topic",
        cluster_name: Option<Cow<'h, str>> = "clusterName",
    }

    /// 217: adds queues of known brokers to a topic. They stand in the body.
    pub struct RegisterTopicInNamesrv<'h> {
        topic: Cow<'h, str> = "topic",
    }

    /// 224: topics of a cluster.
    pub struct GetTopicsByCluster<'h> {
        cluster: Cow<'h, str> = "cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoting::code::RequestCode;
    use crate::remoting::command::Header;
    use crate::remoting::frame::{Encoding, next_frame};
    use crate::remoting::header::FieldError;
    use crate::remoting::reply::Request;

    #[test]
    fn what_is_written_is_read_in_both_encodings() {
        let register = RegisterBroker {
            broker_name: "broker-\"a\"".into(),
            broker_addr: "127.0.0.1:10911".into(),
            cluster_name: "DefaultCluster".into(),
            ha_server_addr: "127.0.0.1:10912".into(),
            broker_id: 0,
            heartbeat_timeout_millis: None,
            enable_acting_master: Some(false),
            compressed: Some(true),
            body_crc32: Some(-1),
            zone_name: Some("z".into()),
        };
        for encoding in [Encoding::Json, Encoding::Binary] {
            let mut out = Vec::new();
            Request::new(1, RequestCode::REGISTER_BROKER).fields(register.fields()).write(encoding, &mut out);
            let header = Header::parse(&next_frame(&out).unwrap().unwrap()).unwrap();
            assert_eq!(RegisterBroker::decode(&header).unwrap(), register);
            assert_eq!(header.field_count(), 9);
        }
    }

    #[test]
    fn an_error_names_the_field() {
        let header = Header::parse_json(br#"{"extFields":{"brokerName":"b","brokerId":"x"}}"#).unwrap();
        assert_eq!(RegisterBroker::decode(&header).unwrap_err(), FieldError::Missing("brokerAddr"));
        let header = Header::parse_json(br#"{"extFields":{"changed":"TRUE"}}"#).unwrap();
        assert!(QueryDataVersionAnswer::decode(&header).unwrap().changed);
        let header = Header::parse_json(br#"{"extFields":{"wipeTopicCount":"ten"}}"#).unwrap();
        let malformed = FieldError::Malformed { field: "wipeTopicCount", value: "ten".to_owned() };
        assert_eq!(WipeWritePermAnswer::decode(&header).unwrap_err(), malformed);
    }
}
