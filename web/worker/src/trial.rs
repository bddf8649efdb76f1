//! What a device must show before it may draw: that it gives the stored answer, and how fast it is.

use crate::errand::Errand;
use crate::sampling::{self, Cast};
use crate::shelf::Model;
use crate::{desk, pause, post};
use burn::tensor::{Tensor, TensorData};
use flow::guidance::{At, Conditional};
use flow::plan::SamplePlan;
use models::ConditionalNetwork;
use protocol::{Fault, MEASURED_BATCHES, ToPage};
use std::ops::ControlFlow;

/// Rounds of a measurement; their median counts, because the first rounds are slower and a browser has other things to do.
const ROUNDS: usize = 5;
/// A batch is not measured longer than this.
const LONGEST_MS: f64 = 3_000.0;

/// Runs the manifest's plan and gives the greatest difference from the stored final states.
pub(crate) async fn self_test(model: &Model, answer: &[u8]) -> Result<f32, Fault> {
    let fault = |what: String| Fault::SelfTest { model: model.id.clone(), what };
    let test = model.self_test.as_ref().ok_or_else(|| fault("the manifest has none".to_owned()))?;
    let expected = test.open(answer).map_err(|error| fault(error.to_string()))?;
    let plan: SamplePlan = test.plan.parse().map_err(|error: flow::Error| fault(error.to_string()))?;
    let outcome = sampling::integrated(Cast::alone(model), &Errand::plain(plan), None, async |report| {
        // Reading the state waits for the device, so that being alive means to have done something.
        if sampling::numbers(report.x.x.clone()).await.is_ok() {
            post::say(&ToPage::Alive);
        }
        pause::breathe().await;
        ControlFlow::Continue(())
    })
    .await?;
    let got = sampling::numbers(model.shown(outcome.x.x)).await?;
    if got.len() != expected.len() {
        return Err(fault(format!("{} numbers, the stored answer has {}", got.len(), expected.len())));
    }
    // A NaN loses every comparison, so it is made the worst.
    let worst = got.iter().zip(&expected).map(|(got, expected)| (got - expected).abs());
    Ok(worst.fold(
        0.0,
        |worst: f32, difference| if difference.is_nan() { f32::MAX } else { worst.max(difference) },
    ))
}

/// Milliseconds for one evaluation at each of [`MEASURED_BATCHES`]; `None` as soon as a run waits.
pub(crate) async fn measure(model: &Model) -> Result<Option<[f64; 2]>, Fault> {
    let mut result = [0.0; 2];
    for (batch, result) in MEASURED_BATCHES.into_iter().zip(&mut result) {
        let [channels, height, width] = model.state;
        let noise = flow::noise::batch(0, 0..batch as u64, channels * height * width);
        let noise = TensorData::new(noise, [batch, channels, height, width]);
        let x = Tensor::<4>::from_data(noise, &model.device);
        let labels: Vec<u8> = (0..batch).map(|image| (image % model.classes) as u8).collect();
        let mut network = ConditionalNetwork::new(&model.network, &labels, model.null_class, &model.device);
        let mut rounds_ms = Vec::with_capacity(ROUNDS);
        let first_ms = pause::now_ms();
        // The first evaluation is not counted: it compiles shaders and allocates.
        for round in 0..=ROUNDS {
            let began_ms = pause::now_ms();
            let velocity = network
                .conditional(At::All(0.5), &x)
                .map_err(|error| Fault::Sampling { what: error.to_string() })?;
            // Where nothing is evaluated, decoding is all the work there is.
            let result = if model.evaluated { velocity } else { model.shown(velocity) };
            sampling::numbers(result).await?;
            let ended_ms = pause::now_ms();
            if round > 0 {
                rounds_ms.push(ended_ms - began_ms);
            }
            post::say(&ToPage::Alive);
            pause::breathe().await;
            if desk::run_waits() {
                return Ok(None);
            }
            if !rounds_ms.is_empty() && ended_ms - first_ms > LONGEST_MS {
                break;
            }
        }
        rounds_ms.sort_by(f64::total_cmp);
        *result = rounds_ms[rounds_ms.len() / 2];
    }
    Ok(Some(result))
}
