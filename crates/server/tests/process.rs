//! The binary as a shell or a service manager sees it: output, signals, exit codes.

#![allow(clippy::disallowed_methods, reason = "starts the binary, as its users do")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn kerolox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerolox"));
    // Settings of the machine that runs the tests must not matter.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEROLOX_")) {
        command.env_remove(name);
    }
    command.env_remove("NAMESRV_ADDR").args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    kerolox(args).output().expect("the binary was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("we print UTF-8")
}

/// A broker on ports of the system's choice, killed when dropped.
struct Server {
    child: Child,
    banner: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut command = kerolox(&["serve", "--dev", "--set", "listen.namesrv=127.0.0.1:0"]);
        command.args(["--set", "listen.broker=127.0.0.1:0", "--set", "listen.http=127.0.0.1:0"]);
        command.args(["--set", "listen.grpc=127.0.0.1:0"]);
        let child = command
            .args(["--data", data.to_str().expect("a plain path")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut server = Self { child, banner: String::new() };
        let output = BufReader::new(server.child.stdout.take().expect("piped"));
        for line in output.lines().map_while(Result::ok) {
            server.banner.push_str(&line);
            server.banner.push('\n');
            if line.starts_with("Stop with") {
                return server;
            }
        }
        let mut errors = String::new();
        server.child.stderr.take().expect("piped").read_to_string(&mut errors).expect("we print UTF-8");
        panic!("it ended before it served:\n{}{errors}", server.banner);
    }

    /// The word after the label in the banner.
    fn shown(&self, label: &str) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix(label)).expect("a line of the banner");
        line.split_whitespace().next().expect("a word")
    }

    fn http(&self) -> SocketAddr {
        let url = self.shown("health");
        url.trim_start_matches("http://").trim_end_matches("/readyz").parse().expect("an address")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended in most tests; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn without_a_command_the_commands_are_shown() {
    let shown = output(&[]);
    assert_eq!(shown.status.code(), Some(0));
    assert!(text(&shown.stdout).contains("kerolox serve --dev"));
}

#[test]
fn mistakes_on_the_command_line_or_in_the_settings_exit_with_2() {
    assert_eq!(output(&["serv"]).status.code(), Some(2));
    let wrong = output(&["serve", "--set", "storage.flush=each", "--set", "storage.max_disk=1"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        text(&wrong.stderr),
        "kerolox: the configuration has mistakes:\n  command line: storage.flush: expected \"group\" or \"async\", found \
         \"each\"\n  command line: storage.max_disk: expected a percentage such as 85%, found \"1\"\n"
    );
}

#[test]
fn the_environment_counts_and_config_show_says_so() {
    let mut command = kerolox(&["config", "show", "--origin"]);
    let shown = command.env("KEROLOX_STORAGE__RETENTION", "24h").output().expect("the binary was built");
    let shown = text(&shown.stdout);
    let line = shown.lines().find(|line| line.starts_with("retention")).expect("the key is shown");
    assert!(
        line.starts_with("retention = \"24h\" ") && line.ends_with("# environment KEROLOX_STORAGE__RETENTION"),
        "{line}"
    );
}

#[test]
fn it_serves_until_sigterm_and_then_ends_well() {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(&data.path().join("data"));

    let mut stream = TcpStream::connect(server.http()).expect("the pages are open");
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    TcpStream::connect(server.shown("connect to")).expect("the name server listens");

    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_port_in_use_ends_the_start_with_4_and_names_the_setting() {
    let data = tempfile::tempdir().expect("a folder");
    let first = Server::start(&data.path().join("first"));
    let taken = format!("listen.http={}", first.http());
    let other = data.path().join("second");
    let second = output(&[
        "serve",
        "--set",
        "listen.namesrv=127.0.0.1:0",
        "--set",
        "listen.broker=127.0.0.1:0",
        "--set",
        &taken,
        "--data",
        other.to_str().expect("a plain path"),
    ]);
    assert_eq!(second.status.code(), Some(4));
    let errors = text(&second.stderr);
    assert!(errors.contains(&format!("cannot listen on {} (listen.http): ", first.http())), "{errors}");
    assert!(!other.exists(), "nothing was written before the ports were ours");
}
