//! `cargo xtask`: what a developer runs besides cargo itself. `cargo xtask check` is the one proof that everything we promise
//! holds.

#![allow(
    clippy::disallowed_methods,
    reason = "a tool for developers: runs programs, reads and writes files, measures time"
)]

mod architecture;
mod check;
mod conformance;
mod proto;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask check                        everything: format, lints, tests, release build, official clients
cargo xtask architecture                 the crate edges against the table in ARCHITECTURE.md
cargo xtask proto                        the Rust of the .proto files, written anew
cargo xtask conformance [FOLDER] [...]   the official clients alone";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first().map(|(command, rest)| (command.as_str(), rest)) {
        Some(("check", [])) => return check::run(),
        Some(("architecture", [])) => architecture::run(),
        Some(("proto", [])) => proto::run(),
        Some(("conformance", rest)) => conformance::command(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
