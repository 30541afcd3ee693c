//! A broker's registration in any form, also behind a sound zlib stream.

#![no_main]

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use libfuzzer_sys::fuzz_target;
use wire::remoting::body::register::RegisterBrokerBody;

fuzz_target!(|input: (u16, Vec<u8>)| {
    let (version, bytes) = input;
    let _ = RegisterBrokerBody::read_any(&bytes, version.into());
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).expect("a vec takes everything");
    let deflated = encoder.finish().expect("a vec takes everything");
    if let Ok(body) = RegisterBrokerBody::read_any(&deflated, version.into()) {
        let written = body.to_json();
        RegisterBrokerBody::read_any(&written, 479).expect("what we write can be read");
    }
});
