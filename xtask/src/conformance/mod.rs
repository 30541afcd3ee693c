//! The official clients of every language, unmodified, against the binary.
//!
//! A *driver* is an executable `conformance/<folder>/run` (or several, `run-<name>`), in any
//! language. Each driver gets a server of its own, on an empty data directory, and tells us on its
//! standard output what it saw:
//!
//! ```text
//! PASS <scenario> (<ms> ms)
//! FAIL <scenario>: <reason>
//! SKIP <scenario>: <reason>
//! @kill-restart        SIGKILL the server, start it again; we answer @restarted
//! @stop                SIGTERM, it must exit in time; we answer @stopped
//! @start               start it again; we answer @started
//! ```
//!
//! We answer `@failed <reason>` when the server did not do its part. Every other line is log: kept
//! in a file, its end shown when something fails. An executable `conformance/<folder>/prepare`
//! fetches and builds before any server starts, so that a download never eats a driver's time.
//!
//! A driver finds in its environment `NAMESRV_ADDR`, `BROKER_ADDR`, `KEROLOX_ROOT` (the work tree),
//! `KEROLOX_TARGET` (a folder for what it builds) and, when the server is not ours to restart,
//! `KEROLOX_NO_RESTART=1`. It runs in its own folder. Who sets `KEROLOX_REFERENCE=1` tests the
//! scenarios themselves against the reference (`conformance/reference/kerolox`): no deviation is
//! accepted then, and what the reference does not promise is not asked of it.
//!
//! Deliberately absent: what a scenario means. Only drivers know clients.

mod driver;
mod server;

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use driver::Driver;
use server::{Endpoints, Server};

/// Drivers at once. The machine that checks has two cores, and a JVM fills one while it starts.
const AT_ONCE: usize = 2;

/// What one or several drivers reported.
#[derive(Debug, Default)]
pub struct Tally {
    /// Scenarios that held.
    pub passed: usize,
    /// `driver: scenario: reason`, one for each scenario that did not hold.
    pub failed: Vec<String>,
    /// `driver: scenario: reason`, one for each scenario that was not tried.
    pub skipped: Vec<String>,
}

impl Tally {
    /// Whether every scenario that was tried held, and at least one was tried.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }

    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed.len())?;
        if !self.skipped.is_empty() {
            write!(f, ", {} skipped", self.skipped.len())?;
        }
        Ok(())
    }
}

/// What the drivers talk to.
#[derive(Clone, Debug)]
enum Subject {
    /// A binary: each driver gets a fresh server.
    Binary(PathBuf),
    /// A server someone else runs: never stopped, so restart scenarios are skipped.
    Running(Endpoints),
}

/// Runs every driver of every folder against `bin`, two at a time, and prints how each went.
///
/// # Errors
///
/// When drivers cannot be found or prepared. A scenario that fails is not an error: it is in the
/// tally.
pub fn run(bin: &Path) -> Result<Tally> {
    run_folders(None, None, &Subject::Binary(bin.to_path_buf()))
}

/// `cargo xtask conformance [FOLDER[/DRIVER]] [--only SCENARIO] [--bin PATH] [--against NAMESRV,BROKER[,GRPC]]`
///
/// Without `--bin` the release binary is built first. `--only` is handed to the driver.
///
/// # Errors
///
/// On unknown arguments, when a build fails, and when any scenario fails.
pub fn command(args: &[String]) -> Result<()> {
    let mut folder = None;
    let mut scenario = None;
    let mut subject = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => scenario = Some(args.next().context("--only needs a scenario")?.as_str()),
            "--bin" => {
                let path = args.next().context("--bin needs a path")?;
                subject = Some(Subject::Binary(std::path::absolute(path)?));
            }
            "--against" => {
                let all = args.next().context("--against needs NAMESRV,BROKER[,GRPC]")?;
                let mut all = all.split(',').map(str::to_owned);
                let (Some(namesrv), Some(broker)) = (all.next(), all.next()) else {
                    bail!("--against needs two or three addresses with commas between them");
                };
                let grpc = all.next().unwrap_or_else(|| "127.0.0.1:8081".to_owned());
                subject = Some(Subject::Running(Endpoints { namesrv, broker, grpc }));
            }
            name if !name.starts_with('-') && folder.is_none() => folder = Some(name),
            other => bail!("unknown argument {other}"),
        }
    }
    let subject = match subject {
        Some(subject) => subject,
        None => Subject::Binary(build_release()?),
    };

    let tally = run_folders(folder, scenario, &subject)?;
    println!("conformance: {tally}");
    for failure in &tally.failed {
        println!("  FAIL {failure}");
    }
    for skipped in &tally.skipped {
        println!("  SKIP {skipped}");
    }
    ensure!(tally.is_ok(), "conformance failed");
    Ok(())
}

fn run_folders(folder: Option<&str>, scenario: Option<&str>, subject: &Subject) -> Result<Tally> {
    let root = workspace_root()?;
    let drivers = find_drivers(&root, folder)?;
    ensure!(!drivers.is_empty(), "no driver matches {}", folder.unwrap_or("conformance/"));

    let mut prepared: Vec<&Path> = Vec::new();
    for driver in &drivers {
        if !prepared.contains(&driver.folder.as_path()) {
            driver.prepare()?;
            prepared.push(&driver.folder);
        }
    }

    let waiting = Mutex::new(drivers.iter().collect::<VecDeque<_>>());
    let total = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(driver) = take_next(&waiting) {
                    let started = Instant::now();
                    let tally = run_one(driver, scenario, subject);
                    print_outcome(driver, &tally, started.elapsed());
                    total.lock().expect("no thread panics while it adds").add(tally);
                }
            });
        }
    });
    Ok(total.into_inner().expect("no thread panics while it adds"))
}

/// A function of its own, so that the lock is released before the driver runs.
fn take_next<'a>(waiting: &Mutex<VecDeque<&'a Driver>>) -> Option<&'a Driver> {
    waiting.lock().expect("no thread panics while it takes").pop_front()
}

fn run_one(driver: &Driver, scenario: Option<&str>, subject: &Subject) -> Tally {
    let outcome = match subject {
        Subject::Running(endpoints) => driver.run(endpoints, scenario, None),
        Subject::Binary(bin) => run_with_server(driver, scenario, bin),
    };
    outcome.unwrap_or_else(|error| Tally { failed: vec![format!("{}: {error:#}", driver.name)], ..Tally::default() })
}

fn run_with_server(driver: &Driver, scenario: Option<&str>, bin: &Path) -> Result<Tally> {
    let mut server = Server::start(bin, &driver.server_log())?;
    let endpoints = server.endpoints();
    let mut tally = driver.run(&endpoints, scenario, Some(&mut server))?;
    // A server that died, or that does not stop, is a failure even when every client was content.
    if let Err(error) = server.stop() {
        tally.failed.push(format!("{}: server: {error:#}", driver.name));
    }
    if !tally.failed.is_empty() {
        driver::print_tail(&format!("server of {}", driver.name), &driver.server_log());
    }
    Ok(tally)
}

fn print_outcome(driver: &Driver, tally: &Tally, took: Duration) {
    println!("conformance {:<20} {:>6.1} s  {tally}", driver.name, took.as_secs_f64());
}

/// Every `run` and `run-<name>` below `conformance/`, restart-heavy Java first so that the longest
/// one does not start last.
fn find_drivers(root: &Path, only: Option<&str>) -> Result<Vec<Driver>> {
    let mut drivers = Vec::new();
    for folder in sorted_entries(&root.join("conformance"))? {
        if !folder.is_dir() {
            continue;
        }
        for file in sorted_entries(&folder)? {
            if let Some(driver) = Driver::from_file(root, &folder, &file)
                && only.is_none_or(|wanted| driver.matches(wanted))
            {
                drivers.push(driver);
            }
        }
    }
    drivers.sort_by_key(|driver| !driver.name.starts_with("java"));
    Ok(drivers)
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn workspace_root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    Ok(root.to_path_buf())
}

fn build_release() -> Result<PathBuf> {
    let root = workspace_root()?;
    let built =
        Command::new(env!("CARGO")).args(["build", "--release", "--bin", "kerolox"]).current_dir(&root).status()?;
    ensure!(built.success(), "cargo build --release --bin kerolox failed");
    Ok(root.join("target/release/kerolox"))
}
