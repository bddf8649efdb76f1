//! A network whose divergence is had by automatic differentiation: e^T J e = e . grad_x <v(t, x), e>, one pass through the
//! network and one back for each probe (Grathwohl et al. 2019, arXiv 1810.01367).
//!
//! Every sample goes through the network once for each probe, many of them as one batch; Burn's graph serves one pass back
//! only. The weights stay off the graph: only the image is differentiated by. A pass back counts as an evaluation like
//! one forth, although it costs about twice as much.

use burn::tensor::Tensor;
use flow::Error;
use flow::field::{Field, Tally};
use flow::guidance::At;
use flow::likelihood::Divergence;
use flow::state::Rows;

/// Images that go through the network together, to bound the memory of the graph.
const TOGETHER: usize = 112;

/// A field over a network, guided or not, on a device without gradients: they are turned on where they are needed.
pub struct Differentiated<F> {
    field: F,
    back: Tally,
    together: usize,
}

impl<F> Differentiated<F> {
    /// The field with its divergence.
    pub fn new(field: F) -> Self {
        Self { field, back: Tally::default(), together: TOGETHER }
    }
}

impl<F: Field<Tensor<4>>> Field<Tensor<4>> for Differentiated<F> {
    fn velocity(&mut self, t: f64, x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        self.field.velocity(t, x)
    }

    fn velocity_rows(&mut self, times: &[f64], rows: &[usize], x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        self.field.velocity_rows(times, rows, x)
    }

    fn spent(&self, row: usize) -> usize {
        self.field.spent(row) + self.back.of(row)
    }

    fn evaluations(&self) -> usize {
        self.field.evaluations() + self.back.most()
    }

    fn evaluations_per_call(&self) -> usize {
        self.field.evaluations_per_call()
    }
}

impl<F: Field<Tensor<4>>> Divergence<Tensor<4>> for Differentiated<F> {
    fn probed(
        &mut self,
        at: At<'_>,
        x: &Tensor<4>,
        probes: &[Tensor<4>],
    ) -> Result<(Tensor<4>, Tensor<4>), Error> {
        let (samples, count) = (x.samples(), probes.len());
        if samples == 0 || count == 0 {
            let reason = "a divergence needs at least one image and one probe".to_owned();
            return Err(Error::Field { reason });
        }
        let asked = |i: usize| match at {
            At::All(t) => (t, i),
            At::Rows { times, rows } => (times[i], rows[i]),
        };
        let [_, channels, height, width] = x.dims();
        // Image after image, each once for every probe.
        let along: Tensor<4> =
            Tensor::stack::<5>(probes.to_vec(), 1).reshape([samples * count, channels, height, width]);
        let all: Vec<usize> = (0..samples * count).collect();
        let (mut velocities, mut columns) = (Vec::new(), Vec::new());
        for part in all.chunks(self.together) {
            let images: Vec<usize> = part.iter().map(|place| place / count).collect();
            let (times, rows): (Vec<f64>, Vec<usize>) = images.iter().map(|i| asked(*i)).unzip();
            let leaf = Rows::select(x, &images).inner().autodiff().require_grad();
            let probe = along.clone().narrow(0, part[0], part.len());
            let before: Vec<usize> = rows.iter().map(|row| self.field.spent(*row)).collect();
            let velocity = self.field.velocity_rows(&times, &rows, &leaf)?;
            // As many passes back as there were forth: two under guidance, none where it keeps still.
            let mut last = None;
            for (row, before) in rows.iter().zip(before) {
                if last != Some(*row) {
                    self.back.add_rows(&[*row], self.field.spent(*row) - before);
                }
                last = Some(*row);
            }
            // A velocity that does not come from the image has no graph, and does not change with it.
            let gradient = velocity
                .is_tracked()
                .then(|| {
                    let mut gradients = (velocity.clone() * probe.clone()).sum().backward();
                    leaf.grad_remove(&mut gradients)
                })
                .flatten()
                .unwrap_or_else(|| probe.zeros_like());
            columns.push((gradient * probe).reshape([part.len(), channels * height * width]).sum_dim(1));
            let firsts: Vec<usize> = (0..part.len()).filter(|i| part[*i] % count == 0).collect();
            if !firsts.is_empty() {
                velocities.push(Rows::select(&velocity.inner(), &firsts));
            }
        }
        let columns: Tensor<2> = Tensor::cat(columns, 0);
        Ok((Tensor::cat(velocities, 0), columns.reshape([samples, count, 1, 1])))
    }

    fn evaluations_per_probed(&self, probes: usize) -> usize {
        probes.saturating_mul(2).saturating_mul(self.field.evaluations_per_call())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, ConditionalNetwork, Network, UNetConfig};
    use burn::tensor::{Device, TensorData};
    use flow::controller::Controller;
    use flow::guidance::{Guidance, Guided};
    use flow::integrate::{Options, Stepping};
    use flow::likelihood::{CentralDifferences, Estimate, Probes, log_likelihood};
    use flow::noise;
    use flow::solver::Solver;
    use flow::state::Elements;
    use std::ops::ControlFlow;

    /// A network of images of 4 x 4 with weights that are anything but zero.
    fn network(device: &Device) -> (Architecture, Network) {
        let architecture = Architecture::Unet(UNetConfig {
            image: [1, 4, 4],
            classes: 3,
            patch: 2,
            channels: vec![8],
            blocks: 1,
            up_blocks: 1,
            middle_blocks: 1,
            embedding: 8,
            groups: 2,
            attention_heads: 2,
            block: crate::layers::BlockKind::Residual,
        });
        let mut weights = architecture.init(device).weights();
        for (i, (_, values)) in weights.values_mut().enumerate() {
            let drawn = noise::gaussian(1, i as u64, values.len());
            values.iter_mut().zip(drawn).for_each(|(v, z)| *v += 0.2 * z);
        }
        let network = architecture.with_weights(weights, device).unwrap();
        (architecture, network)
    }

    fn images(seed: u64, count: usize, device: &Device) -> Tensor<4> {
        let values = noise::batch(seed, 0..count as u64, 16);
        Tensor::from_data(TensorData::new(values, [count, 1, 4, 4]), device)
    }

    fn host(x: &Tensor<4>) -> Vec<f32> {
        x.clone().into_data().iter::<f32>().collect()
    }

    #[test]
    fn gradients_and_central_differences_agree_whatever_the_guidance_and_the_batches() {
        let device = Device::flex();
        let (architecture, network) = network(&device);
        let labels = [0, 2, 1];
        let conditional = || ConditionalNetwork::new(&network, &labels, architecture.null_class(), &device);
        let x = images(3, 3, &device);
        let probes: Vec<Tensor<4>> = (0..5)
            .map(|k| {
                let signs = (0..3).flat_map(|image| noise::rademacher(5, image, k, 16));
                x.with_values(&signs.map(f64::from).collect::<Vec<_>>())
            })
            .collect();
        let rows = At::Rows { times: &[0.2, 0.7, 0.7], rows: &[0, 1, 2] };
        for text in ["1", "2.5", "0", "cfg-zero*", "interval:scale=3,lo=0.1,hi=0.5"] {
            let guided = || Guided::new(text.parse::<Guidance>().unwrap(), conditional());
            for at in [At::All(0.4), rows] {
                let mut exact = Differentiated::new(guided());
                exact.together = 4;
                let (velocity, columns) = exact.probed(at, &x, &probes).unwrap();
                let mut rough = CentralDifferences::new(guided()).reaching(1e-2).unwrap();
                let (expected, differences) = rough.probed(at, &x, &probes).unwrap();
                assert_eq!((columns.dims(), differences.dims()), ([3, 5, 1, 1], [3, 5, 1, 1]));
                assert!(!velocity.is_autodiff() && !columns.is_autodiff());
                let pairs = host(&velocity).into_iter().zip(host(&expected));
                assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5), "{text}: the same velocity");
                let (columns, differences) = (host(&columns), host(&differences));
                let size = columns.iter().fold(0f32, |most, v| most.max(v.abs()));
                assert!(size > 0.1, "{text}: a divergence that is nothing proves nothing");
                for (a, b) in columns.iter().zip(&differences) {
                    assert!((a - b).abs() < 0.01 * size, "{text}: {columns:?}, {differences:?}");
                }
            }
        }
    }

    #[test]
    fn the_exact_likelihood_is_what_the_probes_estimate_and_what_differences_sum_to() {
        // As many probes as pixels, so that lists and images have one size, and fewer and more.
        let device = Device::flex();
        let (architecture, network) = network(&device);
        let x = images(8, 3, &device);
        let guided = || {
            let conditional =
                ConditionalNetwork::new(&network, &[0, 2, 1], architecture.null_class(), &device);
            Guided::new(Guidance::cfg(1.0).unwrap(), conditional)
        };
        fn tell(
            mut field: impl Divergence<Tensor<4>>,
            solver: &str,
            x: &Tensor<4>,
            probes: Probes,
        ) -> Vec<Estimate> {
            let solver = solver.parse::<Solver>().unwrap();
            // Random weights change quickly with t, whose embedding turns a thousandfold: a tolerance is met over a
            // hundredth of the way only, and that is enough to walk each image by itself.
            let stepping = if solver.adaptive() {
                Stepping::Adaptive {
                    t0: 0.0,
                    t1: 0.01,
                    rtol: 1e-4,
                    atol: 1e-4,
                    first_step: None,
                    controller: Controller::default(),
                }
            } else {
                Stepping::Fixed { knots: vec![0.0, 0.4, 0.7, 1.0] }
            };
            let options = Options::default();
            let run =
                log_likelihood(&mut field, &solver, &stepping, x.clone(), probes, &options, async |_| {
                    ControlFlow::Continue(())
                });
            pollster::block_on(run).unwrap().samples
        }
        for solver in ["rk4", "dopri5"] {
            let exact = tell(Differentiated::new(guided()), solver, &x, Probes::Exact);
            let differences = CentralDifferences::new(guided()).reaching(1e-2).unwrap();
            let summed = tell(differences, solver, &x, Probes::Exact);
            for (exact, summed) in exact.iter().zip(&summed) {
                assert!((exact.nats - summed.nats).abs() < 0.02, "{solver}: {exact:?}, {summed:?}");
            }
            for count in [16, 64] {
                let told = tell(Differentiated::new(guided()), solver, &x, Probes::Rademacher(count));
                for (estimate, exact) in told.iter().zip(&exact) {
                    let bar = estimate.standard_error.unwrap();
                    assert!(
                        bar > 0.0 && (estimate.nats - exact.nats).abs() < 4.5 * bar + 0.01,
                        "{solver}: {estimate:?}, {exact:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_probe_costs_a_pass_forth_and_a_pass_back_of_every_branch() {
        let device = Device::flex();
        let (architecture, network) = network(&device);
        let x = images(3, 2, &device);
        let probes = vec![x.clone(), x.clone(), x.clone()];
        for (text, branches) in [("1", 1), ("2", 2), ("interval:scale=3,lo=0.1,hi=0.5", 1)] {
            let conditional = ConditionalNetwork::new(&network, &[0, 1], architecture.null_class(), &device);
            let mut field = Differentiated::new(Guided::new(text.parse().unwrap(), conditional));
            field.together = 4;
            field.probed(At::All(0.9), &x, &probes).unwrap();
            assert_eq!(field.evaluations(), 2 * 3 * branches, "{text}");
            assert!(field.evaluations() <= field.evaluations_per_probed(3), "{text}");
            let (second, first) = (Rows::select(&x, &[1]), Rows::select(&x, &[0]));
            field.probed(At::Rows { times: &[0.9], rows: &[1] }, &second, &[first]).unwrap();
            assert_eq!(field.spent(0), 2 * 3 * branches, "{text}");
            assert_eq!(field.spent(1), 2 * 4 * branches, "{text}");
        }
    }
}
