//! What the page and its worker say to each other.
//!
//! A message is one JSON text, with at most one `ArrayBuffer` transferred beside it: JSON for what a person may
//! want to read in a debugger, a transferred buffer for what is large. Which message carries a buffer, and
//! what is in it, is said at its variant. A worker answers with the numbers (`run`, `model`) it was asked with,
//! so that the page can tell a late answer from the one that it waits for.
//!
//! The page and the workers are built and cached separately: [`VERSION`] goes up whenever a message changes, and
//! a page that meets another version says so instead of guessing.
//!
//! Faults are for the page to put into a visitor's words; their own text is for a developer's console.

use flow::plan::SamplePlan;
use serde::{Deserialize, Serialize};

pub mod start;

pub use start::Start;

/// Version of these messages.
pub const VERSION: u32 = 5;

/// The velocity, in pixel values (0 paper, 1 ink) per unit of time, that the greatest byte of a frame's velocities stands
/// for; 128 is none, and what is greater is cut off there.
pub const VELOCITY_RANGE: f32 = 4.0;

/// The batch sizes at which a worker times one evaluation: a single large digit, and the grid that opens the page.
pub const MEASURED_BATCHES: [usize; 2] = [1, 16];

/// How far a device's answer to the self-test may lie from the stored one, in model units.
pub const SELF_TEST_TOLERANCE: f32 = 1e-3;

/// What a worker computes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Burn Flex: the processor, one thread, 128-bit SIMD.
    Cpu,
    /// Burn WGPU: the graphics processor, through WebGPU.
    Gpu,
}

impl Backend {
    /// Both, in the order in which the page tries them.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Gpu];

    /// The name in an address (`?backend=cpu`) and in `site.json`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }

    /// The name a visitor reads.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Gpu => "GPU",
        }
    }
}

/// From the page to a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum ToWorker {
    /// Verify and build a model; one over latents after the autoencoder that decodes it. Buffer: the bytes of its file. Answered by [`ToPage::Loaded`] or [`ToPage::Refused`].
    Load {
        /// The model's id.
        model: String,
        /// The manifest's text, which the worker checks strictly.
        manifest: String,
    },
    /// Run the manifest's self-test plan and compare with the stored answer. Buffer: the answer's bytes.
    /// Answered by [`ToPage::SelfTested`] or [`ToPage::Refused`].
    SelfTest {
        /// The model's id.
        model: String,
    },
    /// Time one evaluation at [`MEASURED_BATCHES`], when nothing is being sampled. Answered by [`ToPage::Measured`].
    Measure {
        /// The model's id.
        model: String,
    },
    /// Integrate a plan; a run in progress is cancelled. The plan's model must be loaded, and the weaker one that the
    /// manifest names for it when the plan's guidance needs that. Answered by [`ToPage::Frame`]s and one [`ToPage::Done`],
    /// or [`ToPage::Failed`]; a cancelled run ends in silence.
    Sample {
        /// The page's number of this run; later runs have greater ones.
        run: u64,
        /// What to sample.
        #[serde(with = "text")]
        plan: SamplePlan,
        /// Whether each frame brings the estimate and the velocity of its states along.
        #[serde(default)]
        views: bool,
        /// What it begins with, which says whether a buffer comes along.
        #[serde(default)]
        start: Start,
    },
    /// Follow the flow backwards from pictures to the noise that it makes them from, under the plan's solver, steps, digit and
    /// guidance; the plan's seed is not looked at. The digit `any` is no class at all, for every picture. Otherwise like
    /// [`Self::Sample`], with times that fall from 1. Buffer: the plan's count of pictures as bytes, 0 paper and 255 ink. Not
    /// for models over latents, nor with solvers that add noise.
    Invert {
        /// The page's number of this run, among those of [`Self::Sample`].
        run: u64,
        /// How to go.
        #[serde(with = "text")]
        plan: SamplePlan,
        /// The time to stop at: 0 is noise, and what is later keeps more of the pictures.
        #[serde(default)]
        at: f64,
    },
    /// Cancel the run in progress, if there is one.
    Cancel,
}

/// From a worker to the page.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum ToPage {
    /// The worker's device works and models can be loaded.
    Ready {
        /// [`VERSION`] of the worker's build.
        version: u32,
        /// What it computes with.
        backend: Backend,
        /// Bytes that the worker itself moved over the network: its program's JavaScript.
        transferred: u64,
    },
    /// A model is verified and built.
    Loaded {
        /// The model's id.
        model: String,
        /// How long verifying and building took.
        took_ms: f64,
        /// What its states look like.
        looks: Looks,
    },
    /// A request that is not a run was refused.
    Refused {
        /// The model's id.
        model: String,
        /// Why.
        fault: Fault,
    },
    /// The self-test's plan was run.
    SelfTested {
        /// The model's id.
        model: String,
        /// The greatest difference from the stored answer, in model units; never NaN.
        worst: f32,
        /// Whether that is within [`SELF_TEST_TOLERANCE`].
        agrees: bool,
    },
    /// Evaluations were timed.
    Measured {
        /// The model's id.
        model: String,
        /// Milliseconds for one evaluation at each of [`MEASURED_BATCHES`].
        evaluation_ms: [f64; 2],
    },
    /// Something long goes on that has nothing to show, such as steps that are rejected: a worker that says this is
    /// not one that hangs.
    Alive,
    /// A state was accepted. Buffer: its pixels ([`Looks::pixels`]), image after image. After the first frame of a run with
    /// `views`, two more pictures of each image follow, all estimates and then all velocities, both of the step from the
    /// state before to this one: the mean velocity v = (x' - x) / (t' - t) as [`Looks::velocity`], and where the state before
    /// would arrive at t = 1 going on with it, x + (1 - t) v, as pixels. An image that did not move has an estimate of itself
    /// and no velocity.
    Frame {
        /// The run's number.
        run: u64,
        /// Where on the way from noise (0) to data (1): the image that is furthest behind, where images differ.
        t: f64,
        /// Where each image is, under a tolerance; empty when all are at `t`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        times: Vec<f64>,
        /// Accepted steps so far; 0 for the noise itself.
        accepted: usize,
        /// Steps of the whole run, where that is known beforehand.
        total_steps: Option<usize>,
        /// Evaluations so far, counted where the network is called; those of the image that cost most.
        evaluations: usize,
        /// Mean milliseconds per evaluation so far; 0 before the first.
        evaluation_ms: f64,
        /// Images in the buffer.
        count: usize,
    },
    /// A run reached its end. Buffer: the numbers of the final states as shown (latents decoded), as [`start::numbers`] reads
    /// them.
    Done {
        /// The run's number.
        run: u64,
        /// How it ended.
        end: RunEnd,
        /// Where it ended; 1 is data, and 0 noise.
        t: f64,
        /// Accepted steps.
        accepted: usize,
        /// Rejected steps (adaptive solvers).
        rejected: usize,
        /// Evaluations, counted where the network is called; those of the image that cost most.
        evaluations: usize,
        /// Those of the image that cost least: under a tolerance each image takes its own steps.
        fewest_evaluations: usize,
        /// Mean milliseconds per evaluation, measured in this run.
        evaluation_ms: f64,
    },
    /// A run could not go on.
    Failed {
        /// The run's number.
        run: u64,
        /// Why.
        fault: Fault,
    },
    /// The worker is of no more use: a panic, a lost device, a program that would not start.
    Fatal {
        /// Why.
        fault: Fault,
    },
}

/// How a model's states become pictures. The page needs it for the noise, which it can show before a worker has time.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Looks {
    /// Channels, height and width of a picture.
    pub image: [usize; 3],
    /// Whether states are latents, which only the worker can decode: frames bring pictures all the same.
    #[serde(default)]
    pub latent: bool,
    /// The pixel, between 0 and 1, that a 0 becomes.
    pub mean: f32,
    /// The distance of pixels that a 1 becomes.
    pub std: f32,
}

impl Looks {
    /// A state as pixels, 0 paper and 255 ink. `None` when a number is not finite: then there is no picture.
    #[must_use]
    pub fn pixels(&self, state: &[f32]) -> Option<Vec<u8>> {
        let pixel = |&value: &f32| {
            let ink = (value * self.std + self.mean).clamp(0.0, 1.0) * 255.0;
            // A number between 0 and 255, so nothing is lost but its fraction.
            value.is_finite().then_some(ink.round() as u8)
        };
        state.iter().map(pixel).collect()
    }

    /// Velocities in model units per unit of time as bytes: 128 is none, less takes ink away, more brings it, by
    /// [`VELOCITY_RANGE`].
    #[must_use]
    pub fn velocity(&self, velocity: &[f32]) -> Vec<u8> {
        let byte = |&value: &f32| {
            let part = (value * self.std / VELOCITY_RANGE).clamp(-1.0, 1.0);
            // Between 1 and 255.
            (128.0 + 127.0 * part).round() as u8
        };
        velocity.iter().map(byte).collect()
    }

    /// Pixels as a state, the reverse of [`Self::pixels`].
    #[must_use]
    pub fn values(&self, pixels: &[u8]) -> Vec<f32> {
        pixels.iter().map(|byte| (f32::from(*byte) / 255.0 - self.mean) / self.std).collect()
    }

    /// The pixels of the noise that a plan begins with. `None` of latents, whose noise has to be decoded.
    #[must_use]
    pub fn noise(&self, plan: &SamplePlan) -> Option<Vec<u8>> {
        if self.latent {
            return None;
        }
        let numbers = self.image.iter().product();
        self.pixels(&flow::noise::batch(plan.seed, 0..plan.count as u64, numbers))
    }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// Where it was to go: t = 1, or for an inverted picture the time asked for.
    Finished,
    /// The budget of evaluations ran out before that.
    BudgetExhausted,
    /// The adaptive solver asked for steps too small to make a difference.
    StepTooSmall,
}

/// What went wrong in a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The program itself would not load or start.
    #[error("the worker's program did not start: {what}")]
    Program {
        /// What the browser said.
        what: String,
    },
    /// The bytes are not the ones that the manifest names.
    #[error("model `{model}` does not match the manifest: {what}")]
    Corrupt {
        /// The model's id.
        model: String,
        /// Which check failed: expected and got.
        what: String,
    },
    /// The bytes match the manifest but are not a model that this worker can build.
    #[error("model `{model}` can't be used: {what}")]
    Unusable {
        /// The model's id.
        model: String,
        /// What the reader or the builder said.
        what: String,
    },
    /// A run or a measurement asked for a model that was not loaded.
    #[error("model `{model}` is not loaded")]
    NotLoaded {
        /// The model's id.
        model: String,
    },
    /// The device could not be opened.
    #[error("no device: {what}")]
    Device {
        /// What the runtime said.
        what: String,
    },
    /// The stored answer of the self-test can't be used.
    #[error("the self-test of `{model}` can't be run: {what}")]
    SelfTest {
        /// The model's id.
        model: String,
        /// Why.
        what: String,
    },
    /// The integration failed.
    #[error("sampling failed: {what}")]
    Sampling {
        /// What `flow` said.
        what: String,
    },
    /// A state was not finite.
    #[error("the picture at t = {t} is not made of finite numbers")]
    NotFinite {
        /// Where.
        t: f64,
    },
    /// The program panicked.
    #[error("panic: {what}")]
    Panic {
        /// The panic's message.
        what: String,
    },
    /// A message that can't be read.
    #[error("a message that can't be read: {what}")]
    Message {
        /// Why.
        what: String,
    },
}

/// Types of `flow` cross in their text form: what parses prints back to itself.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::{fmt::Display, str::FromStr};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(message: &T) -> String {
        let text = serde_json::to_string(message).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), message, "{text}");
        text
    }

    #[test]
    fn a_plan_crosses_in_its_text_form() {
        let plan: SamplePlan = "solver=rk4&schedule=shift:k=3&digit=7&count=4".parse().unwrap();
        let text = same(&ToWorker::Sample { run: 3, plan: plan.clone(), start: Start::Noise, views: true });
        assert!(text.contains(&plan.to_string()), "{text}");
        let text = same(&ToWorker::Invert { run: 4, plan: plan.clone(), at: 0.25 });
        assert!(text.contains(&plan.to_string()), "{text}");
    }

    #[test]
    fn a_run_that_says_nothing_of_its_start_begins_with_noise() {
        let text = r#"{"say":"sample","run":1,"plan":"seed=3"}"#;
        let ToWorker::Sample { start, .. } = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        assert_eq!(start, Start::Noise);
    }

    #[test]
    fn a_bad_plan_is_refused_by_the_reader_of_the_message() {
        let text = r#"{"say":"sample","run":1,"plan":"solver=heum"}"#;
        let error = serde_json::from_str::<ToWorker>(text).unwrap_err().to_string();
        assert!(error.contains("heum"), "{error}");
    }

    const LOOKS: Looks = Looks { image: [1, 2, 2], latent: false, mean: 0.5, std: 0.25 };

    #[test]
    fn a_state_becomes_pixels_between_paper_and_ink() {
        // 255 (0.5 + 0.25 v) = 127.5, 255, 0 and, beyond ink, 255.
        assert_eq!(LOOKS.pixels(&[0.0, 2.0, -2.0, 9.0]), Some(vec![128, 255, 0, 255]));
    }

    #[test]
    fn a_velocity_is_a_byte_around_128_and_cut_off_at_its_range() {
        // In pixels: 0, a quarter of the range (1 / 4 of 4.0 at std 0.25: 4), and far beyond either end.
        assert_eq!(LOOKS.velocity(&[0.0, 4.0, 99.0, -99.0]), [128, 160, 255, 1]);
    }

    #[test]
    fn what_is_not_finite_is_no_picture() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(LOOKS.pixels(&[0.0, bad]), None);
        }
    }

    #[test]
    fn the_noise_of_a_plan_is_the_beginning_of_the_noise_of_a_longer_one() {
        let [short, long] = ["seed=7&count=2", "seed=7&count=3"].map(|plan| {
            let plan: SamplePlan = plan.parse().unwrap();
            LOOKS.noise(&plan).unwrap()
        });
        assert_eq!((short.len(), long.len()), (8, 12));
        assert_eq!(short, long[..8]);
    }

    #[test]
    fn the_noise_of_latents_is_no_picture() {
        let plan: SamplePlan = "seed=7&count=2".parse().unwrap();
        assert_eq!(Looks { latent: true, ..LOOKS }.noise(&plan), None);
    }

    #[test]
    fn faults_models_and_frames_survive_the_crossing() {
        same(&ToPage::Loaded { model: "m".into(), took_ms: 1.5, looks: LOOKS });
        same(&ToPage::Fatal { fault: Fault::Panic { what: "index out of bounds".into() } });
        same(&ToPage::Frame {
            run: 9,
            t: 0.1,
            times: vec![0.1, 0.2],
            accepted: 1,
            total_steps: Some(10),
            evaluations: 4,
            evaluation_ms: 12.5,
            count: 16,
        });
    }
}
