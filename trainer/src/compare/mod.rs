//! Models, solvers or guidances side by side: the same noises, each model with its own plan if it has one, and how far
//! their images are from the first one's. What is drawn of it is a [`sheet`].

pub mod sheet;

use crate::evaluation::plan_text;
use crate::film::{Cast, Take, shoot};
use crate::sampler::Sampler;
use crate::source::{Origin, Source};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use flow::plan::{Budget, SamplePlan};
use model_export::manifest::Manifest;
use std::path::{Path, PathBuf};

/// One of those that are compared: a model, and what its plan says otherwise than the common one.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A file, a run folder, a checkpoint, or an id of the manifest.
    pub model: String,
    /// `field=value&...`, or nothing.
    pub own: String,
}

/// One that was compared.
pub struct Compared {
    /// The model's name.
    pub name: String,
    /// Channels, height and width of its images.
    pub image: [usize; 3],
    /// Its plan.
    pub plan: SamplePlan,
    /// What its file says was measured with such a plan.
    pub measured: Option<Measured>,
    /// What it drew.
    pub take: Take,
    /// The root of the mean squared difference of its pixels from the first one's.
    pub distance: f64,
}

/// What was measured of a model with a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Share of digits that the judge reads as asked.
    pub accuracy: f64,
    /// The Fréchet distance of the judge's features.
    pub fid: f64,
}

impl Entry {
    /// Reads `MODEL` or `MODEL@field=value&...`.
    pub fn parse(text: &str) -> Self {
        // A path may hold an @ of its own: a plan has a = behind it.
        match text.rsplit_once('@').filter(|(_, own)| own.contains('=')) {
            Some((model, own)) => Self { model: model.to_owned(), own: own.to_owned() },
            None => Self { model: text.to_owned(), own: String::new() },
        }
    }

    /// The common plan with what this one says otherwise. All draw the same images: which, is said once for all.
    ///
    /// # Errors
    /// A field that is no plan's, a value out of range, or a field that decides what is drawn.
    pub fn plan(&self, common: &SamplePlan) -> Result<SamplePlan> {
        let key = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let own: Vec<&str> = self.own.split('&').filter(|pair| !pair.is_empty()).collect();
        if let Some(pair) = own.iter().find(|p| ["seed", "digit", "count", "model"].contains(&&*key(p))) {
            bail!(
                "{}@{}: {pair} decides what is drawn, which is the same for all; --seed, --digit and --count say it",
                self.model,
                self.own
            );
        }
        let budget = |key: &str| key == "steps" || key == "tol";
        let replaced = |pair: &str| {
            own.iter().any(|own| key(own) == key(pair) || (budget(&key(own)) && budget(&key(pair))))
        };
        let common = common.to_string();
        let kept = common.split('&').filter(|pair| !replaced(pair));
        let text: Vec<&str> = kept.chain(own.iter().copied()).collect();
        text.join("&").parse().with_context(|| format!("{}@{}", self.model, self.own))
    }

    /// Where the model is: the path that it names, or the file of that id in the manifest of `models`.
    ///
    /// # Errors
    /// Neither; the error names the ids.
    pub fn locate(&self, models: &Path) -> Result<PathBuf> {
        let path = PathBuf::from(&self.model);
        if path.exists() || self.model.contains(['/', '\\']) || self.model.ends_with(".safetensors") {
            return Ok(path);
        }
        let manifest = models.join("manifest.json");
        let text = std::fs::read_to_string(&manifest).with_context(|| {
            format!("{} is no file or folder, and no manifest is at {}", self.model, manifest.display())
        })?;
        let manifest = Manifest::parse(&text).with_context(|| manifest.display().to_string())?;
        match manifest.entry(&self.model) {
            Some(entry) => Ok(models.join(&entry.file)),
            None => {
                let ids: Vec<&str> = manifest.models.iter().map(|entry| entry.id.as_str()).collect();
                let likely = ids.iter().max_by(|a, b| {
                    let near = |id: &str| strsim::jaro_winkler(id, &self.model);
                    near(a).total_cmp(&near(b))
                });
                let hint = likely.map(|id| format!(" (did you mean `{id}`?)")).unwrap_or_default();
                bail!(
                    "{} is no file, no folder and no model of {}{hint}; its models: {}",
                    self.model,
                    models.display(),
                    ids.join(", ")
                )
            }
        }
    }
}

/// Draws the common plan's images with one model, filmed at `times`; `first` is whose images the distance is from.
///
/// # Errors
/// A model that cannot be opened or that makes other images than the first, or an integration that fails.
pub fn draw(
    entry: &Entry,
    common: &SamplePlan,
    models: &Path,
    device: &Device,
    times: &[f64],
    first: Option<&Compared>,
    progress: impl FnMut(f64),
) -> Result<Compared> {
    let mut plan = entry.plan(common)?;
    let path = entry.locate(models)?;
    let source = Source::open(&path, device)?;
    let weak = source.weaker(None, &plan.guidance, device)?;
    let sampler = Sampler::of(&source, device);
    let sampler = match &weak {
        Some(weak) => sampler.with_weak(weak)?,
        None => sampler,
    };
    if sampler.image()[0] != 1 {
        bail!("{} draws in colour: what is compared is grey", source.name);
    }
    plan.model.clone_from(&source.name);
    let take = shoot(&sampler, &plan, &Cast::of(&plan, source.architecture.image_len()), times, progress)
        .with_context(|| source.name.clone())?;
    let distance = match first {
        None => 0.0,
        Some(first) if first.take.pixels.len() == take.pixels.len() => rms(&first.take.pixels, &take.pixels),
        Some(first) => bail!("{} and {} make images of different sizes", first.name, source.name),
    };
    let (measured, image) = (measured(&source, &plan), sampler.image());
    Ok(Compared { name: source.name, image, plan, measured, take, distance })
}

/// The root of the mean squared difference.
pub fn rms(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (sum / a.len().max(1) as f64).sqrt()
}

/// What the model's file says of a plan that differs in nothing but the seed.
fn measured(source: &Source, plan: &SamplePlan) -> Option<Measured> {
    let Origin::File(header, _) = &source.origin else { return None };
    let without_seed = |text: &str| {
        let kept: Vec<&str> = text.split('&').filter(|pair| !pair.starts_with("seed=")).collect();
        kept.join("&")
    };
    let wanted = without_seed(&plan_text(plan));
    header.metrics["evaluations"].as_array()?.iter().find_map(|entry| {
        (without_seed(entry["plan"].as_str()?) == wanted)
            .then_some(Measured { accuracy: entry["accuracy"].as_f64()?, fid: entry["fid"].as_f64()? })
    })
}

/// How a plan samples, in a few words.
pub fn in_short(plan: &SamplePlan) -> String {
    let steps = match plan.budget {
        Budget::Steps(1) => format!("{}, 1 step", plan.schedule),
        Budget::Steps(n) => format!("{}, {n} steps", plan.schedule),
        Budget::Tolerance(tolerance) => format!("tolerance {tolerance}"),
    };
    let guidance = match (plan.guidance.id(), plan.guidance.scale()) {
        ("cfg", 1.0) => "no guidance".to_owned(),
        _ => format!("guidance {}", plan.guidance),
    };
    format!("{}, {steps}, {guidance}", plan.solver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_may_have_a_plan_of_its_own_and_a_path_an_at_sign() {
        let parsed = |text: &str| {
            let entry = Entry::parse(text);
            (entry.model, entry.own)
        };
        assert_eq!(parsed("mnist-unet"), ("mnist-unet".to_owned(), String::new()));
        assert_eq!(parsed("a@b/c"), ("a@b/c".to_owned(), String::new()));
        assert_eq!(parsed("a@b@steps=3&tol=1"), ("a@b".to_owned(), "steps=3&tol=1".to_owned()));
    }

    #[test]
    fn an_own_plan_replaces_fields_and_never_what_is_drawn() {
        let common: SamplePlan = "solver=heun&steps=8&guidance=1&seed=3&digit=5&count=4".parse().unwrap();
        let plan = Entry::parse("m@solver=euler&steps=16").plan(&common).unwrap();
        assert_eq!((plan.solver.id(), plan.budget), ("euler", Budget::Steps(16)));
        assert_eq!((plan.seed, plan.digit, plan.count), (common.seed, common.digit, common.count));
        let adaptive = Entry::parse("m@solver=dopri5&tol=0.01").plan(&common).unwrap();
        assert_eq!(adaptive.budget, Budget::Tolerance(0.01));
        let refused = |text: &str| format!("{:#}", Entry::parse(text).plan(&common).unwrap_err());
        assert!(refused("m@seed=4").contains("--seed"), "{}", refused("m@seed=4"));
        assert!(refused("m@solver=huen").contains("`heun`"), "{}", refused("m@solver=huen"));
        assert!(refused("m@stepz=4").contains("steps"), "{}", refused("m@stepz=4"));
    }

    #[test]
    fn a_model_is_found_by_its_id_and_a_wrong_id_names_the_nearest() {
        let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models"));
        let found = Entry::parse("mnist-unet").locate(models).unwrap();
        assert_eq!(found, models.join("mnist-unet.safetensors"));
        let error = Entry::parse("mnist-unit").locate(models).unwrap_err().to_string();
        assert!(error.contains("did you mean `mnist-unet`") && error.contains("pair-exact"), "{error}");
        let path = Entry::parse("runs/nothing").locate(models).unwrap();
        assert_eq!(path, Path::new("runs/nothing"));
    }

    #[test]
    fn one_model_with_two_solvers_differs_from_itself_and_a_shipped_plan_has_its_figures() {
        let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models"));
        let common: SamplePlan = "steps=10&guidance=1&seed=5&count=1".parse().unwrap();
        let device = Device::flex();
        let run = |text: &str, first| {
            draw(&Entry::parse(text), &common, models, &device, &[], first, |_| {}).unwrap()
        };
        let heun = run("mnist-unet", None);
        let euler = run("mnist-unet@solver=euler&steps=4", Some(&heun));
        assert_eq!((heun.take.evaluations, euler.take.evaluations), (20, 4));
        assert_eq!(heun.distance, 0.0);
        assert!(euler.distance > 0.001 && euler.distance < 0.5, "{}", euler.distance);
        assert!(heun.measured.is_some_and(|m| m.accuracy > 0.9 && m.fid < 20.0), "{:?}", heun.measured);
        assert_eq!(euler.measured, None);
        assert_eq!(in_short(&heun.plan), "heun, inverse-cubic, 10 steps, no guidance");
    }
}
