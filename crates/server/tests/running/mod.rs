//! A `kerolox serve` for tests: started on a directory and ports of its own, asked by our client, ended by its pid.
//!
//! Deliberately absent: what a test wants to know. Each test file includes this module and uses the part it needs.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A start that takes longer than this hangs.
const READY_MAX: Duration = Duration::from_secs(60);

/// A port that was free a moment ago may be lent to an outgoing connection of another test.
const PORT_TRIES_MAX: usize = 100;

/// The addresses of a broker.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub namesrv: SocketAddr,
    pub broker: SocketAddr,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

/// A data directory, and how brokers on it are started. The ports of the first start stay.
pub struct Home {
    folder: TempDir,
    settings: Vec<String>,
    ports: Option<Ports>,
}

impl Home {
    /// An empty directory. `settings` are the `--set` of every start.
    pub fn new(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, settings: settings.iter().map(|&setting| setting.to_owned()).collect(), ports: None }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What all brokers on this directory wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Starts a process and does not wait for it. Without `ports` the system chooses them.
    pub fn spawn_on(&self, ports: Option<Ports>) -> Broker {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("stderr"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerolox"));
        // Settings of the machine that runs the tests must not matter.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEROLOX_")) {
            command.env_remove(name);
        }
        command.env_remove("NAMESRV_ADDR").args(["serve", "--set", "node.advertise=127.0.0.1"]);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let Ports { namesrv, broker, grpc, http } =
            ports.unwrap_or(Ports { namesrv: any, broker: any, grpc: any, http: any });
        for (name, at) in [("namesrv", namesrv), ("broker", broker), ("grpc", grpc), ("http", http)] {
            command.args(["--set", &format!("listen.{name}={at}")]);
        }
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.arg("--data").arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.expect("a log"));
        let started = Instant::now();
        let mut child = command.spawn().expect("the binary was built");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            // Reads to the end, so that the broker never meets a closed or full pipe.
            for line in output.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Broker {
            child,
            lines,
            started,
            ports: Ports { namesrv: any, broker: any, grpc: any, http: any },
            ready_in: Duration::ZERO,
        }
    }

    /// Starts a process on the ports of the first start and does not wait for it.
    pub fn spawn(&self) -> Broker {
        self.spawn_on(self.ports)
    }

    /// Starts a broker and waits until it serves.
    pub fn start(&mut self) -> Broker {
        for _ in 0..PORT_TRIES_MAX {
            let mut broker = self.spawn();
            if broker.wait_ready() {
                self.ports = Some(broker.ports);
                return broker;
            }
            if !last_lines(&self.log(), 4).contains("cannot listen on") {
                break;
            }
        }
        panic!("it ended before it served:\n{}", last_lines(&self.log(), 20));
    }
}

/// A process of the broker, killed when dropped.
pub struct Broker {
    child: Child,
    lines: Receiver<String>,
    started: Instant,
    pub ports: Ports,
    /// From the start of the process to the last line of the banner.
    pub ready_in: Duration,
}

impl Broker {
    /// Waits for the whole banner. False: the process has ended instead.
    pub fn wait_ready(&mut self) -> bool {
        loop {
            let line = match self.lines.recv_timeout(READY_MAX) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("not ready within {} s", READY_MAX.as_secs()),
            };
            let line = line.trim();
            let local = |port: &str| format!("127.0.0.1:{port}").parse().expect("a port");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["must", "reach", "TCP", namesrv, "name", "server,", broker, .., grpc, "gRPC"] => {
                    self.ports.namesrv = local(namesrv);
                    self.ports.broker = local(broker);
                    self.ports.grpc = local(grpc);
                }
                ["health", url, ..] => {
                    let address = url.trim_start_matches("http://").trim_end_matches("/readyz");
                    self.ports.http = address.parse().expect("an address");
                    self.ready_in = self.started.elapsed();
                    return true;
                }
                _ => {}
            }
        }
    }

    /// Where clients send and pull.
    pub fn address(&self) -> String {
        self.ports.broker.to_string()
    }

    /// Signals the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits for the end. Panics if there is none within `max`.
    pub fn exit_code_within(&mut self, max: Duration) -> Option<i32> {
        // The end of its output is the end of the process, but for the last microseconds.
        let deadline = Instant::now() + max;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("it ends").code(),
                Err(RecvTimeoutError::Timeout) => panic!("it still runs after {max:?}"),
            }
        }
    }

    /// A line of `/proc/<pid>/status` in KiB: `VmRSS` now, `VmHWM` at most so far.
    pub fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux says so");
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Already ended in many tests; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Prints a measurement even when the test passes, which `println!` does not.
pub fn report(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// The end of a log, for the text of a failure.
pub fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
