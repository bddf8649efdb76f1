//! What goes wrong in a training, and what is left of it then: losses that are no number, weights that are none, a device
//! without memory, measurements that get no better.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use models::{WeightError, Weights};
use serde_json::{Map, Value};
use std::path::Path;
use trainer::evaluation::Evaluation;
use trainer::recipe::{EarlyStop, Recipe};
use trainer::train::{Checkpoint, RateSpan, Run, Task, Watch, find_rate, latest, train};

/// A line that learns to be another line, with a fault at some steps.
struct Line {
    fault: fn(u64) -> Fault,
    /// The distance measured at a step.
    fid: fn(u64) -> f64,
    measured: std::sync::atomic::AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Loss,
    Gradient,
    Memory,
}

impl Line {
    fn new(fault: fn(u64) -> Fault) -> Self {
        Self { fault, fid: |_| 1.0, measured: 0.into() }
    }
}

impl Task for Line {
    type Model = Linear;
    type Batch = u64;

    fn init(&self, device: &Device) -> Linear {
        LinearConfig::new(3, 2).init(device)
    }

    fn with_weights(&self, weights: Weights, device: &Device) -> Result<Linear, WeightError> {
        models::weights::load(self.init(device), weights, "", device)
    }

    fn batch(&self, step: u64) -> Result<u64, String> {
        Ok(step)
    }

    fn loss(&self, model: &Linear, step: u64, device: &Device) -> Tensor<1> {
        let x = Tensor::<2>::from_floats([[1.0, -2.0, 3.0], [0.5, 1.0, -1.0]], device) + step as f32 * 0.01;
        let loss = (model.forward(x) - 1.0).square().mean();
        match (self.fault)(step) {
            Fault::None => loss,
            Fault::Loss => loss * f32::NAN,
            // The root of zero is zero, and its slope infinite.
            Fault::Gradient => loss.clone() + (loss.clone() - loss).sqrt(),
            Fault::Memory => panic!("an allocation failed: out of memory"),
        }
    }

    fn quality(&self, _: &Linear, wish: &EarlyStop, _: &Device) -> anyhow::Result<Option<Evaluation>> {
        let step = wish.every * (1 + self.measured.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        Ok(Some(Evaluation {
            plan: String::new(),
            images: wish.images,
            evaluations: 1,
            accuracy: 1.0,
            fid: (self.fid)(step),
            fid_low: 0.0,
            fid_high: 0.0,
            reference: String::new(),
            extractor: String::new(),
            seconds: 0.0,
        }))
    }

    fn report(&self, _: &Linear, _: u64, _: &Path, _: &Device) -> anyhow::Result<Map<String, Value>> {
        Ok(Map::new())
    }
}

fn recipe(sets: &[&str]) -> Recipe {
    let text = include_str!("../../recipes/mnist-unet.toml");
    let small = ["train.steps=20", "train.warmup_steps=0", "train.batch=2", "output.checkpoint_every=1"];
    let sets: Vec<String> = small.iter().chain(sets).map(|set| (*set).to_owned()).collect();
    Recipe::parse(text, "test", &sets).unwrap()
}

fn run<'a>(recipe: &'a Recipe, dir: &Path, resume: bool, stop_after: Option<u64>) -> Run<'a> {
    Run {
        recipe,
        dir: dir.to_owned(),
        device: Device::flex(),
        device_description: "cpu (Flex)".into(),
        data_description: "a line".into(),
        resume,
        start: None,
        stop_after,
        watch: Watch::default(),
    }
}

fn weights(checkpoint: &Checkpoint) -> Vec<f32> {
    struct Gather(Vec<f32>);
    impl ModuleVisitor for Gather {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let mut gather = Gather(vec![]);
    for load in [Checkpoint::load_model::<Linear>, Checkpoint::load_average::<Linear>] {
        load(checkpoint, LinearConfig::new(3, 2).init(&Device::flex())).unwrap().visit(&mut gather);
    }
    gather.0
}

#[test]
fn a_step_without_a_finite_loss_or_gradient_is_skipped_counted_and_changes_no_weight() {
    for fault in [
        (|step| if step == 3 || step == 7 { Fault::Loss } else { Fault::None }) as fn(u64) -> Fault,
        |step| if step == 3 || step == 7 { Fault::Gradient } else { Fault::None },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let recipe = recipe(&[]);
        let task = Line::new(fault);
        train(&task, &run(&recipe, dir.path(), false, Some(4))).unwrap();
        // Step 3 is the one between the checkpoints of three and of four steps.
        let at =
            |step: u64| Checkpoint::open(&dir.path().join(format!("checkpoints/step-{step:08}"))).unwrap();
        assert_eq!(weights(&at(3)), weights(&at(4)));
        assert_eq!((at(3).state().skipped, at(4).state().skipped), (0, 1));
        train(&task, &run(&recipe, dir.path(), true, None)).unwrap();
        let end = latest(dir.path()).unwrap().unwrap();
        assert_eq!((end.state().step, end.state().skipped), (20, 2));
        assert!(weights(&end).iter().all(|w| w.is_finite()));
        assert_ne!(weights(&at(19)), weights(&at(20)));
    }
}

#[test]
fn ten_bad_steps_in_a_row_end_the_training_with_the_reason_and_a_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&[]);
    let task = Line::new(|step| if step >= 5 { Fault::Loss } else { Fault::None });
    let error = train(&task, &run(&recipe, dir.path(), false, None)).unwrap_err().to_string();
    assert!(error.contains("10 steps in a row") && error.contains("learning_rate"), "{error}");
    let end = latest(dir.path()).unwrap().unwrap();
    assert_eq!((end.state().step, end.state().skipped), (14, 9));
    assert!(weights(&end).iter().all(|w| w.is_finite()));
    // Nine in a row do not end it.
    let dir = tempfile::tempdir().unwrap();
    let task = Line::new(|step| if (5..14).contains(&step) { Fault::Loss } else { Fault::None });
    train(&task, &run(&recipe, dir.path(), false, None)).unwrap();
    assert_eq!(latest(dir.path()).unwrap().unwrap().state().skipped, 9);
}

#[test]
fn weights_that_are_not_finite_never_become_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    // More than 32 bits hold: the first step's weights are infinite, though loss and gradient were not.
    let recipe = recipe(&["train.learning_rate=1e300"]);
    let task = Line::new(|_| Fault::None);
    let error = train(&task, &run(&recipe, dir.path(), false, None)).unwrap_err().to_string();
    assert!(error.contains("not all finite") && error.contains("after step 1"), "{error}");
    assert!(latest(dir.path()).unwrap().is_none());
}

#[test]
fn a_device_without_memory_is_an_error_that_says_what_to_try() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&[]);
    let task = Line::new(|step| if step == 2 { Fault::Memory } else { Fault::None });
    let error = train(&task, &run(&recipe, dir.path(), false, None)).unwrap_err();
    let error = format!("{error:#}");
    for part in ["out of memory at step 2", "train.accumulate=2", "--batch 1", "allocation failed"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(latest(dir.path()).unwrap().unwrap().state().step, 2);
}

const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/judge/mnist-classifier.safetensors");

#[test]
fn training_stops_when_the_distance_gets_no_better_and_keeps_the_best() {
    // Best at 6; 8 and 10 are no better.
    let fid: fn(u64) -> f64 = |step| if step <= 6 { 20.0 - step as f64 } else { 14.0 };
    let stop = |judge: &str| format!("train.early_stop={{ every = 2, patience = 2, judge = \"{judge}\" }}");
    let recipe = recipe(&[&stop(JUDGE), "output.checkpoint_every=3"]);
    let scratch = tempfile::tempdir().unwrap();
    let end = |dir: &Path| {
        let (end, best) = (latest(dir).unwrap().unwrap(), latest(&dir.join("best")).unwrap().unwrap());
        let told = end.state().best.clone().unwrap();
        (end.state().step, (told.step, told.fid, told.worse), weights(&best))
    };
    let whole = scratch.path().join("whole");
    train(&Line { fid, ..Line::new(|_| Fault::None) }, &run(&recipe, &whole, false, None)).unwrap();
    let (step, best, kept) = end(&whole);
    assert_eq!((step, best), (10, (6, 14.0, 2)));
    let kept_at = latest(&whole.join("best")).unwrap().unwrap();
    assert_eq!(kept_at.state().step, 6);
    assert_eq!(std::fs::read_dir(whole.join("best/checkpoints")).unwrap().count(), 1);

    // Broken off after 7 steps, the checkpoint of 7 knows of the best of 6.
    let broken = scratch.path().join("broken");
    train(&Line { fid, ..Line::new(|_| Fault::None) }, &run(&recipe, &broken, false, Some(7))).unwrap();
    let resumed = Line { fid, ..Line::new(|_| Fault::None) };
    resumed.measured.store(3, std::sync::atomic::Ordering::Relaxed);
    train(&resumed, &run(&recipe, &broken, true, None)).unwrap();
    assert_eq!(end(&broken), (10, (6, 14.0, 2), kept));

    // Resumed once more it stays as it is; with more patience it goes on.
    train(&resumed, &run(&recipe, &broken, true, None)).unwrap();
    assert_eq!(end(&broken).0, 10);
    let mut patient = recipe.clone();
    patient.train.early_stop.as_mut().unwrap().patience = 4;
    train(&resumed, &run(&patient, &broken, true, None)).unwrap();
    assert_eq!(end(&broken).0, 14);

    let wrong = self::recipe(&[&stop("no-such-judge")]);
    let task = Line::new(|_| Fault::None);
    let error = train(&task, &run(&wrong, &scratch.path().join("wrong"), false, None)).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("early_stop.judge") && error.contains("no-such-judge"), "{error}");
}

#[test]
fn the_range_test_finds_a_rate_and_touches_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&[]);
    let task = Line::new(|_| Fault::None);
    train(&task, &run(&recipe, dir.path(), false, Some(2))).unwrap();
    let before = weights(&latest(dir.path()).unwrap().unwrap());
    let span = RateSpan { from: 1e-4, to: 10.0, steps: 60 };
    let rates = find_rate(&task, &run(&recipe, dir.path(), true, None), span).unwrap();
    assert!(rates.steepest.is_some_and(|rate| rate > 1e-4 && rate < 10.0), "{rates:?}");
    let csv = std::fs::read_to_string(dir.path().join("lr-finder.csv")).unwrap();
    assert_eq!(csv.lines().count(), rates.points.len() + 1);
    let after = latest(dir.path()).unwrap().unwrap();
    assert_eq!((after.state().step, weights(&after)), (2, before));
    let upside_down = RateSpan { from: 1.0, to: 0.1, steps: 60 };
    assert!(find_rate(&task, &run(&recipe, dir.path(), true, None), upside_down).is_err());
}
