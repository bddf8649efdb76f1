//! Real images turned into the noise that a model makes them from, drawn again from it, and drawn from it as another digit.
//!
//! There and back the model is followed as it was learned, without guidance: a guided flow is another one, whose noise is
//! further from any that is drawn. Guidance may help the way to another digit, which keeps the noise and so the hand.

use crate::recipe::Normalization;
use crate::source::Source;
use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use flow::guidance::{Guidance, Guided};
use flow::integrate::{End, Options, Outcome, integrate};
use flow::inversion::{RoundTripError, round_trip};
use flow::plan::{MOST_EVALUATIONS, SamplePlan};
use models::ConditionalNetwork;
use std::ops::ControlFlow;

/// Images turned into noise and back.
#[derive(Clone, Debug)]
pub struct Inverted {
    /// The noise, in the network's values; standard normal if the images were drawn by the model.
    pub noise: Vec<f32>,
    /// The images drawn from it, pixels in [0, 1].
    pub back: Vec<f32>,
    /// How far they are from those that were given, in pixels from 0 to 1, an image each; before any pixel is clipped.
    pub errors: Vec<RoundTripError>,
    /// The images of another class drawn from the same noise, if one was asked for.
    pub other: Option<Vec<f32>>,
    /// Evaluations to the noise and from it back, an image.
    pub evaluations: [usize; 2],
    /// Evaluations to the other class, an image.
    pub evaluations_other: usize,
}

/// Turns images (pixels in [0, 1], one after another) of these classes into noise by the plan's solver and steps, and back;
/// `to` is another class to draw from the noise, with the plan's guidance. The null class stands for no class.
///
/// # Errors
/// Images or classes that the model does not know, a solver that adds noise, and an integration that fails or gives up.
pub fn invert(
    source: &Source,
    device: &Device,
    plan: &SamplePlan,
    pixels: &[f32],
    classes: &[u8],
    to: Option<u8>,
    mut progress: impl FnMut(f64),
) -> Result<Inverted> {
    let [channels, height, width] = source.architecture.image();
    if pixels.len() != classes.len() * source.architecture.image_len() || classes.is_empty() {
        bail!("{} pixels are not {} images of {channels} x {height} x {width}", pixels.len(), classes.len());
    }
    let null = source.architecture.null_class();
    if let Some(class) = classes.iter().chain(&to).find(|&&class| usize::from(class) > null) {
        bail!("class {class} was asked for, the model knows 0 to {}", null - 1);
    }
    if to.is_some() && plan.guidance.needs_weak_model() {
        bail!("guidance={} needs a second model, which is not taken here", plan.guidance);
    }
    let Normalization { mean, std } = source.normalization;
    let values: Vec<f32> = pixels.iter().map(|p| (p - mean) / std).collect();
    let shape = [classes.len(), channels, height, width];
    let x = Tensor::<4>::from_data(TensorData::new(values, shape), device);
    let options = Options { path: source.path.clone(), ..plan.options(0) };
    let stepping = plan.stepping(&source.knots)?;
    let field = |classes: &[u8], guidance: Guidance| {
        Guided::new(guidance, ConditionalNetwork::new(&source.network, classes, null, device))
    };
    let ways = if to.is_some() { 3.0 } else { 2.0 };
    let mut before: Option<f64> = None;
    let mut walked = 0.0;
    let mut see = |t: f64, starts: bool| {
        if let Some(before) = before.filter(|_| !starts) {
            walked += (t - before).abs();
        }
        before = Some(t);
        progress(walked / ways);
    };
    let plain = Guidance::cfg(1.0)?;
    let trip = pollster::block_on(round_trip(
        &mut field(classes, plain),
        &plan.solver,
        &stepping,
        x,
        &options,
        async |report| {
            see(report.t, report.accepted == 0);
            ControlFlow::Continue(())
        },
    ))?;
    let evaluations = [trip.noise.evaluations, trip.data.evaluations];
    let in_pixels = |error: &RoundTripError| RoundTripError {
        rms: error.rms * f64::from(std),
        max: error.max * f64::from(std),
    };
    let noise = finished(trip.noise)?;
    let drawn = |x: Tensor<4>| -> Vec<f32> {
        x.into_data().iter::<f32>().map(|v| (v * std + mean).clamp(0.0, 1.0)).collect()
    };
    let (mut other, mut evaluations_other) = (None, 0);
    if let Some(class) = to {
        let mut field = field(&vec![class; classes.len()], plan.guidance.clone());
        let run = integrate(&mut field, &plan.solver, &stepping, noise.clone(), &options, async |report| {
            see(report.t, report.accepted == 0);
            ControlFlow::Continue(())
        });
        let outcome = pollster::block_on(run)?;
        evaluations_other = outcome.evaluations;
        other = Some(drawn(finished(outcome)?));
    }
    Ok(Inverted {
        errors: trip.errors.iter().map(in_pixels).collect(),
        back: drawn(finished(trip.data)?),
        noise: noise.into_data().iter::<f32>().collect(),
        other,
        evaluations,
        evaluations_other,
    })
}

/// The state of a run that reached its end.
fn finished(outcome: Outcome<Tensor<4>>) -> Result<Tensor<4>> {
    match outcome.end {
        End::Finished => Ok(outcome.x),
        End::BudgetExhausted => bail!(
            "the solver was at t = {:.3} after {MOST_EVALUATIONS} evaluations; a larger tolerance needs fewer",
            outcome.t
        ),
        other => bail!("the integration ended early ({other:?}) at t = {:.3}", outcome.t),
    }
}
