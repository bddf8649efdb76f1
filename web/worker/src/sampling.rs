//! A plan, from noise to its last state.
//!
//! Noise is drawn on the host, so it is the same on every device. Time is counted where the network works
//! and its result is read; pauses and messages do not count.

use crate::shelf::Model;
use crate::{desk, pause, post};
use burn::tensor::{Tensor, TensorData};
use flow::guidance::Guided;
use flow::integrate::{End, Outcome, Report, integrate};
use flow::plan::SamplePlan;
use models::ConditionalNetwork;
use protocol::{Fault, RunEnd, ToPage};
use std::ops::ControlFlow;

/// Integrates a plan; `observe` sees the noise and every accepted state.
pub(crate) async fn run(
    model: &Model,
    plan: &SamplePlan,
    observe: impl AsyncFnMut(Report<'_, Tensor<4>>) -> ControlFlow<()>,
) -> Result<Outcome<Tensor<4>>, Fault> {
    let sampling = |error: flow::Error| Fault::Sampling { what: error.to_string() };
    let labels: Vec<u8> = (0..plan.count).map(|image| plan.label(image)).collect();
    if let Some(&label) = labels.iter().find(|&&label| usize::from(label) >= model.classes) {
        let what = format!("the model has {} classes, the plan asks for {label}", model.classes);
        return Err(Fault::Sampling { what });
    }
    let [channels, height, width] = model.image;
    let noise = flow::noise::batch(plan.seed, 0..plan.count as u64, channels * height * width);
    let shape = [plan.count, channels, height, width];
    let noise = Tensor::<4>::from_data(TensorData::new(noise, shape), &model.device);
    let network = ConditionalNetwork::new(&model.network, &labels, model.null_class, &model.device);
    let mut field = Guided::new(plan.guidance.clone(), network);
    let stepping = plan.stepping().map_err(sampling)?;
    integrate(&mut field, &plan.solver, &stepping, noise, None, observe).await.map_err(sampling)
}

/// Runs a plan for the page: a frame for every accepted state, then how it ended. `None` when a newer run is wanted.
pub(crate) async fn serve(
    model: &Model,
    run_number: u64,
    plan: &SamplePlan,
) -> Result<Option<ToPage>, Fault> {
    let mut worked_ms = 0.0;
    let mut began_ms = pause::now_ms();
    let mut fault = None;
    let outcome = run(model, plan, async |report| {
        let pixels = match pixels(model, report.x).await {
            Ok(pixels) => pixels,
            Err(what) => {
                fault = Some(what);
                return ControlFlow::Break(());
            }
        };
        // The first report is the noise: nothing was evaluated yet, and what it took was its making.
        if report.accepted > 0 {
            worked_ms += pause::now_ms() - began_ms;
        }
        if pixels.iter().any(|pixel| !pixel.is_finite()) {
            fault = Some(Fault::NotFinite { t: report.t });
            return ControlFlow::Break(());
        }
        let frame = ToPage::Frame {
            run: run_number,
            t: report.t,
            accepted: report.accepted,
            total_steps: report.total_steps,
            evaluations: report.evaluations,
            evaluation_ms: per_evaluation(worked_ms, report.evaluations),
            count: plan.count,
        };
        if desk::wants(run_number) {
            post::say_with(&frame, &pixels);
        }
        pause::breathe().await;
        began_ms = pause::now_ms();
        if desk::wants(run_number) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let end = match outcome.end {
        End::Finished => RunEnd::Finished,
        End::Cancelled => return Ok(None),
        End::BudgetExhausted => RunEnd::BudgetExhausted,
        End::StepTooSmall => RunEnd::StepTooSmall,
    };
    Ok(desk::wants(run_number).then(|| ToPage::Done {
        run: run_number,
        end,
        t: outcome.t,
        accepted: outcome.accepted,
        rejected: outcome.rejected,
        evaluations: outcome.evaluations,
        evaluation_ms: per_evaluation(worked_ms, outcome.evaluations),
    }))
}

/// The numbers of a tensor, read without blocking.
pub(crate) async fn numbers(x: Tensor<4>) -> Result<Vec<f32>, Fault> {
    let data = x.into_data_async().await.map_err(|error| Fault::Device { what: error.to_string() })?;
    data.try_into_vec::<f32>().map_err(|error| Fault::Device { what: error.to_string() })
}

/// A state as pixels in [0, 1]. NaN stays NaN, to be noticed.
async fn pixels(model: &Model, x: &Tensor<4>) -> Result<Vec<f32>, Fault> {
    let mut pixels = numbers(x.clone()).await?;
    let normalization = model.normalization;
    for value in &mut pixels {
        *value = (*value * normalization.std + normalization.mean).clamp(0.0, 1.0);
    }
    Ok(pixels)
}

fn per_evaluation(worked_ms: f64, evaluations: usize) -> f64 {
    if evaluations == 0 { 0.0 } else { worked_ms / evaluations as f64 }
}
