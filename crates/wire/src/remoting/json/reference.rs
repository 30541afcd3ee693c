//! `$ref`: fastjson writes an object that occurs twice as a path to its first occurrence.
//!
//! A path from the root (`$.a.b[0]`) is replaced by a copy of what stands there. References to
//! ancestors (`$`, `@`, `..`) describe a graph with a cycle; none of our bodies has one, so they
//! read as null. A reference that leads nowhere reads as null too.

use serde_json::{Map, Value};
use thiserror::Error;

/// Values that copies may add to one text: references to references would grow it exponentially.
const COPIED_MAX: usize = 100_000;

/// Depth to which references may lead. Deeper means a cycle.
const DEPTH_MAX: usize = 64;

/// The references of one text stand for more than can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("json references form a cycle or stand for more than {COPIED_MAX} values")]
pub struct ReferenceError;

/// Replaces every reference in `root`.
pub fn resolve(root: &Value) -> Result<Value, ReferenceError> {
    Resolver { root, copied: 0 }.value(root, 0, false)
}

struct Resolver<'a> {
    root: &'a Value,
    copied: usize,
}

impl Resolver<'_> {
    fn value(&mut self, value: &Value, depth: usize, copying: bool) -> Result<Value, ReferenceError> {
        self.copied += usize::from(copying);
        if depth > DEPTH_MAX || self.copied > COPIED_MAX {
            return Err(ReferenceError);
        }
        match value {
            Value::Object(members) => match reference(members) {
                Some(path) => match find(self.root, path) {
                    Some(target) => self.value(target, depth + 1, true),
                    None => Ok(Value::Null),
                },
                None => {
                    let mut resolved = Map::new();
                    for (name, member) in members {
                        resolved.insert(name.clone(), self.value(member, depth + 1, copying)?);
                    }
                    Ok(Value::Object(resolved))
                }
            },
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.push(self.value(item, depth + 1, copying)?);
                }
                Ok(Value::Array(resolved))
            }
            plain => Ok(plain.clone()),
        }
    }
}

fn reference(members: &Map<String, Value>) -> Option<&str> {
    match members.get("$ref") {
        Some(Value::String(path)) if members.len() == 1 => Some(path),
        _ => None,
    }
}

/// What stands at `path`. The root itself is an ancestor of everything, so no target.
fn find<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    let mut rest = path.strip_prefix('$').filter(|rest| !rest.is_empty())?;
    let mut value = root;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            value = match inside.parse::<usize>() {
                Ok(index) => value.get(index)?,
                Err(_) => value.get(inside.trim_matches(['\'', '"']))?,
            };
            rest = after;
        } else {
            let (name, after) = member_name(rest.strip_prefix('.')?);
            value = value.get(&name)?;
            rest = after;
        }
    }
    Some(value)
}

/// The name at the front of `path`, without the backslashes fastjson puts before special characters.
fn member_name(path: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = path.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '.' | '[' => return (name, &path[at..]),
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => name.push(char),
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_becomes_a_copy_of_its_target() {
        let root = json!({
            "a": [{"t": 1}, {"$ref": "$.a[0]"}],
            "b": {"%RETRY%g-1": {"x": {"$ref": "$.a[1]"}}},
            "c": {"$ref": "$.b.%RETRY%g\\-1.x"},
        });
        let expected = json!({
            "a": [{"t": 1}, {"t": 1}],
            "b": {"%RETRY%g-1": {"x": {"t": 1}}},
            "c": {"t": 1},
        });
        assert_eq!(resolve(&root), Ok(expected));
    }

    #[test]
    fn ancestors_and_nowhere_read_as_null() {
        for path in ["$", "@", "..", "$.b", "$.a[9]", "$[", "$x", ""] {
            assert_eq!(resolve(&json!({"a": [{"$ref": path}]})), Ok(json!({"a": [null]})), "{path}");
        }
    }

    #[test]
    fn cycles_and_bombs_are_refused() {
        assert_eq!(resolve(&json!({"a": {"b": {"$ref": "$.a"}}})), Err(ReferenceError));

        let mut root = json!({"k0": [1, 1, 1, 1, 1, 1, 1, 1]});
        for level in 1..10 {
            let below = format!("$.k{}", level - 1);
            root[format!("k{level}")] = Value::Array(vec![json!({"$ref": below}); 8]);
        }
        assert_eq!(resolve(&root), Err(ReferenceError));
    }
}
