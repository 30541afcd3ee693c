//! The floor: the least a server must do to answer the remoting protocol on this machine.
//!
//! Kerolox is measured as a ratio to this program in the same run, so that the mood of the host cancels. It reads
//! every complete frame of one read, answers with one write, and does nothing a broker is for: no topics, no parsing
//! beyond `code` and `opaque`, no recovery. One thread on raw epoll; `sync` has a second one for `fdatasync`.
//!
//! Deliberately absent: binary headers, TLS, long polling, error answers. A frame it does not understand closes the
//! connection.

#![allow(clippy::disallowed_methods, reason = "a program of its own, outside the walls of the broker")]

mod connection;
mod device;
mod frame;
mod records;
mod ring;
mod server;

use std::io::BufRead;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use server::{Counters, Server};

/// What happens between reading a send and answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Nothing: the cost of the network alone.
    Net,
    /// The raw frames of one event-loop turn are written with one `pwrite`.
    Append,
    /// As `append`, then `fdatasync` on its own thread (one group commit at a time); answered after it.
    Sync,
}

/// A floor to measure brokers against: answers sends and pulls with the least work possible.
#[derive(Debug, Parser)]
struct Args {
    /// What a send costs before it is answered. Pulls are served in every mode.
    #[arg(long, value_enum, default_value = "net")]
    mode: Mode,
    /// Port on 127.0.0.1; 0 lets the system choose. The first line of output names it.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Core to run on.
    #[arg(long)]
    cpu: Option<usize>,
    /// Directory for the ring file and the records to pull. Created if absent.
    #[arg(long, default_value = "floor-data")]
    dir: PathBuf,
    /// Size of the pre-written file that `append` and `sync` go round in, MiB.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(8..=65_536))]
    ring_mib: u64,
    /// Messages in the file pulls are served from (body 1 KiB each).
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_024..=4_000_000))]
    records: u64,
    /// Queues per topic that the route answer promises.
    #[arg(long, default_value_t = 8)]
    queues: u32,
    /// Serve nothing: append this many 4 KiB blocks, each with its own `fdatasync`, and print percentiles as JSON.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    device: Option<u32>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).with_context(|| format!("pin to cpu {cpu}"))?;
    }
    std::fs::create_dir_all(&args.dir).with_context(|| format!("create {}", args.dir.display()))?;
    if let Some(count) = args.device {
        println!("{}", device::measure(&args.dir.join("ring"), args.ring_mib << 20, count)?);
        return Ok(());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).context("bind")?;
    let port = listener.local_addr()?.port();
    let counters = Arc::new(Counters::default());
    let mut server = Server::new(listener, &args, Arc::clone(&counters))?;
    println!("listening on 127.0.0.1:{port}");
    thread::Builder::new().name("report".into()).spawn(move || report_on_request(&counters))?;
    server.run()
}

/// Prints one line of JSON for each line on standard input: messages answered and CPU used since the start.
fn report_on_request(counters: &Counters) {
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        println!(
            r#"{{"messages":{},"pulled":{},"syncs":{},"cpu_ns":{}}}"#,
            counters.sends(),
            counters.pulled(),
            counters.syncs(),
            cpu.tv_sec * 1_000_000_000 + cpu.tv_nsec
        );
    }
}
