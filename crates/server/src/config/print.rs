//! The configuration as text: the documentation of all keys, and the values in force with their origins.

use std::fmt::Write;

use super::Values;
use super::keys::{Key, sections};

/// A complete configuration file with every key, its documentation and its default. It parses to the defaults.
pub fn docs() -> String {
    let mut text = String::from(
        "# Every key of Kerolox with its default. A file needs only the keys it changes.\n\
         # Order, later wins: built-in, --dev, the file of -c, conf.d/*.toml beside it, environment, --set.\n\
         # In the environment [storage] retention is KEROLOX_STORAGE__RETENTION; on the command line --set storage.retention=24h.\n",
    );
    for section in sections() {
        text.push('\n');
        push_doc(&mut text, section.doc);
        push_line(&mut text, format_args!("[{}]", section.name));
        for key in &section.keys {
            text.push('\n');
            push_doc(&mut text, key.doc);
            push_line(&mut text, format_args!("# Type: {}.{}", key.expected, range(key)));
            push_line(&mut text, format_args!("{} = {}", key.name, key.default));
        }
    }
    text
}

/// The values in force as a configuration file; with `origin`, each line says where its value was written.
pub fn show(values: &Values, origin: bool) -> String {
    let mut text = String::new();
    for section in sections() {
        if !text.is_empty() {
            text.push('\n');
        }
        push_line(&mut text, format_args!("[{}]", section.name));
        for key in &section.keys {
            let (value, from) = values.get(&format!("{}.{}", key.section, key.name));
            let line = format!("{} = {value}", key.name);
            if origin {
                push_line(&mut text, format_args!("{line:<48} # {from}"));
            } else {
                push_line(&mut text, format_args!("{line}"));
            }
        }
    }
    text
}

fn range(key: &Key) -> String {
    key.range.as_ref().map_or_else(String::new, |(least, most)| format!(" Range: {least} to {most}."))
}

fn push_doc(text: &mut String, doc: &[&str]) {
    for line in doc {
        push_line(text, format_args!("#{line}"));
    }
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes every write");
}
