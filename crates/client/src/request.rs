//! Requests before they have an `opaque`: the connection chooses it when it writes them.

use wire::remoting::code::RequestCode;
use wire::remoting::frame::Encoding;
use wire::remoting::reply::{self, Value};

/// What is asked. Always sent with a JSON header, which every server reads.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    code: RequestCode,
    fields: Vec<(&'a str, Value<'a>)>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request without fields and body.
    #[must_use]
    pub fn new(code: RequestCode) -> Self {
        Self { code, fields: Vec::new(), body: &[] }
    }

    /// Adds a field of the operation's header.
    #[must_use]
    pub fn field(mut self, name: &'a str, value: impl Into<Value<'a>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// What is asked for.
    #[must_use]
    pub fn code(&self) -> RequestCode {
        self.code
    }

    /// Appends the whole frame to `out`.
    pub fn write(&self, opaque: i32, oneway: bool, out: &mut Vec<u8>) {
        let fields = self.fields.iter().cloned();
        let request = reply::Request::new(opaque, self.code).fields(fields).body(self.body);
        if oneway { request.oneway().write(Encoding::Json, out) } else { request.write(Encoding::Json, out) }
    }
}

#[cfg(test)]
mod tests {
    use wire::remoting::command::Header;
    use wire::remoting::frame::next_frame;

    use super::*;

    #[test]
    fn a_request_reads_back_as_what_was_asked() {
        let mut out = Vec::new();
        let request = Request::new(RequestCode::PULL_MESSAGE)
            .field("topic", "T \"中\u{1}")
            .field("queueOffset", -1i64)
            .body(b"body");
        request.write(-7, true, &mut out);

        let frame = next_frame(&out).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        assert_eq!((frame.len, frame.body), (out.len(), &b"body"[..]));
        assert_eq!((header.request_code(), header.opaque), (RequestCode::PULL_MESSAGE, -7));
        assert!(header.is_oneway() && !header.is_response());
        assert!(header.field("topic").unwrap().is("T \"中\u{1}"));
        assert!(header.field("queueOffset").unwrap().is("-1"));
    }
}
