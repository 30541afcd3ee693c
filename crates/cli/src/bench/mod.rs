//! `kerolox bench send|recv|pop`: load for any server that speaks the remoting protocol, and what it felt like.
//!
//! Closed loop keeps a number of messages in flight; open loop (`--rate`) sends by a schedule and measures each
//! latency from the moment the message was *due*, so a server that stalls cannot hide it by slowing the sender
//! (coordinated omission). Every run is bounded by time or count.

mod hardware;
mod load;
mod pace;
mod pop;
mod process;
mod progress;
mod recv;
mod report;
mod send;
mod target;
mod timer;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args as ClapArgs, Subcommand};

/// Arguments of `kerolox bench`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Send messages and measure until the server's answer.
    Send(send::Args),
    /// Pull messages and measure rate, pull time, and time since sending.
    Recv(recv::Args),
    /// Pop and ack messages and measure how many are done.
    Pop(pop::Args),
}

/// Runs the command on threads of its own; returns an error if the server could not be reached or any request failed.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Send(args) => send::run(&args),
        What::Recv(args) => recv::run(&args),
        What::Pop(args) => pop::run(&args),
    }
}

/// What both directions need to know.
#[derive(Debug, Clone, ClapArgs)]
struct Common {
    /// Topic. A server that creates topics on their first send needs nothing else.
    #[arg(short, long, default_value = "KeroloxBench")]
    topic: String,
    /// Queues to use, from 0; the route's number if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    queues: Option<u32>,
    /// Name servers, `host:port` separated by semicolons.
    #[arg(short = 'n', long, env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    namesrv: String,
    /// Broker to use without asking a name server.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// Threads, each with its share of the connections.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Cores to pin the threads to, in turn: `1` or `1,3`.
    #[arg(long, value_delimiter = ',')]
    cpu: Vec<usize>,
    /// How long to measure, after the warm-up; with --count the longest time to wait.
    #[arg(long, default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// Messages to handle in all, warm-up included; the run ends with them.
    #[arg(long)]
    count: Option<u64>,
    /// Time before anything is measured.
    #[arg(long, default_value = "0s", value_parser = duration)]
    warmup: Duration,
    /// Check what comes back, as far as one run can know it.
    #[arg(long)]
    verify: bool,
    /// Server process on this machine whose CPU time is reported per message.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Also write the report here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Reads `250ms`, `10s`, `5m` or plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration like 250ms, 10s or 5m"))?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" if number <= DURATION_MAX.as_secs() => Duration::from_secs(number * 60),
        _ => return Err(format!("`{unit}` is not one of ms, s, m")),
    };
    if duration > DURATION_MAX {
        return Err(format!("`{text}` is longer than a day"));
    }
    Ok(duration)
}

/// A bench that runs longer is a mistake in the unit.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_an_end() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "s", "5h", "-1s", "1.5s", "2000m", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
