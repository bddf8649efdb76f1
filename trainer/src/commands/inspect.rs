//! `flow-digits inspect`.

use anyhow::{Context, Result};
use burn::module::Module;
use burn::tensor::Device;
use models::Architecture;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use trainer::recipe::Recipe;
use trainer::source::{open_checkpoint, read_verified};

const EXAMPLES: &str = "\
Examples:
  flow-digits inspect recipes/mnist-unet.toml
  flow-digits inspect public/models/mnist-unet.safetensors
  flow-digits inspect runs/mnist-unet --json";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A recipe, a model file, a run folder or a checkpoint
    what: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let facts = facts(&args.what)?;
    if args.json {
        trainer::outln!("{}", serde_json::to_string_pretty(&facts)?);
        return Ok(());
    }
    for (key, value) in facts.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => trainer::outln!("{key:16} {text}"),
            Value::Object(map) => {
                trainer::outln!("{key}");
                for (key, value) in map {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let short: String = text.chars().take(100).collect();
                    let cut = if short.len() < text.len() { " ..." } else { "" };
                    trainer::outln!("  {key:20} {short}{cut}");
                }
            }
            other => trainer::outln!("{key:16} {other}"),
        }
    }
    Ok(())
}

fn facts(path: &Path) -> Result<Value> {
    if path.is_dir() {
        let checkpoint = open_checkpoint(path)?;
        let state = checkpoint.state();
        let mut facts = recipe_facts(&checkpoint.recipe()?);
        facts["step"] = json!(state.step);
        facts["images"] = json!(state.images);
        facts["device"] = json!(state.device);
        facts["hours"] = json!((state.seconds / 36.0).round() / 100.0);
        return Ok(facts);
    }
    if path.extension().is_some_and(|e| e == "toml") {
        return Ok(recipe_facts(&Recipe::load(path, &[])?));
    }
    let bytes = read_verified(path, "give a recipe, a .safetensors file, a checkpoint or a run folder")?;
    let file = model_export::read(&bytes).with_context(|| path.display().to_string())?;
    let h = &file.header;
    let mut facts = json!({
        "name": h.name, "kind": h.kind.id(), "file_bytes": bytes.len(), "precision": file.precision.id(),
        "tensors": file.tensors.len(), "parameters": file.parameters(),
    });
    if let Ok(architecture) = serde_json::from_value::<Architecture>(h.architecture.clone()) {
        facts["multiply_adds"] = json!(architecture.multiply_adds());
    }
    facts["architecture"] = h.architecture.clone();
    facts["path"] = json!(h.path);
    facts["training"] = h.training.clone();
    facts["metrics"] = h.metrics.clone();
    Ok(facts)
}

fn recipe_facts(recipe: &Recipe) -> Value {
    let device = Device::flex();
    let mut facts = json!({"name": recipe.name, "about": recipe.about});
    if let Some(architecture) = &recipe.architecture {
        facts["parameters"] = json!(architecture.parameters(&device));
        facts["multiply_adds"] = json!(architecture.multiply_adds());
        facts["architecture"] = json!(architecture);
    }
    if let Some(judge) = &recipe.classifier {
        facts["parameters"] = json!(judge.network.init(&device).num_params());
        facts["architecture"] = json!(judge.network);
    }
    if let Some(coder) = &recipe.autoencoder {
        facts["parameters"] = json!(coder.network.init(&device).num_params());
        facts["decoder_multiply_adds"] = json!(coder.network.decoding_multiply_adds());
        facts["architecture"] = json!(coder.network);
    }
    if let Some(latent) = &recipe.latent {
        facts["latents_of"] = json!(latent.autoencoder);
    }
    facts["dataset"] = json!(recipe.dataset.id());
    facts["train"] = json!(recipe.train);
    facts
}
