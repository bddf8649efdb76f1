//! What the page sends a run out for: from noise, from states of its own, or backwards from pictures. Made into the state
//! that the run begins with.

use crate::attention::Attentive;
use crate::shelf::Model;
use burn::tensor::{Tensor, TensorData};
use flow::inpainting::Known;
use flow::plan::{Digit, SamplePlan};
use protocol::{Fault, Start, start};

/// Which way a run goes.
#[derive(Clone)]
pub(crate) enum Way {
    /// From this to data.
    Forth(Start),
    /// From pictures towards noise, as far as the time `at`.
    Back {
        /// Where it ends.
        at: f64,
    },
}

/// A run that the page asked for.
#[derive(Clone)]
pub(crate) struct Errand {
    /// How to go.
    pub(crate) plan: SamplePlan,
    /// Which way.
    pub(crate) way: Way,
    /// The bytes that came along; none of most ways.
    pub(crate) bytes: Vec<u8>,
    /// Whether each state brings its estimate and velocity along.
    pub(crate) views: bool,
}

/// What a run begins with.
pub(crate) struct Beginning {
    /// The states.
    pub(crate) x: Attentive,
    /// What is known of the pictures, if they are to be filled in.
    pub(crate) known: Option<Known<Attentive>>,
    /// The end of the way that is nearer to noise.
    pub(crate) at: f64,
}

impl Errand {
    /// A plan from its own noise.
    pub(crate) fn plain(plan: SamplePlan) -> Self {
        Self { plan, way: Way::Forth(Start::Noise), bytes: Vec::new(), views: false }
    }

    /// The class of each image.
    pub(crate) fn labels(&self, model: &Model) -> Result<Vec<u8>, Fault> {
        let plan = &self.plan;
        if matches!((&self.way, plan.digit), (Way::Back { .. }, Digit::Any)) {
            // No model has as many as 255 classes.
            return Ok(vec![u8::try_from(model.null_class).unwrap_or(u8::MAX); plan.count]);
        }
        let as_first = matches!(&self.way, Way::Forth(start) if !start.keeps_classes());
        let labels: Vec<u8> =
            (0..plan.count).map(|image| plan.label(if as_first { 0 } else { image })).collect();
        match labels.iter().find(|label| usize::from(**label) >= model.classes) {
            Some(label) => {
                let what = format!("the model has {} classes, the plan asks for {label}", model.classes);
                Err(Fault::Sampling { what })
            }
            None => Ok(labels),
        }
    }

    /// The states that the run begins with.
    pub(crate) fn begin(&self, model: &Model, run: Option<u64>) -> Result<Beginning, Fault> {
        let Self { plan, way, bytes, .. } = self;
        let [channels, height, width] = model.state;
        let length = channels * height * width;
        let noise = || flow::noise::batch(plan.seed, 0..plan.count as u64, length);
        let mut known = None;
        let (values, at) = match way {
            Way::Forth(Start::Noise) => (noise(), 0.0),
            Way::Forth(Start::Between { seed }) => (start::between(plan, *seed, length), 0.0),
            Way::Forth(Start::Given { at }) => (start::numbers(bytes, plan.count * length)?, *at),
            Way::Forth(Start::Filled) => {
                known = Some(start::picture_and_mask(&model.looks, bytes)?);
                (noise(), 0.0)
            }
            Way::Back { at } => (start::pictures(&model.looks, bytes, plan.count)?, *at),
        };
        let states = |values: Vec<f32>| {
            let values = TensorData::new(values, [plan.count, channels, height, width]);
            Attentive { x: Tensor::from_data(values, &model.device), run }
        };
        let known = known.map(|(picture, mask)| Known {
            picture: states(picture.repeat(plan.count)),
            mask: states(mask.repeat(plan.count)),
        });
        Ok(Beginning { x: states(values), known, at })
    }
}
