//! The log of events: on standard error, with fields, as text or JSON. Files and rotation are left to the service manager.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::failure::Failure;

/// Starts logging for the rest of the process. Called once, before anything logs.
pub fn start(config: &Config) -> Result<(), Failure> {
    let filter = filter(&config.log.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match config.log.format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(level).map_err(|error| {
        Failure::usage(format!(
            "log.level = \"{level}\": {error}. Write error, warn, info, debug or trace; or info,store=debug"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_part_are_understood_and_nonsense_is_refused() {
        for level in ["info", "warn,store=debug", "off"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        let failure = filter("info,store=loudly").expect_err("no such level");
        assert!(failure.text.starts_with("log.level = \"info,store=loudly\": "), "{failure}");
    }
}
