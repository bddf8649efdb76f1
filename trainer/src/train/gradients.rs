//! The norm of the whole gradient, and clipping by it (Pascanu 2013). Burn's own clipping takes each tensor alone.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The loss and the gradient's L2 norm, read from the device in one go.
pub(super) fn loss_and_norm<M: Module>(
    loss: Tensor<1>,
    gradients: &GradientsParams,
    model: &M,
) -> (f32, f32) {
    let mut squares = Squares { gradients, sums: vec![] };
    model.visit(&mut squares);
    let sum = match squares.sums.is_empty() {
        true => loss.zeros_like(),
        false => Tensor::cat(squares.sums, 0).sum(),
    };
    let read = Tensor::cat(vec![loss, sum.sqrt()], 0).into_data();
    let mut values = read.iter::<f32>();
    let mut next = || values.next().unwrap_or(f32::NAN);
    (next(), next())
}

/// Scales all gradients so that their norm is at most `limit`; `norm` is what it is now.
pub(super) fn clip<M: Module>(
    gradients: GradientsParams,
    model: &M,
    norm: f32,
    limit: f64,
) -> GradientsParams {
    if f64::from(norm) <= limit {
        return gradients;
    }
    let mut scale = Scale { gradients, factor: limit / f64::from(norm) };
    model.visit(&mut scale);
    scale.gradients
}

/// Whether every weight is finite.
pub(super) fn all_finite<M: Module>(model: &M) -> bool {
    let mut finite = Finite(vec![]);
    model.visit(&mut finite);
    finite.0.is_empty() || Tensor::cat(finite.0, 0).sum().into_scalar::<f32>() == 0.0
}

/// For each tensor, how many of its values are not finite.
struct Finite(Vec<Tensor<1>>);

impl ModuleVisitor for Finite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().inner().is_finite().bool_not().float().sum());
    }
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sums.push(gradient.square().sum());
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn one_weight_that_is_not_finite_is_found() {
        let model = LinearConfig::new(3, 2).init(&Device::flex());
        assert!(all_finite(&model));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut model = model.clone();
            let values = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, bad], [5.0, 6.0]], &Device::flex());
            model.weight = model.weight.map(|_| values);
            assert!(!all_finite(&model), "{bad}");
        }
    }

    #[test]
    fn clipping_leaves_the_direction_and_sets_the_norm() {
        let device = Device::flex().autodiff();
        let model = LinearConfig::new(3, 2).init(&device);
        let x = Tensor::<2>::from_floats([[1.0, -2.0, 3.0]], &device);
        let loss = model.forward(x).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let before = gradients.get::<2>(model.weight.id).unwrap();
        let (_, norm) = loss_and_norm(loss.clone().inner(), &gradients, &model);
        let clipped = clip(gradients, &model, norm, f64::from(norm) / 4.0);
        let (_, after) = loss_and_norm(loss.inner(), &clipped, &model);
        assert!((after - norm / 4.0).abs() < 1e-4 * norm, "{norm} {after}");
        let ratio = (clipped.get::<2>(model.weight.id).unwrap() / before).into_data();
        for r in ratio.iter::<f32>() {
            assert!((r - 0.25).abs() < 1e-5);
        }
    }
}
