//! fastjson's dialect to standard JSON, in one pass and within limits.
//!
//! Read and turned into JSON: bare keys, number keys, single quotes, trailing and doubled commas,
//! comments, white space, number suffixes, `NaN`, control characters inside strings, unknown
//! escapes. A member that is null is left out: it means what its absence means. An object or array used as a key becomes a string key that holds its JSON text. What
//! remains an error: broken structure, bare words as values, text behind the value.
//!
//! `$ref` is left as it is.

use thiserror::Error;

use super::escape;

/// How much structure one text may have. Its length is bounded by the frame already.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nested objects and arrays.
    pub depth: u32,
    /// Keys of all objects together.
    pub keys: u32,
}

impl Limits {
    /// For headers and all bodies but registrations. No real one comes near.
    pub const USUAL: Limits = Limits { depth: 32, keys: 10_000 };
    /// For a broker's registration, which lists every topic: its size is the limit.
    pub const REGISTRATION: Limits = Limits { depth: 32, keys: u32::MAX };
}

/// Why a text is not JSON, not even fastjson's. Positions are byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DialectError {
    /// Not UTF-8.
    #[error("json is not utf-8 at byte {0}")]
    NotUtf8(usize),
    /// Something else stands where a value, key, colon or bracket must be.
    #[error("json is broken at byte {0}")]
    Broken(usize),
    /// Nested deeper than [`Limits::depth`].
    #[error("json is nested deeper than {0}")]
    TooDeep(u32),
    /// More keys than [`Limits::keys`].
    #[error("json has more than {0} keys")]
    TooManyKeys(u32),
}

/// Rewrites `input` as compact standard JSON.
pub fn to_standard(input: &[u8], limits: Limits) -> Result<String, DialectError> {
    let text = std::str::from_utf8(input).map_err(|error| DialectError::NotUtf8(error.valid_up_to()))?;
    let mut reader = Reader { text, at: 0, depth: 0, keys: 0, limits, out: Vec::with_capacity(text.len()) };
    reader.skip_space()?;
    reader.value()?;
    reader.skip_space()?;
    if reader.at != text.len() {
        return Err(DialectError::Broken(reader.at));
    }
    Ok(String::from_utf8(reader.out).expect("pieces of a str joined by ascii are utf-8"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    keys: u32,
    limits: Limits,
    out: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn broken<T>(&self) -> Result<T, DialectError> {
        Err(DialectError::Broken(self.at))
    }

    /// Skips white space, control characters, a byte order mark and comments.
    fn skip_space(&mut self) -> Result<(), DialectError> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = self.peek() {
            match byte {
                0..=b' ' => self.at += 1,
                0xEF if bytes[self.at..].starts_with("\u{FEFF}".as_bytes()) => self.at += 3,
                b'/' if bytes[self.at..].starts_with(b"//") => {
                    self.at = memchr::memchr(b'\n', &bytes[self.at..]).map_or(bytes.len(), |step| self.at + step + 1);
                }
                b'/' if bytes[self.at..].starts_with(b"/*") => {
                    let Some(step) = memchr::memmem::find(&bytes[self.at + 2..], b"*/") else { return self.broken() };
                    self.at += 2 + step + 2;
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn value(&mut self) -> Result<(), DialectError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(quote @ (b'"' | b'\'')) => self.string(quote),
            Some(_) => {
                let start = self.at;
                let word = self.word();
                match standard_word(word) {
                    Some(standard) => {
                        self.out.extend_from_slice(standard.as_bytes());
                        Ok(())
                    }
                    None => Err(DialectError::Broken(start)),
                }
            }
            None => self.broken(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<(), DialectError>) -> Result<(), DialectError> {
        if self.depth == self.limits.depth {
            return Err(DialectError::TooDeep(self.limits.depth));
        }
        self.depth += 1;
        self.at += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), DialectError> {
        self.out.push(b'{');
        let mut first = true;
        loop {
            self.skip_commas()?;
            if self.peek() == Some(b'}') {
                break;
            }
            let member = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.key()?;
            self.skip_space()?;
            if self.peek() != Some(b':') {
                return self.broken();
            }
            self.at += 1;
            self.out.push(b':');
            self.skip_space()?;
            let value = self.out.len();
            self.value()?;
            if &self.out[value..] == b"null" {
                self.out.truncate(member);
            } else {
                first = false;
            }
            self.skip_space()?;
            if !matches!(self.peek(), Some(b',' | b'}')) {
                return self.broken();
            }
        }
        self.at += 1;
        self.out.push(b'}');
        Ok(())
    }

    fn array(&mut self) -> Result<(), DialectError> {
        self.out.push(b'[');
        let mut first = true;
        loop {
            self.skip_commas()?;
            if self.peek() == Some(b']') {
                break;
            }
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.value()?;
            self.skip_space()?;
            if !matches!(self.peek(), Some(b',' | b']')) {
                return self.broken();
            }
        }
        self.at += 1;
        self.out.push(b']');
        Ok(())
    }

    fn skip_commas(&mut self) -> Result<(), DialectError> {
        self.skip_space()?;
        while self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space()?;
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), DialectError> {
        self.keys += 1;
        if self.keys > self.limits.keys {
            return Err(DialectError::TooManyKeys(self.limits.keys));
        }
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.string(quote),
            Some(b'{' | b'[') => {
                let start = self.out.len();
                self.value()?;
                let key = String::from_utf8(self.out.split_off(start)).expect("the writer appends utf-8 only");
                escape::push_string(&key, &mut self.out);
                Ok(())
            }
            _ => {
                let word = self.word();
                if word.is_empty() {
                    return self.broken();
                }
                escape::push_string(word, &mut self.out);
                Ok(())
            }
        }
    }

    /// A run of what can stand in a bare key, a number or a literal.
    fn word(&mut self) -> &'a str {
        let rest = &self.text.as_bytes()[self.at..];
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$@+-.".contains(byte) || *byte >= 0x80;
        let len = rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let word = &self.text[self.at..self.at + len];
        self.at += len;
        word
    }

    /// A string with `quote` under the cursor.
    fn string(&mut self, quote: u8) -> Result<(), DialectError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        let mut plain = quote == b'"';
        loop {
            match bytes.get(end) {
                None => return self.broken(),
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    plain = false;
                    end += 2;
                }
                Some(0..=0x1F | b'"') => {
                    plain = false;
                    end += 1;
                }
                Some(_) => end += 1,
            }
        }
        // An escape may have jumped into the middle of a character; the quote itself cannot.
        let raw = &self.text[start..end];
        self.at = end + 1;
        if plain {
            self.out.extend_from_slice(&bytes[start - 1..=end]);
        } else {
            escape::push_string(&escape::unescape(raw), &mut self.out);
        }
        Ok(())
    }
}

/// The JSON spelling of a bare word, `None` for one that is no value.
fn standard_word(word: &str) -> Option<String> {
    match word {
        "true" | "false" | "null" => return Some(word.to_owned()),
        "NaN" | "undefined" | "Infinity" | "-Infinity" => return Some("null".to_owned()),
        _ => {}
    }
    let digits = word.strip_suffix(['L', 'S', 'B', 'F', 'D', 'l', 'f', 'd']).unwrap_or(word);
    let (sign, digits) = match digits.as_bytes().first()? {
        b'-' => ("-", &digits[1..]),
        b'+' => ("", &digits[1..]),
        _ => ("", digits),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction_or_none = fraction.unwrap_or_default();
    if !all_digits(whole) || !all_digits(fraction_or_none) || (whole.is_empty() && fraction_or_none.is_empty()) {
        return None;
    }
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let mut standard = format!("{sign}{whole}");
    if let Some(fraction) = fraction {
        standard.push('.');
        standard.push_str(if fraction.is_empty() { "0" } else { fraction });
    }
    if let Some(exponent) = exponent {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if unsigned.is_empty() || !all_digits(unsigned) {
            return None;
        }
        standard.push('E');
        standard.push_str(exponent);
    }
    Some(standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(input: &str) -> Result<String, DialectError> {
        to_standard(input.as_bytes(), Limits::USUAL)
    }

    #[test]
    fn what_fastjson_writes_and_accepts_becomes_json() {
        let cases = [
            (r#"{0:"x",1:"y"}"#, r#"{"0":"x","1":"y"}"#),
            (r#"{{"q":0,"t":"T"}:{"m":6}}"#, r#"{"{\"q\":0,\"t\":\"T\"}":{"m":6}}"#),
            (r#"{code:1,'a b':'it''s'}"#, ""),
            (r#"{code:1,'a b':'say "hi"'}"#, r#"{"code":1,"a b":"say \"hi\""}"#),
            ("[1,,2,]", "[1,2]"),
            (" { /* c */ \"a\" : // d\n 1 , } \n", r#"{"a":1}"#),
            (r#"[1L,.5,5.,+7,007,-0,1.0E-7,NaN]"#, "[1,0.5,5.0,7,7,-0,1.0E-7,null]"),
            ("{\"a\":\"tab\there\\u0001\"}", r#"{"a":"tab\there\u0001"}"#),
            (r#"{a:null,b:[null],c:{d:NaN},e:null}"#, r#"{"b":[null],"c":{}}"#),
            (r#""\x41\q""#, "\"A\u{FFFD}q\""),
            (r#"{"$ref":"$.a.b"}"#, r#"{"$ref":"$.a.b"}"#),
        ];
        for (input, output) in cases {
            match standard(input) {
                Ok(found) => assert_eq!(found, output, "{input}"),
                Err(error) => assert_eq!(output, "", "{input}: {error}"),
            }
        }
    }

    #[test]
    fn broken_structure_is_an_error() {
        for input in [
            "",
            "{",
            "[",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "\"open",
            "\"open\\\"",
            "word",
            "1x",
            "{}x",
            "{:1}",
            "/* open",
            "-",
            "1e",
            "e1",
        ] {
            assert!(standard(input).is_err(), "{input}");
        }
        assert_eq!(to_standard(b"\"\xFF\"", Limits::USUAL), Err(DialectError::NotUtf8(1)));
    }

    #[test]
    fn depth_and_keys_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(standard(&nested(32)).is_ok());
        assert_eq!(standard(&nested(33)), Err(DialectError::TooDeep(32)));
        assert_eq!(standard(&nested(1_000_000)), Err(DialectError::TooDeep(32)));

        let keys = |count: usize| format!("{{{}}}", "a:1,".repeat(count));
        assert!(standard(&keys(10_000)).is_ok());
        assert_eq!(standard(&keys(10_001)), Err(DialectError::TooManyKeys(10_000)));
    }

    #[test]
    fn standard_json_passes_unchanged() {
        let text = r#"{"a":[1,-2,3.5E+10,true,false,null,"\u4e2d"],"b":{}}"#;
        assert_eq!(standard(text).unwrap(), text.replace("\\u4e2d", "中"));
    }
}
