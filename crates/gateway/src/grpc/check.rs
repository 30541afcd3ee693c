//! What only this protocol checks before anything is stored, in the order of the reference (grpc.md section 7.2), and which
//! messages a topic takes (7.5).

use broker::Settings;
use broker::state::topics::is_system;
use model::{GroupName, Millis, Timestamp, TopicConfig, TopicName};
use wire::grpc::v2::{Code, Message, MessageType, Resource, SystemProperties};

use super::message::{millis_of, moment_of};
use super::status::Refusal;

/// User properties of a message.
const USER_PROPERTIES_MAX: usize = 128;

/// Bytes of user properties, tag and keys together.
const PROPERTIES_BYTES_MAX: usize = 16 * 1024;

/// A message group has fewer bytes.
const GROUP_BYTES: usize = 64;

/// How long a half message may want to be left alone.
const RECOVERY_MAX: Millis = Millis(3_600_000);

/// Groups the broker keeps for itself.
const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";

/// Names that mean something to the broker; sorted.
const RESERVED: [&str; 55] = [
    "1ST_POP_TIME",
    "ARRIVE_TIME",
    "BORN_TIMESTAMP",
    "BUYER_ID",
    "CLUSTER",
    "CONSUME_START_TIME",
    "CORRECTION_FLAG",
    "CORRELATION_ID",
    "DELAY",
    "DLQ_ORIGIN_MESSAGE_ID",
    "DLQ_ORIGIN_TOPIC",
    "DUP_INFO",
    "EXTEND_UNIQ_INFO",
    "INNER_MULTI_QUEUE_OFFSET",
    "INSTANCE_ID",
    "KEYS",
    "MAX_OFFSET",
    "MAX_RECONSUME_TIMES",
    "MIN_OFFSET",
    "MQ2_FLAG",
    "MSG_REGION",
    "MSG_TYPE",
    "ORIGIN_MESSAGE_ID",
    "PGROUP",
    "POP_CK",
    "POP_CK_OFFSET",
    "PUSH_REPLY_TIME",
    "REAL_QID",
    "REAL_TOPIC",
    "RECONSUME_TIME",
    "REPLY_TO_CLIENT",
    "RETRY_TOPIC",
    "TAGS",
    "TIMER_DELAY_LEVEL",
    "TIMER_DELAY_MS",
    "TIMER_DELAY_SEC",
    "TIMER_DELIVER_MS",
    "TIMER_DEL_UNIQKEY",
    "TIMER_DEQUEUE_MS",
    "TIMER_ENQUEUE_MS",
    "TIMER_OUT_MS",
    "TIMER_ROLL_TIMES",
    "TRACE_ON",
    "TRANSFER_FLAG",
    "TRAN_MSG",
    "TRAN_PREPARED_QUEUE_OFFSET",
    "TTL",
    "UNIQ_KEY",
    "WAIT",
    "_SYS_MSG_PRIORITY_",
    "__BORNHOST",
    "__CRC32#",
    "__LITE_TOPIC",
    "__SHARDINGKEY",
    "__transactionId__",
];

/// Whether a property has a meaning of its own: no user may set it, and no user is shown it.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// The name of a topic a client may use.
pub fn topic<'a>(resource: Option<&'a Resource>, settings: &Settings) -> Result<&'a str, Refusal> {
    let name = resource.map_or("", |resource| resource.name.as_str());
    TopicName::new(name).map_err(|error| Refusal::new(Code::IllegalTopic, error.to_string()))?;
    if is_system(name, settings) {
        let text = format!("cannot access system topic {name}: choose another name");
        return Err(Refusal::new(Code::IllegalTopic, text));
    }
    Ok(name)
}

/// The name of a consumer group a client may use.
pub fn group(resource: Option<&Resource>) -> Result<&str, Refusal> {
    let name = resource.map_or("", |resource| resource.name.as_str());
    let illegal = |text: String| Refusal::new(Code::IllegalConsumerGroup, text);
    GroupName::new(name).map_err(|error| illegal(error.to_string()))?;
    if name.starts_with(SYSTEM_GROUP_PREFIX) {
        return Err(illegal(format!("cannot use system consumer group {name}: choose another name")));
    }
    Ok(name)
}

/// The messages of a send, and their topic.
pub fn messages<'a>(messages: &'a [Message], settings: &Settings, now: Timestamp) -> Result<&'a str, Refusal> {
    let corrupted = |text: &str| Refusal::new(Code::MessageCorrupted, text);
    let Some(first) = messages.first() else { return Err(corrupted("no message to send")) };
    let name = topic(first.topic.as_ref(), settings)?;
    for message in messages {
        if message.topic.as_ref().is_none_or(|topic| topic.name != name) {
            return Err(corrupted("the messages of one request have different topics: send them apart"));
        }
        self::message(message, settings, now)?;
    }
    Ok(name)
}

fn message(message: &Message, settings: &Settings, now: Timestamp) -> Result<(), Refusal> {
    let Some(system) = &message.system_properties else {
        return Err(Refusal::new(Code::IllegalMessageId, "message id cannot be empty"));
    };
    let max = settings.message_bytes_max;
    match message.body.len() {
        0 => return Err(Refusal::new(Code::MessageBodyEmpty, "message body cannot be empty")),
        len if len > max => {
            let text = format!("message body of {len} bytes cannot exceed the max {max}");
            return Err(Refusal::new(Code::MessageBodyTooLarge, text));
        }
        _ => {}
    }
    properties(message, system)?;
    check_text(Code::IllegalMessageId, "message id", &system.message_id)?;
    if system.message_id.is_empty() {
        return Err(Refusal::new(Code::IllegalMessageId, "message id cannot be empty"));
    }
    let recovery = system.orphaned_transaction_recovery_duration.as_ref().map(millis_of);
    if system.message_type() == MessageType::Transaction && recovery.is_some_and(|span| span > RECOVERY_MAX) {
        let text = format!("maximum transaction recovery time is {} s", RECOVERY_MAX.0 / 1_000);
        return Err(Refusal::new(Code::BadRequest, text));
    }
    let due = system.delivery_timestamp.as_ref().map(moment_of);
    if due.is_some_and(|due| due.since(now) > settings.delay_max) {
        let text =
            format!("the max delay time of message is too large, max is {} ms (delay.max)", settings.delay_max.0);
        return Err(Refusal::new(Code::IllegalDeliveryTime, text));
    }
    if let Some(group) = &system.message_group {
        check_text(Code::IllegalMessageGroup, "message group", group)?;
        if group.len() >= GROUP_BYTES {
            let text = format!("message group exceed the max size {GROUP_BYTES}");
            return Err(Refusal::new(Code::IllegalMessageGroup, text));
        }
    }
    for (what, text) in [("trace context", system.trace_context.as_deref()), ("born host", Some(&*system.born_host))] {
        if text.is_some_and(has_control) {
            return Err(Refusal::new(Code::BadRequest, format!("{what} cannot contain control characters")));
        }
    }
    Ok(())
}

fn properties(message: &Message, system: &SystemProperties) -> Result<(), Refusal> {
    let too_large = |text: String| Refusal::new(Code::MessagePropertiesTooLarge, text);
    if message.user_properties.len() > USER_PROPERTIES_MAX {
        return Err(too_large(format!("too many user properties, max is {USER_PROPERTIES_MAX}")));
    }
    let illegal = |text: String| Refusal::new(Code::IllegalMessagePropertyKey, text);
    let mut bytes = 0;
    for (name, value) in &message.user_properties {
        if is_reserved(name) {
            return Err(illegal(format!("property is used by system: {name}")));
        }
        if has_control(name) || has_control(value) {
            return Err(illegal(format!("property {name:?} cannot contain control characters")));
        }
        bytes += name.len() + value.len();
    }
    let tag = system.tag.as_deref().unwrap_or_default();
    check_text(Code::IllegalMessageTag, "tag", tag)?;
    if tag.contains('|') {
        return Err(Refusal::new(Code::IllegalMessageTag, "tag cannot contain '|'"));
    }
    bytes += tag.len();
    for key in &system.keys {
        check_text(Code::IllegalMessageKey, "key", key)?;
        bytes += key.len();
    }
    if bytes > PROPERTIES_BYTES_MAX {
        return Err(too_large(format!("the total size of user property is too large, max is {PROPERTIES_BYTES_MAX}")));
    }
    Ok(())
}

/// Neither white space only nor with control characters; empty means none.
fn check_text(code: Code, what: &str, text: &str) -> Result<(), Refusal> {
    if !text.is_empty() && text.trim().is_empty() {
        return Err(Refusal::new(code, format!("{what} cannot be the char sequence of whitespace")));
    }
    if has_control(text) {
        return Err(Refusal::new(code, format!("{what} cannot contain control characters")));
    }
    Ok(())
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// What a message is, by what it asks for rather than by what it calls itself.
pub fn type_of(system: &SystemProperties) -> MessageType {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if system.message_type() == MessageType::Transaction {
        MessageType::Transaction
    } else if system.delivery_timestamp.is_some() {
        MessageType::Delay
    } else if set(&system.message_group) {
        MessageType::Fifo
    } else if set(&system.lite_topic) {
        MessageType::Lite
    } else if system.priority.is_some_and(|priority| priority >= 0) {
        MessageType::Priority
    } else {
        MessageType::Normal
    }
}

/// Which messages a topic takes, by its attribute `message.type`.
pub fn accepted(config: &TopicConfig) -> &'static [MessageType] {
    match config.attributes.get("message.type").map(String::as_str) {
        None | Some("NORMAL") => &[MessageType::Normal],
        Some("FIFO") => &[MessageType::Fifo],
        Some("DELAY") => &[MessageType::Delay],
        Some("TRANSACTION") => &[MessageType::Transaction],
        Some("PRIORITY") => &[MessageType::Priority],
        Some("MIXED") => &[MessageType::Normal, MessageType::Fifo, MessageType::Delay, MessageType::Transaction],
        Some(_) => &[],
    }
}

/// Whether a topic takes a message. Retry and dead-letter topics take what their group has received.
pub fn fits(config: &TopicConfig, system: &SystemProperties) -> Result<(), Refusal> {
    let (accepted, actual) = (accepted(config), type_of(system));
    if accepted.contains(&actual) || config.name.is_retry() || config.name.is_dead_letter() {
        return Ok(());
    }
    let names: Vec<_> = accepted.iter().map(MessageType::as_str_name).collect();
    let text = format!(
        "topic {} takes {} messages, this one is {}: send it to another topic, or change the topic's attribute message.type \
         with mqadmin updateTopic",
        config.name,
        if names.is_empty() { "no".to_owned() } else { names.join(", ") },
        actual.as_str_name(),
    );
    Err(Refusal::new(Code::MessagePropertyConflictWithType, text))
}

#[cfg(test)]
mod tests;
