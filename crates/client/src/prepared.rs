//! A send request encoded once and patched per message.
//!
//! Between two messages of one producer to one queue only `opaque`, the born timestamp, the unique key and the body
//! differ. All have a fixed width here, so a message is a copy and four patches: about 0.1 us for 1 KiB.

use wire::remoting::code::RequestCode;

use crate::request::Request;

/// First `opaque` that fits; up to [`OPAQUE_END`] all have ten digits.
pub const OPAQUE_FIRST: i32 = 1_000_000_000;

/// One behind the last `opaque` that fits.
pub const OPAQUE_END: i32 = 2_000_000_000;

/// Bytes at the front of each body that [`PreparedSend::write`] fills; shorter bodies have no stamp.
pub const STAMP_LEN: usize = 16;

const BORN_MARK: i64 = 1_111_111_111_111;
const KEY_LEN: usize = 32;
const KEY_MARK: [u8; KEY_LEN] = [b'K'; KEY_LEN];

/// Magic and flag words, sizes: what stands in front of a body in a client batch.
const BATCH_HEAD_LEN: usize = 20;

/// What all messages of a [`PreparedSend`] have in common.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    pub producer_group: &'a str,
    pub topic: &'a str,
    pub queue_id: u32,
    /// Queues of the topic, if this send creates it.
    pub default_queues: u32,
    /// Bytes of each body.
    pub body_len: usize,
    /// Messages per request; 1 is an ordinary send (310), more a client batch (320).
    pub batch: usize,
    /// A half message of a transaction; not in batches.
    pub transaction: bool,
    /// More properties, `name 0x01 value 0x02 …` as the protocol has it.
    pub properties: &'a str,
}

/// A send, ready but for what differs.
#[derive(Debug, Clone)]
pub struct PreparedSend {
    frame: Vec<u8>,
    opaque_at: usize,
    born_at: usize,
    /// Of each message.
    keys_at: Vec<usize>,
    bodies_at: Vec<usize>,
    body_len: usize,
}

impl PreparedSend {
    /// Encodes the request with bytes that do not compress to nothing.
    ///
    /// # Panics
    /// If `batch` is 0, or more than 1 in a transaction, or the batch is 4 GiB or more.
    #[must_use]
    pub fn new(shape: &Shape<'_>) -> Self {
        assert!(shape.batch > 0, "a send carries at least one message");
        assert!(shape.batch == 1 || !shape.transaction, "a transaction is one message");
        let properties = [b"UNIQ_KEY\x01", &KEY_MARK[..], b"\x02WAIT\x01true\x02"].concat();
        let mut properties = String::from_utf8(properties).expect("ASCII");
        properties.push_str(shape.properties);
        if shape.transaction {
            properties.push_str("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}");
            properties.push_str(shape.producer_group);
            properties.push('\u{2}');
        }
        let body: Vec<u8> = (0..shape.body_len).map(|at| b'!' + (at * 31 % 90) as u8).collect();
        let whole = if shape.batch == 1 { body } else { batch_of(&body, properties.as_bytes(), shape.batch) };
        let single = shape.batch == 1;
        let code = if single { RequestCode::SEND_MESSAGE_V2 } else { RequestCode::SEND_BATCH_MESSAGE };
        let request = Request::new(code)
            .field("a", shape.producer_group)
            .field("b", shape.topic)
            .field("c", "TBW102")
            .field("d", shape.default_queues)
            .field("e", shape.queue_id)
            .field("f", if shape.transaction { "4" } else { "0" })
            .field("g", BORN_MARK)
            .field("h", "0")
            .field("i", if single { properties.as_str() } else { "WAIT\u{1}true\u{2}" })
            .field("j", "0")
            .field("k", "false")
            .field("m", if single { "false" } else { "true" })
            .body(&whole);
        let mut frame = Vec::new();
        request.write(OPAQUE_FIRST, false, &mut frame);
        let body_at = frame.len() - whole.len();
        let in_header = |mark: String| find(&frame[..body_at], mark.as_bytes()).expect("it was just written");
        let message_len = whole.len() / shape.batch;
        let bodies_at = if single {
            vec![body_at]
        } else {
            (0..shape.batch).map(|message| body_at + message * message_len + BATCH_HEAD_LEN).collect()
        };
        let keys_at = if single {
            vec![find(&frame[..body_at], &KEY_MARK).expect("it was just written")]
        } else {
            bodies_at.iter().map(|at| at + shape.body_len + 2 + b"UNIQ_KEY\x01".len()).collect()
        };
        Self {
            opaque_at: in_header(format!(r#""opaque":{OPAQUE_FIRST}"#)) + r#""opaque":"#.len(),
            born_at: in_header(format!(r#""g":"{BORN_MARK}"#)) + r#""g":""#.len(),
            keys_at,
            bodies_at,
            body_len: shape.body_len,
            frame,
        }
    }

    /// Bytes of the whole request.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.frame.len()
    }

    /// Appends the request. `born_ms` is unix time; the unique keys are `producer` and numbers from `first_number` on;
    /// `stamp` goes to the front of every body that has room for it.
    ///
    /// # Panics
    /// If `opaque` lies outside [`OPAQUE_FIRST`]..[`OPAQUE_END`].
    pub fn write(
        &self,
        opaque: i32,
        born_ms: u64,
        producer: u64,
        first_number: u64,
        stamp: &[u8; STAMP_LEN],
        out: &mut Vec<u8>,
    ) {
        assert!((OPAQUE_FIRST..OPAQUE_END).contains(&opaque), "opaque {opaque} does not have ten digits");
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        put_decimal(&mut frame[self.opaque_at..self.opaque_at + 10], opaque.cast_unsigned().into());
        put_decimal(&mut frame[self.born_at..self.born_at + 13], born_ms);
        for (number, at) in (first_number..).zip(&self.keys_at) {
            put_hex(&mut frame[*at..at + KEY_LEN / 2], producer);
            put_hex(&mut frame[at + KEY_LEN / 2..at + KEY_LEN], number);
        }
        if self.body_len >= STAMP_LEN {
            for at in &self.bodies_at {
                frame[*at..at + STAMP_LEN].copy_from_slice(stamp);
            }
        }
    }
}

/// The body of a client batch: size, magic, CRC and flag (0), body length, body, properties length, properties.
fn batch_of(body: &[u8], properties: &[u8], count: usize) -> Vec<u8> {
    let len = BATCH_HEAD_LEN + body.len() + 2 + properties.len();
    let mut out = Vec::with_capacity(len * count);
    for _ in 0..count {
        out.extend_from_slice(&u32::try_from(len).expect("far below 4 GiB").to_be_bytes());
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(&u32::try_from(body.len()).expect("far below 4 GiB").to_be_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(&u16::try_from(properties.len()).expect("short properties").to_be_bytes());
        out.extend_from_slice(properties);
    }
    out
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Fills all of `digits`.
fn put_decimal(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Fills all of `digits`, upper case as Java writes keys.
fn put_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEF"[(value & 15) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use wire::remoting::command::Header;
    use wire::remoting::frame::next_frame;

    use super::*;

    const SHAPE: Shape<'_> = Shape {
        producer_group: "PG",
        topic: "T",
        queue_id: 3,
        default_queues: 8,
        body_len: 64,
        batch: 1,
        transaction: false,
        properties: "",
    };

    #[test]
    fn a_patched_send_is_a_valid_request() {
        let send = PreparedSend::new(&SHAPE);
        let mut out = b"before".to_vec();
        send.write(1_234_567_890, 1_795_561_547_356, 0xABC, 0x12, b"0123456789abcdef", &mut out);

        let frame = next_frame(&out[6..]).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        assert_eq!(frame.len, send.frame_len());
        assert_eq!((header.request_code(), header.opaque), (RequestCode::SEND_MESSAGE_V2, 1_234_567_890));
        assert!(header.field("g").unwrap().is("1795561547356"));
        assert!(header.field("e").unwrap().is("3"));
        let properties = "UNIQ_KEY\u{1}0000000000000ABC0000000000000012\u{2}WAIT\u{1}true\u{2}";
        assert!(header.field("i").unwrap().is(properties));
        assert_eq!(frame.body.len(), 64);
        assert!(frame.body.starts_with(b"0123456789abcdef"));
    }

    #[test]
    fn a_batch_has_a_key_and_a_stamp_for_each_message() {
        let send = PreparedSend::new(&Shape { batch: 3, ..SHAPE });
        let mut out = Vec::new();
        send.write(OPAQUE_FIRST, 1_795_561_547_356, 1, 9, b"stampstampstamps", &mut out);

        let frame = next_frame(&out).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        assert_eq!(header.request_code(), RequestCode::SEND_BATCH_MESSAGE);
        assert!(header.field("m").unwrap().is("true"));
        let mut rest = frame.body;
        for number in 9..12 {
            let (len, _) = rest.split_first_chunk::<4>().unwrap();
            let (message, behind) = rest.split_at(u32::from_be_bytes(*len) as usize);
            assert_eq!(&message[4..20], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64]);
            assert_eq!(&message[20..36], b"stampstampstamps");
            let key = format!("UNIQ_KEY\u{1}{:016X}{number:016X}\u{2}", 1);
            assert!(find(&message[84..], key.as_bytes()).is_some(), "{number}");
            rest = behind;
        }
        assert!(rest.is_empty());
    }
}
