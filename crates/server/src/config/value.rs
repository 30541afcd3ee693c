//! The kinds of value a key may hold, and how people write them: sizes, durations, percentages, networks.
//!
//! A kind only reads: what is printed (documentation, `config show`) is always the text somebody wrote. What a key means and
//! what it may be is in `keys.rs`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use namesrv::{Network, NetworkError};
use toml::Value;

/// A type a key can have.
pub trait Setting: Sized {
    /// What to write, for documentation and errors: "a size such as 64KiB".
    const EXPECTED: &'static str;

    /// Reads the value, or says in a few words what is wrong with it.
    fn read(value: &Value) -> Result<Self, String>;
}

fn expected<T: Setting>(value: &Value) -> String {
    format!("expected {}, found {}", T::EXPECTED, brief(value))
}

/// The value in an error text: strings quoted, long ones cut.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a text";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| expected::<Self>(value))
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected::<Self>(value))
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_integer().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| expected::<Self>(value))
    }
}

impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = "a list such as [\"a\", \"b\"]";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_array().ok_or_else(|| expected::<Self>(value))?.iter().map(T::read).collect()
    }
}

/// A number of bytes. Written as `256MiB`, `32KiB`, `10GB` (powers of 1000) or a plain number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = text[digits..].trim();
        let scale = if unit.is_empty() {
            1
        } else {
            let known = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or_else(|| format!("unknown unit `{unit}`: use KiB, MiB, GiB or TiB"))?.1
        };
        let count: u64 =
            text[..digits].parse().map_err(|_| format!("`{text}` is not a size: write 64KiB or 256MiB"))?;
        let bytes = count.checked_mul(scale).ok_or_else(|| format!("`{text}` does not fit in 64 bits"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest unit that divides the number, so that nothing is rounded.
        let unit = SIZE_UNITS.iter().find(|(_, scale)| self.0 >= *scale && self.0.is_multiple_of(*scale));
        match unit {
            Some((name, scale)) => write!(f, "{}{name}", self.0 / scale),
            None => write!(f, "0"),
        }
    }
}

impl Setting for Size {
    const EXPECTED: &'static str = "a size such as 64KiB or 256MiB";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => text.parse(),
            Value::Integer(bytes) => u64::try_from(*bytes).map(Self).map_err(|_| expected::<Self>(value)),
            _ => Err(expected::<Self>(value)),
        }
    }
}

const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let wrong = || format!("`{text}` is not a duration: write 500ms, 30s, 10m, 72h or 7d");
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let (_, millis) = TIME_UNITS.iter().find(|(name, _)| *name == text[digits..].trim()).ok_or_else(wrong)?;
    count.checked_mul(*millis).map(Duration::from_millis).ok_or_else(wrong)
}

/// The duration in the largest unit that divides it: 72 hours are `3d`, 90 seconds `90s`.
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = TIME_UNITS.iter().find(|(_, scale)| millis >= *scale && millis.is_multiple_of(*scale));
    unit.map_or_else(|| "0s".into(), |(name, scale)| format!("{}{name}", millis / scale))
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a duration such as 30s or 72h";

    fn read(value: &Value) -> Result<Self, String> {
        parse_duration(value.as_str().ok_or_else(|| expected::<Self>(value))?)
    }
}

/// A share of a whole, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl Setting for Percent {
    const EXPECTED: &'static str = "a percentage such as 85%";

    fn read(value: &Value) -> Result<Self, String> {
        let number = value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|n| n.trim().parse().ok());
        number.filter(|n| *n <= 100).map(Self).ok_or_else(|| expected::<Self>(value))
    }
}

/// When a send is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// After `fdatasync` of the batch that holds it.
    Group,
    /// After the write, before any sync.
    Async,
}

impl Setting for Flush {
    const EXPECTED: &'static str = "\"group\" or \"async\"";

    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("group") => Ok(Self::Group),
            Some("async") => Ok(Self::Async),
            _ => Err(expected::<Self>(value)),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = "\"text\" or \"json\"";

    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            _ => Err(expected::<Self>(value)),
        }
    }
}

impl Setting for Network {
    const EXPECTED: &'static str = "a network such as 10.0.0.0/8";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().ok_or_else(|| expected::<Self>(value))?.parse().map_err(|wrong: NetworkError| wrong.to_string())
    }
}

/// `host:port` of another server. The host may be a name: it is resolved when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address; IPv6 in brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Setting for HostPort {
    const EXPECTED: &'static str = "host:port";

    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected::<Self>(value))?;
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(|| expected::<Self>(value))?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| expected::<Self>(value))?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(expected::<Self>(value));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// An address to listen on. Port 0 lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub std::net::SocketAddr);

impl Setting for Listen {
    const EXPECTED: &'static str = "an address and port such as 0.0.0.0:9876";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().and_then(|text| text.parse().ok()).map(Self).ok_or_else(|| expected::<Self>(value))
    }
}

/// The table of delay levels: level 1 is the first. Durations separated by spaces, as in Java's `messageDelayLevel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(pub Vec<Duration>);

/// More levels than a client could name: the level is one of 18 by default, and each is a queue.
const LEVELS_MAX: usize = 64;

impl Setting for Levels {
    const EXPECTED: &'static str = "durations separated by spaces, such as 1s 5s 10s";

    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected::<Self>(value))?;
        let levels: Vec<Duration> = text.split_whitespace().map(parse_duration).collect::<Result<_, _>>()?;
        if levels.is_empty() || levels.len() > LEVELS_MAX {
            return Err(format!("expected 1 to {LEVELS_MAX} levels, found {}", levels.len()));
        }
        Ok(Self(levels))
    }
}
