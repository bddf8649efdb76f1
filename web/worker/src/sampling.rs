//! A plan, from what it begins with to its last state.
//!
//! Noise is drawn on the host, so it is the same on every device. Time is counted where the network works
//! and its result is read; pauses and messages do not count.
//!
//! A model brings the path that it was trained on and its fitted knots; autoguidance brings a second model.

use crate::attention::{Attending, Attentive};
use crate::errand::{Beginning, Errand, Way};
use crate::shelf::Model;
use crate::views::{Moment, of_step};
use crate::{desk, pause, post};
use burn::tensor::Tensor;
use flow::field::Field;
use flow::guidance::Guided;
use flow::inpainting::inpaint;
use flow::integrate::{End, Options, Outcome, Report, integrate};
use flow::inversion::invert;
use models::ConditionalNetwork;
use models::gaussian::{in_one_step, uncounted};
use protocol::{Fault, RunEnd, Start, ToPage};
use std::ops::ControlFlow;

/// What a plan is sampled with.
#[derive(Clone, Copy)]
pub(crate) struct Cast<'a> {
    /// The plan's model.
    pub(crate) model: &'a Model,
    /// Its weaker one, when the guidance needs it.
    pub(crate) weak: Option<&'a Model>,
}

impl<'a> Cast<'a> {
    /// A model alone.
    pub(crate) fn alone(model: &'a Model) -> Self {
        Self { model, weak: None }
    }

    /// Whether the two models draw the same pictures of the same classes, in the same numbers.
    fn check(self) -> Result<(), Fault> {
        let Self { model, weak: Some(weak) } = self else { return Ok(()) };
        let decodes = weak.decoder.is_some() == model.decoder.is_some() && weak.state == model.state;
        if decodes && weak.looks == model.looks && weak.classes == model.classes && weak.path == model.path {
            return Ok(());
        }
        let what = format!(
            "its images, classes or path are not those of `{}`, so it can't be the weaker model",
            model.id
        );
        Err(Fault::Unusable { model: weak.id.clone(), what })
    }
}

/// Goes an errand; `observe` sees what it begins with and every accepted state. A `run` that the page no longer wants ends
/// with an error, or when `observe` says so.
pub(crate) async fn integrated(
    cast: Cast<'_>,
    errand: &Errand,
    run: Option<u64>,
    observe: impl AsyncFnMut(Report<'_, Attentive>) -> ControlFlow<()>,
) -> Result<Outcome<Attentive>, Fault> {
    let sampling = |error: flow::Error| match error {
        flow::Error::NotFinite { t } => Fault::NotFinite { t },
        other => Fault::Sampling { what: other.to_string() },
    };
    cast.check()?;
    let model = cast.model;
    let labels = errand.labels(model)?;
    let Beginning { x, known, at } = errand.begin(model, run)?;
    let still = (!model.evaluated).then(|| in_one_step(&errand.plan)).transpose().map_err(sampling)?;
    let plan = still.as_ref().unwrap_or(&errand.plan);
    let network = ConditionalNetwork::new(&model.network, &labels, model.null_class, &model.device)
        .with_weak(cast.weak.map(|weak| &weak.network));
    let mut guided = Guided::new(plan.guidance.clone(), Attending(network));
    // Behind a reference, so that the loop is compiled once whatever is asked for.
    let mut field: &mut dyn Field<Attentive> = &mut guided;
    let stepping = plan.stepping(&model.knots).and_then(|whole| whole.starting_at(at)).map_err(sampling)?;
    let options = Options { path: model.path.clone(), ..plan.options(0) };
    let outcome = match (&errand.way, known) {
        (Way::Back { .. }, _) => invert(&mut field, &plan.solver, &stepping, x, &options, observe).await,
        (_, Some(known)) => inpaint(&mut field, &plan.solver, &stepping, x, known, &options, observe).await,
        (_, None) => integrate(&mut field, &plan.solver, &stepping, x, &options, observe).await,
    };
    let outcome = outcome.map_err(sampling)?;
    Ok(if model.evaluated { outcome } else { uncounted(outcome) })
}

/// Goes an errand for the page: a frame for every accepted state, then how it ended and the numbers of what was last shown.
/// `None` when a newer run is wanted.
pub(crate) async fn serve(
    cast: Cast<'_>,
    run_number: u64,
    errand: &Errand,
) -> Result<Option<(ToPage, Vec<f32>)>, Fault> {
    let mut worked_ms = 0.0;
    let mut began_ms = pause::worked_ms();
    let mut fault = None;
    let mut last: Option<Moment> = None;
    let model = cast.model;
    let outcome = integrated(cast, errand, Some(run_number), async |report| {
        // Reading the state waits for the device.
        let states = numbers(report.x.x.clone()).await;
        let decoding_ms = pause::worked_ms();
        let now = match states {
            Ok(states) => moment(model, &report, errand.plan.count, states).await,
            Err(what) => Err(what),
        };
        let step = match (&now, &last) {
            (Ok(after), Some(before)) if errand.views => of_step(model, before, after).await.map(Some),
            _ => Ok(None),
        };
        let (now, step) = match now.and_then(|now| Ok((now, step?))) {
            Ok(both) => both,
            Err(what) => {
                fault = Some(what);
                return ControlFlow::Break(());
            }
        };
        // Neither decoding nor the views are an evaluation, and their time is not one's.
        let decoded_ms = pause::worked_ms() - decoding_ms;
        // The first report is the beginning: nothing was evaluated yet, and what it took was its making.
        if report.accepted > 0 {
            worked_ms += pause::worked_ms() - began_ms - decoded_ms;
        }
        let evaluations = if model.evaluated { report.evaluations } else { 0 };
        let Some(mut bytes) = model.looks.pixels(&now.shown) else {
            fault = Some(Fault::NotFinite { t: report.t });
            return ControlFlow::Break(());
        };
        if let Some((estimate, velocity)) = step {
            bytes.extend(estimate);
            bytes.extend(velocity);
        }
        last = Some(now);
        let frame = ToPage::Frame {
            run: run_number,
            t: report.t,
            times: report.times.to_vec(),
            accepted: report.accepted,
            total_steps: report.total_steps,
            evaluations,
            evaluation_ms: per_evaluation(worked_ms, evaluations),
            count: errand.plan.count,
        };
        if desk::wants(run_number) {
            post::say_with(&frame, &bytes);
        }
        pause::breathe().await;
        began_ms = pause::worked_ms();
        if desk::wants(run_number) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let outcome = match outcome {
        Err(_) if !desk::wants(run_number) => return Ok(None),
        outcome => outcome?,
    };
    let end = match outcome.end {
        End::Finished => RunEnd::Finished,
        End::Cancelled => return Ok(None),
        End::BudgetExhausted => RunEnd::BudgetExhausted,
        End::StepTooSmall => RunEnd::StepTooSmall,
    };
    let last = if matches!(errand.way, Way::Forth(Start::Filled)) {
        // What is known was put in its place after the last state was seen.
        numbers(outcome.x.x).await?
    } else {
        last.map(|last| last.shown).unwrap_or_default()
    };
    let fewest = outcome.samples.iter().map(|sample| sample.evaluations).min();
    let done = ToPage::Done {
        run: run_number,
        end,
        t: outcome.t,
        accepted: outcome.accepted,
        rejected: outcome.rejected,
        evaluations: outcome.evaluations,
        fewest_evaluations: fewest.unwrap_or(outcome.evaluations),
        evaluation_ms: per_evaluation(worked_ms, outcome.evaluations),
    };
    Ok(desk::wants(run_number).then_some((done, last)))
}

/// A report's numbers, read, and what is shown of them.
async fn moment(
    model: &Model,
    report: &Report<'_, Attentive>,
    count: usize,
    states: Vec<f32>,
) -> Result<Moment, Fault> {
    let shown = match &model.decoder {
        Some(_) => numbers(model.shown(report.x.x.clone())).await?,
        None => states.clone(),
    };
    Ok(Moment::new(report, count, states, shown))
}

/// The numbers of a tensor, read without blocking.
pub(crate) async fn numbers(x: Tensor<4>) -> Result<Vec<f32>, Fault> {
    let data = x.into_data_async().await.map_err(|error| Fault::Device { what: error.to_string() })?;
    data.try_into_vec::<f32>().map_err(|error| Fault::Device { what: error.to_string() })
}

fn per_evaluation(worked_ms: f64, evaluations: usize) -> f64 {
    if evaluations == 0 { 0.0 } else { worked_ms / evaluations as f64 }
}
