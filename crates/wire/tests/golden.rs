//! Frames recorded between real clients and real servers: every one is read, what we would write
//! in its place reads the same, and the structs of its operation take its fields and body.

#[path = "golden/bodies.rs"]
mod bodies;
#[path = "golden/headers.rs"]
mod headers;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wire::remoting::command::Header;
use wire::remoting::frame::{Encoding, Frame, next_frame};

/// One recorded frame and what its index says about it.
pub struct Recorded {
    pub path: PathBuf,
    pub index: Value,
    pub bytes: Vec<u8>,
}

impl Recorded {
    pub fn frame(&self) -> Frame<'_> {
        next_frame(&self.bytes).expect("a recorded frame is valid").expect("a recorded frame is whole")
    }

    /// The code of the request, also for an answer.
    pub fn request_code(&self) -> i64 {
        self.index["request_code"].as_i64().expect("the index has every request's code")
    }

    pub fn is_request(&self) -> bool {
        self.index["kind"] == "request"
    }

    pub fn is_answer(&self) -> bool {
        !self.is_request()
    }

    /// An answer that carries what was asked for.
    pub fn is_success(&self) -> bool {
        self.is_answer() && self.index["code"] == 0
    }

    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// Every recorded frame.
#[expect(clippy::disallowed_methods, reason = "the recordings are files; only the tests of this crate read any")]
pub fn recorded() -> Vec<Recorded> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/remoting"));
    let mut frames = Vec::new();
    let folders = fs::read_dir(root)
        .unwrap_or_else(|error| panic!("the recordings must lie beside the checkout, in {}: {error}", root.display()));
    for folder in folders {
        let folder = folder.unwrap().path();
        let index = fs::read_to_string(folder.join("index.jsonl")).unwrap();
        for line in index.lines() {
            let index: Value = serde_json::from_str(line).unwrap();
            // A line without a file says what was left out of the recording.
            let Some(file) = index["file"].as_str() else { continue };
            let path = folder.join(file);
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            frames.push(Recorded { path, index, bytes });
        }
    }
    assert!(frames.len() > 2_000, "only {} recorded frames", frames.len());
    frames
}

#[test]
fn every_frame_is_read_as_its_index_says() {
    for recorded in recorded() {
        let (frame, name) = (recorded.frame(), recorded.name());
        assert_eq!(frame.len, recorded.bytes.len(), "{name}");
        let header = Header::parse(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));

        let index = &recorded.index;
        assert_eq!(frame.encoding == Encoding::Binary, index["serialization"] == "ROCKETMQ", "{name}");
        assert_eq!(index["code"], header.code, "{name}");
        assert_eq!(index["opaque"], header.opaque, "{name}");
        assert_eq!(index["flag"], header.flag, "{name}");
        assert_eq!(index["version"], header.version, "{name}");
        assert_eq!(index["language"], header.language.name(), "{name}");
        assert_eq!(index["body_len"], frame.body.len(), "{name}");
        assert_eq!(header.is_response(), recorded.is_answer(), "{name}");
    }
}

#[test]
fn every_json_header_is_read_fast_and_the_general_parser_agrees() {
    for recorded in recorded() {
        let frame = recorded.frame();
        if frame.encoding != Encoding::Json {
            continue;
        }
        let name = recorded.name();
        let fast = Header::parse_json_fast(frame.header).unwrap();
        let fast = fast.unwrap_or_else(|| panic!("{name}: not read by the fast parser"));
        assert_eq!(fast, Header::parse_json_general(frame.header).unwrap(), "{name}");
    }
}
