//! Training with the weights that the exported file will hold: rounded to few levels in the forward pass, while the
//! gradient goes to the weights as they are (the straight-through estimator; Bengio 2013, arXiv 1308.3432; Jacob 2018,
//! arXiv 1712.05877).
//!
//! scale = max |w| / levels over an output channel, w <- round(w / scale) scale; as `model-export` writes them.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

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
        if D < 2 { param } else { param.map(|weights| rounded(weights, self.levels)) }
    }
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
            weights + Tensor::from_inner(rounded(now.clone(), self.levels) - now)
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
        let linear: Linear = LinearConfig::new(6, 5).init(&device);
        let x = Tensor::<2>::random([4, 6], Distribution::Normal(0.0, 1.0), &device);
        let loss = in_training(linear.clone(), 3).forward(x.clone()).sum();
        let gradients = loss.backward();
        let got = linear.weight.val().grad(&gradients).unwrap().into_data();
        let want = x.inner().sum_dim(0).transpose().repeat_dim(1, 5).into_data();
        got.assert_approx_eq::<f32>(&want, burn::tensor::Tolerance::absolute(1e-5));
    }

    #[test]
    fn weights_become_whole_multiples_of_their_outputs_scale() {
        let linear = LinearConfig::new(9, 4).init(&Device::flex().autodiff());
        let of = |linear: &Linear| linear.weight.val().into_data().try_to_vec::<f32>().unwrap();
        let (before, after) = (of(&linear), of(&in_training(linear.clone(), 7)));
        assert_eq!(of(&as_exported(linear.valid(), Some(7))), of(&in_training(linear.clone(), 7).valid()));
        assert_eq!(of(&as_exported(linear.valid(), None)), before);
        for output in 0..4 {
            let column = |all: &[f32]| (0..9).map(|input| all[input * 4 + output]).collect::<Vec<_>>();
            let (before, after) = (column(&before), column(&after));
            let scale = before.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / 7.0;
            for (before, after) in before.iter().zip(&after) {
                let multiple = after / scale;
                assert!((multiple - multiple.round()).abs() < 1e-4, "{multiple}");
                assert!((before - after).abs() <= scale * 0.5001, "{before} {after}");
            }
        }
    }
}
