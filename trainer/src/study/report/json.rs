//! The figures as JSON, for the page and for whoever computes with them.

use super::{Allowance, Findings};
use crate::study::Settled;
use anyhow::Result;
use serde_json::{Value, json};

/// The version of this format.
const FORMAT: u32 = 1;

/// The whole study, without the bootstrap's resamples.
pub(super) fn text(findings: &Findings) -> Result<String> {
    let recipe = &findings.recipe;
    let parts: Vec<Value> = recipe
        .parts
        .iter()
        .enumerate()
        .map(|(number, part)| {
            let cells: Vec<Value> = findings.of_part(number).map(cell).collect();
            json!({
                "id": part.id,
                "title": part.title,
                "about": part.about.trim(),
                "axis": part.plot,
                "cells": cells,
            })
        })
        .collect();
    let claims: Vec<Value> = findings
        .verdicts
        .iter()
        .map(|verdict| {
            let [pro, contra, open] = verdict.counts;
            json!({
                "id": verdict.id,
                "says": verdict.says,
                "source": verdict.source,
                "part": verdict.part,
                "conclusion": verdict.conclusion,
                "for": pro,
                "against": contra,
                "undecided": open,
                "closer": verdict.closer,
            })
        })
        .collect();
    let whole = json!({
        "format": FORMAT,
        "name": recipe.name,
        "title": recipe.title,
        "about": recipe.about.trim(),
        "seed": recipe.seed,
        "extractor": findings.extractor,
        "reference": findings.reference,
        "parts": parts,
        "claims": claims,
    });
    // A line a cell: small, and readable when it changes.
    let mut text = serde_json::to_string(&whole)?;
    for from in ["{\"model\":", "{\"about\":", "{\"against\":"] {
        text = text.replace(from, &format!("\n{from}"));
    }
    text.push('\n');
    // Plain text for whoever shows it; the backticks of Markdown belong to the report.
    Ok(text.replace('`', ""))
}

fn cell(row: &crate::study::Row) -> Value {
    let [model, guidance, solver, schedule] = row.names();
    let mut value = json!({ "model": model, "guidance": guidance, "solver": solver, "schedule": schedule });
    let mut put = |key: &str, what: Value| {
        if let Some(object) = value.as_object_mut() {
            object.insert(key.to_owned(), what);
        }
    };
    match row.cell.allowance {
        Allowance::Evaluations(n) => put("budget", json!(n)),
        Allowance::Tolerance(tolerance) => put("tolerance", json!(tolerance)),
    }
    match &row.settled {
        Settled::Missing => put("missing", json!(true)),
        Settled::Impossible(why) => put("impossible", json!(why)),
        Settled::Figure(plan, figure) => {
            let (low, high) = figure.accuracy_interval();
            put("plan", json!(plan.to_string()));
            put("evaluations", json!(round(figure.evaluations, 2)));
            put("images", json!(figure.images));
            put("fid", json!([figure.fid, figure.fid_low, figure.fid_high].map(|v| round(v, 4))));
            put("accuracy", json!([figure.accuracy, low, high].map(|v| round(v, 5))));
            put("bend", json!(round(figure.bend, 5)));
            put("length", json!(round(figure.length, 5)));
            if let Some(error) = figure.error {
                put("error", json!(round(error, 6)));
            }
            put("ms_per_image", json!(round(1000.0 * figure.seconds / figure.images as f64, 3)));
        }
    }
    value
}

fn round(value: f64, digits: i32) -> f64 {
    let unit = 10f64.powi(digits);
    (value * unit).round() / unit
}
