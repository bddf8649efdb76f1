//! A study's recipe: what is compared with what, from the same noises. TOML, with unknown keys refused.
//!
//! A part is a grid: its models x guidances x solvers x schedules, each at its numbers of evaluations, and its solvers
//! under its tolerances. `all` stands for a whole registry. A claim compares the cells of one part that differ in
//! nothing but what it names.

use anyhow::{Context, Result, bail};
use flow::guidance::Guidance;
use flow::schedule::Schedule;
use flow::solver::Solver;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The numbers of images that a cell may be judged by.
pub const IMAGES: std::ops::RangeInclusive<usize> = 100..=100_000;
/// The numbers of evaluations that a budget may be.
pub(super) const EVALUATIONS: std::ops::RangeInclusive<usize> = 1..=2000;

/// A study.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyRecipe {
    /// Its id: the name of its folders.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it asks, in a paragraph.
    pub about: String,
    /// What its makers read in its figures, in Markdown; none before they have seen any.
    #[serde(default)]
    pub remarks: String,
    /// Images of each cell, the classes in turn.
    pub images: usize,
    /// Seed of the noises; the same in every cell.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Its grids.
    #[serde(rename = "part")]
    pub parts: Vec<Part>,
    /// What it decides.
    #[serde(rename = "claim", default)]
    pub claims: Vec<Claim>,
}

/// One grid of a study.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its id: the name of its plot.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it shows, in a paragraph.
    pub about: String,
    /// Images of each of its cells, if not the study's.
    pub images: Option<usize>,
    /// Exported models, checkpoints or run folders.
    pub models: Vec<PathBuf>,
    /// The weaker model of autoguidance.
    pub weak: Option<PathBuf>,
    /// Solvers in text form, or `all`.
    pub solvers: Vec<String>,
    /// Schedules in text form, or `all`.
    #[serde(default = "even")]
    pub schedules: Vec<String>,
    /// Guidances in text form.
    #[serde(default = "unguided")]
    pub guidances: Vec<String>,
    /// Evaluations that a cell may take an image, guidance's second branch counted.
    #[serde(default)]
    pub evaluations: Vec<usize>,
    /// Tolerances for the solvers that choose their own steps.
    #[serde(default)]
    pub tolerances: Vec<f64>,
    /// What its plot has along its axis.
    #[serde(default)]
    pub plot: Axis,
}

/// What a plot has along its horizontal axis; what else differs makes the curves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Evaluations an image.
    #[default]
    Evaluations,
    /// A parameter of the schedule, by its name.
    ScheduleParameter(String),
    /// A parameter of the guidance, by its name: `scale`.
    GuidanceParameter(String),
}

/// Which cells of a part a claim is about: those that have these values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The model's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The solver in text form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solver: Option<String>,
    /// The schedule in text form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The guidance in text form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<String>,
}

/// A statement that the cells decide.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its id.
    pub id: String,
    /// The statement.
    pub says: String,
    /// Who says so.
    pub source: String,
    /// The part that decides it.
    pub part: String,
    /// The side that it holds better.
    pub better: Selection,
    /// The other side: the same cells with these values.
    pub than: Selection,
    /// Only cells with these values are compared.
    #[serde(default)]
    pub only: Selection,
}

fn default_seed() -> u64 {
    42
}

fn even() -> Vec<String> {
    vec![Schedule::default().to_string()]
}

fn unguided() -> Vec<String> {
    vec!["1".to_owned()]
}

impl StudyRecipe {
    /// Reads and checks a recipe; paths of models are taken from the working directory.
    ///
    /// # Errors
    /// A file that cannot be read or is not a study, by line; an id that is not known, with the nearest; a number out of
    /// range.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}: give a study's recipe, TOML", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Parses and checks a recipe.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text)?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<()> {
        plain_id("name", &self.name)?;
        images(self.images)?;
        if self.parts.is_empty() {
            bail!("no [[part]]: a study has at least one");
        }
        let mut ids = BTreeSet::new();
        for part in &self.parts {
            plain_id("part.id", &part.id)?;
            if !ids.insert(part.id.as_str()) {
                bail!("two parts have the id `{}`", part.id);
            }
            part.check().with_context(|| format!("part `{}`", part.id))?;
        }
        for claim in &self.claims {
            let known: Vec<&str> = self.parts.iter().map(|part| part.id.as_str()).collect();
            if !known.contains(&claim.part.as_str()) {
                bail!("claim `{}`: part `{}` is none of {}", claim.id, claim.part, known.join(", "));
            }
            for side in [&claim.better, &claim.than, &claim.only] {
                side.check().with_context(|| format!("claim `{}`", claim.id))?;
            }
            if claim.than == Selection::default() {
                bail!("claim `{}`: `than` is empty, so that both sides would be the same cells", claim.id);
            }
        }
        Ok(())
    }
}

impl Part {
    fn check(&self) -> Result<()> {
        if let Some(count) = self.images {
            images(count)?;
        }
        for (what, empty) in [
            ("models", self.models.is_empty()),
            ("solvers", self.solvers.is_empty()),
            ("schedules", self.schedules.is_empty()),
            ("guidances", self.guidances.is_empty()),
            ("evaluations and tolerances", self.evaluations.is_empty() && self.tolerances.is_empty()),
        ] {
            if empty {
                bail!("{what}: none; at least one is needed");
            }
        }
        self.solvers()?;
        self.schedules()?;
        self.guidances()?;
        if let Some(n) = self.evaluations.iter().find(|n| !EVALUATIONS.contains(n)) {
            bail!("evaluations: {n}; accepted are {} to {}", EVALUATIONS.start(), EVALUATIONS.end());
        }
        if let Some(tol) = self.tolerances.iter().find(|tol| !flow::plan::TOLERANCES.contains(tol)) {
            let (low, high) = (flow::plan::TOLERANCES.start(), flow::plan::TOLERANCES.end());
            bail!("tolerances: {tol}; accepted are {low:e} to {high}");
        }
        Ok(())
    }

    /// Its solvers.
    ///
    /// # Errors
    /// An id or a parameter that the registry refuses.
    pub fn solvers(&self) -> Result<Vec<Solver>> {
        listed(&self.solvers, Solver::all)
    }

    /// Its schedules.
    ///
    /// # Errors
    /// As [`solvers`](Self::solvers).
    pub fn schedules(&self) -> Result<Vec<Schedule>> {
        listed(&self.schedules, Schedule::all)
    }

    /// Its guidances.
    ///
    /// # Errors
    /// As [`solvers`](Self::solvers).
    pub fn guidances(&self) -> Result<Vec<Guidance>> {
        listed(&self.guidances, Guidance::all)
    }
}

impl Selection {
    /// Every id is known; texts are compared in the form that they print in.
    fn check(&self) -> Result<()> {
        self.normal().map(|_| ())
    }

    /// The same with every value in the form that it prints in.
    ///
    /// # Errors
    /// A value that its registry refuses.
    pub fn normal(&self) -> Result<Self> {
        fn printed<T: std::str::FromStr<Err = flow::Error> + ToString>(
            text: Option<&String>,
        ) -> Result<Option<String>> {
            Ok(text.map(|text| text.parse::<T>()).transpose()?.map(|value| value.to_string()))
        }
        Ok(Self {
            model: self.model.clone(),
            solver: printed::<Solver>(self.solver.as_ref())?,
            schedule: printed::<Schedule>(self.schedule.as_ref())?,
            guidance: printed::<Guidance>(self.guidance.as_ref())?,
        })
    }
}

/// The values of a list, `all` replaced by the registry's.
fn listed<T, I>(texts: &[String], all: impl Fn() -> I) -> Result<Vec<T>>
where
    T: std::str::FromStr<Err = flow::Error>,
    I: Iterator<Item = T>,
{
    let mut found = Vec::new();
    for text in texts {
        if text == "all" { found.extend(all()) } else { found.push(text.parse()?) }
    }
    Ok(found)
}

fn images(count: usize) -> Result<()> {
    if !IMAGES.contains(&count) {
        bail!("images: {count}; accepted are {} to {}", IMAGES.start(), IMAGES.end());
    }
    Ok(())
}

/// An id becomes a file's name.
fn plain_id(what: &str, id: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        bail!("{what} `{id}`: accepted are 1 to 64 of the characters a-z, 0-9 and `-`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        name = "small"
        title = "Small"
        about = "A test."
        images = 200
        [[part]]
        id = "grid"
        title = "Grid"
        about = "Two by two."
        models = ["model.safetensors"]
        solvers = ["euler", "heun"]
        schedules = ["linear", "shift:k=2"]
        evaluations = [4, 8]
        [[claim]]
        id = "shifted"
        says = "Shifted steps are better."
        source = "A test"
        part = "grid"
        better = { schedule = "shift:k=2" }
        than = { schedule = "linear" }
    "#;

    fn fault(from: &str, to: &str) -> String {
        format!("{:#}", StudyRecipe::parse(&SMALL.replace(from, to)).unwrap_err())
    }

    #[test]
    fn a_study_parses_with_its_defaults() {
        let recipe = StudyRecipe::parse(SMALL).unwrap();
        assert_eq!((recipe.seed, recipe.parts[0].guidances.len()), (42, 1));
        assert_eq!(recipe.parts[0].plot, Axis::Evaluations);
        assert_eq!(recipe.parts[0].schedules().unwrap()[1].to_string(), "shift:k=2");
        let all = StudyRecipe::parse(&SMALL.replace(r#"["euler", "heun"]"#, r#"["all"]"#)).unwrap();
        assert_eq!(all.parts[0].solvers().unwrap().len(), flow::solver::entries().count());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        for (from, to, said) in [
            ("\"euler\"", "\"eular\"", "did you mean `euler`"),
            ("shift:k=2\"]", "shift:k=0\"]", "a number from"),
            ("images = 200", "images = 7", "accepted are 100 to 100000"),
            ("[4, 8]", "[0, 8]", "accepted are 1 to 2000"),
            ("[4, 8]", "[]", "at least one is needed"),
            ("part = \"grid\"", "part = \"gird\"", "is none of grid"),
            ("id = \"grid\"", "id = \"../x\"", "accepted are 1 to 64"),
            ("about = \"A test.\"", "abuot = \"A test.\"", "unknown field `abuot`"),
            ("than = { schedule = \"linear\" }", "than = {}", "`than` is empty"),
        ] {
            let error = fault(from, to);
            assert!(error.contains(said), "{error}");
        }
    }
}
