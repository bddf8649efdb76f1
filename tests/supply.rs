//! What is depended on comes from one registry, under licences that `deny.toml` allows: all targets and features, as the lock file
//! has them. Of the fuzz targets, a workspace of its own, the registry is looked at here. Their licences, and all advisories, need the
//! network, and are checked by the workflow `supply-chain.yml`.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

/// A crate that states its licence in a file only; `deny.toml` says which it is.
const BY_FILE: &str = "cfg_block";

fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(cross_tests::root().join("deny.toml")).unwrap();
    let deny: toml::Table = toml::from_str(&text).unwrap();
    let list = deny["licenses"]["allow"].as_array().unwrap();
    list.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect()
}

/// Whether some way to read the expression needs only allowed licences.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = Expression::parse_mode(expression, ParseMode::LAX).unwrap();
    expression.evaluate(|requirement| allowed.contains(&requirement.to_string()))
}

fn packages() -> Vec<Value> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(cross_tests::root()).args(["metadata", "--format-version", "1", "--locked"]);
    let out = cargo.output().unwrap();
    assert!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Where the packages of a lock file come from; what is ours comes from nowhere.
fn sources(lock: &str) -> BTreeSet<String> {
    let lock: toml::Table = toml::from_str(lock).unwrap();
    let packages = lock["package"].as_array().unwrap();
    let sources = packages.iter().filter_map(|package| package.get("source"));
    sources.map(|source| source.as_str().unwrap().to_owned()).collect()
}

/// The one source of both lock files.
fn registry() -> String {
    let lock = |file: &str| std::fs::read_to_string(cross_tests::root().join(file)).unwrap();
    let all: BTreeSet<String> =
        ["Cargo.lock", "fuzz/Cargo.lock"].into_iter().flat_map(|file| sources(&lock(file))).collect();
    assert_eq!(all.len(), 1, "the lock files name other sources than one registry: {all:?}");
    let only = all.into_iter().next().unwrap();
    assert!(only.starts_with("registry+"), "{only} is no registry");
    only
}

#[test]
fn everything_that_is_depended_on_has_an_allowed_licence_and_comes_from_the_registry() {
    let (allowed, registry) = (allowed(), registry());
    let mut refused = Vec::new();
    let packages = packages();
    assert!(packages.len() > 100, "only {} packages", packages.len());
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        match package["license"].as_str() {
            Some(licence) if is_allowed(licence, &allowed) => {}
            Some(licence) => refused.push(format!("{name}: {licence}")),
            None if name == BY_FILE => {}
            None => refused.push(format!("{name}: no licence expression")),
        }
        // What is ours has no source.
        if let Some(source) = package["source"].as_str()
            && source != registry
        {
            refused.push(format!("{name} comes from {source}"));
        }
    }
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn a_licence_that_is_not_allowed_is_seen() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
    assert!(is_allowed("MIT/Apache-2.0", &allowed));
    assert!(is_allowed("GPL-3.0-only OR MIT", &allowed));
    assert!(!is_allowed("GPL-3.0-only", &allowed));
    assert!(!is_allowed("MIT AND GPL-3.0-only", &allowed));
}

#[test]
fn another_registry_is_seen() {
    let package = |name: &str, source: &str| format!("[[package]]\nname = \"{name}\"\n{source}\n");
    let one = package("a", "source = \"registry+one\"") + &package("ours", "");
    assert_eq!(sources(&one).len(), 1);
    let two = one.clone() + &package("b", "source = \"registry+another\"");
    assert_eq!(sources(&two).len(), 2);
    assert_eq!(sources(&(one + &package("c", "source = \"git+elsewhere\""))).len(), 2);
}
