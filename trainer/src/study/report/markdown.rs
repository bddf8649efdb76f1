//! The report that people read.

use super::{Findings, differing, head, label};
use crate::study::{Row, Settled, Verdict};
use std::fmt::Write;
use std::path::Path;

/// The whole page.
pub(super) fn text(findings: &Findings, recipe: &Path) -> String {
    let study = &findings.recipe;
    let mut page = String::new();
    let p = &mut page;
    // Writing to a string never fails.
    let _ = writeln!(p, "# {}\n\n{}\n", study.title, study.about.trim());
    let _ = writeln!(
        p,
        "Made by `flow-digits study {}`; with `--report-only` from the ledger alone. {} images a cell unless \
        said otherwise, the digits 0 to 9 in turn, noises of seed {}, the same in every cell. FID over the features of {}, \
        against the {}; below, the distance, half of its 95% interval (bootstrap over the images), and the share of images \
        that the judge reads as asked. Bold is the best of a column. Evaluations are those of the network an image, counted \
        where it is called; guidance counts both branches. Every cell, with accuracy intervals, straightness, distance from \
        the reference solution and time: [cells.csv]({}/cells.csv).\n",
        recipe.display(),
        study.images,
        study.seed,
        findings.extractor,
        findings.reference,
        study.name
    );
    if !findings.verdicts.is_empty() {
        claims(p, &findings.verdicts);
    }
    for (number, part) in study.parts.iter().enumerate() {
        let rows: Vec<&Row> = findings.of_part(number).collect();
        let _ = writeln!(p, "## {}\n\n{}\n", part.title, part.about.trim());
        if let Some(images) = part.images {
            let _ = writeln!(p, "{images} images a cell.\n");
        }
        if rows.iter().any(|row| row.figure().is_some()) {
            let _ = writeln!(p, "![{}]({}/{}.svg)\n", part.title, study.name, part.id);
        }
        grids(p, &rows);
        impossible(p, &rows);
    }
    page
}

fn claims(p: &mut String, verdicts: &[Verdict]) {
    let _ = writeln!(
        p,
        "## What held\n\nA pair of cells that differ in nothing else speaks for or against a claim when the 95% \
        interval of the difference of their distances (paired bootstrap: the same noises, resampled alike) leaves 0 out. \
        A claim holds when no pair speaks against it and at least half speak for it.\n"
    );
    let _ =
        writeln!(p, "| claim | on MNIST | for | against | undecided | source |\n|---|---|---|---|---|---|");
    for verdict in verdicts {
        let [pro, contra, open] = verdict.counts;
        let _ = writeln!(
            p,
            "| {} | **{}** | {pro} | {contra} | {open} | {} |",
            verdict.says, verdict.conclusion, verdict.source
        );
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.comparisons.is_empty()) {
        let _ = writeln!(p, "\n<details><summary>{} ({})</summary>\n", verdict.says, verdict.conclusion);
        let _ = writeln!(
            p,
            "| pair | FID, claimed better | FID, other side | difference | 95% interval |\n|---|---|---|---|---|"
        );
        for pair in &verdict.comparisons {
            let _ = writeln!(
                p,
                "| {} | {:.2} | {:.2} | {:+.2} | {:+.2} to {:+.2} |",
                pair.shared, pair.better, pair.than, pair.difference, pair.low, pair.high
            );
        }
        let _ = writeln!(p, "\n</details>");
    }
    let _ = writeln!(p);
}

/// A table for each solver that differs together with something else; columns are what may be spent.
fn grids(p: &mut String, rows: &[&Row]) {
    let mut differ = differing(rows);
    let split = differ[2] && differ[3] && rows.len() > 60;
    let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in rows {
        let group = if split { row.cell.plan.solver.to_string() } else { String::new() };
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, members)) => members.push(row),
            None => groups.push((group, vec![row])),
        }
    }
    if split {
        differ[2] = false;
    }
    for (name, members) in groups {
        if !name.is_empty() {
            let _ = writeln!(p, "### {name}\n");
        }
        grid(p, &members, differ);
    }
}

fn grid(p: &mut String, rows: &[&Row], differ: [bool; 4]) {
    let mut columns: Vec<String> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for row in rows {
        let (column, line) = (head(row.cell.allowance), label(row, differ));
        if !columns.contains(&column) {
            columns.push(column);
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let at = |line: &str, column: &str| {
        rows.iter().find(|row| head(row.cell.allowance) == *column && label(row, differ) == *line)
    };
    let _ = writeln!(p, "| | {} |\n|---|{}", columns.join(" | "), "---|".repeat(columns.len()));
    for line in &lines {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| {
                let best = lines
                    .iter()
                    .filter_map(|other| Some(at(other, column)?.figure()?.1.fid))
                    .fold(f64::INFINITY, f64::min);
                at(line, column).map_or(String::new(), |row| cell(row, best))
            })
            .collect();
        let _ = writeln!(p, "| {line} | {} |", cells.join(" | "));
    }
    let _ = writeln!(p);
}

fn cell(row: &Row, best: f64) -> String {
    match &row.settled {
        Settled::Missing => "...".to_owned(),
        Settled::Impossible(_) => "–".to_owned(),
        Settled::Figure(_, figure) => {
            let digits = if figure.fid < 100.0 { 2 } else { 0 };
            let half = 0.5 * (figure.fid_high - figure.fid_low);
            let fid = format!("{:.digits$}", figure.fid);
            let fid = if figure.fid == best { format!("**{fid}**") } else { fid };
            let spent = match row.cell.allowance {
                super::Allowance::Evaluations(n) if (figure.evaluations - n as f64).abs() < 1e-6 => {
                    String::new()
                }
                _ => format!(" ({:.1} ev.)", figure.evaluations),
            };
            format!("{fid} ±{half:.digits$}, {:.1}%{spent}", 100.0 * figure.accuracy)
        }
    }
}

/// Each reason once, with how many cells it left empty.
fn impossible(p: &mut String, rows: &[&Row]) {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        if let Settled::Impossible(why) = &row.settled {
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, count)) => *count += 1,
                None => reasons.push((why, 1)),
            }
        }
    }
    if !reasons.is_empty() {
        let told: Vec<String> = reasons.iter().map(|(why, count)| format!("{why} ({count})")).collect();
        let _ = writeln!(p, "Cells that cannot be (–): {}.\n", told.join("; "));
    }
}
