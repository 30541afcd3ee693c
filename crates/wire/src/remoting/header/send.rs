//! Sending: 10, 310, 320, and the replies of request-reply messaging, 324 and 325.
//!
//! Two spellings of the same fields: full names (10, 324) and one letter each (310, 320, 325). The
//! code decides which is read. No allocation unless a name carries an escape.

use std::borrow::Cow;

use super::fields::headers;
use super::{FieldError, boolean, number, optional_number, string};
use crate::remoting::code::RequestCode;
use crate::remoting::command::{Header, Text};

/// A message to be stored, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendHeader<'h> {
    /// Group of the sender.
    pub producer_group: Cow<'h, str>,
    /// Where the message goes.
    pub topic: Cow<'h, str>,
    /// Template for a topic that does not exist yet, usually `TBW102`.
    pub default_topic: Cow<'h, str>,
    /// Queues a new topic shall get.
    pub default_topic_queue_nums: i32,
    /// Queue within the topic; negative leaves the choice to the broker.
    pub queue_id: i32,
    /// Bits of the stored record: compression, transaction, ...
    pub sys_flag: i32,
    /// The sender's clock, milliseconds since 1970.
    pub born_timestamp: i64,
    /// The application's own 32 bits.
    pub flag: i32,
    /// Properties as the record keeps them, still escaped.
    pub properties: Option<Text<'h>>,
    /// How often a consumer has already had it.
    pub reconsume_times: i32,
    /// Multi-site unit flag.
    pub unit_mode: bool,
    /// Deliveries before the dead-letter topic, where the sender says.
    pub max_reconsume_times: Option<i32>,
    /// The body is a client batch.
    pub batch: bool,
}

headers! {
    /// The answer to a send that was stored: codes 0, 10, 11 and 12.
    pub struct SendAnswer<'h> {
        /// Message id with the log offset in it; of a batch one for each message, joined by commas.
        msg_id: Cow<'h, str> = "msgId",
        queue_id: i32 = "queueId",
        /// Of a batch the first message's.
        queue_offset: i64 = "queueOffset",
        transaction_id: Option<Cow<'h, str>> = "transactionId",
        region: Option<Cow<'h, str>> = "MSG_REGION",
        trace_on: Option<bool> = "TRACE_ON",
        /// By which a message with a delivery time can be taken back.
        recall_handle: Option<Cow<'h, str>> = "recallHandle",
    }
}

impl<'h> SendHeader<'h> {
    /// Reads the fields in the spelling of the header's code; 320 implies a batch.
    pub fn decode(header: &'h Header<'_>) -> Result<SendHeader<'h>, FieldError> {
        let letter_of = match header.request_code() {
            RequestCode::SEND_MESSAGE | RequestCode::SEND_REPLY_MESSAGE => letter_of_name,
            _ => letter_of_letter,
        };
        let mut spans = [None; LETTERS];
        for (name, value) in header.spans() {
            if let Some(slot) = letter_of(name).and_then(|letter| spans.get_mut(usize::from(letter - b'a'))) {
                *slot = Some(value);
            }
        }
        let at = |letter: u8| spans[usize::from(letter - b'a')].map(|span| header.text(span));
        Ok(SendHeader {
            producer_group: string(at(b'a'), "producerGroup")?,
            topic: string(at(b'b'), "topic")?,
            default_topic: string(at(b'c'), "defaultTopic")?,
            default_topic_queue_nums: number(at(b'd'), "defaultTopicQueueNums")?,
            queue_id: number(at(b'e'), "queueId")?,
            sys_flag: number(at(b'f'), "sysFlag")?,
            born_timestamp: number(at(b'g'), "bornTimestamp")?,
            flag: number(at(b'h'), "flag")?,
            properties: at(b'i'),
            reconsume_times: optional_number(at(b'j'), "reconsumeTimes")?.unwrap_or(0),
            unit_mode: at(b'k').is_some_and(boolean),
            max_reconsume_times: optional_number(at(b'l'), "maxReconsumeTimes")?,
            batch: at(b'm').is_some_and(boolean) || header.request_code() == RequestCode::SEND_BATCH_MESSAGE,
        })
    }

    /// The fields in letters, for a request of ours (310 or 320).
    pub fn fields(&self) -> [(&'static str, Cow<'_, str>); 13] {
        let properties = self.properties.map_or(Cow::Borrowed(""), |text| text.to_cow());
        let max_reconsume_times = self.max_reconsume_times.unwrap_or(0);
        [
            ("a", Cow::Borrowed(&*self.producer_group)),
            ("b", Cow::Borrowed(&*self.topic)),
            ("c", Cow::Borrowed(&*self.default_topic)),
            ("d", Cow::Owned(self.default_topic_queue_nums.to_string())),
            ("e", Cow::Owned(self.queue_id.to_string())),
            ("f", Cow::Owned(self.sys_flag.to_string())),
            ("g", Cow::Owned(self.born_timestamp.to_string())),
            ("h", Cow::Owned(self.flag.to_string())),
            ("i", properties),
            ("j", Cow::Owned(self.reconsume_times.to_string())),
            ("k", Cow::Owned(self.unit_mode.to_string())),
            ("l", Cow::Owned(max_reconsume_times.to_string())),
            ("m", Cow::Owned(self.batch.to_string())),
        ]
    }
}

/// The fields are `a` to `m`; `n` is the broker's name, which the broker knows.
const LETTERS: usize = 13;

fn letter_of_letter(name: &[u8]) -> Option<u8> {
    match name {
        [letter @ b'a'..=b'm'] => Some(*letter),
        _ => None,
    }
}

/// The letter of the field with this full name.
fn letter_of_name(name: &[u8]) -> Option<u8> {
    let letter = match name {
        b"producerGroup" => b'a',
        b"topic" => b'b',
        b"defaultTopic" => b'c',
        b"defaultTopicQueueNums" => b'd',
        b"queueId" => b'e',
        b"sysFlag" => b'f',
        b"bornTimestamp" => b'g',
        b"flag" => b'h',
        b"properties" => b'i',
        b"reconsumeTimes" => b'j',
        b"unitMode" => b'k',
        b"maxReconsumeTimes" => b'l',
        b"batch" => b'm',
        _ => return None,
    };
    Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_LETTERS: &str = r#"{"code":310,"extFields":{"a":"PG","b":"T","c":"TBW102","d":"4","e":"-1","f":"1","g":"17","h":"3","i":"K\u0001v\u0002","j":"2","k":"TRUE","l":"16","m":"false","n":"broker-a","Signature":"s"}}"#;
    const IN_FULL: &str = r#"{"code":10,"extFields":{"producerGroup":"PG","topic":"T","defaultTopic":"TBW102","defaultTopicQueueNums":4,"queueId":-1,"sysFlag":1,"bornTimestamp":17,"flag":3,"properties":"K\u0001v\u0002","reconsumeTimes":"2","unitMode":true,"maxReconsumeTimes":"16","batch":"0"}}"#;

    #[test]
    fn both_spellings_read_the_same() {
        let letters = Header::parse_json(IN_LETTERS.as_bytes()).unwrap();
        let full = Header::parse_json(IN_FULL.as_bytes()).unwrap();
        let send = SendHeader::decode(&letters).unwrap();

        assert_eq!(send, SendHeader::decode(&full).unwrap());
        assert_eq!(
            send,
            SendHeader {
                producer_group: "PG".into(),
                topic: "T".into(),
                default_topic: "TBW102".into(),
                default_topic_queue_nums: 4,
                queue_id: -1,
                sys_flag: 1,
                born_timestamp: 17,
                flag: 3,
                properties: Some(Text::plain("K\u{1}v\u{2}")),
                reconsume_times: 2,
                unit_mode: true,
                max_reconsume_times: Some(16),
                batch: false,
            }
        );
        assert!(matches!(send.topic, Cow::Borrowed(_)));
    }

    #[test]
    fn the_batch_code_implies_a_batch() {
        let json = IN_LETTERS.replace("310", "320");
        assert!(SendHeader::decode(&Header::parse_json(json.as_bytes()).unwrap()).unwrap().batch);
    }

    #[test]
    fn an_error_names_the_field() {
        let without = IN_LETTERS.replace("\"b\":\"T\",", "");
        let header = Header::parse_json(without.as_bytes()).unwrap();
        assert_eq!(SendHeader::decode(&header).unwrap_err(), FieldError::Missing("topic"));

        let broken = IN_LETTERS.replace("\"e\":\"-1\"", "\"e\":\"one\"");
        let header = Header::parse_json(broken.as_bytes()).unwrap();
        let error = SendHeader::decode(&header).unwrap_err();
        assert_eq!(error.to_string(), "field queueId has the malformed value \"one\"");
    }
}
