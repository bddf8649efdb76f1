//! A plan, from what it begins with to its last state.
//!
//! Noise is drawn on the host, so it is the same on every device. Time is counted where the network works
//! and its result is read; pauses and messages do not count.
//!
//! A model brings the path that it was trained on and its fitted knots; autoguidance brings a second model.

use crate::attention::{Attending, Attentive};
use crate::errand::{Beginning, Errand, Way};
use crate::shelf::Model;
use crate::telling::{Reached, Teller};
use crate::{desk, pause};
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
    let mut teller = Teller::new(cast.model, errand, run_number);
    let mut waiting = None;
    let mut fault = None;
    let outcome = integrated(cast, errand, Some(run_number), async |report| {
        let reached = Reached::new(cast.model, &report).await;
        let ready = if cast.model.answers_later { waiting.replace(reached) } else { Some(reached) };
        if let Some(ready) = ready
            && let Err(what) = teller.tell(ready).await
        {
            fault = Some(what);
            return ControlFlow::Break(());
        }
        pause::breathe().await;
        teller.go_on();
        if desk::wants(run_number) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await;
    if fault.is_none()
        && desk::wants(run_number)
        && let Some(last) = waiting.take()
    {
        fault = teller.tell(last).await.err();
    }
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
    let evaluation_ms = teller.evaluation_ms(outcome.evaluations);
    let shown = teller.last_shown();
    let last = if matches!(errand.way, Way::Forth(Start::Filled)) {
        // What is known was put in its place after the last state was seen.
        numbers(outcome.x.x).await?
    } else {
        shown
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
        evaluation_ms,
    };
    Ok(desk::wants(run_number).then_some((done, last)))
}

/// The numbers of a tensor, read without blocking.
pub(crate) async fn numbers(x: Tensor<4>) -> Result<Vec<f32>, Fault> {
    let data = x.into_data_async().await.map_err(|error| Fault::Device { what: error.to_string() })?;
    data.try_into_vec::<f32>().map_err(|error| Fault::Device { what: error.to_string() })
}
