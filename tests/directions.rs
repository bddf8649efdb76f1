//! Who may use whom, read from cargo: `docs/ARCHITECTURE.md` draws the same picture.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// For each crate of ours, the crates of ours that it may use.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("flow", &[]),
    ("model-export", &[]),
    ("kernels", &[]),
    ("models", &["flow", "kernels"]),
    ("trainer", &["flow", "model-export", "models"]),
    ("protocol", &["flow"]),
    ("worker", &["flow", "model-export", "models", "protocol"]),
    ("page", &["flow", "protocol"]),
    ("xtask", &[]),
    ("cross-tests", &["flow", "model-export", "models", "trainer", "protocol", "xtask"]),
];

fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(program).current_dir(cross_tests::root()).args(arguments).output().unwrap();
    assert!(out.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Each of our crates with the crates of ours that it names in its manifest, of every kind of dependency.
fn edges() -> BTreeMap<String, Vec<String>> {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let uses = |package: &Value| {
        let named = package["dependencies"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap());
        named.filter(|name| ours.contains(name)).map(str::to_owned).collect()
    };
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), uses(package))).collect()
}

/// The edges that are not allowed, written as `from -> to`.
fn offending(edges: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (from, uses) in edges {
        match ALLOWED.iter().find(|(name, _)| name == from) {
            None => found.push(format!("{from} (a crate without a line in ALLOWED)")),
            Some((_, allowed)) => {
                let bad = uses.iter().filter(|to| !allowed.contains(&to.as_str()));
                found.extend(bad.map(|to| format!("{from} -> {to}")));
            }
        }
    }
    found
}

#[test]
fn crates_use_only_the_crates_that_they_may_use() {
    let found = offending(&edges());
    assert!(found.is_empty(), "not allowed: {}", found.join(", "));
}

#[test]
fn a_forbidden_edge_is_named() {
    let edges = BTreeMap::from([
        ("worker".to_owned(), vec!["models".to_owned(), "trainer".to_owned()]),
        ("newcomer".to_owned(), Vec::new()),
    ]);
    assert_eq!(offending(&edges), ["newcomer (a crate without a line in ALLOWED)", "worker -> trainer"]);
}

/// The packages that a package is built from for its target, each once.
fn built_from(package: &str, arguments: &[&str]) -> Vec<String> {
    let tree = ["tree", "--offline", "--package", package, "--edges", "normal,build", "--prefix", "none"];
    let text = cargo(&[&tree[..], arguments].concat());
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_page_is_built_without_burn() {
    let parts = built_from("page", &["--target", "wasm32-unknown-unknown"]);
    assert!(parts.iter().any(|part| part == "leptos"), "the tree of the page should hold Leptos: {parts:?}");
    let burn: Vec<&String> = parts.iter().filter(|p| *p == "burn" || p.starts_with("burn-")).collect();
    assert!(burn.is_empty(), "page -> ... -> {burn:?}; see `cargo tree --package page --invert burn`");
}

#[test]
fn the_workers_are_built_without_the_trainer_and_each_with_its_own_backend() {
    for (feature, has, has_not) in [("cpu", "burn-flex", "burn-wgpu"), ("gpu", "burn-wgpu", "burn-flex")] {
        let parts = built_from("worker", &["--target", "wasm32-unknown-unknown", "--features", feature]);
        let holds = |name: &str| parts.iter().any(|part| part == name);
        assert!(holds(has), "the {feature} worker should be built from {has}");
        assert!(!holds(has_not), "worker ({feature}) -> ... -> {has_not}");
        for unwanted in ["trainer", "burn-autodiff", "burn-optim", "burn-train", "burn-fusion"] {
            assert!(!holds(unwanted), "worker ({feature}) -> ... -> {unwanted}");
        }
    }
}

#[test]
fn the_mathematics_and_the_model_file_are_built_without_burn() {
    for package in ["flow", "model-export"] {
        let parts = built_from(package, &[]);
        let burn: Vec<&String> = parts.iter().filter(|part| part.starts_with("burn")).collect();
        assert!(burn.is_empty(), "{package} -> ... -> {burn:?}");
    }
}
