//! What is depended on comes from one registry, under licences that `deny.toml` allows: all targets and features, as the lock file
//! has them. Advisories need the network, and are checked by the workflow `supply-chain.yml`.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

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

#[test]
fn everything_that_is_depended_on_has_an_allowed_licence_and_comes_from_the_registry() {
    let allowed = allowed();
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
            && !source.starts_with("registry+")
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
