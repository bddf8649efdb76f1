//! The report of a study: Markdown for people, a CSV of every cell for researchers, SVG plots, and JSON for the page.

use super::Findings;
use super::cell::Allowance;
use super::findings::Row;
use anyhow::Result;
use model_export::write_atomically;
use std::path::{Path, PathBuf};

mod curves;
mod json;
mod markdown;
mod plots;
mod table;

/// Writes `NAME.md`, `NAME/cells.csv`, `NAME/PART.svg` and `NAME/results.json` into `out`, and the JSON once more to
/// `public`; returns what was written.
///
/// # Errors
/// A folder or file that cannot be written; what was there stays.
pub fn write(findings: &Findings, recipe: &Path, out: &Path, public: &Path) -> Result<Vec<PathBuf>> {
    let name = &findings.recipe.name;
    let folder = out.join(name);
    let mut files = plots::draw(findings, &folder)?;
    let json = json::text(findings)?;
    files.push((folder.join("cells.csv"), table::csv(findings)));
    files.push((folder.join("results.json"), json.clone()));
    files.push((out.join(format!("{name}.md")), markdown::text(findings, recipe)));
    files.push((public.to_owned(), json));
    let mut written = Vec::with_capacity(files.len());
    for (path, text) in files {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        write_atomically(&path, text.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// What a cell may spend, as a column's head.
fn head(allowance: Allowance) -> String {
    match allowance {
        Allowance::Evaluations(n) => n.to_string(),
        Allowance::Tolerance(tolerance) => format!("tol {tolerance}"),
    }
}

/// Which of model, guidance, solver and schedule differ among rows.
fn differing(rows: &[&Row]) -> [bool; 4] {
    let mut differ = [false; 4];
    let Some(first) = rows.first().map(|row| row.names()) else { return differ };
    for row in rows {
        for (i, name) in row.names().iter().enumerate() {
            differ[i] |= *name != first[i];
        }
    }
    differ
}

/// A row's names, those that differ among its fellows.
fn label(row: &Row, differ: [bool; 4]) -> String {
    let [model, guidance, solver, schedule] = row.names();
    let tolerant = matches!(row.cell.allowance, Allowance::Tolerance(_));
    let schedule = if tolerant { String::new() } else { schedule };
    let words: Vec<String> = [model, format!("guidance {guidance}"), solver, schedule]
        .into_iter()
        .zip(differ)
        .filter(|(word, differs)| *differs && !word.is_empty())
        .map(|(word, _)| word)
        .collect();
    if words.is_empty() { row.cell.plan.solver.to_string() } else { words.join(" ") }
}
