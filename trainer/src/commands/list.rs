//! `flow-digits list`: the registries, as a table, as JSON or as a page of Markdown.

use anyhow::{Context, Result, bail};
use flow::solver::Solver;
use model_export::manifest::Manifest;
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  flow-digits list
  flow-digits list solvers
  flow-digits list schedules --json
  flow-digits list --markdown";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// solvers, controllers, schedules, paths, couplings, times, guidance or models; all of them without it
    family: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// As Markdown, all of them but the models: docs/solvers-and-schedules.md
    #[arg(long, conflicts_with_all = ["json", "family"])]
    markdown: bool,
    /// Folder of the models' manifest
    #[arg(long, default_value = super::MODELS)]
    models: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.markdown {
        trainer::outln!("{}", trainer::reference::markdown().trim_end());
        return Ok(());
    }
    let families = flow::registry::families();
    let known: Vec<&str> = families.iter().map(|f| f.plural).chain(["models"]).collect();
    if let Some(asked) = &args.family
        && !known.contains(&asked.as_str())
    {
        bail!("unknown registry `{asked}`; accepted are {}", known.join(", "));
    }
    let wanted = |name: &str| args.family.as_deref().is_none_or(|f| f == name);
    let mut all = serde_json::Map::new();
    for family in families.iter().filter(|f| wanted(f.plural)) {
        let entries: Vec<Value> = family.entries.iter().map(|e| describe(family.plural, e)).collect();
        all.insert(family.plural.to_owned(), Value::Array(entries));
    }
    if wanted("models") {
        all.insert("models".into(), models(&args.models, args.family.is_some())?);
    }
    if args.json {
        trainer::outln!("{}", serde_json::to_string_pretty(&Value::Object(all))?);
    } else {
        trainer::outln!("{}", table(&all, &known).trim_end());
    }
    Ok(())
}

fn describe(family: &str, entry: &flow::registry::Entry) -> Value {
    let parameters: Vec<Value> = entry
        .params
        .iter()
        .map(|p| {
            json!({"name": p.name, "label": p.label, "about": p.about, "default": p.default, "min": p.min, "max": p.max, "step": p.step})
        })
        .collect();
    let mut value = json!({
        "id": entry.id, "label": entry.label, "about": entry.about, "formula": entry.formula,
        "source": entry.source, "parameters": parameters,
    });
    if family == "solvers"
        && let Ok(solver) = entry.id.parse::<Solver>()
    {
        value["order"] = json!(solver.order());
        value["evaluations_per_step"] = json!(solver.evaluations_per_step());
        value["adaptive"] = json!(solver.adaptive());
    }
    value
}

fn models(dir: &std::path::Path, required: bool) -> Result<Value> {
    let path = dir.join("manifest.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) if !required => return Ok(json!([])),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let manifest = Manifest::parse(&text).with_context(|| path.display().to_string())?;
    Ok(serde_json::to_value(manifest.models)?)
}

fn table(all: &serde_json::Map<String, Value>, order: &[&str]) -> String {
    let mut out = String::new();
    for (family, entries) in order.iter().filter_map(|family| all.get_key_value(*family)) {
        out.push_str(&format!("{family}\n"));
        for entry in entries.as_array().into_iter().flatten() {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            let mut facts = String::new();
            if let (Some(order), Some(cost)) =
                (entry["order"].as_u64(), entry["evaluations_per_step"].as_u64())
            {
                let adaptive = if entry["adaptive"] == json!(true) { ", adaptive" } else { "" };
                let plural = if cost == 1 { "" } else { "s" };
                facts = format!(" [order {order}, {cost} evaluation{plural} a step{adaptive}]");
            }
            if let Some(bytes) = entry["bytes"].as_u64() {
                let cost = entry["multiply_adds"].as_f64().unwrap_or_default() / 1e6;
                facts =
                    format!(" [{}, {cost:.1} M multiply-adds, {:.0} kB]", text("kind"), bytes as f64 / 1e3);
            }
            out.push_str(&format!("  {:24} {}: {}{facts}\n", text("id"), text("label"), text("about")));
            for p in entry["parameters"].as_array().into_iter().flatten() {
                out.push_str(&format!(
                    "      {}: {} to {}, default {}; {}\n",
                    p["name"].as_str().unwrap_or_default(),
                    p["min"],
                    p["max"],
                    p["default"],
                    p["about"].as_str().unwrap_or_default()
                ));
            }
        }
    }
    out
}
