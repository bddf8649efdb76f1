//! How straight the paths of a run are.
//!
//! With chords c_k = (x_(k+1) - x_k) / h_k over the accepted steps and the displacement d = x_1 - x_0, the straightness of
//! Liu et al. 2022 (arXiv 2209.03003) is the integral of |c - d|^2 dt over |d|^2, which is
//! sum |x_(k+1) - x_k|^2 / h_k / |d|^2 - 1: 0 for a straight line at constant speed. The length is sum |x_(k+1) - x_k| / |d|:
//! 1 for a straight line at any speed. Both are of the discrete path that the solver took.

use anyhow::{Result, bail};
use burn::tensor::Tensor;
use flow::integrate::Report;
use flow::state::{Rows, State};
use std::ops::ControlFlow;

/// How straight one image's path was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Straightness {
    /// The integral of |c - d|^2 over |d|^2; 0 is straight and even.
    pub bend: f64,
    /// The path's length over the distance of its ends; 1 is straight.
    pub length: f64,
}

/// The sums over a batch's steps.
#[derive(Default)]
pub(super) struct Paths {
    start: Option<Tensor<4>>,
    before: Option<(Tensor<4>, Vec<f64>)>,
    /// For each image sum |dx|^2 / h, sum |dx|, and |d|^2 so far.
    sums: Vec<[f64; 3]>,
    failed: Option<flow::Error>,
}

impl Paths {
    pub(super) async fn see(&mut self, report: Report<'_, Tensor<4>>) -> ControlFlow<()> {
        match self.add(&report).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    async fn add(&mut self, report: &Report<'_, Tensor<4>>) -> Result<(), flow::Error> {
        let samples = report.x.samples();
        let times = if report.times.is_empty() { vec![report.t; samples] } else { report.times.to_vec() };
        if let (Some((before, earlier)), Some(start)) = (&self.before, &self.start) {
            let square = async |from: &Tensor<4>| {
                let moved = State::combine(&[(1.0, report.x), (-1.0, from)]);
                Rows::inner(&moved, &moved).await
            };
            let (step, whole) = (square(before).await?, square(start).await?);
            for (i, sums) in self.sums.iter_mut().enumerate() {
                let h = times[i] - earlier[i];
                if h > 0.0 {
                    sums[0] += step[i] / h;
                    sums[1] += step[i].sqrt();
                }
                sums[2] = whole[i];
            }
        } else {
            self.start = Some(report.x.clone());
            self.sums = vec![[0.0; 3]; samples];
        }
        self.before = Some((report.x.clone(), times));
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<Straightness>> {
        if let Some(error) = self.failed {
            bail!("measuring the paths failed: {error}");
        }
        let of = |[speed, length, square]: [f64; 3]| match square > 0.0 {
            true => Straightness { bend: speed / square - 1.0, length: length / square.sqrt() },
            // What does not move goes nowhere straight.
            false => Straightness { bend: 0.0, length: 1.0 },
        };
        Ok(self.sums.into_iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn state(values: [f32; 4]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [2, 1, 1, 2]), &Device::flex())
    }

    fn see(paths: &mut Paths, accepted: usize, t: f64, x: &Tensor<4>) {
        let (rejected, evaluations, total_steps) = (0, accepted, None);
        let report = Report { t, h: 0.0, x, times: &[], accepted, rejected, evaluations, total_steps };
        assert!(pollster::block_on(paths.see(report)).is_continue());
    }

    #[test]
    fn what_does_not_move_is_straight() {
        let mut paths = Paths::default();
        for (i, t) in [0.0, 1.0].into_iter().enumerate() {
            let x = state([1.0; 4]);
            see(&mut paths, i, t, &x);
        }
        assert!(paths.finish().unwrap().iter().all(|found| (found.bend, found.length) == (0.0, 1.0)));
    }

    #[test]
    fn a_straight_even_path_is_0_and_1_and_a_detour_is_told() {
        let mut paths = Paths::default();
        // The first image goes straight to (4, 0); the second goes (1, 0), (1, 1), (2, 1) in uneven time.
        let states = [[0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [2.0, 0.0, 1.0, 1.0], [4.0, 0.0, 2.0, 1.0]];
        for (i, (values, t)) in states.into_iter().zip([0.0, 0.25, 0.5, 1.0]).enumerate() {
            let x = state(values);
            see(&mut paths, i, t, &x);
        }
        let found = paths.finish().unwrap();
        assert!(found[0].bend.abs() < 1e-6 && (found[0].length - 1.0).abs() < 1e-6, "{found:?}");
        // sum |dx|^2 / h = 4 + 4 + 2 = 10 over |d|^2 = 5; length 3 over sqrt 5.
        assert!(
            (found[1].bend - 1.0).abs() < 1e-6 && (found[1].length - 3.0 / 5f64.sqrt()).abs() < 1e-6,
            "{found:?}"
        );
    }
}
