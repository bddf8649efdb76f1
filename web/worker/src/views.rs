//! What a step says beside the state that it leads to: the velocity with which it left the state before, and where going
//! straight on would have led from there.
//!
//! Both come from the two states alone, v = (x' - x) / (t' - t), so nothing is evaluated for them. Of Euler's steps this is the
//! network's own answer; of other solvers, the mean of the answers that the step went by. The estimate is x + (1 - t) v.

use crate::sampling::numbers;
use crate::shelf::Model;
use burn::tensor::{Tensor, TensorData};
use protocol::Fault;

/// A batch at one moment.
pub(crate) struct Moment {
    /// The time of each image.
    pub(crate) times: Vec<f64>,
    /// The numbers of the states.
    pub(crate) states: Vec<f32>,
    /// What is shown of them: decoded, where they are latents.
    pub(crate) shown: Vec<f32>,
}

/// The estimates' pixels and the velocities' bytes of the step from one moment to the next.
pub(crate) async fn of_step(
    model: &Model,
    before: &Moment,
    after: &Moment,
) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let velocity = slopes(&before.times, &after.times, &before.shown, &after.shown);
    let estimate = match &model.decoder {
        None => straight_on(&before.times, &before.shown, &velocity),
        Some(_) => {
            let pushed = slopes(&before.times, &after.times, &before.states, &after.states);
            let estimate = straight_on(&before.times, &before.states, &pushed);
            let [channels, height, width] = model.state;
            let shape = [before.times.len(), channels, height, width];
            let estimate = Tensor::<4>::from_data(TensorData::new(estimate, shape), &model.device);
            numbers(model.shown(estimate)).await?
        }
    };
    // Two finite states may lie so far apart that this is not a number; then there is nothing to show.
    let pixels = model.looks.pixels(&estimate).unwrap_or_else(|| vec![0; estimate.len()]);
    Ok((pixels, model.looks.velocity(&velocity)))
}

/// (x' - x) / (t' - t) for each image; nothing for one that did not move.
fn slopes(times: &[f64], later: &[f64], x: &[f32], after: &[f32]) -> Vec<f32> {
    let size = x.len() / times.len().max(1);
    let all = x.chunks(size.max(1)).zip(after.chunks(size.max(1))).zip(times.iter().zip(later));
    all.flat_map(|((x, after), (t, later))| {
        let h = later - t;
        let part = if h == 0.0 { 0.0 } else { 1.0 / h };
        x.iter().zip(after).map(move |(x, after)| ((after - x) as f64 * part) as f32)
    })
    .collect()
}

/// x + (1 - t) v for each image.
fn straight_on(times: &[f64], x: &[f32], velocity: &[f32]) -> Vec<f32> {
    let size = (x.len() / times.len().max(1)).max(1);
    let all = x.chunks(size).zip(velocity.chunks(size)).zip(times);
    all.flat_map(|((x, v), t)| x.iter().zip(v).map(move |(x, v)| x + (1.0 - t) as f32 * v)).collect()
}
