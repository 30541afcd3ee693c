//! Escapes inside JSON strings.
//!
//! Unescaping cannot fail: what no JSON writer would produce (an unknown escape, cut hex digits, a
//! lone surrogate) reads as U+FFFD. So a string may be unescaped late, or never.

/// Appends the UTF-8 text that `raw`, the inside of a JSON string, stands for.
pub fn unescape_into(raw: &str, out: &mut Vec<u8>) {
    let bytes = raw.as_bytes();
    out.reserve(bytes.len());
    let mut at = 0;
    while let Some(step) = memchr::memchr(b'\\', &bytes[at..]) {
        out.extend_from_slice(&bytes[at..at + step]);
        at += step;
        at += unescape_one(&bytes[at..], out);
    }
    out.extend_from_slice(&bytes[at..]);
}

/// The text that `raw` stands for.
pub fn unescape(raw: &str) -> String {
    let mut out = Vec::new();
    unescape_into(raw, &mut out);
    String::from_utf8(out).expect("UTF-8 with escapes replaced by UTF-8 stays UTF-8")
}

/// Appends the character that the escape at the front of `bytes` stands for; returns its length.
fn unescape_one(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    // Properties are separated by \u0001 and \u0002, so this is nearly every escape on the wire.
    if let [_, b'u', b'0', b'0', b'0', digit @ b'1'..=b'9', ..] = bytes {
        out.push(digit - b'0');
        return 6;
    }
    let byte = match bytes.get(1) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 0x08,
        Some(b'f' | b'F') => 0x0C,
        Some(b'v') => 0x0B,
        Some(byte @ (b'"' | b'\'' | b'\\' | b'/')) => *byte,
        // fastjson reads \0 to \7 as the character with this number, and \x41 as hex.
        Some(digit @ b'0'..=b'7') => digit - b'0',
        Some(b'x') => return push_hex(bytes, 2, 2, out),
        Some(b'u') => return push_unit(bytes, out),
        _ => {
            push_char(char::REPLACEMENT_CHARACTER, out);
            // The next byte may begin a character of several bytes: leave it where it is.
            return 1;
        }
    };
    out.push(byte);
    2
}

fn push_hex(bytes: &[u8], at: usize, digits: usize, out: &mut Vec<u8>) -> usize {
    match hex(bytes, at, digits) {
        Some(unit) => {
            push_char(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), out);
            at + digits
        }
        None => {
            push_char(char::REPLACEMENT_CHARACTER, out);
            at
        }
    }
}

/// `\uXXXX`, or two of them when they are a surrogate pair.
fn push_unit(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let high = match hex(bytes, 2, 4) {
        Some(unit @ 0xD800..=0xDBFF) => unit,
        _ => return push_hex(bytes, 2, 4, out),
    };
    let low = match bytes.get(6..8) {
        Some(b"\\u") => hex(bytes, 8, 4),
        _ => None,
    };
    let Some(low @ 0xDC00..=0xDFFF) = low else {
        push_char(char::REPLACEMENT_CHARACTER, out);
        return 6;
    };
    let scalar = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    push_char(char::from_u32(scalar).expect("a surrogate pair is a scalar value"), out);
    12
}

fn hex(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    bytes.get(at..at + digits)?.iter().try_fold(0, |sum, byte| Some(sum * 16 + char::from(*byte).to_digit(16)?))
}

fn push_char(char: char, out: &mut Vec<u8>) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends `text` as the inside of a JSON string. Only what must be escaped is escaped.
pub fn push_escaped(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..=0x1F) {
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        done = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            control => {
                let digits = [HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Appends `text` as a whole JSON string, with its quotes.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_fastjson_knows_is_read() {
        let cases = [
            ("plain 中", "plain 中"),
            ("a\\u0001b\\u0002", "a\u{1}b\u{2}"),
            ("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\u{8}\u{c}\n\r\t"),
            ("\\u4e2d\\uD83D\\uDE00!", "中😀!"),
            ("\\x41\\v\\0\\7\\'", "A\u{b}\u{0}\u{7}'"),
        ];
        for (raw, text) in cases {
            assert_eq!(unescape(raw), text, "{raw}");
        }
    }

    #[test]
    fn a_broken_escape_reads_as_the_replacement_character() {
        for raw in ["\\q", "\\u12", "\\u00g0", "\\uD800", "\\uD800\\u0041", "\\uDC00", "\\", "\\中"] {
            assert!(unescape(raw).contains('\u{FFFD}'), "{raw}");
        }
        assert_eq!(unescape("\\uD800\\u0041"), "\u{FFFD}A");
        assert_eq!(unescape("\\中"), "\u{FFFD}中");
    }

    #[test]
    fn what_is_escaped_reads_back() {
        let text: String = (0..0x300).filter_map(char::from_u32).chain("中😀".chars()).collect();
        let mut raw = Vec::new();
        push_escaped(&text, &mut raw);
        let raw = String::from_utf8(raw).unwrap();

        assert_eq!(unescape(&raw), text);
        assert_eq!(serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap(), text);
    }
}
