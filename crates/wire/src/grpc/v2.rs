//! The types of RocketMQ's gRPC protocol: made by `cargo xtask proto`, not to be edited.

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Status {
    #[prost(enumeration = "Code", tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: ::prost::alloc::string::String,
}
/// A topic or a group.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Resource {
    #[prost(string, tag = "1")]
    pub resource_namespace: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Address {
    #[prost(string, tag = "1")]
    pub host: ::prost::alloc::string::String,
    #[prost(int32, tag = "2")]
    pub port: i32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Endpoints {
    #[prost(enumeration = "AddressScheme", tag = "1")]
    pub scheme: i32,
    #[prost(message, repeated, tag = "2")]
    pub addresses: ::prost::alloc::vec::Vec<Address>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Broker {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    /// 0: the one that takes messages.
    #[prost(int32, tag = "2")]
    pub id: i32,
    #[prost(message, optional, tag = "3")]
    pub endpoints: ::core::option::Option<Endpoints>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct MessageQueue {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    /// Negative: any queue of the broker.
    #[prost(int32, tag = "2")]
    pub id: i32,
    #[prost(enumeration = "Permission", tag = "3")]
    pub permission: i32,
    #[prost(message, optional, tag = "4")]
    pub broker: ::core::option::Option<Broker>,
    #[prost(enumeration = "MessageType", repeated, tag = "5")]
    pub accept_message_types: ::prost::alloc::vec::Vec<i32>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Assignment {
    #[prost(message, optional, tag = "1")]
    pub message_queue: ::core::option::Option<MessageQueue>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FilterExpression {
    #[prost(enumeration = "FilterType", tag = "1")]
    pub r#type: i32,
    #[prost(string, tag = "2")]
    pub expression: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SubscriptionEntry {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub expression: ::core::option::Option<FilterExpression>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RetryPolicy {
    #[prost(int32, tag = "1")]
    pub max_attempts: i32,
    #[prost(oneof = "retry_policy::Strategy", tags = "2, 3")]
    pub strategy: ::core::option::Option<retry_policy::Strategy>,
}
/// Nested message and enum types in `RetryPolicy`.
pub mod retry_policy {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Strategy {
        #[prost(message, tag = "2")]
        ExponentialBackoff(super::ExponentialBackoff),
        #[prost(message, tag = "3")]
        CustomizedBackoff(super::CustomizedBackoff),
    }
}
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct ExponentialBackoff {
    #[prost(message, optional, tag = "1")]
    pub initial: ::core::option::Option<::prost_types::Duration>,
    #[prost(message, optional, tag = "2")]
    pub max: ::core::option::Option<::prost_types::Duration>,
    #[prost(float, tag = "3")]
    pub multiplier: f32,
}
/// The n-th retry waits for the n-th; all later ones for the last.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CustomizedBackoff {
    #[prost(message, repeated, tag = "1")]
    pub next: ::prost::alloc::vec::Vec<::prost_types::Duration>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Digest {
    #[prost(enumeration = "DigestType", tag = "1")]
    pub r#type: i32,
    #[prost(string, tag = "2")]
    pub checksum: ::prost::alloc::string::String,
}
/// Where a message of a dead-letter topic comes from.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DeadLetterQueue {
    #[prost(string, tag = "1")]
    pub topic: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub message_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Message {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(map = "string, string", tag = "2")]
    pub user_properties: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(message, optional, tag = "3")]
    pub system_properties: ::core::option::Option<SystemProperties>,
    #[prost(bytes = "bytes", tag = "4")]
    pub body: ::prost::bytes::Bytes,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SystemProperties {
    #[prost(string, optional, tag = "1")]
    pub tag: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(string, repeated, tag = "2")]
    pub keys: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// Made by the client; opaque.
    #[prost(string, tag = "3")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "4")]
    pub body_digest: ::core::option::Option<Digest>,
    #[prost(enumeration = "Encoding", tag = "5")]
    pub body_encoding: i32,
    #[prost(enumeration = "MessageType", tag = "6")]
    pub message_type: i32,
    #[prost(message, optional, tag = "7")]
    pub born_timestamp: ::core::option::Option<::prost_types::Timestamp>,
    #[prost(string, tag = "8")]
    pub born_host: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "9")]
    pub store_timestamp: ::core::option::Option<::prost_types::Timestamp>,
    #[prost(string, tag = "10")]
    pub store_host: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "11")]
    pub delivery_timestamp: ::core::option::Option<::prost_types::Timestamp>,
    #[prost(string, optional, tag = "12")]
    pub receipt_handle: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(int32, tag = "13")]
    pub queue_id: i32,
    #[prost(int64, optional, tag = "14")]
    pub queue_offset: ::core::option::Option<i64>,
    #[prost(message, optional, tag = "15")]
    pub invisible_duration: ::core::option::Option<::prost_types::Duration>,
    /// 1: the first delivery.
    #[prost(int32, optional, tag = "16")]
    pub delivery_attempt: ::core::option::Option<i32>,
    #[prost(string, optional, tag = "17")]
    pub message_group: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(string, optional, tag = "18")]
    pub trace_context: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(message, optional, tag = "19")]
    pub orphaned_transaction_recovery_duration: ::core::option::Option<
        ::prost_types::Duration,
    >,
    #[prost(message, optional, tag = "20")]
    pub dead_letter_queue: ::core::option::Option<DeadLetterQueue>,
    #[prost(string, optional, tag = "21")]
    pub lite_topic: ::core::option::Option<::prost::alloc::string::String>,
    #[prost(int32, optional, tag = "22")]
    pub priority: ::core::option::Option<i32>,
}
/// A client's software and host.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Ua {
    #[prost(enumeration = "Language", tag = "1")]
    pub language: i32,
    #[prost(string, tag = "2")]
    pub version: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub platform: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub hostname: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Settings {
    #[prost(enumeration = "ClientType", optional, tag = "1")]
    pub client_type: ::core::option::Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub access_point: ::core::option::Option<Endpoints>,
    #[prost(message, optional, tag = "3")]
    pub backoff_policy: ::core::option::Option<RetryPolicy>,
    #[prost(message, optional, tag = "4")]
    pub request_timeout: ::core::option::Option<::prost_types::Duration>,
    #[prost(message, optional, tag = "7")]
    pub user_agent: ::core::option::Option<Ua>,
    #[prost(message, optional, tag = "8")]
    pub metric: ::core::option::Option<Metric>,
    #[prost(map = "string, string", tag = "9")]
    pub client_properties: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(oneof = "settings::PubSub", tags = "5, 6")]
    pub pub_sub: ::core::option::Option<settings::PubSub>,
}
/// Nested message and enum types in `Settings`.
pub mod settings {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum PubSub {
        #[prost(message, tag = "5")]
        Publishing(super::Publishing),
        #[prost(message, tag = "6")]
        Subscription(super::Subscription),
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Publishing {
    #[prost(message, repeated, tag = "1")]
    pub topics: ::prost::alloc::vec::Vec<Resource>,
    /// Bytes.
    #[prost(int32, tag = "2")]
    pub max_body_size: i32,
    #[prost(bool, tag = "3")]
    pub validate_message_type: bool,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Subscription {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub subscriptions: ::prost::alloc::vec::Vec<SubscriptionEntry>,
    #[prost(bool, optional, tag = "3")]
    pub fifo: ::core::option::Option<bool>,
    #[prost(int32, optional, tag = "4")]
    pub receive_batch_size: ::core::option::Option<i32>,
    #[prost(message, optional, tag = "5")]
    pub long_polling_timeout: ::core::option::Option<::prost_types::Duration>,
    #[prost(int32, optional, tag = "6")]
    pub lite_subscription_quota: ::core::option::Option<i32>,
    /// Bytes of a lite topic's name.
    #[prost(int32, optional, tag = "7")]
    pub max_lite_topic_size: ::core::option::Option<i32>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Metric {
    #[prost(bool, tag = "1")]
    pub on: bool,
    #[prost(message, optional, tag = "2")]
    pub endpoints: ::core::option::Option<Endpoints>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct OffsetOption {
    #[prost(oneof = "offset_option::OffsetType", tags = "1, 2, 3, 4")]
    pub offset_type: ::core::option::Option<offset_option::OffsetType>,
}
/// Nested message and enum types in `OffsetOption`.
pub mod offset_option {
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Hash,
        PartialOrd,
        Ord,
        ::prost::Enumeration
    )]
    #[repr(i32)]
    pub enum Policy {
        Last = 0,
        Min = 1,
        Max = 2,
    }
    impl Policy {
        /// String value of the enum field names used in the ProtoBuf definition.
        ///
        /// The values are not transformed in any way and thus are considered stable
        /// (if the ProtoBuf definition does not change) and safe for programmatic use.
        pub fn as_str_name(&self) -> &'static str {
            match self {
                Self::Last => "LAST",
                Self::Min => "MIN",
                Self::Max => "MAX",
            }
        }
        /// Creates an enum from field names used in the ProtoBuf definition.
        pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
            match value {
                "LAST" => Some(Self::Last),
                "MIN" => Some(Self::Min),
                "MAX" => Some(Self::Max),
                _ => None,
            }
        }
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Oneof)]
    pub enum OffsetType {
        #[prost(enumeration = "Policy", tag = "1")]
        Policy(i32),
        #[prost(int64, tag = "2")]
        Offset(i64),
        #[prost(int64, tag = "3")]
        TailN(i64),
        /// Milliseconds since 1970.
        #[prost(int64, tag = "4")]
        Timestamp(i64),
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum TransactionResolution {
    Unspecified = 0,
    Commit = 1,
    Rollback = 2,
}
impl TransactionResolution {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "TRANSACTION_RESOLUTION_UNSPECIFIED",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "TRANSACTION_RESOLUTION_UNSPECIFIED" => Some(Self::Unspecified),
            "COMMIT" => Some(Self::Commit),
            "ROLLBACK" => Some(Self::Rollback),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum TransactionSource {
    SourceUnspecified = 0,
    SourceClient = 1,
    SourceServerCheck = 2,
}
impl TransactionSource {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::SourceUnspecified => "SOURCE_UNSPECIFIED",
            Self::SourceClient => "SOURCE_CLIENT",
            Self::SourceServerCheck => "SOURCE_SERVER_CHECK",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "SOURCE_UNSPECIFIED" => Some(Self::SourceUnspecified),
            "SOURCE_CLIENT" => Some(Self::SourceClient),
            "SOURCE_SERVER_CHECK" => Some(Self::SourceServerCheck),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum Permission {
    Unspecified = 0,
    None = 1,
    Read = 2,
    Write = 3,
    ReadWrite = 4,
}
impl Permission {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "PERMISSION_UNSPECIFIED",
            Self::None => "NONE",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadWrite => "READ_WRITE",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "PERMISSION_UNSPECIFIED" => Some(Self::Unspecified),
            "NONE" => Some(Self::None),
            "READ" => Some(Self::Read),
            "WRITE" => Some(Self::Write),
            "READ_WRITE" => Some(Self::ReadWrite),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum FilterType {
    Unspecified = 0,
    Tag = 1,
    Sql = 2,
}
impl FilterType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "FILTER_TYPE_UNSPECIFIED",
            Self::Tag => "TAG",
            Self::Sql => "SQL",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "FILTER_TYPE_UNSPECIFIED" => Some(Self::Unspecified),
            "TAG" => Some(Self::Tag),
            "SQL" => Some(Self::Sql),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum AddressScheme {
    Unspecified = 0,
    IPv4 = 1,
    IPv6 = 2,
    DomainName = 3,
}
impl AddressScheme {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "ADDRESS_SCHEME_UNSPECIFIED",
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
            Self::DomainName => "DOMAIN_NAME",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "ADDRESS_SCHEME_UNSPECIFIED" => Some(Self::Unspecified),
            "IPv4" => Some(Self::IPv4),
            "IPv6" => Some(Self::IPv6),
            "DOMAIN_NAME" => Some(Self::DomainName),
            _ => None,
        }
    }
}
/// What a message is, and which messages a topic takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum MessageType {
    Unspecified = 0,
    Normal = 1,
    Fifo = 2,
    Delay = 3,
    Transaction = 4,
    Lite = 5,
    Priority = 6,
}
impl MessageType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "MESSAGE_TYPE_UNSPECIFIED",
            Self::Normal => "NORMAL",
            Self::Fifo => "FIFO",
            Self::Delay => "DELAY",
            Self::Transaction => "TRANSACTION",
            Self::Lite => "LITE",
            Self::Priority => "PRIORITY",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "MESSAGE_TYPE_UNSPECIFIED" => Some(Self::Unspecified),
            "NORMAL" => Some(Self::Normal),
            "FIFO" => Some(Self::Fifo),
            "DELAY" => Some(Self::Delay),
            "TRANSACTION" => Some(Self::Transaction),
            "LITE" => Some(Self::Lite),
            "PRIORITY" => Some(Self::Priority),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum DigestType {
    Unspecified = 0,
    Crc32 = 1,
    Md5 = 2,
    Sha1 = 3,
}
impl DigestType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "DIGEST_TYPE_UNSPECIFIED",
            Self::Crc32 => "CRC32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "DIGEST_TYPE_UNSPECIFIED" => Some(Self::Unspecified),
            "CRC32" => Some(Self::Crc32),
            "MD5" => Some(Self::Md5),
            "SHA1" => Some(Self::Sha1),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ClientType {
    Unspecified = 0,
    Producer = 1,
    PushConsumer = 2,
    SimpleConsumer = 3,
    PullConsumer = 4,
    LitePushConsumer = 5,
    LiteSimpleConsumer = 6,
}
impl ClientType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "CLIENT_TYPE_UNSPECIFIED",
            Self::Producer => "PRODUCER",
            Self::PushConsumer => "PUSH_CONSUMER",
            Self::SimpleConsumer => "SIMPLE_CONSUMER",
            Self::PullConsumer => "PULL_CONSUMER",
            Self::LitePushConsumer => "LITE_PUSH_CONSUMER",
            Self::LiteSimpleConsumer => "LITE_SIMPLE_CONSUMER",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "CLIENT_TYPE_UNSPECIFIED" => Some(Self::Unspecified),
            "PRODUCER" => Some(Self::Producer),
            "PUSH_CONSUMER" => Some(Self::PushConsumer),
            "SIMPLE_CONSUMER" => Some(Self::SimpleConsumer),
            "PULL_CONSUMER" => Some(Self::PullConsumer),
            "LITE_PUSH_CONSUMER" => Some(Self::LitePushConsumer),
            "LITE_SIMPLE_CONSUMER" => Some(Self::LiteSimpleConsumer),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum Encoding {
    Unspecified = 0,
    Identity = 1,
    Gzip = 2,
}
impl Encoding {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "ENCODING_UNSPECIFIED",
            Self::Identity => "IDENTITY",
            Self::Gzip => "GZIP",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "ENCODING_UNSPECIFIED" => Some(Self::Unspecified),
            "IDENTITY" => Some(Self::Identity),
            "GZIP" => Some(Self::Gzip),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum Language {
    Unspecified = 0,
    Java = 1,
    Cpp = 2,
    DotNet = 3,
    Golang = 4,
    Rust = 5,
    Python = 6,
    Php = 7,
    NodeJs = 8,
    Ruby = 9,
    ObjectiveC = 10,
    Dart = 11,
    Kotlin = 12,
}
impl Language {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "LANGUAGE_UNSPECIFIED",
            Self::Java => "JAVA",
            Self::Cpp => "CPP",
            Self::DotNet => "DOT_NET",
            Self::Golang => "GOLANG",
            Self::Rust => "RUST",
            Self::Python => "PYTHON",
            Self::Php => "PHP",
            Self::NodeJs => "NODE_JS",
            Self::Ruby => "RUBY",
            Self::ObjectiveC => "OBJECTIVE_C",
            Self::Dart => "DART",
            Self::Kotlin => "KOTLIN",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "LANGUAGE_UNSPECIFIED" => Some(Self::Unspecified),
            "JAVA" => Some(Self::Java),
            "CPP" => Some(Self::Cpp),
            "DOT_NET" => Some(Self::DotNet),
            "GOLANG" => Some(Self::Golang),
            "RUST" => Some(Self::Rust),
            "PYTHON" => Some(Self::Python),
            "PHP" => Some(Self::Php),
            "NODE_JS" => Some(Self::NodeJs),
            "RUBY" => Some(Self::Ruby),
            "OBJECTIVE_C" => Some(Self::ObjectiveC),
            "DART" => Some(Self::Dart),
            "KOTLIN" => Some(Self::Kotlin),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum QueryOffsetPolicy {
    Beginning = 0,
    End = 1,
    Timestamp = 2,
}
impl QueryOffsetPolicy {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Beginning => "BEGINNING",
            Self::End => "END",
            Self::Timestamp => "TIMESTAMP",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "BEGINNING" => Some(Self::Beginning),
            "END" => Some(Self::End),
            "TIMESTAMP" => Some(Self::Timestamp),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum LiteSubscriptionAction {
    PartialAdd = 0,
    PartialRemove = 1,
    CompleteAdd = 2,
    CompleteRemove = 3,
}
impl LiteSubscriptionAction {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::PartialAdd => "PARTIAL_ADD",
            Self::PartialRemove => "PARTIAL_REMOVE",
            Self::CompleteAdd => "COMPLETE_ADD",
            Self::CompleteRemove => "COMPLETE_REMOVE",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "PARTIAL_ADD" => Some(Self::PartialAdd),
            "PARTIAL_REMOVE" => Some(Self::PartialRemove),
            "COMPLETE_ADD" => Some(Self::CompleteAdd),
            "COMPLETE_REMOVE" => Some(Self::CompleteRemove),
            _ => None,
        }
    }
}
/// Grouped as in HTTP: thousands of 20 to 60. What clients do on each is in the handlers that answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum Code {
    Unspecified = 0,
    Ok = 20000,
    MultipleResults = 30000,
    BadRequest = 40000,
    IllegalAccessPoint = 40001,
    IllegalTopic = 40002,
    IllegalConsumerGroup = 40003,
    IllegalMessageTag = 40004,
    IllegalMessageKey = 40005,
    IllegalMessageGroup = 40006,
    IllegalMessagePropertyKey = 40007,
    InvalidTransactionId = 40008,
    IllegalMessageId = 40009,
    IllegalFilterExpression = 40010,
    IllegalInvisibleTime = 40011,
    IllegalDeliveryTime = 40012,
    InvalidReceiptHandle = 40013,
    MessagePropertyConflictWithType = 40014,
    UnrecognizedClientType = 40015,
    MessageCorrupted = 40016,
    ClientIdRequired = 40017,
    IllegalPollingTime = 40018,
    IllegalOffset = 40019,
    IllegalLiteTopic = 40020,
    InvalidClientProperties = 40021,
    Unauthorized = 40100,
    PaymentRequired = 40200,
    Forbidden = 40300,
    NotFound = 40400,
    MessageNotFound = 40401,
    TopicNotFound = 40402,
    ConsumerGroupNotFound = 40403,
    OffsetNotFound = 40404,
    RequestTimeout = 40800,
    PayloadTooLarge = 41300,
    MessageBodyTooLarge = 41301,
    MessageBodyEmpty = 41302,
    PreconditionFailed = 42800,
    TooManyRequests = 42900,
    LiteTopicQuotaExceeded = 42901,
    LiteSubscriptionQuotaExceeded = 42902,
    RequestHeaderFieldsTooLarge = 43100,
    MessagePropertiesTooLarge = 43101,
    InternalError = 50000,
    InternalServerError = 50001,
    HaNotAvailable = 50002,
    NotImplemented = 50100,
    ProxyTimeout = 50400,
    MasterPersistenceTimeout = 50401,
    SlavePersistenceTimeout = 50402,
    Unsupported = 50500,
    VersionUnsupported = 50501,
    VerifyFifoMessageUnsupported = 50502,
    FailedToConsumeMessage = 60000,
}
impl Code {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "CODE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::MultipleResults => "MULTIPLE_RESULTS",
            Self::BadRequest => "BAD_REQUEST",
            Self::IllegalAccessPoint => "ILLEGAL_ACCESS_POINT",
            Self::IllegalTopic => "ILLEGAL_TOPIC",
            Self::IllegalConsumerGroup => "ILLEGAL_CONSUMER_GROUP",
            Self::IllegalMessageTag => "ILLEGAL_MESSAGE_TAG",
            Self::IllegalMessageKey => "ILLEGAL_MESSAGE_KEY",
            Self::IllegalMessageGroup => "ILLEGAL_MESSAGE_GROUP",
            Self::IllegalMessagePropertyKey => "ILLEGAL_MESSAGE_PROPERTY_KEY",
            Self::InvalidTransactionId => "INVALID_TRANSACTION_ID",
            Self::IllegalMessageId => "ILLEGAL_MESSAGE_ID",
            Self::IllegalFilterExpression => "ILLEGAL_FILTER_EXPRESSION",
            Self::IllegalInvisibleTime => "ILLEGAL_INVISIBLE_TIME",
            Self::IllegalDeliveryTime => "ILLEGAL_DELIVERY_TIME",
            Self::InvalidReceiptHandle => "INVALID_RECEIPT_HANDLE",
            Self::MessagePropertyConflictWithType => {
                "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE"
            }
            Self::UnrecognizedClientType => "UNRECOGNIZED_CLIENT_TYPE",
            Self::MessageCorrupted => "MESSAGE_CORRUPTED",
            Self::ClientIdRequired => "CLIENT_ID_REQUIRED",
            Self::IllegalPollingTime => "ILLEGAL_POLLING_TIME",
            Self::IllegalOffset => "ILLEGAL_OFFSET",
            Self::IllegalLiteTopic => "ILLEGAL_LITE_TOPIC",
            Self::InvalidClientProperties => "INVALID_CLIENT_PROPERTIES",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::PaymentRequired => "PAYMENT_REQUIRED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::TopicNotFound => "TOPIC_NOT_FOUND",
            Self::ConsumerGroupNotFound => "CONSUMER_GROUP_NOT_FOUND",
            Self::OffsetNotFound => "OFFSET_NOT_FOUND",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::MessageBodyTooLarge => "MESSAGE_BODY_TOO_LARGE",
            Self::MessageBodyEmpty => "MESSAGE_BODY_EMPTY",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::LiteTopicQuotaExceeded => "LITE_TOPIC_QUOTA_EXCEEDED",
            Self::LiteSubscriptionQuotaExceeded => "LITE_SUBSCRIPTION_QUOTA_EXCEEDED",
            Self::RequestHeaderFieldsTooLarge => "REQUEST_HEADER_FIELDS_TOO_LARGE",
            Self::MessagePropertiesTooLarge => "MESSAGE_PROPERTIES_TOO_LARGE",
            Self::InternalError => "INTERNAL_ERROR",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::HaNotAvailable => "HA_NOT_AVAILABLE",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::ProxyTimeout => "PROXY_TIMEOUT",
            Self::MasterPersistenceTimeout => "MASTER_PERSISTENCE_TIMEOUT",
            Self::SlavePersistenceTimeout => "SLAVE_PERSISTENCE_TIMEOUT",
            Self::Unsupported => "UNSUPPORTED",
            Self::VersionUnsupported => "VERSION_UNSUPPORTED",
            Self::VerifyFifoMessageUnsupported => "VERIFY_FIFO_MESSAGE_UNSUPPORTED",
            Self::FailedToConsumeMessage => "FAILED_TO_CONSUME_MESSAGE",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "CODE_UNSPECIFIED" => Some(Self::Unspecified),
            "OK" => Some(Self::Ok),
            "MULTIPLE_RESULTS" => Some(Self::MultipleResults),
            "BAD_REQUEST" => Some(Self::BadRequest),
            "ILLEGAL_ACCESS_POINT" => Some(Self::IllegalAccessPoint),
            "ILLEGAL_TOPIC" => Some(Self::IllegalTopic),
            "ILLEGAL_CONSUMER_GROUP" => Some(Self::IllegalConsumerGroup),
            "ILLEGAL_MESSAGE_TAG" => Some(Self::IllegalMessageTag),
            "ILLEGAL_MESSAGE_KEY" => Some(Self::IllegalMessageKey),
            "ILLEGAL_MESSAGE_GROUP" => Some(Self::IllegalMessageGroup),
            "ILLEGAL_MESSAGE_PROPERTY_KEY" => Some(Self::IllegalMessagePropertyKey),
            "INVALID_TRANSACTION_ID" => Some(Self::InvalidTransactionId),
            "ILLEGAL_MESSAGE_ID" => Some(Self::IllegalMessageId),
            "ILLEGAL_FILTER_EXPRESSION" => Some(Self::IllegalFilterExpression),
            "ILLEGAL_INVISIBLE_TIME" => Some(Self::IllegalInvisibleTime),
            "ILLEGAL_DELIVERY_TIME" => Some(Self::IllegalDeliveryTime),
            "INVALID_RECEIPT_HANDLE" => Some(Self::InvalidReceiptHandle),
            "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE" => {
                Some(Self::MessagePropertyConflictWithType)
            }
            "UNRECOGNIZED_CLIENT_TYPE" => Some(Self::UnrecognizedClientType),
            "MESSAGE_CORRUPTED" => Some(Self::MessageCorrupted),
            "CLIENT_ID_REQUIRED" => Some(Self::ClientIdRequired),
            "ILLEGAL_POLLING_TIME" => Some(Self::IllegalPollingTime),
            "ILLEGAL_OFFSET" => Some(Self::IllegalOffset),
            "ILLEGAL_LITE_TOPIC" => Some(Self::IllegalLiteTopic),
            "INVALID_CLIENT_PROPERTIES" => Some(Self::InvalidClientProperties),
            "UNAUTHORIZED" => Some(Self::Unauthorized),
            "PAYMENT_REQUIRED" => Some(Self::PaymentRequired),
            "FORBIDDEN" => Some(Self::Forbidden),
            "NOT_FOUND" => Some(Self::NotFound),
            "MESSAGE_NOT_FOUND" => Some(Self::MessageNotFound),
            "TOPIC_NOT_FOUND" => Some(Self::TopicNotFound),
            "CONSUMER_GROUP_NOT_FOUND" => Some(Self::ConsumerGroupNotFound),
            "OFFSET_NOT_FOUND" => Some(Self::OffsetNotFound),
            "REQUEST_TIMEOUT" => Some(Self::RequestTimeout),
            "PAYLOAD_TOO_LARGE" => Some(Self::PayloadTooLarge),
            "MESSAGE_BODY_TOO_LARGE" => Some(Self::MessageBodyTooLarge),
            "MESSAGE_BODY_EMPTY" => Some(Self::MessageBodyEmpty),
            "PRECONDITION_FAILED" => Some(Self::PreconditionFailed),
            "TOO_MANY_REQUESTS" => Some(Self::TooManyRequests),
            "LITE_TOPIC_QUOTA_EXCEEDED" => Some(Self::LiteTopicQuotaExceeded),
            "LITE_SUBSCRIPTION_QUOTA_EXCEEDED" => {
                Some(Self::LiteSubscriptionQuotaExceeded)
            }
            "REQUEST_HEADER_FIELDS_TOO_LARGE" => Some(Self::RequestHeaderFieldsTooLarge),
            "MESSAGE_PROPERTIES_TOO_LARGE" => Some(Self::MessagePropertiesTooLarge),
            "INTERNAL_ERROR" => Some(Self::InternalError),
            "INTERNAL_SERVER_ERROR" => Some(Self::InternalServerError),
            "HA_NOT_AVAILABLE" => Some(Self::HaNotAvailable),
            "NOT_IMPLEMENTED" => Some(Self::NotImplemented),
            "PROXY_TIMEOUT" => Some(Self::ProxyTimeout),
            "MASTER_PERSISTENCE_TIMEOUT" => Some(Self::MasterPersistenceTimeout),
            "SLAVE_PERSISTENCE_TIMEOUT" => Some(Self::SlavePersistenceTimeout),
            "UNSUPPORTED" => Some(Self::Unsupported),
            "VERSION_UNSUPPORTED" => Some(Self::VersionUnsupported),
            "VERIFY_FIFO_MESSAGE_UNSUPPORTED" => Some(Self::VerifyFifoMessageUnsupported),
            "FAILED_TO_CONSUME_MESSAGE" => Some(Self::FailedToConsumeMessage),
            _ => None,
        }
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QueryRouteRequest {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    /// The access point as the client knows it.
    #[prost(message, optional, tag = "2")]
    pub endpoints: ::core::option::Option<Endpoints>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QueryRouteResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(message, repeated, tag = "2")]
    pub message_queues: ::prost::alloc::vec::Vec<MessageQueue>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SendMessageRequest {
    /// All of one topic.
    #[prost(message, repeated, tag = "1")]
    pub messages: ::prost::alloc::vec::Vec<Message>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SendResultEntry {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(string, tag = "2")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub transaction_id: ::prost::alloc::string::String,
    #[prost(int64, tag = "4")]
    pub offset: i64,
    #[prost(string, tag = "5")]
    pub recall_handle: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SendMessageResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(message, repeated, tag = "2")]
    pub entries: ::prost::alloc::vec::Vec<SendResultEntry>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QueryAssignmentRequest {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "3")]
    pub endpoints: ::core::option::Option<Endpoints>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QueryAssignmentResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(message, repeated, tag = "2")]
    pub assignments: ::prost::alloc::vec::Vec<Assignment>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReceiveMessageRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub message_queue: ::core::option::Option<MessageQueue>,
    #[prost(message, optional, tag = "3")]
    pub filter_expression: ::core::option::Option<FilterExpression>,
    #[prost(int32, tag = "4")]
    pub batch_size: i32,
    #[prost(message, optional, tag = "5")]
    pub invisible_duration: ::core::option::Option<::prost_types::Duration>,
    /// The server chooses the invisible time, and prolongs it while the client lives.
    #[prost(bool, tag = "6")]
    pub auto_renew: bool,
    #[prost(message, optional, tag = "7")]
    pub long_polling_timeout: ::core::option::Option<::prost_types::Duration>,
    /// The same for a repeated request whose answer was lost.
    #[prost(string, optional, tag = "8")]
    pub attempt_id: ::core::option::Option<::prost::alloc::string::String>,
}
/// A stream of: one status, messages, one delivery timestamp.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReceiveMessageResponse {
    #[prost(oneof = "receive_message_response::Content", tags = "1, 2, 3")]
    pub content: ::core::option::Option<receive_message_response::Content>,
}
/// Nested message and enum types in `ReceiveMessageResponse`.
pub mod receive_message_response {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Content {
        #[prost(message, tag = "1")]
        Status(super::Status),
        #[prost(message, tag = "2")]
        Message(super::Message),
        #[prost(message, tag = "3")]
        DeliveryTimestamp(::prost_types::Timestamp),
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct AckMessageEntry {
    #[prost(string, tag = "1")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub receipt_handle: ::prost::alloc::string::String,
    #[prost(string, optional, tag = "3")]
    pub lite_topic: ::core::option::Option<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AckMessageRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(message, repeated, tag = "3")]
    pub entries: ::prost::alloc::vec::Vec<AckMessageEntry>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct AckMessageResultEntry {
    #[prost(string, tag = "1")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub receipt_handle: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "3")]
    pub status: ::core::option::Option<Status>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AckMessageResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(message, repeated, tag = "2")]
    pub entries: ::prost::alloc::vec::Vec<AckMessageResultEntry>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ForwardMessageToDeadLetterQueueRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(string, tag = "3")]
    pub receipt_handle: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(int32, tag = "5")]
    pub delivery_attempt: i32,
    #[prost(int32, tag = "6")]
    pub max_delivery_attempts: i32,
    #[prost(string, optional, tag = "7")]
    pub lite_topic: ::core::option::Option<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ForwardMessageToDeadLetterQueueResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HeartbeatRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(enumeration = "ClientType", tag = "2")]
    pub client_type: i32,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HeartbeatResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct EndTransactionRequest {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(string, tag = "2")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub transaction_id: ::prost::alloc::string::String,
    #[prost(enumeration = "TransactionResolution", tag = "4")]
    pub resolution: i32,
    #[prost(enumeration = "TransactionSource", tag = "5")]
    pub source: i32,
    #[prost(string, tag = "6")]
    pub trace_context: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct EndTransactionResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PrintThreadStackTraceCommand {
    #[prost(string, tag = "1")]
    pub nonce: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ThreadStackTrace {
    #[prost(string, tag = "1")]
    pub nonce: ::prost::alloc::string::String,
    #[prost(string, optional, tag = "2")]
    pub thread_stack_trace: ::core::option::Option<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct VerifyMessageCommand {
    #[prost(string, tag = "1")]
    pub nonce: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub message: ::core::option::Option<Message>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct VerifyMessageResult {
    #[prost(string, tag = "1")]
    pub nonce: ::prost::alloc::string::String,
}
/// What became of this half message?
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RecoverOrphanedTransactionCommand {
    #[prost(message, optional, tag = "1")]
    pub message: ::core::option::Option<Message>,
    #[prost(string, tag = "2")]
    pub transaction_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReconnectEndpointsCommand {
    #[prost(string, tag = "1")]
    pub nonce: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct NotifyUnsubscribeLiteCommand {
    #[prost(string, tag = "1")]
    pub lite_topic: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TelemetryCommand {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(oneof = "telemetry_command::Command", tags = "2, 3, 4, 5, 6, 7, 8, 9")]
    pub command: ::core::option::Option<telemetry_command::Command>,
}
/// Nested message and enum types in `TelemetryCommand`.
pub mod telemetry_command {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Command {
        /// From the client: what it is. From the server: the same with the server's values.
        #[prost(message, tag = "2")]
        Settings(super::Settings),
        /// From the client.
        #[prost(message, tag = "3")]
        ThreadStackTrace(super::ThreadStackTrace),
        #[prost(message, tag = "4")]
        VerifyMessageResult(super::VerifyMessageResult),
        /// From the server.
        #[prost(message, tag = "5")]
        RecoverOrphanedTransactionCommand(super::RecoverOrphanedTransactionCommand),
        #[prost(message, tag = "6")]
        PrintThreadStackTraceCommand(super::PrintThreadStackTraceCommand),
        #[prost(message, tag = "7")]
        VerifyMessageCommand(super::VerifyMessageCommand),
        #[prost(message, tag = "8")]
        ReconnectEndpointsCommand(super::ReconnectEndpointsCommand),
        #[prost(message, tag = "9")]
        NotifyUnsubscribeLiteCommand(super::NotifyUnsubscribeLiteCommand),
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct NotifyClientTerminationRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct NotifyClientTerminationResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ChangeInvisibleDurationRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(string, tag = "3")]
    pub receipt_handle: ::prost::alloc::string::String,
    /// From now on.
    #[prost(message, optional, tag = "4")]
    pub invisible_duration: ::core::option::Option<::prost_types::Duration>,
    #[prost(string, tag = "5")]
    pub message_id: ::prost::alloc::string::String,
    #[prost(string, optional, tag = "6")]
    pub lite_topic: ::core::option::Option<::prost::alloc::string::String>,
    /// The delivery does not count as an attempt.
    #[prost(bool, optional, tag = "7")]
    pub suspend: ::core::option::Option<bool>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ChangeInvisibleDurationResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(string, tag = "2")]
    pub receipt_handle: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PullMessageRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub message_queue: ::core::option::Option<MessageQueue>,
    #[prost(int64, tag = "3")]
    pub offset: i64,
    #[prost(int32, tag = "4")]
    pub batch_size: i32,
    #[prost(message, optional, tag = "5")]
    pub filter_expression: ::core::option::Option<FilterExpression>,
    #[prost(message, optional, tag = "6")]
    pub long_polling_timeout: ::core::option::Option<::prost_types::Duration>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PullMessageResponse {
    #[prost(oneof = "pull_message_response::Content", tags = "1, 2, 3")]
    pub content: ::core::option::Option<pull_message_response::Content>,
}
/// Nested message and enum types in `PullMessageResponse`.
pub mod pull_message_response {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Content {
        #[prost(message, tag = "1")]
        Status(super::Status),
        #[prost(message, tag = "2")]
        Message(super::Message),
        #[prost(int64, tag = "3")]
        NextOffset(i64),
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct UpdateOffsetRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub message_queue: ::core::option::Option<MessageQueue>,
    #[prost(int64, tag = "3")]
    pub offset: i64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct UpdateOffsetResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct GetOffsetRequest {
    #[prost(message, optional, tag = "1")]
    pub group: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "2")]
    pub message_queue: ::core::option::Option<MessageQueue>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetOffsetResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(int64, tag = "2")]
    pub offset: i64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct QueryOffsetRequest {
    #[prost(message, optional, tag = "1")]
    pub message_queue: ::core::option::Option<MessageQueue>,
    #[prost(enumeration = "QueryOffsetPolicy", tag = "2")]
    pub query_offset_policy: i32,
    #[prost(message, optional, tag = "3")]
    pub timestamp: ::core::option::Option<::prost_types::Timestamp>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct QueryOffsetResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(int64, tag = "2")]
    pub offset: i64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RecallMessageRequest {
    #[prost(message, optional, tag = "1")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(string, tag = "2")]
    pub recall_handle: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RecallMessageResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
    #[prost(string, tag = "2")]
    pub message_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SyncLiteSubscriptionRequest {
    #[prost(enumeration = "LiteSubscriptionAction", tag = "1")]
    pub action: i32,
    /// The parent topic.
    #[prost(message, optional, tag = "2")]
    pub topic: ::core::option::Option<Resource>,
    #[prost(message, optional, tag = "3")]
    pub group: ::core::option::Option<Resource>,
    #[prost(string, repeated, tag = "4")]
    pub lite_topic_set: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(int64, optional, tag = "5")]
    pub version: ::core::option::Option<i64>,
    #[prost(message, optional, tag = "6")]
    pub offset_option: ::core::option::Option<OffsetOption>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SyncLiteSubscriptionResponse {
    #[prost(message, optional, tag = "1")]
    pub status: ::core::option::Option<Status>,
}
