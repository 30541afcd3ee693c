//! The configuration: layers of text in, one checked struct out, with the origin of every value.
//!
//! Order, later wins: built-in, `--dev`, the file given with `-c`, `conf.d/*.toml` beside it, the environment
//! (`KEROLOX_SECTION__KEY`), `--set section.key=value`. Unknown keys are refused with a suggestion. Nothing is read again while
//! the program runs.

mod keys;
mod layers;
mod print;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use toml::Value;

pub use keys::Config;
pub use layers::Sources;
pub use print::{docs, show};
pub use value::{Flush, LogFormat, Setting, show_duration};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    BuiltIn,
    /// The development profile.
    Dev,
    /// A file and a line, counted from 1.
    File(String, usize),
    /// An environment variable.
    Environment(String),
    /// The command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => write!(f, "built-in"),
            Self::Dev => write!(f, "--dev"),
            Self::File(path, line) => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => write!(f, "command line"),
        }
    }
}

/// Something the configuration says that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

/// The merged layers: for every known key its value as written, and where.
#[derive(Clone, Debug)]
pub struct Values {
    entries: BTreeMap<String, (Value, Origin)>,
}

impl Values {
    /// The value of a known key as somebody wrote it, and where.
    pub fn get(&self, key: &str) -> &(Value, Origin) {
        self.entries.get(key).expect("every key of `sections` has a built-in value")
    }

    fn read<T: Setting>(&self, key: &str, problems: &mut Vec<Problem>) -> Option<T> {
        let (value, origin) = self.get(key);
        match T::read(value) {
            Ok(read) => Some(read),
            Err(wrong) => {
                problems.push(Problem { origin: origin.clone(), text: format!("{key}: {wrong}") });
                None
            }
        }
    }

    fn within<T: Setting + PartialOrd>(
        &self,
        key: &str,
        read: T,
        least: impl Into<Value>,
        most: impl Into<Value>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let (least, most) = (least.into(), most.into());
        let limit = |value: &Value| T::read(value).expect("the ranges in keys.rs are of the key's type");
        if (limit(&least)..=limit(&most)).contains(&read) {
            return Some(read);
        }
        let (value, origin) = self.get(key);
        let text = format!("{key} = {value} is out of range: {least} to {most}");
        problems.push(Problem { origin: origin.clone(), text });
        None
    }
}

/// Reads all layers and checks every value. On failure, every problem found.
pub fn load(sources: &Sources) -> Result<(Config, Values), Vec<Problem>> {
    let values = sources.merge()?;
    let config = Config::read(&values)?;
    Ok((config, values))
}

#[cfg(test)]
mod tests;
