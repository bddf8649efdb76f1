//! What turns gradients into steps: AdamW (Loshchilov and Hutter 2019), or Muon (Jordan 2024) for hidden layers beside it.
//!
//! Muon orthogonalizes a matrix's momentum by a Newton-Schulz iteration. Burn's takes matrices only, so a convolution's
//! weights `[out, in, height, width]` are seen as `[out, in * height * width]`. Embeddings, vectors (biases, scales) and
//! the network's first and last layer stay with AdamW, as its author advises. The rate is adjusted to each matrix so that
//! its steps are as large as AdamW's (arXiv 2502.16982): one learning rate serves both.

use crate::recipe::{OptimizerKind, TrainRecipe};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{
    AdamWConfig, AdjustLrFn, LearningRate, ModuleOptimizer, Muon, MuonConfig, MuonState, Optimizer,
};
use burn::tensor::{Device, Tensor};

/// The recipe's optimizer, without any moments yet.
pub(super) fn optimizer<M: Module>(plan: &TrainRecipe, model: &M) -> ModuleOptimizer {
    let adamw = AdamWConfig::new()
        .with_beta_1(plan.betas[0] as f32)
        .with_beta_2(plan.betas[1] as f32)
        .with_epsilon(1e-8)
        .with_weight_decay(plan.weight_decay as f32)
        .init();
    match plan.optimizer {
        OptimizerKind::Adamw => adamw,
        OptimizerKind::Muon => {
            let decay = (plan.weight_decay > 0.0).then(|| WeightDecayConfig::new(plan.weight_decay as f32));
            let muon = MuonConfig::new()
                .with_weight_decay(decay)
                .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
                .build();
            // By path, which the optimizer's record keeps, so that a resumed run finds each weight's optimizer.
            adamw.with_group(ParamGroup::from_paths(hidden(model)), MatrixMuon(muon), None)
        }
    }
}

/// The paths of the weights that Muon takes.
pub(super) fn hidden<M: Module>(model: &M) -> Vec<String> {
    let mut hidden = Hidden::default();
    model.visit(&mut hidden);
    hidden.found
}

#[derive(Default)]
struct Hidden {
    path: Vec<String>,
    containers: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Hidden {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        let embedding = self.containers.last().is_some_and(|c| c.ends_with("Embedding"));
        // An enum of networks puts its variant's name, with a capital, before the network's own names.
        let variant = self.path.first().is_some_and(|p| p.starts_with(|c: char| c.is_ascii_uppercase()));
        let own = &self.path[usize::from(variant)..];
        let outermost = matches!(own, [layer, _] if layer == "input" || layer == "output");
        if D >= 2 && !embedding && !outermost {
            self.found.push(self.path.join("."));
        }
    }
}

/// Muon over weights of any rank from two, as matrices of one row an output.
#[derive(Clone)]
struct MatrixMuon(Muon);

impl Optimizer for MatrixMuon {
    type State<const D: usize> = MuonState<2>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<MuonState<2>>,
    ) -> (Tensor<D>, Option<MuonState<2>>) {
        let shape = tensor.dims();
        let rows = shape[0];
        let columns: usize = shape[1..].iter().product();
        let matrix = [rows, columns];
        let (tensor, state) = self.0.step(lr, tensor.reshape(matrix), grad.reshape(matrix), state);
        (tensor.reshape(shape), state)
    }

    fn to_device<const D: usize>(state: MuonState<2>, device: &Device) -> MuonState<2> {
        <Muon as Optimizer>::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use burn::nn::conv::Conv2dConfig;
    use burn::optim::GradientsParams;

    fn recipe(optimizer: &str) -> Recipe {
        let text = include_str!("../../../recipes/mnist-unet.toml");
        Recipe::parse(text, "test", &[format!("train.optimizer={optimizer}")]).unwrap()
    }

    #[test]
    fn muon_takes_hidden_matrices_and_convolutions_and_leaves_the_rest_to_adamw() {
        let recipe = recipe("muon");
        let network = recipe.architecture.unwrap().init(&Device::flex());
        let hidden = hidden(&network);
        let has = |path: &str| hidden.iter().any(|p| p == path);
        assert!(has("Unet.down.0.blocks.0.conv1.weight") && has("Unet.time1.weight"), "{hidden:?}");
        assert!(has("Unet.attention.output.weight"), "{hidden:?}");
        for other in ["Unet.class.weight", "Unet.input.weight", "Unet.output.weight", "Unet.time1.bias"] {
            assert!(!has(other), "{other}");
        }
    }

    #[test]
    fn a_step_of_muon_is_a_matrix_with_equal_singular_values() {
        let device = Device::flex().autodiff();
        let model = Conv2dConfig::new([3, 2], [2, 2]).init(&device);
        let mut plan = recipe("muon").train;
        plan.weight_decay = 0.0;
        let before = model.weight.val().inner();
        let x = Tensor::<4>::from_data([[[[1.0_f32, -2.0], [0.5, 3.0]]; 3]], &device)
            * Tensor::<4>::from_data([[[[1.0_f32]], [[2.0]], [[-1.0]]]], &device);
        // Two outputs with unlike gradients: the orthogonalized step has rows of the same length.
        let y = model.forward(x).flatten::<1>(0, 3);
        let weights = Tensor::<1>::from_floats([1.0, 30.0], &device);
        let loss = (y.square() * weights).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let model = optimizer(&plan, &model).step(0.1, model, gradients);
        let step = (before - model.weight.val().inner()).reshape([2, 12]);
        let gram = step.clone().matmul(step.transpose()).into_data().try_into_vec_as::<f32>().unwrap();
        // The two gradients are parallel (one input), so one singular value is left: 0.2 sqrt(12) times the rate.
        let length = (gram[0] + gram[3]).sqrt();
        let expected = 0.1 * 0.2 * 12.0_f32.sqrt();
        // Five iterations end between 0.7 and 1.2 of it.
        assert!((0.6..1.3).contains(&(length / expected)), "{gram:?} {expected}");
    }
}
