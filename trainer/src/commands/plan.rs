//! The plan's flags: each a view of one field of a [`SamplePlan`]'s text form.

use anyhow::Result;
use flow::plan::SamplePlan;

/// How to sample. `--plan` takes the whole text form, as in the page's address; the other flags replace its fields.
#[derive(clap::Args)]
pub(crate) struct PlanArgs {
    /// A whole plan, for example "solver=heun&schedule=linear&steps=10&guidance=2&seed=42"
    #[arg(long, value_name = "TEXT")]
    plan: Option<String>,
    /// Solver: `flow-digits list solvers` names them
    #[arg(long)]
    solver: Option<String>,
    /// Schedule with parameters, for example logit-normal-cdf:mu=-1,std=3
    #[arg(long)]
    schedule: Option<String>,
    /// Number of steps
    #[arg(long, allow_hyphen_values = true, conflicts_with = "tol")]
    steps: Option<String>,
    /// Tolerance of an adaptive solver, instead of steps
    #[arg(long, allow_hyphen_values = true)]
    tol: Option<String>,
    /// Controller of an adaptive solver's steps: `flow-digits list controllers` names them
    #[arg(long)]
    controller: Option<String>,
    /// Guidance scale (1 is without), or a form with parameters, for example interval:scale=2,lo=0.2,hi=0.8
    #[arg(long, allow_hyphen_values = true)]
    guidance: Option<String>,
    /// Seed of the noise
    #[arg(long, allow_hyphen_values = true)]
    seed: Option<String>,
    /// Digit, 0 to 9, or any: 0 to 9 in turn
    #[arg(long, allow_hyphen_values = true)]
    digit: Option<String>,
    /// Number of images
    #[arg(long, allow_hyphen_values = true)]
    count: Option<String>,
}

impl PlanArgs {
    /// Whether the flags say anything about guidance.
    pub(crate) fn names_guidance(&self) -> bool {
        self.guidance.is_some() || self.plan.as_deref().is_some_and(|p| p.contains("guidance="))
    }

    /// The flag that says which noise, if it is given.
    pub(crate) fn names_seed(&self) -> Option<&'static str> {
        let has = |p: &str| p.split('&').any(|pair| pair.starts_with("seed="));
        (self.seed.is_some() || self.plan.as_deref().is_some_and(has)).then_some("seed")
    }

    /// The first flag that says which pictures to draw rather than how.
    pub(crate) fn names_pictures(&self) -> Option<&'static str> {
        let in_plan = |key: &str| {
            let has = |p: &str| p.split('&').any(|pair| pair.starts_with(&format!("{key}=")));
            self.plan.as_deref().is_some_and(has)
        };
        let named = self.digit.is_some() || in_plan("digit");
        if named { Some("digit") } else { self.names_count() }
    }

    /// Whether the flags choose a solver, a schedule or a number of steps.
    pub(crate) fn names_steps(&self) -> bool {
        let keys = ["solver=", "schedule=", "steps="];
        let has = |p: &str| p.split('&').any(|pair| keys.iter().any(|key| pair.starts_with(key)));
        let flags = [&self.solver, &self.schedule, &self.steps];
        flags.iter().any(|flag| flag.is_some()) || self.plan.as_deref().is_some_and(has)
    }

    /// The flag that says how many pictures to draw, if it is given.
    pub(crate) fn names_count(&self) -> Option<&'static str> {
        let has = |p: &str| p.split('&').any(|pair| pair.starts_with("count="));
        (self.count.is_some() || self.plan.as_deref().is_some_and(has)).then_some("count")
    }

    /// The plan that the flags describe, on top of `default`.
    pub(crate) fn plan(&self, default: &str) -> Result<SamplePlan> {
        let flags = [
            ("solver", &self.solver),
            ("schedule", &self.schedule),
            ("steps", &self.steps),
            ("tol", &self.tol),
            ("controller", &self.controller),
            ("guidance", &self.guidance),
            ("seed", &self.seed),
            ("digit", &self.digit),
            ("count", &self.count),
        ];
        let given: Vec<_> = flags.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect();
        let replaced = |key: &str| {
            let budget = ["steps", "tol"];
            given.iter().any(|(k, _)| *k == key || (budget.contains(k) && budget.contains(&key)))
        };
        let base = self.plan.as_deref().unwrap_or(default);
        let kept = base
            .split('&')
            .filter(|pair| !pair.is_empty() && !replaced(pair.split('=').next().unwrap_or("")));
        let text: Vec<String> =
            kept.map(str::to_owned).chain(given.iter().map(|(k, v)| format!("{k}={v}"))).collect();
        Ok(text.join("&").parse::<SamplePlan>()?)
    }
}
