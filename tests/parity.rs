//! One answer on every backend: the stored plan, from the same noise, must lead to the stored states.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use cross_tests::answer::{Answer, TOLERANCE, stored, worst_difference};
use flow::guidance::Guided;
use flow::integrate::{End, Report, integrate};
use flow::schedule::KnotTable;
use models::{Architecture, ConditionalNetwork};

fn answers() -> Vec<Answer> {
    let answers = stored(&cross_tests::root().join("public").join("models")).unwrap();
    assert!(!answers.is_empty(), "the manifest names no velocity model");
    answers
}

/// The final states that a device computes, and the evaluations that it took.
fn compute(answer: &Answer, device: &Device) -> (Vec<f32>, usize) {
    let (plan, header) = (&answer.plan, &answer.file.header);
    let architecture: Architecture = serde_json::from_value(header.architecture.clone()).unwrap();
    answer.file.check(&architecture.expected(device)).unwrap();
    let weights = answer.file.tensors.iter();
    let weights = weights.map(|(name, t)| (name.clone(), (t.shape.clone(), t.data.clone()))).collect();
    let network = architecture.with_weights(weights, device).unwrap();
    let labels: Vec<u8> = (0..plan.count).map(|image| plan.label(image)).collect();
    let branches = ConditionalNetwork::new(&network, &labels, architecture.null_class(), device);
    let mut field = Guided::new(plan.guidance.clone(), branches);
    let [channels, height, width] = architecture.image();
    let noise = TensorData::new(answer.noise(), [plan.count, channels, height, width]);
    let noise = Tensor::<4>::from_data(noise, device);
    let stepping = plan.stepping(&KnotTable::default()).unwrap();
    let options = plan.options(0);
    let observe = async |_: Report<'_, Tensor<4>>| ControlFlow::Continue(());
    let run = integrate(&mut field, &plan.solver, &stepping, noise, &options, observe);
    let outcome = pollster::block_on(run).unwrap();
    assert_eq!(outcome.end, End::Finished, "at t = {}", outcome.t);
    (outcome.x.into_data().iter::<f32>().collect(), outcome.evaluations)
}

fn agrees_on(name: &str, device: &Device) {
    for answer in answers() {
        let (states, evaluations) = compute(&answer, device);
        let worst = worst_difference(&states, &answer.states);
        println!("{} on {name}: off by {worst:e} after {evaluations} evaluations", answer.id);
        assert!(worst <= TOLERANCE, "{} on {name} is off by {worst:e}", answer.id);
        if let Some(expected) = answer.plan.expected_evaluations(&KnotTable::default()) {
            assert_eq!(evaluations, expected, "{} on {name}", answer.id);
        }
    }
}

#[test]
fn flex_gives_the_stored_answer() {
    agrees_on("Flex", &Device::flex());
}

/// Another implementation of every operation: a bug in Flex would not be repeated here.
#[test]
#[expect(deprecated, reason = "deprecated for computing in earnest; as a second opinion there is no other")]
fn ndarray_gives_the_stored_answer() {
    agrees_on("ndarray", &Device::ndarray());
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_gives_the_stored_answer_where_there_is_an_adapter() {
    // Opening a device without an adapter panics in Burn; the panic's text is the reason.
    match std::panic::catch_unwind(|| Device::wgpu_options().init()) {
        Ok(Ok(device)) => agrees_on("WGPU", &device),
        Ok(Err(error)) => cross_tests::skip("wgpu_gives_the_stored_answer", &format!("no adapter: {error}")),
        Err(_) => cross_tests::skip("wgpu_gives_the_stored_answer", "no adapter that Burn can open"),
    }
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn wgpu_gives_the_stored_answer_where_there_is_an_adapter() {
    let why =
        "not built (it compiles Burn's WGPU natively); run `cargo xtask test --wgpu` where there is a GPU";
    cross_tests::skip("wgpu_gives_the_stored_answer", why);
}

/// Guards the tests above: an answer that is all background would be easy to give.
#[test]
fn the_stored_answer_holds_ink_and_paper() {
    for answer in answers() {
        let pixels = answer.pixels(&answer.states);
        for (image, pixels) in pixels.chunks(answer.image_len()).enumerate() {
            let ink = pixels.iter().filter(|pixel| **pixel > 127).count();
            let share = ink as f32 / pixels.len() as f32;
            assert!((0.02..0.6).contains(&share), "{}, image {image}: {share} of it is ink", answer.id);
        }
    }
}
