//! The sample plan: everything that decides a picture, with one text form.
//!
//! The command line's flags, the page's controls, the URL's query and the element's attributes are all views of
//! it. Every field is printed, in this order:
//! `solver=heun&schedule=logit-normal-cdf:mu=-1,std=3&steps=10&guidance=2&seed=42&digit=7&count=16&model=mnist-unet`
//! (`tol=` in place of `steps=` when the solver chooses its own). Missing fields take their defaults; what parses
//! prints back to itself.

use crate::Error;
use crate::controller::Controller;
use crate::error::nearest;
use crate::field::Field;
use crate::guidance::{At, Conditional, Guidance, Guided};
use crate::integrate::{Options, Stepping};
use crate::number;
use crate::schedule::{KnotTable, Schedule};
use crate::solver::Solver;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

mod query;

/// The numbers of steps that a plan accepts.
pub const STEPS: RangeInclusive<usize> = 1..=1000;
/// The tolerances that a plan accepts.
pub const TOLERANCES: RangeInclusive<f64> = 1e-8..=0.5;
/// The numbers of images that a plan accepts.
pub const COUNTS: RangeInclusive<usize> = 1..=256;
/// The most evaluations that a run may take, guidance counted, wherever it runs: a tolerance alone bounds nothing.
pub const MOST_EVALUATIONS: usize = 10_000;
/// The classes that a digit can be.
pub const CLASSES: u8 = 10;
/// The longest name of a model.
pub const LONGEST_MODEL: usize = 64;

/// The fields of the text form, in its order.
pub const FIELDS: [&str; 10] =
    ["solver", "schedule", "steps", "tol", "controller", "guidance", "seed", "digit", "count", "model"];

/// Which digit to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digit {
    /// All in turn: image i is the digit i mod 10. Text form `any`.
    Any,
    /// This one, 0 to 9.
    Class(u8),
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Class(class) => class.fmt(f),
        }
    }
}

impl FromStr for Digit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "any" {
            return Ok(Self::Any);
        }
        match text.parse() {
            Ok(class) if class < CLASSES => Ok(Self::Class(class)),
            _ => Err(refuse("digit", text, "any, or a digit from 0 to 9")),
        }
    }
}

/// How much work to spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// This many steps, where the schedule puts them.
    Steps(usize),
    /// As many steps as this tolerance takes, relative and absolute, from an adaptive solver.
    Tolerance(f64),
}

/// Everything that decides a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplePlan {
    /// The model's id in the manifest.
    pub model: String,
    /// Which digit to draw.
    pub digit: Digit,
    /// The solver.
    pub solver: Solver,
    /// Where the steps fall; without effect under a tolerance.
    pub schedule: Schedule,
    /// Steps or tolerance.
    pub budget: Budget,
    /// How a tolerance chooses the steps; without effect on a number of steps.
    pub controller: Controller,
    /// The guidance.
    pub guidance: Guidance,
    /// The seed of the noise.
    pub seed: u64,
    /// How many images.
    pub count: usize,
}

impl Default for SamplePlan {
    fn default() -> Self {
        Self {
            model: "mnist-unet".to_owned(),
            digit: Digit::Any,
            solver: Solver::heun(),
            schedule: Schedule::recommended(),
            budget: Budget::Steps(10),
            controller: Controller::default(),
            guidance: Guidance::default(),
            seed: 42,
            count: 16,
        }
    }
}

impl SamplePlan {
    /// Parses the text form and goes on past errors: a field that is wrong keeps its default, and every error is
    /// told. A page that is opened with a mistyped address uses this.
    pub fn parse_with_unknown(text: &str) -> (Self, Vec<Error>) {
        let mut plan = Self::default();
        let mut errors = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut tolerance = None;
        for (key, value) in query::pairs(text) {
            if seen.contains(&key) {
                errors.push(refuse(&key, &value, "one value, not two"));
                continue;
            }
            let outcome = match key.as_str() {
                // Looked at last: whether it is accepted depends on the solver.
                "tol" => {
                    tolerance = Some(value.clone());
                    Ok(())
                }
                _ => plan.set(&key, &value),
            };
            seen.push(key);
            errors.extend(outcome.err());
        }
        if let Some(value) = tolerance {
            let outcome = if seen.iter().any(|key| key == "steps") {
                Err(refuse("tol", &value, "nothing beside steps: give one of the two"))
            } else {
                plan.set("tol", &value)
            };
            errors.extend(outcome.err());
        }
        (plan, errors)
    }

    /// Sets one field from its text. `tol` is accepted only when the solver can choose its own steps.
    pub fn set(&mut self, field: &str, value: &str) -> Result<(), Error> {
        let value = value.trim();
        match field {
            "solver" => self.solver = value.parse()?,
            "schedule" => self.schedule = value.parse()?,
            "controller" => self.controller = value.parse()?,
            "guidance" => self.guidance = value.parse()?,
            "digit" => self.digit = value.parse()?,
            "steps" => self.budget = Budget::Steps(whole(field, value, STEPS)?),
            "count" => self.count = whole(field, value, COUNTS)?,
            "tol" => self.budget = Budget::Tolerance(self.tolerance(value)?),
            "seed" => {
                self.seed = value
                    .parse()
                    .map_err(|_| refuse(field, value, &format!("a whole number from 0 to {}", u64::MAX)))?;
            }
            "model" => {
                if !is_model_name(value) {
                    let accepts =
                        format!("1 to {LONGEST_MODEL} of the characters a-z, A-Z, 0-9, `-`, `_`, `.`");
                    return Err(refuse(field, value, &accepts));
                }
                self.model = value.to_owned();
            }
            _ => {
                let hint =
                    nearest(field, &FIELDS).map_or_else(String::new, |f| format!(" (did you mean `{f}`?)"));
                let accepts =
                    format!("nothing: a plan has no such field{hint}; its fields: {}", FIELDS.join(", "));
                return Err(refuse(field, value, &accepts));
            }
        }
        Ok(())
    }

    fn tolerance(&self, value: &str) -> Result<f64, Error> {
        if !self.solver.adaptive() {
            let ids = Solver::adaptive_ids().join(", ");
            let accepts = format!(
                "a tolerance only with a solver that chooses its own steps ({ids}), not `{}`",
                self.solver.id()
            );
            return Err(refuse("tol", value, &accepts));
        }
        match number::parse(value) {
            Some(tolerance) if TOLERANCES.contains(&tolerance) => Ok(tolerance),
            _ => {
                let accepts = format!("a number from {:e} to {}", TOLERANCES.start(), TOLERANCES.end());
                Err(refuse("tol", value, &accepts))
            }
        }
    }

    /// Where the steps fall, for [`integrate`](crate::integrate::integrate), with the knots that were fitted to the model.
    pub fn stepping(&self, knots: &KnotTable) -> Result<Stepping, Error> {
        match self.budget {
            Budget::Steps(n) => {
                let n = whole("steps", &n.to_string(), STEPS)?;
                Ok(Stepping::Fixed { knots: self.schedule.knots_in(n, knots)? })
            }
            Budget::Tolerance(tolerance) => {
                let tolerance = self.tolerance(&tolerance.to_string())?;
                Ok(Stepping::Adaptive {
                    t0: 0.0,
                    t1: 1.0,
                    rtol: tolerance,
                    atol: tolerance,
                    first_step: None,
                    controller: self.controller.clone(),
                })
            }
        }
    }

    /// What else a run of this plan needs, when its first image is number `first_image`: within
    /// [`MOST_EVALUATIONS`], on the linear path unless the caller says which path the model was trained on.
    pub fn options(&self, first_image: u64) -> Options {
        Options { seed: self.seed, first_image, ..Options::default() }.within(MOST_EVALUATIONS)
    }

    /// The digit that image number `image` shows.
    pub fn label(&self, image: usize) -> u8 {
        match self.digit {
            Digit::Any => (image % usize::from(CLASSES)) as u8,
            Digit::Class(class) => class,
        }
    }

    /// How many evaluations the plan takes an image, both branches of guidance counted; unknown under a tolerance, and
    /// for a fitted schedule that the table has no knots of.
    ///
    /// Counted by running the plan on nothing: what guidance costs may depend on the time.
    pub fn expected_evaluations(&self, knots: &KnotTable) -> Option<usize> {
        let Ok(Stepping::Fixed { knots }) = self.stepping(knots) else { return None };
        let mut field = Guided::new(self.guidance.clone(), Nothing);
        let mut stepper = self.solver.stepper::<Vec<f64>>(&self.options(0));
        for step in knots.windows(2) {
            stepper.step(&mut field, step[0], step[1] - step[0], &Vec::new()).ok()?;
            stepper.accept();
        }
        Some(Field::<Vec<f64>>::evaluations(&field))
    }
}

/// Branches without a network.
struct Nothing;

impl Conditional<Vec<f64>> for Nothing {
    fn conditional(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(Vec::new())
    }
    fn unconditional(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(Vec::new())
    }
    fn both(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<(Vec<f64>, Vec<f64>), Error> {
        Ok((Vec::new(), Vec::new()))
    }
    fn weak(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(Vec::new())
    }
}

impl FromStr for SamplePlan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (plan, errors) = Self::parse_with_unknown(text);
        errors.into_iter().next().map_or(Ok(plan), Err)
    }
}

impl fmt::Display for SamplePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "solver={}&schedule={}&", self.solver, self.schedule)?;
        match self.budget {
            Budget::Steps(n) => write!(f, "steps={n}")?,
            Budget::Tolerance(tolerance) => write!(f, "tol={tolerance}")?,
        }
        if self.controller != Controller::default() {
            write!(f, "&controller={}", self.controller)?;
        }
        write!(
            f,
            "&guidance={}&seed={}&digit={}&count={}&model={}",
            self.guidance,
            self.seed,
            self.digit,
            self.count,
            query::encode(&self.model)
        )
    }
}

fn is_model_name(name: &str) -> bool {
    (1..=LONGEST_MODEL).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn whole(field: &str, text: &str, range: RangeInclusive<usize>) -> Result<usize, Error> {
    text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
        refuse(field, text, &format!("a whole number from {} to {}", range.start(), range.end()))
    })
}

fn refuse(field: &str, got: &str, accepts: &str) -> Error {
    Error::Plan { field: field.to_owned(), got: got.to_owned(), accepts: accepts.to_owned() }
}

#[cfg(test)]
mod tests;
