//! The body of a broker's registration (103), in its three forms.
//!
//! Usually JSON; brokers below version 37 send the topics alone; a compressed one is a zlib stream
//! of, big-endian:
//!
//! ```text
//! length i32, data version (JSON)
//! topics i32, { length i32, `name readQueues writeQueues perm filterType {attributes}` }*
//! length i32, filter servers (JSON array)
//! from version 413: mappings i32, { length i32, mapping (JSON) }*
//! ```
//!
//! The header's `compressed` is not to be trusted (5.3.3 says `false` and compresses), so the first
//! byte decides. Inflating is bounded in bytes and in ratio; no length is believed before its bytes
//! are there. We never write the compressed form.

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::bodies;
use super::topic::{TopicConfig, TopicConfigWrapper};
use crate::remoting::code::{VERSION_REGISTER_BODY, VERSION_REGISTER_MAPPING};
use crate::remoting::json::dialect::Limits;
use crate::remoting::json::{self, JsonError};

/// Bytes a registration may inflate to.
pub const INFLATED_MAX: usize = 32 * 1024 * 1024;

/// How many times its size a registration may inflate to.
pub const RATIO_MAX: usize = 100;

/// First byte of a zlib stream with the usual window. No JSON begins with it.
const ZLIB: u8 = 0x78;

/// Topics of a broker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegisterBrokerBody {
    pub filter_server_list: Vec<String>,
    pub topic_config_serialize_wrapper: TopicConfigWrapper,
}

/// Why a registration could not be read.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// Its JSON is broken.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Its zlib stream is broken.
    #[error("registration cannot be inflated")]
    Inflate(#[source] std::io::Error),
    /// It inflates to more than is allowed.
    #[error("registration of {len} bytes inflates to more than {limit}")]
    TooLarge {
        /// Bytes as sent.
        len: usize,
        /// Bytes it may inflate to.
        limit: usize,
    },
    /// Its compressed form is cut or malformed in the named part.
    #[error("compressed registration is malformed in its {0}")]
    Malformed(&'static str),
}

impl RegisterBrokerBody {
    /// Reads the registration of a broker of this version, in whichever form it is.
    pub fn read_any(bytes: &[u8], version: i32) -> Result<RegisterBrokerBody, RegisterError> {
        if bytes.first() == Some(&ZLIB) {
            return inflated(&inflate(bytes)?, version);
        }
        if version < VERSION_REGISTER_BODY {
            let body: EitherBody = json::read_within(bytes, Limits::REGISTRATION)?;
            return Ok(body.into());
        }
        Ok(json::read_within(bytes, Limits::REGISTRATION)?)
    }
}

/// Old brokers send the topics alone; newer ones behind an unset version send the whole.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EitherBody {
    filter_server_list: Vec<String>,
    topic_config_serialize_wrapper: Option<TopicConfigWrapper>,
    #[serde(flatten)]
    topics_alone: TopicConfigWrapper,
}

impl From<EitherBody> for RegisterBrokerBody {
    fn from(body: EitherBody) -> Self {
        RegisterBrokerBody {
            filter_server_list: body.filter_server_list,
            topic_config_serialize_wrapper: body.topic_config_serialize_wrapper.unwrap_or(body.topics_alone),
        }
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, RegisterError> {
    let limit = INFLATED_MAX.min(bytes.len() * RATIO_MAX);
    let mut inflated = Vec::new();
    let mut stream = ZlibDecoder::new(bytes).take(limit as u64 + 1);
    stream.read_to_end(&mut inflated).map_err(RegisterError::Inflate)?;
    if inflated.len() > limit {
        return Err(RegisterError::TooLarge { len: bytes.len(), limit });
    }
    Ok(inflated)
}

fn inflated(bytes: &[u8], version: i32) -> Result<RegisterBrokerBody, RegisterError> {
    let mut parts = Parts { rest: bytes };
    let mut body = RegisterBrokerBody::default();
    let wrapper = &mut body.topic_config_serialize_wrapper;
    wrapper.data_version = json::read(parts.block("data version")?)?;
    for _ in 0..parts.count("topics")? {
        let topic = topic(parts.block("topics")?).ok_or(RegisterError::Malformed("topics"))?;
        wrapper.topic_config_table.insert(topic.topic_name.clone(), topic);
    }
    body.filter_server_list = json::read(parts.block("filter servers")?)?;
    if version >= VERSION_REGISTER_MAPPING {
        for _ in 0..parts.count("mappings")? {
            let mapping: Value = json::read(parts.block("mappings")?)?;
            let name = mapping.get("topic").and_then(Value::as_str).ok_or(RegisterError::Malformed("mappings"))?;
            wrapper.topic_queue_mapping_info_map.insert(name.to_owned(), mapping);
        }
    }
    Ok(body)
}

/// One topic's text. Its `order` and `topicSysFlag` do not travel in this form.
fn topic(text: &[u8]) -> Option<TopicConfig> {
    let mut tokens = std::str::from_utf8(text).ok()?.splitn(6, ' ');
    let mut topic = TopicConfig {
        topic_name: tokens.next()?.to_owned(),
        read_queue_nums: tokens.next()?.parse().ok()?,
        write_queue_nums: tokens.next()?.parse().ok()?,
        perm: tokens.next()?.parse().ok()?,
        topic_filter_type: tokens.next()?.to_owned(),
        ..TopicConfig::default()
    };
    match tokens.next().map(str::trim) {
        None | Some("" | "null") => {}
        Some(attributes) => topic.attributes = json::read(attributes.as_bytes()).ok()?,
    }
    Some(topic)
}

struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn count(&mut self, part: &'static str) -> Result<u32, RegisterError> {
        let (count, rest) = self.rest.split_first_chunk::<4>().ok_or(RegisterError::Malformed(part))?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*count))
    }

    fn block(&mut self, part: &'static str) -> Result<&'a [u8], RegisterError> {
        let len = self.count(part)? as usize;
        let (block, rest) = self.rest.split_at_checked(len).ok_or(RegisterError::Malformed(part))?;
        self.rest = rest;
        Ok(block)
    }
}

bodies! {
    to_dialect: RegisterBrokerBody;
}

#[cfg(test)]
mod tests;
