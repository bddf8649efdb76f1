//! What there is to train: the recipes of a folder with their sizes, what they cost, and what came of them.
//!
//! Recipes are read as TOML of any layout, so that a kind that this page does not know is listed too. The cost is three
//! times the multiply-adds of an evaluation (forwards once, backwards twice) for every image seen.

use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use model_export::manifest::Manifest;
use models::{Architecture, ClassifierConfig};
use serde::Serialize;
use std::path::Path;
use toml::{Table, Value};

/// One recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// The file's name, without its ending.
    pub file: String,
    /// The id of what it trains.
    pub name: String,
    /// One line about it.
    pub about: String,
    /// `flow`, `classifier`, `study`, or the first section that says what else it is.
    pub what: String,
    /// The data set, where it is not MNIST.
    pub dataset: Option<String>,
    /// The network in a few words.
    pub network: Option<String>,
    /// Number of trained values.
    pub parameters: Option<u64>,
    /// Multiply-adds of one evaluation of one image.
    pub multiply_adds: Option<u64>,
    /// Images that the training sees.
    pub images: Option<u64>,
    /// Multiply-adds of the whole training, about.
    pub cost: Option<f64>,
    /// What was measured of the shipped model of this name.
    pub result: Option<Outcome>,
}

/// What was measured of a model, with the plan of its best Fréchet distance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Share of digits that the judge reads as asked, or the judge's own accuracy.
    pub accuracy: Option<f64>,
    /// The Fréchet distance.
    pub fid: Option<f64>,
    /// The plan.
    pub plan: Option<String>,
}

/// Reads all recipes of a folder, by file name; `manifest` is where results stand, if anywhere.
///
/// # Errors
/// A folder that cannot be read or holds no recipe, and a file that is not TOML.
pub fn read(folder: &Path, manifest: Option<&Path>) -> Result<Vec<Listed>> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {shown}"))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        bail!("{shown} holds no recipe: give a folder with .toml files");
    }
    let manifest = manifest.and_then(|path| {
        // Without a manifest nothing ships yet, and nothing is missing.
        Manifest::parse(&std::fs::read_to_string(path).ok()?).ok()
    });
    paths.iter().map(|path| one(path, manifest.as_ref())).collect()
}

fn one(path: &Path, manifest: Option<&Manifest>) -> Result<Listed> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| {
        let value = table.get("train")?.get(key)?.as_integer()?;
        u64::try_from(value).ok()
    };
    let device = Device::flex();
    let mut listed = Listed {
        file: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        name: text("name"),
        about: first_line(if text("about").is_empty() || table.contains_key("part") {
            text("title")
        } else {
            text("about")
        }),
        what: what(&table).to_owned(),
        dataset: dataset(&table),
        network: None,
        parameters: None,
        multiply_adds: None,
        images: number("batch").zip(number("steps")).and_then(|(batch, steps)| batch.checked_mul(steps)),
        cost: None,
        result: None,
    };
    let judge = table.get("classifier").and_then(|section| section.get("network"));
    if let Some(section) = table.get("architecture") {
        listed.network = section.get("kind").and_then(Value::as_str).map(|kind| described(kind, section));
        if let Ok(architecture) = section.clone().try_into::<Architecture>()
            && architecture.validate().is_ok()
        {
            listed.parameters = Some(architecture.parameters(&device));
            listed.multiply_adds = Some(architecture.multiply_adds());
        }
    } else if let Some(section) = judge {
        listed.network = Some(described("classifier", section));
        if let Ok(network) = section.clone().try_into::<ClassifierConfig>() {
            listed.parameters = Some(network.init(&device).num_params() as u64);
        }
    }
    listed.cost =
        listed.multiply_adds.zip(listed.images).map(|(each, images)| 3.0 * each as f64 * images as f64);
    listed.result = manifest.and_then(|manifest| outcome(manifest, &listed.name));
    Ok(listed)
}

fn first_line(text: String) -> String {
    text.trim().lines().next().unwrap_or_default().to_owned()
}

/// What a recipe is for. A section that says more than `[flow]` comes first.
fn what(table: &Table) -> &str {
    if table.contains_key("part") {
        return "study";
    }
    let common = ["architecture", "normalization", "flow", "train", "output", "classifier"];
    let own = table.iter().find(|(key, value)| value.is_table() && !common.contains(&key.as_str()));
    match own {
        Some((key, _)) => key,
        None if table.contains_key("classifier") => "classifier",
        None if table.contains_key("flow") => "flow",
        None => "other",
    }
}

fn dataset(table: &Table) -> Option<String> {
    match table.get("dataset")? {
        Value::String(name) => Some(name.clone()),
        Value::Table(section) => {
            ["kind", "name"].iter().find_map(|key| Some(section.get(*key)?.as_str()?.to_owned()))
        }
        _ => None,
    }
}

/// A network by its kind and its widths: `unet 32-64`.
fn described(kind: &str, section: &Value) -> String {
    let list = |value: &Value| match value {
        Value::Array(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join("-"),
        other => other.to_string(),
    };
    let widths = ["channels", "width", "dim", "hidden"].iter().find_map(|key| section.get(*key).map(list));
    widths.map_or_else(|| kind.to_owned(), |widths| format!("{kind} {widths}"))
}

fn outcome(manifest: &Manifest, name: &str) -> Option<Outcome> {
    let metrics = &manifest.entry(name)?.metrics;
    let of = |value: &serde_json::Value| Outcome {
        accuracy: value["accuracy"].as_f64(),
        fid: value["fid"].as_f64(),
        plan: value["plan"].as_str().map(str::to_owned),
    };
    let told = |outcome: &Outcome| outcome.accuracy.is_some() || outcome.fid.is_some();
    let all = metrics["evaluations"].as_array().into_iter().flatten().map(of).filter(told);
    let best = all.min_by(|a, b| a.fid.unwrap_or(f64::INFINITY).total_cmp(&b.fid.unwrap_or(f64::INFINITY)));
    best.or_else(|| Some(of(metrics)).filter(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Vec<Listed> {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        read(&root.join("recipes"), Some(&root.join("public/models/manifest.json"))).unwrap()
    }

    #[test]
    fn every_shipped_recipe_is_listed_with_what_it_is() {
        let all = shipped();
        let find = |file: &str| all.iter().find(|l| l.file == file).unwrap();
        let flagship = find("mnist-unet");
        assert_eq!((flagship.what.as_str(), flagship.network.as_deref()), ("flow", Some("unet 32-64")));
        assert_eq!(flagship.images, Some(64 * 16_000));
        let (each, cost) = (flagship.multiply_adds.unwrap(), flagship.cost.unwrap());
        assert_eq!(cost, 3.0 * each as f64 * 1_024_000.0);
        assert!(flagship.parameters.unwrap() > 100_000);
        assert!(flagship.result.as_ref().unwrap().fid.unwrap() < 20.0);
        let judge = find("mnist-classifier");
        assert_eq!(
            (judge.what.as_str(), judge.network.as_deref()),
            ("classifier", Some("classifier 16-32-64"))
        );
        assert!(judge.parameters.is_some());
        let study = find("study");
        assert_eq!((study.what.as_str(), study.images, study.cost), ("study", None, None));
        assert!(study.about.contains("Quality"), "{}", study.about);
    }

    #[test]
    fn a_kind_that_is_not_known_here_is_listed_by_its_section() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = \"x\"\nabout = \"y\"\ndataset = \"emnist\"\n[autoencoder]\nlatent = 4\n\
                    [architecture]\nkind = \"dit\"\nwidth = 96\n[train]\nbatch = 8\nsteps = 10\n";
        std::fs::write(folder.path().join("x.toml"), text).unwrap();
        let all = read(folder.path(), None).unwrap();
        assert_eq!((all[0].what.as_str(), all[0].dataset.as_deref()), ("autoencoder", Some("emnist")));
        assert_eq!((all[0].network.as_deref(), all[0].images), (Some("dit 96"), Some(80)));
        std::fs::write(folder.path().join("y.toml"), "name =").unwrap();
        assert!(format!("{:#}", read(folder.path(), None).unwrap_err()).contains("y.toml"));
    }

    #[test]
    fn a_folder_without_recipes_says_what_it_should_hold() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), None).unwrap_err().to_string().contains(".toml"));
        assert!(read(&folder.path().join("none"), None).unwrap_err().to_string().contains("none"));
    }
}
