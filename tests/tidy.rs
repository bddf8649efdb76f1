//! Rules about the files themselves that no compiler checks. Each message says what to do.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use clap::Parser;

/// Longer files hold more than one thing.
const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    cross_tests::root()
}

/// What is ours: folders, and files beside them.
const OURS: [&str; 13] = [
    "flow",
    "fuzz",
    "kernels",
    "model-export",
    "models",
    "trainer",
    "web",
    "tests",
    "xtask",
    "bench",
    "docs",
    "README.md",
    "CHANGELOG.md",
];

/// Every file below our folders with this ending, sorted.
fn files(ending: &str) -> Vec<PathBuf> {
    let all = OURS.iter().map(|folder| root().join(folder)).filter(|folder| folder.exists());
    let all = all.flat_map(|folder| xtask::web::files_below(&folder).unwrap());
    all.filter(|file| file.extension().is_some_and(|e| e == ending)).filter(|file| !is_built(file)).collect()
}

fn is_built(file: &Path) -> bool {
    file.components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("target" | "dist" | "node_modules")))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// A crate that is not among our folders would be held to none of these rules.
#[test]
fn every_crate_is_among_the_folders_that_are_looked_at() {
    let manifest: toml::Table = toml::from_str(&read(&root().join("Cargo.toml"))).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let folder = |member: &toml::Value| member.as_str().unwrap().split('/').next().unwrap().to_owned();
    let left_out: Vec<String> =
        members.iter().map(folder).filter(|folder| !OURS.contains(&folder.as_str())).collect();
    assert!(left_out.is_empty(), "add them to the list above: {left_out:?}");
}

#[test]
fn no_rust_file_is_longer_than_600_lines() {
    let long = files("rs").into_iter().filter_map(|file| {
        let lines = read(&file).lines().count();
        (lines > MOST_LINES).then(|| format!("{} has {lines} lines", shown(&file)))
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "split by what they do: {long:?}");
}

#[test]
fn every_rust_file_opens_with_what_it_is() {
    let silent = files("rs").into_iter().filter(|file| !read(file).starts_with("//!"));
    let silent: Vec<String> = silent.map(|file| shown(&file)).collect();
    assert!(silent.is_empty(), "begin them with `//!` and a sentence: {silent:?}");
}

#[test]
fn nothing_is_left_for_later_in_a_comment() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X:"];
    let mut left = Vec::new();
    for file in files("rs").into_iter().chain(files("js")).chain(files("css")) {
        for (number, line) in read(&file).lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                left.push(format!("{}:{}", shown(&file), number + 1));
            }
        }
    }
    assert!(left.is_empty(), "do it, or write an issue: {left:?}");
}

/// A registry is one list in `mod.rs`; a file that declares an `Entry` and is not in it would never be found.
#[test]
fn every_method_stands_once_in_its_registry() {
    let mut wrong = Vec::new();
    for family in ["path", "time", "coupling", "schedule", "solver", "guidance"] {
        let folder = root().join("flow").join("src").join(family);
        let list = read(&folder.join("mod.rs"));
        for file in xtask::web::files_below(&folder).unwrap() {
            let stem = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let declares = read(&file).contains("&Entry {") && stem != "mod" && stem != "tests";
            let listed = types_named(&list, &stem);
            if declares && listed != 1 {
                wrong.push(format!("{} stands {listed} times in the list of {family}/mod.rs", shown(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// How often a type of this module is named: `heun::Heun`, but not the constant `heun::ID`.
fn types_named(text: &str, module: &str) -> usize {
    let path = format!("{module}::");
    let starts_word =
        |at: usize| !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    let named =
        text.match_indices(&path).filter(|(at, _)| starts_word(*at)).map(|(at, _)| &text[at + path.len()..]);
    let words = named.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    words.filter(|word| word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase)).count()
}

#[test]
fn every_id_is_unique_in_its_family_and_speaks_for_itself() {
    for family in flow::registry::families() {
        let mut ids = Vec::new();
        for entry in family.entries {
            assert!(!ids.contains(&entry.id), "two {} called {}", family.plural, entry.id);
            assert!(
                !entry.label.is_empty() && !entry.about.is_empty(),
                "{} {} says nothing",
                family.kind,
                entry.id
            );
            ids.push(entry.id);
        }
    }
}

/// The `cargo xtask` lines of a Markdown file's code blocks.
fn xtask_lines(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside && line.trim_start().starts_with("cargo xtask") {
            let command = line.split('#').next().unwrap_or(line);
            found.extend(command.split("&&").map(|part| part.trim().to_owned()));
        }
    }
    found
}

#[test]
fn the_commands_that_the_documents_name_exist() {
    let readme = xtask_lines(&read(&root().join("README.md")));
    assert!(
        readme.iter().any(|line| line.starts_with("cargo xtask demo")),
        "the README's first command is the demo"
    );
    assert!(
        readme.iter().any(|line| line.starts_with("cargo xtask test")),
        "the README's second one is the test"
    );
    let documents = files("md").into_iter().flat_map(|file| xtask_lines(&read(&file)));
    for line in documents.filter(|line| line.starts_with("cargo xtask")) {
        let words = line.strip_prefix("cargo ").unwrap().split_whitespace();
        if let Err(error) = xtask::cli::Cli::try_parse_from(words) {
            panic!("`{line}` is not understood: {error}");
        }
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for file in files("md") {
        let text = read(&file);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or(link);
            let local = !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:");
            if local && !file.parent().unwrap().join(path).exists() {
                broken.push(format!("{}: {link}", shown(&file)));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

/// Whether a line of the fuzz targets' manifest names a version, other than its own, that is not pinned.
fn loose_in_fuzz(line: &str) -> bool {
    line.contains("version = \"") && line != "version = \"0.1.0\"" && !line.contains("version = \"=")
}

/// A range would build something else tomorrow than what was tested today.
#[test]
fn every_dependency_is_pinned_in_the_root() {
    let manifest = read(&root().join("Cargo.toml"));
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let entries = section.lines().filter(|line| line.contains('=') && !line.trim_start().starts_with('#'));
    let loose: Vec<&str> = entries.filter(|line| !line.contains("\"=") && !line.contains("path =")).collect();
    assert!(loose.is_empty(), "pin them as \"=x.y.z\": {loose:?}");
    let own: Vec<String> = files("toml")
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "Cargo.toml"))
        // A workspace of its own cannot take versions from here, but pins them as well.
        .filter(|file| {
            let (fuzz, manifest) = (shown(file).starts_with("fuzz"), read(file));
            let version = |line: &str| if fuzz { loose_in_fuzz(line) } else { line.contains("version = \"") };
            manifest.lines().any(version)
        })
        .map(|file| shown(&file))
        .collect();
    assert!(own.is_empty(), "name the version in the root manifest: {own:?}");
}
