//! `cargo xtask check`: the one proof. Each step runs whatever became of the ones before it, so that the tally is complete; the
//! last line is `N passed, N failed` over everything.
//!
//! Where all passed on a clean tree, the commit is written to `check.ok` in the target folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::conformance;

/// What the steps counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn of(ok: bool) -> Self {
        Self { passed: usize::from(ok), failed: usize::from(!ok) }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A step that ran.
struct Done {
    name: &'static str,
    tally: Tally,
    took: Duration,
}

/// Where the steps run and build.
struct Place {
    root: PathBuf,
    target: PathBuf,
}

/// Runs everything and prints the summary.
pub fn run() -> ExitCode {
    let (all, proved) = match steps() {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("{error:#}");
            println!("0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    };
    println!("{proved}");
    println!("{} passed, {} failed", all.passed, all.failed);
    if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All steps; the sum and what is said about the proof.
fn steps() -> Result<(Tally, String)> {
    let place = Place::find()?;
    let proof = place.target.join("check.ok");
    let before = place.state()?;
    // An old proof must not outlive a run that fails.
    if proof.exists() {
        std::fs::remove_file(&proof).context("removing the old check.ok")?;
    }

    let mut done = Vec::new();
    let mut step = |name, what: &dyn Fn(&Place) -> Result<Tally>| {
        println!("== {name}");
        let began = Instant::now();
        let tally = what(&place).unwrap_or_else(|error| {
            println!("{name}: {error:#}");
            Tally::of(false)
        });
        done.push(Done { name, tally, took: began.elapsed() });
    };
    step("format", &|place| place.cargo(&["fmt", "--all", "--check"]).map(Tally::of));
    step("lints", &|place| {
        let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        place.cargo(&lints).map(Tally::of)
    });
    // The architecture test is one of xtask's.
    step("tests", &Place::tests);
    step("release build", &|place| place.cargo(&["build", "--release", "--package", "server"]).map(Tally::of));
    step("official clients", &|place| {
        let tally = conformance::run(&place.target.join("release/kerolox"))?;
        // No client tried is no proof.
        let nothing = usize::from(tally.passed + tally.failed.len() == 0);
        Ok(Tally { passed: tally.passed, failed: tally.failed.len() + nothing })
    });

    println!();
    let mut all = Tally::default();
    for Done { name, tally, took } in &done {
        println!("{name:<18} {:>7.1} s   {} passed, {} failed", took.as_secs_f64(), tally.passed, tally.failed);
        all.add(*tally);
    }
    Ok((all, place.prove(&all, &before, &proof)?))
}

/// The commit the tree stands on, and whether the tree is that commit.
#[derive(PartialEq, Eq)]
struct State {
    commit: String,
    clean: bool,
}

impl Place {
    fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?.to_owned();
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let target = match (set("CARGO_TARGET_DIR"), set("CI")) {
            (Some(target), _) => std::path::absolute(target)?,
            // CI checks each change in a fresh clone: the dependencies built for the last one are found again.
            (None, Some(_)) => match (set("KEROLOX_CACHE"), set("HOME")) {
                (Some(cache), _) => Path::new(&cache).join("target"),
                (None, Some(home)) => Path::new(&home).join(".cache/kerolox/target"),
                (None, None) => root.join("target"),
            },
            (None, None) => root.join("target"),
        };
        Ok(Self { root, target })
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).stdin(Stdio::null());
        // We were started by cargo: its settings for our own package must not reach the builds we start.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" || name == "CARGO_MANIFEST_PATH" {
                command.env_remove(name.as_ref());
            }
        }
        command
    }

    /// Runs cargo with its output shown; whether it succeeded.
    fn cargo(&self, args: &[&str]) -> Result<bool> {
        Ok(self.command(env!("CARGO"), args).status().with_context(|| format!("cargo {}", args.join(" ")))?.success())
    }

    /// Every test of the workspace, counted from the summaries that are shown.
    fn tests(&self) -> Result<Tally> {
        let mut child = self
            .command(env!("CARGO"), &["test", "--workspace", "--no-fail-fast"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cargo test")?;
        let output = child.stdout.take().context("the output was asked for")?;
        let mut tally = Tally::default();
        for line in BufReader::new(output).lines() {
            let line = line.context("reading the output of cargo test")?;
            println!("{line}");
            tally.add(summary(&line).unwrap_or_default());
        }
        let ok = child.wait().context("cargo test")?.success();
        // A test that does not compile, or a process that dies, has no summary.
        if !ok && tally.failed == 0 {
            tally.failed = 1;
        }
        Ok(tally)
    }

    fn git(&self, args: &[&str]) -> Result<String> {
        let output = self.command("git", args).output().context("running git")?;
        if !output.status.success() {
            bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn state(&self) -> Result<State> {
        let commit = self.git(&["rev-parse", "HEAD"])?;
        Ok(State { commit, clean: self.git(&["status", "--porcelain"])?.is_empty() })
    }

    /// Writes the proof if there is one, and says so or why not.
    fn prove(&self, all: &Tally, before: &State, proof: &Path) -> Result<String> {
        if all.failed > 0 {
            return Ok("not proved: something failed".into());
        }
        if !before.clean || self.state()? != *before {
            return Ok("not proved: the tree is not a commit (git status)".into());
        }
        std::fs::write(proof, format!("{}\n", before.commit)).context("writing check.ok")?;
        Ok(format!("proved {}", before.commit))
    }
}

/// Reads `test result: ok. 18 passed; 1 failed; 0 ignored; ...`.
fn summary(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    Some(Tally { passed: count("passed")?, failed: count("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_cargo_test_are_counted_and_other_lines_are_not() {
        let line = "test result: FAILED. 18 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.16s";
        assert_eq!(summary(line), Some(Tally { passed: 18, failed: 1 }));
        assert_eq!(
            summary("test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured"),
            Some(Tally { passed: 3, failed: 0 })
        );
        assert_eq!(summary("test config::tests::docs ... ok"), None);
        assert_eq!(summary("running 3 tests"), None);
    }
}
