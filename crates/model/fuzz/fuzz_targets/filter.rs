//! Any text is a filter or a refusal that points into it; any properties are answered within the limit of steps.
//!
//! The first line of the input is the expression, the rest the properties string.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::filter::{Filter, STEPS_MAX};

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..at]) else { return };
    match Filter::compile(text) {
        Ok(filter) => {
            let mut steps = 0;
            filter.evaluate(&data[at..], &mut steps);
            // The last step may be a long one: a properties string has at most 32,767 bytes on the wire.
            assert!(steps <= STEPS_MAX + data.len() as u64);
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some());
            assert_eq!(error.to_string().lines().count(), 3);
        }
    }
});
