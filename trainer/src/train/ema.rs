//! The exponential moving average of the weights, which is what is sampled and exported.
//!
//! average <- d average + (1 - d) weights, with d = min(decay, (1 + step) / (10 + step)) so that the first steps are soon forgotten,
//! or with d = decay throughout.

use crate::recipe::EmaWarmup;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// A model that follows another slowly.
pub(super) struct Average<M> {
    /// The averaged model, gradients off.
    pub(super) model: M,
    decay: f64,
    warmup: EmaWarmup,
}

impl<M: Module> Average<M> {
    pub(super) fn new(model: M, decay: f64, warmup: EmaWarmup) -> Self {
        Self { model, decay, warmup }
    }

    pub(super) fn update(&mut self, model: &M, step: u64) {
        let decay = match self.warmup {
            EmaWarmup::Ramp => self.decay.min((1.0 + step as f64) / (10.0 + step as f64)),
            EmaWarmup::None => self.decay,
        };
        // A container of tensors of any rank by parameter; Burn has no other that is public.
        let mut current = GradientsParams::new();
        model.visit(&mut Collect { into: &mut current });
        self.model = self.model.clone().map(&mut Mix { current, decay });
    }
}

struct Collect<'a> {
    into: &'a mut GradientsParams,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.into.register(param.id, param.val().inner());
    }
}

struct Mix {
    current: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Mix {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.current.remove::<D>(param.id) {
            Some(now) => {
                let decay = self.decay;
                param.map(|average| average.mul_scalar(decay) + now.mul_scalar(1.0 - decay))
            }
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn the_average_moves_by_one_minus_decay() {
        let device = Device::flex();
        let model = LinearConfig::new(2, 2).init(&device.clone().autodiff());
        let zero = model.valid().map(&mut Zero);
        let mut average = Average::new(zero, 0.75, EmaWarmup::Ramp);
        average.update(&model, 1_000_000);
        let ratio = (average.model.weight.val() / model.valid().weight.val()).into_data();
        for r in ratio.iter::<f32>() {
            assert!((r - 0.25).abs() < 1e-5, "{r}");
        }
    }

    #[test]
    fn the_first_steps_follow_quickly_unless_the_recipe_says_otherwise() {
        let device = Device::flex();
        let model = LinearConfig::new(2, 2).init(&device.clone().autodiff());
        for (warmup, expected) in [(EmaWarmup::Ramp, 0.9), (EmaWarmup::None, 0.001)] {
            let mut average = Average::new(model.valid().map(&mut Zero), 0.999, warmup);
            average.update(&model, 0);
            let ratio = (average.model.weight.val() / model.valid().weight.val()).into_data();
            for r in ratio.iter::<f32>() {
                assert!((r - expected).abs() < 1e-5, "{r} {expected}");
            }
        }
    }

    struct Zero;

    impl ModuleMapper for Zero {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|p| p.zeros_like())
        }
    }
}
