//! The command line: what can be asked of the binary, and how the answers become exit codes.
//!
//! Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 4 something outside is in the way (port, lock, damaged log).

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};
use store::Salvaged;

use crate::config::{self, Config, Sources, Values};
use crate::failure::{self, Failure};
use crate::serve;

/// A message broker for RocketMQ clients in one binary.
#[derive(Parser)]
#[command(
    name = "kerolox",
    version,
    about,
    after_help = "First steps:\n  kerolox serve --dev        start on this machine and print a snippet for Java and Python\n  \
                  kerolox config docs        every setting with its default"
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker and its name server until SIGTERM or Ctrl-C.
    Serve(Settings),
    /// Show settings: all there are, or those in force.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work on a data directory that no broker uses.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Put load on a server and measure; any server that speaks the remoting protocol.
    Bench(cli::bench::Args),
    /// List topics and groups nobody has used for long, or delete them.
    Unused(cli::unused::Args),
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Copy what is whole of a log that refuses to open into a new data directory. The original is only read.
    Salvage {
        /// The damaged data directory.
        from: PathBuf,
        /// The new one; it must not exist.
        to: PathBuf,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Every key with its documentation and default, as a configuration file.
    Docs,
    /// The values in force.
    Show {
        #[command(flatten)]
        settings: Settings,
        /// Say for each value where it was written.
        #[arg(long)]
        origin: bool,
    },
}

/// Where settings come from. Later wins: built-in, --dev, the file, conf.d/*.toml beside it, environment, --set.
#[derive(Args)]
pub struct Settings {
    /// Development profile: listen on this machine only, small files, print client snippets.
    #[arg(long)]
    pub dev: bool,
    /// Configuration file (TOML).
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Data directory; the same as --set node.data_dir=DIR.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// One setting, such as storage.retention=24h. May be repeated; the last one wins.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Settings {
    fn load(&self) -> Result<(Config, Values), Failure> {
        let mut set = self.set.clone();
        set.extend(self.data.iter().map(|folder| format!("node.data_dir={folder}")));
        // Names and values that are no Unicode cannot be ours.
        let environment =
            std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
        let sources = Sources { dev: self.dev, file: self.file.clone(), environment: environment.collect(), set };
        config::load(&sources).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
            Failure::usage(format!("the configuration has mistakes:\n{}", lines.join("\n")))
        })
    }
}

/// Does what the command line says.
pub fn run(line: CommandLine) -> Result<(), Failure> {
    // Without a command: somebody who wants to know what there is.
    let Some(command) = line.command else {
        return print(&CommandLine::command().render_long_help().to_string());
    };
    match command {
        Command::Serve(settings) => serve::run(&settings.load()?.0, settings.dev),
        Command::Store(StoreCommand::Salvage { from, to }) => {
            let salvaged = store::salvage(&from, &to).map_err(|error| failure::of_open(&error))?;
            print(&report(&salvaged, &to))
        }
        Command::Bench(args) => cli::bench::run(args).map_err(|error| Failure::failed(format!("{error:#}"))),
        Command::Unused(args) => cli::unused::run(&args).map_err(|error| Failure::failed(format!("{error:#}"))),
        Command::Config(ConfigCommand::Docs) => print(&config::docs()),
        Command::Config(ConfigCommand::Show { settings, origin }) => print(&config::show(&settings.load()?.1, origin)),
    }
}

/// What was kept and what was lost, for the operator who has to decide.
fn report(salvaged: &Salvaged, to: &Path) -> String {
    let mut text = format!(
        "{} batches with {} records above the last checkpoint are whole; the copy ends at log offset {}\n",
        salvaged.batches, salvaged.records, salvaged.end
    );
    for (from, to) in &salvaged.lost {
        text += &format!("lost: log offsets {from} to {to}, {} bytes\n", to.since(*from));
    }
    text += &format!("start it with: kerolox serve --data {}\n", to.display());
    text
}

/// Prints to standard output. A reader that went away, as `| head` does, wanted no more.
pub fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::failed(format!("cannot print: {error}"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
