//! The body of a batch send: what is read is written back byte for byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::remoting::body::batch::{Batch, push};

fuzz_target!(|bytes: &[u8]| {
    let mut written = Vec::new();
    for message in Batch::new(bytes) {
        let Ok(message) = message else { return };
        push(&message, &mut written);
    }
    // Magic and CRC are not kept; lengths and all else are.
    assert_eq!(written.len(), bytes.len());
    assert!(Batch::new(&written).map(Result::unwrap).eq(Batch::new(bytes).map(Result::unwrap)));
});
