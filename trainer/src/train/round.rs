//! Training with the weights that the exported file will hold: rounded to few levels in the forward pass, while the
//! gradient goes to the weights as they are (the straight-through estimator; Bengio 2013, arXiv 1308.3432; Jacob 2018,
//! arXiv 1712.05877). Small tensors have four times the levels, as in the file
//! ([`model_export::levels_of`]).
//!
//! scale = max |w| / levels over an output channel, w <- round(w / scale) scale; as `model-export` writes them.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use model_export::levels_of;

/// Rounds every weight of two or more dimensions of a module with gradients.
pub(super) struct Round {
    pub(super) levels: u8,
}

/// A module without gradients with the weights that its exported file will hold; as it is where nothing is rounded.
pub(crate) fn as_exported<M: Module>(model: M, levels: Option<u8>) -> M {
    match levels {
        Some(levels) => model.map(&mut Plain { levels }),
        None => model,
    }
}

struct Plain {
    levels: u8,
}

impl ModuleMapper for Plain {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 { param } else { param.map(|weights| as_written(weights, self.levels)) }
    }
}

fn as_written<const D: usize>(weights: Tensor<D>, levels: u8) -> Tensor<D> {
    let levels = levels_of(weights.shape().num_elements(), levels);
    rounded(weights, levels)
}

fn rounded<const D: usize>(weights: Tensor<D>, levels: u8) -> Tensor<D> {
    let outputs = if D == 2 { 1 } else { 0 };
    let largest = (0..D).filter(|&axis| axis != outputs).fold(weights.clone().abs(), Tensor::max_dim);
    let scale = largest.clamp_min(1e-30) / f64::from(levels);
    (weights / scale.clone()).round() * scale
}

impl ModuleMapper for Round {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 {
            return param;
        }
        param.map(|weights| {
            let now = weights.clone().inner();
            weights + Tensor::from_inner(as_written(now.clone(), self.levels) - now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, Distribution};

    fn in_training(linear: Linear, levels: u8) -> Linear {
        linear.map(&mut Round { levels })
    }

    #[test]
    fn the_gradient_of_rounded_weights_arrives_at_the_weights() {
        let device = Device::flex().autodiff();
        let linear: Linear = LinearConfig::new(6, 2000).init(&device);
        let x = Tensor::<2>::random([4, 6], Distribution::Normal(0.0, 1.0), &device);
        let loss = in_training(linear.clone(), 3).forward(x.clone()).sum();
        let gradients = loss.backward();
        let got = linear.weight.val().grad(&gradients).unwrap().into_data();
        let want = x.inner().sum_dim(0).transpose().repeat_dim(1, 2000).into_data();
        got.assert_approx_eq::<f32>(&want, burn::tensor::Tolerance::absolute(1e-5));
    }

    #[test]
    fn large_tensors_have_the_levels_asked_for_and_small_ones_of_four_times_as_many() {
        multiples(2600, 7.0);
        multiples(9, 28.0);
    }

    fn multiples(inputs: usize, levels: f32) {
        let linear = LinearConfig::new(inputs, 4).init(&Device::flex().autodiff());
        let of = |linear: &Linear| linear.weight.val().into_data().try_to_vec::<f32>().unwrap();
        let (before, after) = (of(&linear), of(&in_training(linear.clone(), 7)));
        assert_eq!(of(&as_exported(linear.valid(), Some(7))), of(&in_training(linear.clone(), 7).valid()));
        assert_eq!(of(&as_exported(linear.valid(), None)), before);
        for output in 0..4 {
            let column = |all: &[f32]| (0..inputs).map(|input| all[input * 4 + output]).collect::<Vec<_>>();
            let (before, after) = (column(&before), column(&after));
            let scale = before.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / levels;
            for (before, after) in before.iter().zip(&after) {
                let multiple = after / scale;
                assert!((multiple - multiple.round()).abs() < 1e-3, "{multiple}");
                assert!((before - after).abs() <= scale * 0.5001, "{before} {after}");
            }
        }
    }
}
