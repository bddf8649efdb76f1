//! One step's loss and gradient: in parts where the recipe accumulates, in 16 bits where it asks for them, and with
//! a device that runs out of memory told as an error that says what to try.

use super::gradients::loss_and_norm;
use super::{Task, round};
use crate::recipe::{Precision, TrainRecipe};
use anyhow::{Context, Result, anyhow, bail};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, FloatDType, Tensor};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a step learned from its batch.
pub(super) struct Gradient {
    pub(super) loss: f32,
    pub(super) norm: f32,
    pub(super) gradients: GradientsParams,
}

/// The mean loss of a batch, its gradient, and that one's norm.
///
/// # Errors
/// A task that can't split its batches.
pub(super) fn gradient<T: Task>(
    task: &T,
    plan: &TrainRecipe,
    model: &T::Model,
    batch: T::Batch,
    device: &Device,
) -> Result<Gradient> {
    let rounded = |model: &T::Model| match plan.levels {
        Some(levels) => model.clone().map(&mut round::Round { levels }),
        None => model.clone(),
    };
    let loss_of = |part| match plan.precision {
        Precision::F32 => task.loss(&rounded(model), part, device),
        // The cast is part of the graph: the gradient arrives at the weights in 32 bits. A backward pass uses its graph
        // up, so that each part casts anew.
        Precision::Bf16 => task.loss(&rounded(model).map(&mut Cast(FloatDType::BF16)), part, device),
    };
    if plan.accumulate == 1 {
        let loss = loss_of(batch);
        let gradients = GradientsParams::from_grads(loss.backward(), model);
        let (loss, norm) = loss_and_norm(loss.inner(), &gradients, model);
        return Ok(Gradient { loss, norm, gradients });
    }
    let parts = task.split(batch, plan.accumulate).map_err(anyhow::Error::msg)?;
    let share = 1.0 / parts.len() as f64;
    let mut sum = GradientsAccumulator::new();
    let mut mean: Option<Tensor<1>> = None;
    for part in parts {
        let loss = loss_of(part).mul_scalar(share);
        sum.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
        let loss = loss.inner();
        mean = Some(match mean {
            Some(mean) => mean + loss,
            None => loss,
        });
    }
    let gradients = sum.grads();
    let mean = mean.context("a batch was split into no parts")?;
    let (loss, norm) = loss_and_norm(mean, &gradients, model);
    Ok(Gradient { loss, norm, gradients })
}

/// Refuses a precision that the device can't compute in.
pub(super) fn check_precision(plan: &TrainRecipe, device: &Device, name: &str) -> Result<()> {
    if plan.precision == Precision::Bf16 && !device.supports_dtype(FloatDType::BF16) {
        bail!(
            "train.precision = bf16: {name} does not compute in bf16. CUDA does on cards since Ampere, and the CPU does \
             slowly, by way of f32; elsewhere leave it at f32"
        );
    }
    Ok(())
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| weights.cast(self.0))
    }
}

/// Runs one step; a panic of the backend that speaks of memory becomes an error, any other goes on its way.
pub(super) fn guarded<R>(step: u64, plan: &TrainRecipe, run: impl FnOnce() -> Result<R>) -> Result<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Err(error)) if speaks_of_memory(&format!("{error:#}")) => {
            Err(error.context(out_of_memory(step, plan)))
        }
        Ok(result) => result,
        Err(panic) => match text(panic.as_ref()).filter(|text| speaks_of_memory(text)) {
            Some(text) => Err(anyhow!("{}", text.trim()).context(out_of_memory(step, plan))),
            None => resume_unwind(panic),
        },
    }
}

fn text(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied())
}

/// What CUDA, WGPU, LibTorch and Rust's allocator say when there is no memory left.
fn speaks_of_memory(text: &str) -> bool {
    let text = text.to_lowercase();
    ["out of memory", "out_of_memory", "outofmemory", "memory allocation", "not enough memory"]
        .iter()
        .any(|words| text.contains(words))
}

fn out_of_memory(step: u64, plan: &TrainRecipe) -> String {
    let parts = plan.accumulate * 2;
    let smaller = match (plan.batch.is_multiple_of(parts), plan.batch / 2) {
        (_, 0) => "a smaller network".to_owned(),
        (true, half) => {
            format!(
                "--set train.accumulate={parts}, which keeps batches of {}, or --batch {half}",
                plan.batch
            )
        }
        (false, half) => format!("--batch {half}"),
    };
    format!(
        "the device ran out of memory at step {step} with train.batch = {} and train.accumulate = {}; the last \
         checkpoint is from before. Try {smaller}",
        plan.batch, plan.accumulate
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::recipe::Recipe;
    use crate::train::FlowTask;
    use burn::module::ModuleVisitor;

    const UNET: &str = include_str!("../../../recipes/mnist-unet.toml");
    const DIT: &str = include_str!("../../../recipes/mnist-dit.toml");

    fn small_dit(sets: &[&str]) -> Recipe {
        let small =
            ["architecture.width=16", "architecture.depth=2", "architecture.embedding=16", "train.batch=12"];
        let sets: Vec<String> = small.iter().chain(sets).map(|set| (*set).to_owned()).collect();
        Recipe::parse(DIT, "test", &sets).unwrap()
    }

    fn recipe(sets: &[&str]) -> Recipe {
        let text = UNET;
        let small = [
            "architecture.channels=[8, 16]",
            "architecture.blocks=1",
            "architecture.embedding=16",
            "architecture.groups=4",
            "architecture.attention_heads=2",
            "train.batch=12",
        ];
        let sets: Vec<String> = small.iter().chain(sets).map(|set| (*set).to_owned()).collect();
        Recipe::parse(text, "test", &sets).unwrap()
    }

    fn data() -> Dataset {
        let images = (0..40 * 784).map(|i| (i * 37 % 251) as u8).collect();
        Dataset {
            images,
            labels: (0..40).map(|i| i % 10).collect(),
            count: 40,
            channels: 1,
            height: 28,
            width: 28,
        }
    }

    /// Weights that are nowhere zero, so that all of them have a gradient.
    struct Stir;

    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weights| {
                let (shape, weights) = (weights.dims(), weights.inner());
                let count = shape.iter().product::<usize>() as i64;
                let stir = Tensor::<1, burn::tensor::Int>::arange(0..count, &weights.device()).float();
                let stirred = weights + (stir * 0.7).sin().mul_scalar(0.1).reshape(shape);
                Tensor::from_inner(stirred).require_grad()
            })
        }
    }

    /// The cosine between two gradients, and the largest difference beside the largest value.
    #[derive(Default)]
    struct Compare {
        ours: Vec<f32>,
        theirs: Vec<f32>,
    }

    struct Gather<'a>(&'a GradientsParams, &'a mut Vec<f32>);

    impl ModuleVisitor for Gather<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(param.id).expect("every weight has a gradient");
            assert_eq!(gradient.dtype(), burn::tensor::DType::F32);
            self.1.extend(gradient.into_data().iter::<f32>());
        }
    }

    impl Compare {
        fn cosine(&self) -> f64 {
            let dot = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let (a, b) = (&self.ours, &self.theirs);
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        }

        fn furthest(&self) -> f32 {
            let largest = self.ours.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            self.ours.iter().zip(&self.theirs).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / largest
        }
    }

    /// Losses and gradients of the same batch under two recipes.
    fn compared(recipe: fn(&[&str]) -> Recipe, sets: &[&str]) -> (f32, f32, Compare) {
        let (plain, other, data) = (recipe(&[]), recipe(sets), data());
        let device = Device::flex().autodiff();
        let task = FlowTask::new(&plain, &data).unwrap();
        let model = task.init(&device).map(&mut Stir);
        let of = |recipe: &Recipe| {
            gradient(&task, &recipe.train, &model, task.batch(3).unwrap(), &device).unwrap()
        };
        let (ours, theirs) = (of(&plain), of(&other));
        let mut compare = Compare::default();
        model.visit(&mut Gather(&ours.gradients, &mut compare.ours));
        model.visit(&mut Gather(&theirs.gradients, &mut compare.theirs));
        (ours.loss, theirs.loss, compare)
    }

    #[test]
    fn an_accumulated_gradient_is_the_whole_batchs_within_rounding() {
        for parts in ["train.accumulate=3", "train.accumulate=12"] {
            let (whole, accumulated, gradients) = compared(recipe, &[parts]);
            assert!((whole - accumulated).abs() < 1e-5 * whole, "{parts}: {whole} {accumulated}");
            assert!(gradients.furthest() < 1e-4, "{parts}: {}", gradients.furthest());
        }
    }

    #[test]
    fn a_gradient_in_16_bits_arrives_in_32_and_points_the_same_way() {
        let cases = [(recipe as fn(&[&str]) -> Recipe, "train.accumulate=1"), (recipe, "train.accumulate=3")];
        for (recipe, parts) in
            cases.into_iter().chain([(small_dit as fn(&[&str]) -> Recipe, "train.accumulate=1")])
        {
            let (whole, low, gradients) = compared(recipe, &["train.precision=bf16", parts]);
            assert!((whole - low).abs() < 0.02 * whole, "{whole} {low}");
            // Not the same numbers, or nothing was computed in 16 bits.
            assert!(gradients.furthest() > 1e-5);
            assert!(gradients.cosine() > 0.995, "{}", gradients.cosine());
        }
    }

    #[test]
    fn only_a_panic_about_memory_becomes_an_error_and_it_says_what_to_try() {
        let plan = recipe(&[]).train;
        let error = guarded::<()>(7, &plan, || panic!("CUDA_ERROR_OUT_OF_MEMORY: 5 GiB")).unwrap_err();
        let text = format!("{error:#}");
        for part in ["step 7", "train.accumulate=2", "--batch 6", "5 GiB"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let odd = recipe(&["train.batch=3"]).train;
        let text = guarded::<()>(7, &odd, || bail!("wgpu: Out of Memory")).unwrap_err().to_string();
        assert!(text.contains("--batch 1") && !text.contains("accumulate=2"), "{text}");
        let other = catch_unwind(AssertUnwindSafe(|| guarded::<()>(7, &plan, || panic!("shapes differ"))));
        assert!(other.is_err());
    }
}
