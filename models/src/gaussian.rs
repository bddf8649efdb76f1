//! No flow at all: the velocity is zero, so that what was drawn is what is decoded. It makes a variational autoencoder
//! (Kingma and Welling 2013, arXiv 1312.6114) a model beside the latent flows, from the same noise.

use crate::architecture::{ArchitectureError, NetworkConfig, check_states};
use crate::network::VelocityNetwork;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use flow::integrate::Outcome;
use flow::plan::SamplePlan;
use serde::{Deserialize, Serialize};

/// Configuration of a [`Gaussian`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianConfig {
    /// Channels, height and width of a latent.
    pub image: [usize; 3],
    /// Number of classes, none of which it looks at.
    pub classes: usize,
}

/// Nothing that is trained; made by [`GaussianConfig`].
#[derive(Module, Debug)]
pub struct Gaussian {
    embedding: usize,
}

impl NetworkConfig for GaussianConfig {
    type Network = Gaussian;

    fn validate(&self) -> Result<(), ArchitectureError> {
        check_states(self.image, self.classes)
    }

    fn image(&self) -> [usize; 3] {
        self.image
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn multiply_adds(&self) -> u64 {
        0
    }

    fn init(&self, _device: &Device) -> Gaussian {
        Gaussian { embedding: 2 }
    }
}

impl VelocityNetwork for Gaussian {
    fn embedding(&self) -> usize {
        self.embedding
    }

    fn forward_embedded(&self, x: Tensor<4>, _time: Tensor<2>, _class: Tensor<1, Int>) -> Tensor<4> {
        x.zeros_like()
    }
}

/// What is left of a plan where nothing moves: a single step, unguided.
///
/// # Errors
/// None: the fields are what every plan takes.
pub fn in_one_step(plan: &SamplePlan) -> Result<SamplePlan, flow::Error> {
    let mut plan = plan.clone();
    for (field, value) in [("solver", "euler"), ("schedule", "linear"), ("steps", "1"), ("guidance", "1")] {
        plan.set(field, value)?;
    }
    Ok(plan)
}

/// The same outcome without evaluations: there is no network that could have been evaluated.
pub fn uncounted<S>(mut outcome: Outcome<S>) -> Outcome<S> {
    outcome.evaluations = 0;
    outcome.samples.iter_mut().for_each(|sample| sample.evaluations = 0);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_plan_one_unguided_step_is_left_of_the_same_images() {
        for text in
            ["solver=dopri5&tol=0.01&guidance=autoguidance:scale=3&seed=5&count=3&digit=2", "steps=40"]
        {
            let plan: SamplePlan = text.parse().unwrap();
            let left = in_one_step(&plan).unwrap();
            assert_eq!((left.seed, left.count, left.digit), (plan.seed, plan.count, plan.digit));
            assert_eq!(left.expected_evaluations(&Default::default()), Some(1), "{left}");
        }
    }
}
