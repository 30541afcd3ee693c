//! The walls: the edges between our crates, as Cargo knows them, are those of the table in ARCHITECTURE.md.
//!
//! The table is the contract and is changed with care; a new edge that it does not name fails the check, and so does an edge
//! that it names and nobody uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// For each crate the crates of this workspace it may know, by whether only its tests may.
#[derive(Debug, Default, PartialEq, Eq)]
struct Edges {
    built: BTreeMap<String, BTreeSet<String>>,
    tests: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Compares the workspace with its map; the error lists every difference.
pub fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("reading ARCHITECTURE.md")?;
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("the answer of cargo metadata")?;

    let differences = compare(&of_table(&page)?, &of_cargo(&metadata));
    if differences.is_empty() {
        return Ok(());
    }
    bail!("the crates and the table in ARCHITECTURE.md differ:\n  {}", differences.join("\n  "))
}

/// Edges between members of the workspace; dependencies from elsewhere are not walls.
fn of_cargo(metadata: &Metadata) -> Edges {
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let of = |package: &Package, tests: bool| {
        let edges = package.dependencies.iter().filter(|edge| (edge.kind.as_deref() == Some("dev")) == tests);
        edges.filter(|edge| members.contains(edge.name.as_str())).map(|edge| edge.name.clone()).collect()
    };
    let all = |tests| metadata.packages.iter().map(|package| (package.name.clone(), of(package, tests))).collect();
    Edges { built: all(false), tests: all(true) }
}

/// Rows of the form: | `gateway` | `model`, `wire` | `client` |, below a heading row whose first cell is "crate".
fn of_table(page: &str) -> Result<Edges> {
    let mut edges = Edges::default();
    let rows = page.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<BTreeSet<String>> = row.trim_matches('|').split('|').map(names).collect();
        let [of, built, tests, ..] = &cells[..] else { bail!("a row with fewer than three cells: {row}") };
        let name = of.first().with_context(|| format!("a row without a crate: {row}"))?;
        edges.built.insert(name.clone(), built.clone());
        edges.tests.insert(name.clone(), tests.clone());
    }
    if edges.built.is_empty() {
        bail!("ARCHITECTURE.md has no table that begins with `| crate |`");
    }
    Ok(edges)
}

/// The words between backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn compare(table: &Edges, cargo: &Edges) -> Vec<String> {
    let mut differences = Vec::new();
    for name in cargo.built.keys().filter(|name| !table.built.contains_key(*name)) {
        differences.push(format!("crate `{name}` has no row in the table"));
    }
    for name in table.built.keys().filter(|name| !cargo.built.contains_key(*name)) {
        differences.push(format!("crate `{name}` of the table does not exist"));
    }
    let kinds = [("", &table.built, &cargo.built), ("in its tests ", &table.tests, &cargo.tests)];
    for (when, table, cargo) in kinds {
        for (name, used) in cargo {
            let Some(allowed) = table.get(name) else { continue };
            for edge in used.difference(allowed) {
                differences.push(format!("`{name}` {when}uses `{edge}`, which the table does not allow"));
            }
            for edge in allowed.difference(used) {
                differences.push(format!("`{name}` {when}may use `{edge}` by the table, but does not"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_edges_are_those_of_the_map() {
        if let Err(error) = run() {
            panic!("{error:#}");
        }
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let page = "text\n| crate | uses | its tests also | holds |\n|---|---|---|---|\n| `model` | - | - | nouns |\n\
                    | `wire` | `model`, `old` | - | bytes |\n| `ghost` | - | - | - |\n\nmore\n";
        let metadata = r#"{"packages": [
            {"name": "model", "dependencies": [{"name": "serde", "kind": null}]},
            {"name": "wire", "dependencies": [{"name": "model", "kind": null}, {"name": "store", "kind": "build"},
                                              {"name": "client", "kind": "dev"}]},
            {"name": "store", "dependencies": []},
            {"name": "client", "dependencies": []}]}"#;
        let metadata: Metadata = serde_json::from_str(metadata).expect("shaped like cargo's");
        assert_eq!(
            compare(&of_table(page).expect("a table"), &of_cargo(&metadata)),
            [
                "crate `client` has no row in the table",
                "crate `store` has no row in the table",
                "crate `ghost` of the table does not exist",
                "`wire` uses `store`, which the table does not allow",
                "`wire` may use `old` by the table, but does not",
                "`wire` in its tests uses `client`, which the table does not allow",
            ]
        );
    }
}
