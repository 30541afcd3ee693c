//! One server under test: its ports, its directory, its life.
//!
//! It can be killed and started again on the same ports and directory; that is the point of a
//! process of its own. Deliberately absent: any knowledge of the protocol beyond `/readyz`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// An empty or crashed store must serve within a second on an idle machine; the rest is for a
/// machine that also compiles.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What SIGTERM promises: drained, checkpointed, gone.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Delay levels of one second: the default table needs hours to reach the dead-letter topic.
const DELAY_LEVELS: &str = "1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s";

/// Where clients find the server.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `host:port` of the name server.
    pub namesrv: String,
    /// `host:port` of the broker.
    pub broker: String,
    /// `host:port` of the gRPC endpoint.
    pub grpc: String,
}

/// A server process on a temporary directory. Killed and forgotten when dropped.
pub struct Server {
    bin: PathBuf,
    log: PathBuf,
    ports: Ports,
    data: tempfile::TempDir,
    process: Option<Child>,
}

impl Server {
    /// Starts `bin` on free ports and an empty directory, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it cannot be started, dies, or is not ready in time.
    pub fn start(bin: &Path, log: &Path) -> Result<Self> {
        File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut server = Self {
            bin: bin.to_path_buf(),
            log: log.to_path_buf(),
            ports: Ports::free()?,
            data: tempfile::tempdir()?,
            process: None,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Where clients find it; the same for its whole life.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            namesrv: format!("127.0.0.1:{}", self.ports.namesrv),
            broker: format!("127.0.0.1:{}", self.ports.broker),
            grpc: format!("127.0.0.1:{}", self.ports.grpc),
        }
    }

    /// Starts the stopped server on its old ports and directory.
    ///
    /// # Errors
    ///
    /// When it runs already, cannot be started, dies, or is not ready in time.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "server runs already");
        let log = OpenOptions::new().append(true).open(&self.log)?;
        let Ports { namesrv, broker, grpc, http } = self.ports;
        let mut command = Command::new(&self.bin);
        command.arg("serve").arg("--data").arg(self.data.path());
        for setting in [
            "node.advertise=127.0.0.1".to_owned(),
            // The name in the recordings that mqadmin's output is compared with.
            "node.name=broker-a".to_owned(),
            format!("listen.namesrv=127.0.0.1:{namesrv}"),
            format!("listen.broker=127.0.0.1:{broker}"),
            format!("listen.grpc=127.0.0.1:{grpc}"),
            format!("listen.http=127.0.0.1:{http}"),
            format!("delay.levels={DELAY_LEVELS}"),
        ] {
            command.arg("--set").arg(setting);
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", self.bin.display()))?;
        self.process = Some(process);
        self.wait_until_ready()
    }

    /// SIGKILL, then start: what a crashed process and its supervisor do.
    ///
    /// # Errors
    ///
    /// When it was dead already, or does not come back.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        let mut process = self.running()?;
        process.kill()?;
        process.wait()?;
        self.start_again()
    }

    /// SIGTERM, then waits for the exit.
    ///
    /// # Errors
    ///
    /// When it was dead already, exits with an error, or still runs after five seconds (it is
    /// killed then).
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.running()?;
        let pid = Pid::from_child(&process);
        kill_process(pid, Signal::TERM)?;
        let Some(status) = wait_for(&mut process, STOP_WITHIN)? else {
            process.kill()?;
            process.wait()?;
            bail!("still running {} s after SIGTERM", STOP_WITHIN.as_secs());
        };
        ensure!(status.success(), "ended with {status} after SIGTERM");
        Ok(())
    }

    /// Takes the process out, so that a failed stop is never waited for twice.
    fn running(&mut self) -> Result<Child> {
        let mut process = self.process.take().context("server is stopped")?;
        if let Some(status) = process.try_wait()? {
            bail!("server ended by itself with {status}");
        }
        Ok(process)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.http));
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            let process = self.process.as_mut().context("server is stopped")?;
            if let Some(status) = process.try_wait()? {
                self.process = None;
                bail!("server ended at start with {status}");
            }
            if is_ready(address) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("server not ready after {} s", READY_WITHIN.as_secs());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have died in between; nobody is left to tell.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The exit status, or nothing when the process still runs after `limit`.
pub fn wait_for(process: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_ready(address: SocketAddr) -> bool {
    ready_status(address).is_ok_and(|status| status.starts_with("HTTP/1.1 200"))
}

fn ready_status(address: SocketAddr) -> std::io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    let read = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..read]).into_owned())
}

/// The ports of one server.
#[derive(Clone, Copy, Debug)]
struct Ports {
    namesrv: u16,
    broker: u16,
    grpc: u16,
    http: u16,
}

impl Ports {
    /// Ports that are free now, and that no client socket takes while the server is down.
    ///
    /// They come from below the range the kernel gives to outgoing connections. From within it, a
    /// client that reconnects to a killed server on loopback sooner or later gets the server's
    /// port as its own, is connected to itself, and the server cannot bind again.
    fn free() -> Result<Self> {
        const FIRST: u16 = 20_000;
        const COUNT: u16 = 12_000;
        const STRIDE: u16 = 6;
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        // Another run on this machine starts elsewhere in the range.
        let start = (std::process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT / STRIDE {
            let step = TAKEN.fetch_add(STRIDE, Ordering::Relaxed);
            let first = FIRST + start.wrapping_add(step) % COUNT;
            // Name server, HTTP, VIP channel (two below the broker), gRPC, broker, replication.
            let ports = Self { namesrv: first, http: first + 1, grpc: first + 3, broker: first + 4 };
            if (first..first + STRIDE).all(is_free) {
                return Ok(ports);
            }
        }
        bail!("no free ports from {FIRST} to {}", FIRST + COUNT);
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
