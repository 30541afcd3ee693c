//! Who calls: what the headers of a call say (grpc.md section 2).

use std::net::SocketAddr;
use std::time::Duration;

use tonic::Extensions;
use tonic::metadata::MetadataMap;
use wire::grpc::v2::Code;

use super::accept::Peer;
use super::status::Refusal;

/// Longest client id that is looked at; clients use less than 100 bytes.
const CLIENT_ID_LEN_MAX: usize = 255;

/// The caller of one call. Header values are free text, and none of them is ever a reason to refuse.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Unique to a client instance; one client may have many connections, and one connection many clients.
    pub client_id: &'a str,
    /// `JAVA`, `GO`, ...; Node calls itself `HTTP`.
    pub language: &'a str,
    pub version: &'a str,
    pub address: SocketAddr,
    /// How long the client waits for the answer, if it says so.
    pub timeout: Option<Duration>,
}

impl<'a> Caller<'a> {
    /// Reads the headers; without a client id the call is refused.
    pub fn read(metadata: &'a MetadataMap, extensions: &Extensions) -> Result<Caller<'a>, Refusal> {
        let caller = Caller::read_anyone(metadata, extensions);
        if caller.client_id.is_empty() || caller.client_id.len() > CLIENT_ID_LEN_MAX {
            let text = "client id cannot be empty: send the header x-mq-client-id, at most 255 bytes";
            return Err(Refusal::new(Code::ClientIdRequired, text));
        }
        Ok(caller)
    }

    /// Reads the headers of a call that may come without a client id.
    pub fn read_anyone(metadata: &'a MetadataMap, extensions: &Extensions) -> Caller<'a> {
        let text = |name| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Caller {
            client_id: text("x-mq-client-id"),
            language: text("x-mq-language"),
            version: text("x-mq-client-version"),
            address: extensions.get::<Peer>().map_or(UNKNOWN, |peer| peer.0),
            timeout: timeout(text("grpc-timeout")),
        }
    }

    /// Whether the client's types end before later codes were added: it would stop on one it does not know.
    pub fn knows_old_codes_only(&self) -> bool {
        self.language.eq_ignore_ascii_case("RUST")
    }

    /// Whether the client expects ILLEGAL_POLLING_TIME, which came with 5.0.3.
    pub fn knows_polling_time(&self) -> bool {
        self.version >= "5.0.3"
    }
}

/// A call that came over no socket, as in tests.
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Reads `grpc-timeout`: digits and a unit. Java says 60 years in minutes, so sums that do not fit mean for ever.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value.saturating_mul(3_600)),
        "M" => Duration::from_secs(value.saturating_mul(60)),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_digits_and_a_unit_and_may_last_for_ever() {
        assert_eq!(timeout("2999m"), Some(Duration::from_millis(2_999)));
        assert_eq!(timeout("3S"), Some(Duration::from_secs(3)));
        assert_eq!(timeout("31536000M"), Some(Duration::from_secs(31_536_000 * 60)));
        assert_eq!(timeout("18446744073709551615H"), Some(Duration::from_secs(u64::MAX)));
        for text in ["", "S", "12", "12x", "-1S", "1é"] {
            assert_eq!(timeout(text), None, "{text}");
        }
    }
}
