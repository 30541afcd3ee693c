//! The layers and how they are merged: files, environment, command line. Only text and places; what a value means is in
//! `value.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::keys::sections;
use super::{Origin, Problem, Values};

/// What `--dev` sets before any file is read: nothing to reach from outside, little disk.
const DEV_PROFILE: [(&str, &str); 5] = [
    ("listen.namesrv", "127.0.0.1:9876"),
    ("listen.broker", "127.0.0.1:10911"),
    ("listen.grpc", "127.0.0.1:8081"),
    ("node.advertise", "127.0.0.1"),
    ("storage.segment_bytes", "64MiB"),
];

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Start from the development profile.
    pub dev: bool,
    /// The file of `-c`. `conf.d/*.toml` beside it is read after it, in the order of the names.
    pub file: Option<PathBuf>,
    /// The environment. Names that do not begin with `KEROLOX_` count only when they are `NAMESRV_ADDR`.
    pub environment: Vec<(String, String)>,
    /// `section.key=value`, in the order given.
    pub set: Vec<String>,
}

impl Sources {
    /// Merges the layers. Every key exists in the result.
    pub(super) fn merge(&self) -> Result<Values, Vec<Problem>> {
        let mut merge = Merge::new();
        if self.dev {
            for (key, text) in DEV_PROFILE {
                merge.put_text(key, text, Origin::Dev);
            }
        }
        if let Some(file) = &self.file {
            merge.file(file);
            for part in conf_d(file) {
                merge.file(&part);
            }
        }
        merge.environment(&self.environment);
        for assignment in &self.set {
            merge.assignment(assignment);
        }
        if merge.problems.is_empty() { Ok(Values { entries: merge.entries }) } else { Err(merge.problems) }
    }
}

/// The files in `conf.d` beside the configuration file, by name. No such folder: none.
fn conf_d(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new("")).join("conf.d");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

struct Merge {
    entries: BTreeMap<String, (Value, Origin)>,
    problems: Vec<Problem>,
}

impl Merge {
    fn new() -> Self {
        let keys = sections().into_iter().flat_map(|section| section.keys);
        let built_in = keys.map(|key| (format!("{}.{}", key.section, key.name), (key.default, Origin::BuiltIn)));
        Self { entries: built_in.collect(), problems: Vec::new() }
    }

    fn problem(&mut self, origin: Origin, text: String) {
        self.problems.push(Problem { origin, text });
    }

    fn put(&mut self, key: &str, value: Value, origin: Origin) {
        match self.entries.get_mut(key) {
            Some(entry) => *entry = (value, origin),
            None => {
                let text = unknown("key", key, self.entries.keys().map(String::as_str));
                self.problem(origin, text);
            }
        }
    }

    /// A value that came as bare text: the key's built-in value says whether it is a text, a number or a list.
    fn put_text(&mut self, key: &str, text: &str, origin: Origin) {
        let value = match self.entries.get(key).map(|(value, _)| value) {
            Some(Value::Array(_)) => list(text),
            Some(Value::Boolean(_) | Value::Integer(_)) => literal(text).unwrap_or_else(|| Value::from(text)),
            _ => Value::from(text),
        };
        self.put(key, value, origin);
    }

    fn file(&mut self, path: &Path) {
        let shown = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.problem(Origin::File(shown, 1), format!("cannot read the file: {error}")),
        };
        let line_at = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        // Read twice: once for the values, once for the places of the keys.
        let (table, places) = match (text.parse::<Table>(), DeTable::parse(&text)) {
            (Ok(table), Ok(places)) => (table, places.into_inner()),
            (Err(error), _) | (_, Err(error)) => {
                let line = error.span().map_or(1, |span| line_at(span.start));
                return self.problem(Origin::File(shown, line), format!("not valid TOML: {}", error.message()));
            }
        };
        for (section_at, section_places) in &places {
            let section = section_at.get_ref().as_ref();
            let origin = Origin::File(shown.clone(), line_at(section_at.span().start));
            let known = sections();
            if !known.iter().any(|known| known.name == section) {
                let names = known.iter().map(|known| known.name);
                self.problem(origin, unknown("section", section, names));
                continue;
            }
            let (Some(Value::Table(keys)), Some(key_places)) =
                (table.get(section), section_places.get_ref().as_table())
            else {
                self.problem(origin, format!("`{section}` is a section: write [{section}] and its keys below"));
                continue;
            };
            for key_at in key_places.keys() {
                let name = key_at.get_ref().as_ref();
                let origin = Origin::File(shown.clone(), line_at(key_at.span().start));
                self.put(&format!("{section}.{name}"), keys[name].clone(), origin);
            }
        }
    }

    fn environment(&mut self, environment: &[(String, String)]) {
        let mut ours: Vec<_> = environment.iter().filter(|(name, _)| name.starts_with("KEROLOX_")).collect();
        ours.sort();
        if let Some((name, text)) = environment.iter().find(|(name, _)| name == "NAMESRV_ADDR") {
            // The variable is common on machines with RocketMQ tools: it only fills in what nobody configured.
            let unset = self.entries.get("namesrv.external").is_some_and(|(_, origin)| *origin == Origin::BuiltIn);
            if unset {
                self.put_text("namesrv.external", text, Origin::Environment(name.clone()));
            }
        }
        for (name, text) in ours {
            let short = name["KEROLOX_".len()..].to_ascii_lowercase();
            let origin = Origin::Environment(name.clone());
            if let Some((section, key)) = short.split_once("__") {
                self.put_text(&format!("{section}.{key}"), text, origin);
            } else if let Some(key) = self.entries.keys().find(|key| key.replace('.', "_") == short) {
                let right = key.replace('.', "__").to_ascii_uppercase();
                self.problem(origin, format!("write two underscores after the section: KEROLOX_{right}"));
            }
        }
    }

    fn assignment(&mut self, assignment: &str) {
        match assignment.split_once('=') {
            Some((key, text)) => self.put_text(key.trim(), text.trim(), Origin::CommandLine),
            None => self.problem(
                Origin::CommandLine,
                format!("--set {assignment}: write section.key=value, such as storage.retention=24h"),
            ),
        }
    }
}

fn literal(text: &str) -> Option<Value> {
    format!("value = {text}").parse::<Table>().ok()?.remove("value")
}

/// `["a", "b"]`, or the same separated by commas or semicolons.
fn list(text: &str) -> Value {
    match literal(text) {
        Some(list @ Value::Array(_)) => list,
        _ => text
            .split([',', ';'])
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect::<Vec<_>>()
            .into(),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|known| (distance(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= name.len() / 3 + 1 => {
            format!("unknown {what} `{name}`; did you mean `{known}`?")
        }
        _ => format!("unknown {what} `{name}`; `kerolox config docs` lists all"),
    }
}

/// Levenshtein distance: how many letters to add, drop or change.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
