//! Every cell as a line of CSV.

use super::{Findings, head};
use crate::study::Settled;

/// The columns, in their order.
const COLUMNS: [&str; 20] = [
    "part",
    "model",
    "guidance",
    "solver",
    "schedule",
    "allowance",
    "steps",
    "evaluations",
    "most_evaluations",
    "images",
    "fid",
    "fid_low",
    "fid_high",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "error",
    "bend",
    "length",
    "ms_per_image",
];

/// All cells; one that was not computed has a remark in the place of its figures.
pub(super) fn csv(findings: &Findings) -> String {
    let mut text = format!("{},remark\n", COLUMNS.join(","));
    for row in &findings.rows {
        let [model, guidance, solver, schedule] = row.names();
        let part = findings.recipe.parts[row.cell.part].id.clone();
        let mut fields = vec![part, model, guidance, solver, schedule, head(row.cell.allowance)];
        let remark = match &row.settled {
            Settled::Figure(_, figure) => {
                let (low, high) = figure.accuracy_interval();
                fields.push(figure.steps.map_or(String::new(), |n| n.to_string()));
                fields.push(format!("{:.2}", figure.evaluations));
                fields.push(figure.most_evaluations.to_string());
                fields.push(figure.images.to_string());
                fields.extend([figure.fid, figure.fid_low, figure.fid_high].map(|v| format!("{v:.4}")));
                fields.extend([figure.accuracy, low, high].map(|v| format!("{v:.5}")));
                fields.push(figure.error.map_or(String::new(), |error| format!("{error:.6}")));
                fields.extend([figure.bend, figure.length].map(|v| format!("{v:.5}")));
                fields.push(format!("{:.3}", 1000.0 * figure.seconds / figure.images as f64));
                String::new()
            }
            Settled::Missing => "not computed".to_owned(),
            Settled::Impossible(why) => why.clone(),
        };
        fields.resize(COLUMNS.len(), String::new());
        fields.push(remark);
        text.push_str(&fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

/// A field that holds a comma or a quote stands in quotes (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
