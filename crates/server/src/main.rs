//! The binary `kerolox`: configuration, assembly of the parts, signals. The only crate that knows them all, reads settings and
//! ends the process.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only this crate reads configuration files and hands opened ports to the gateway"
)]

mod advertise;
mod assemble;
mod banner;
mod certificate;
mod command;
mod config;
mod failure;
mod logs;
mod pages;
mod serve;

use std::process::ExitCode;

use clap::Parser;

/// Lowest memory after churn among the allocators measured for this house.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match command::run(command::CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("kerolox: {failure}");
            failure.exit_code()
        }
    }
}
