//! One driver: finds it, prepares it, runs it, and reads what it says.
//!
//! The driver and everything it starts form a process group, so that a driver that hangs ends
//! whole. Deliberately absent: how a server is run; a driver only asks for it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Tally;
use super::server::{Endpoints, Server, wait_for};

/// A driver that takes longer hangs: the longest takes less than half of this.
const RUN_WITHIN: Duration = Duration::from_secs(240);

/// The first time a package manager fetches everything.
const PREPARE_WITHIN: Duration = Duration::from_secs(600);

/// Lines of a log that are shown when something fails.
const TAIL_LINES: usize = 40;

/// An executable that plays one client.
pub struct Driver {
    /// `java/5.3.3`, `go`: what people say to name it.
    pub name: String,
    /// Where it lies and runs.
    pub folder: PathBuf,
    program: PathBuf,
    root: PathBuf,
    target: PathBuf,
}

/// What a line of the driver's output means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Pass,
    Fail(&'a str),
    Skip(&'a str),
    KillRestart,
    Stop,
    Start,
    Log,
}

impl Driver {
    /// The driver in `file`, when it is one: an executable named `run` or `run-<name>`.
    pub fn from_file(root: &Path, folder: &Path, file: &Path) -> Option<Self> {
        let language = folder.file_name()?.to_str()?;
        let name = match file.file_name()?.to_str()? {
            "run" => language.to_owned(),
            other => format!("{language}/{}", other.strip_prefix("run-")?),
        };
        is_executable(file).then(|| Self {
            name,
            folder: folder.to_path_buf(),
            program: file.to_path_buf(),
            root: root.to_path_buf(),
            target: root.join("target/conformance").join(language),
        })
    }

    /// Whether `wanted` names this driver or its folder.
    pub fn matches(&self, wanted: &str) -> bool {
        self.name == wanted || self.name.split('/').next() == Some(wanted)
    }

    /// Where the output of this driver's server goes.
    pub fn server_log(&self) -> PathBuf {
        self.log_file("server.log")
    }

    /// Fetches and builds what the folder needs.
    ///
    /// # Errors
    ///
    /// When its `prepare` fails or takes too long.
    pub fn prepare(&self) -> Result<()> {
        std::fs::create_dir_all(&self.target)?;
        let program = self.folder.join("prepare");
        if !is_executable(&program) {
            return Ok(());
        }
        let mut process = self.command(&program).stdin(Stdio::null()).spawn()?;
        let Some(status) = wait_for(&mut process, PREPARE_WITHIN)? else {
            end_group(&mut process);
            bail!("{} still runs after {} s", program.display(), PREPARE_WITHIN.as_secs());
        };
        ensure!(status.success(), "{} ended with {status}", program.display());
        Ok(())
    }

    /// Runs the driver, or one scenario of it; `server` is what it may ask to restart.
    ///
    /// # Errors
    ///
    /// When it cannot be started. What goes wrong later is a failure in the tally.
    pub fn run(&self, endpoints: &Endpoints, scenario: Option<&str>, server: Option<&mut Server>) -> Result<Tally> {
        let mut command = self.command(&self.program);
        command.args(scenario);
        command.env("NAMESRV_ADDR", &endpoints.namesrv).env("BROKER_ADDR", &endpoints.broker);
        command.env("GRPC_ADDR", &endpoints.grpc);
        if server.is_none() {
            command.env("KEROLOX_NO_RESTART", "1");
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;

        let tally = self.converse(&mut process, server);
        end_group(&mut process);
        let tally = tally?;
        if !tally.failed.is_empty() {
            print_tail(&self.name, &self.log_file("log"));
        }
        Ok(tally)
    }

    fn converse(&self, process: &mut Child, mut server: Option<&mut Server>) -> Result<Tally> {
        let mut answers = process.stdin.take().context("stdin is piped")?;
        let lines = read_lines(process)?;
        let mut log = File::create(self.log_file("log"))?;
        let mut tally = Tally::default();
        let deadline = Instant::now() + RUN_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = RUN_WITHIN.as_secs();
                    tally.failed.push(format!("{}: still runs after {seconds} s", self.name));
                    return Ok(tally);
                }
            };
            writeln!(log, "{line}")?;
            match parse(&line) {
                Line::Pass => tally.passed += 1,
                Line::Fail(what) => tally.failed.push(format!("{}: {what}", self.name)),
                Line::Skip(what) => tally.skipped.push(format!("{}: {what}", self.name)),
                Line::Log => {}
                wish => {
                    if let Some(failure) = grant(&wish, server.as_deref_mut(), &mut answers) {
                        tally.failed.push(format!("{}: {line}: {failure}", self.name));
                    }
                }
            }
        }
        // Both outputs are closed, so the end is near; what was started in the background may
        // keep a driver from ending, and is ended with the group.
        match wait_for(process, Duration::from_secs(10))? {
            Some(status) if status.success() => {}
            // A driver may end with an error to say again what its FAIL lines said.
            Some(_) if !tally.failed.is_empty() => {}
            Some(status) => tally.failed.push(format!("{}: ended with {status}", self.name)),
            None => tally.failed.push(format!("{}: closed its output and runs on", self.name)),
        }
        if tally.passed == 0 && tally.failed.is_empty() {
            tally.failed.push(format!("{}: reported no scenario", self.name));
        }
        Ok(tally)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("KEROLOX_ROOT", &self.root)
            .env("KEROLOX_TARGET", &self.target)
            .process_group(0);
        command
    }

    fn log_file(&self, kind: &str) -> PathBuf {
        let name = self.name.rsplit('/').next().unwrap_or(&self.name);
        self.target.join(format!("{name}.{kind}"))
    }
}

/// Does what the driver asks and answers; gives back why the server failed, if it did.
fn grant(wish: &Line<'_>, server: Option<&mut Server>, answers: &mut ChildStdin) -> Option<String> {
    let Some(server) = server else {
        // The driver was told by KEROLOX_NO_RESTART.
        let _ = writeln!(answers, "@failed this server is not ours to restart");
        return Some("asked of a server that is not ours".to_owned());
    };
    let (done, answer) = match wish {
        Line::KillRestart => (server.kill_and_restart(), "@restarted"),
        Line::Stop => (server.stop(), "@stopped"),
        Line::Start => (server.start_again(), "@started"),
        Line::Pass | Line::Fail(_) | Line::Skip(_) | Line::Log => return None,
    };
    // A driver that is gone cannot be answered; its end is noticed by the caller.
    match done {
        Ok(()) => {
            let _ = writeln!(answers, "{answer}");
            None
        }
        Err(error) => {
            let _ = writeln!(answers, "@failed {error:#}");
            Some(format!("{error:#}"))
        }
    }
}

fn parse(line: &str) -> Line<'_> {
    match line.trim_end() {
        "@kill-restart" => Line::KillRestart,
        "@stop" => Line::Stop,
        "@start" => Line::Start,
        other => match other.split_once(' ') {
            Some(("PASS", _)) => Line::Pass,
            Some(("FAIL", what)) => Line::Fail(what),
            Some(("SKIP", what)) => Line::Skip(what),
            _ => Line::Log,
        },
    }
}

/// The lines of standard output and standard error, in the order they arrive. A bound is not
/// needed: the reader of the channel only waits for the server's restart, some seconds at most.
fn read_lines(process: &mut Child) -> Result<Receiver<String>> {
    let (sender, lines) = channel();
    let stdout = process.stdout.take().context("stdout is piped")?;
    let stderr = process.stderr.take().context("stderr is piped")?;
    spawn_reader(stdout, sender.clone(), "");
    // Marked, so that a client library that prints FAIL to standard error is not believed.
    spawn_reader(stderr, sender, "stderr: ");
    Ok(lines)
}

fn spawn_reader(from: impl Read + Send + 'static, to: Sender<String>, mark: &'static str) {
    std::thread::spawn(move || {
        // Bytes, not strings: a client library may print anything.
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if to.send(format!("{mark}{}", String::from_utf8_lossy(&line))).is_err() {
                return;
            }
        }
    });
}

/// Ends the driver and what it started. The group is gone already when all went well.
fn end_group(process: &mut Child) {
    let _ = kill_process_group(Pid::from_child(process), Signal::KILL);
    let _ = process.wait();
}

/// Prints the end of a log, for the person who has to find out why.
pub fn print_tail(title: &str, log: &Path) {
    let Ok(text) = std::fs::read(log) else { return };
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    println!("--- {title}: the end of {} ---", log.display());
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        println!("    {line}");
    }
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
