//! One answer on every backend: the stored plan, from the same noise, must lead to the stored states.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use cross_tests::answer::{Answer, TOLERANCE, stored, worst_difference};
use flow::guidance::Guided;
use flow::integrate::{End, Report, integrate};
use flow::schedule::KnotTable;
use model_export::ModelFile;
use models::{Architecture, AutoencoderArchitecture, ConditionalNetwork, Weights};

fn answers() -> Vec<Answer> {
    let answers = stored(&cross_tests::root().join("public").join("models")).unwrap();
    assert!(!answers.is_empty(), "the manifest names no velocity model");
    answers
}

fn weights(file: &ModelFile) -> Weights {
    let tensors = file.tensors.iter();
    tensors.map(|(name, t)| (name.clone(), (t.shape.clone(), t.data.clone()))).collect()
}

/// What a device computes, decoded where states are latents, and the evaluations that it took.
fn compute(answer: &Answer, device: &Device) -> (Vec<f32>, usize) {
    let plan = &answer.plan;
    let decoder = answer.decoder.as_ref().map(|file| {
        let AutoencoderArchitecture::Autoencoder(config) =
            serde_json::from_value(file.header.architecture.clone()).unwrap();
        file.check(&config.expected(device)).unwrap();
        (config.latent, config.with_weights(weights(file), device).unwrap())
    });
    let drawn = |[channels, height, width]: [usize; 3]| {
        let noise = flow::noise::batch(plan.seed, 0..plan.count as u64, channels * height * width);
        Tensor::<4>::from_data(TensorData::new(noise, [plan.count, channels, height, width]), device)
    };
    let read = |x: Tensor<4>| {
        let x = match &decoder {
            Some((_, decoder)) => decoder.decode(x),
            None => x,
        };
        x.into_data().iter::<f32>().collect::<Vec<f32>>()
    };
    let Some(file) = &answer.network else {
        return (read(drawn(decoder.as_ref().unwrap().0)), 0);
    };
    let architecture: Architecture = serde_json::from_value(file.header.architecture.clone()).unwrap();
    file.check(&architecture.expected(device)).unwrap();
    let network = architecture.with_weights(weights(file), device).unwrap();
    let labels: Vec<u8> = (0..plan.count).map(|image| plan.label(image)).collect();
    let branches = ConditionalNetwork::new(&network, &labels, architecture.null_class(), device);
    let mut field = Guided::new(plan.guidance.clone(), branches);
    let stepping = plan.stepping(&KnotTable::default()).unwrap();
    let options = plan.options(0);
    let observe = async |_: Report<'_, Tensor<4>>| ControlFlow::Continue(());
    let noise = drawn(architecture.image());
    let run = integrate(&mut field, &plan.solver, &stepping, noise, &options, observe);
    let outcome = pollster::block_on(run).unwrap();
    assert_eq!(outcome.end, End::Finished, "at t = {}", outcome.t);
    (read(outcome.x), outcome.evaluations)
}

fn agrees_on(name: &str, device: &Device) {
    for answer in answers() {
        let (states, evaluations) = compute(&answer, device);
        let worst = worst_difference(&states, &answer.states);
        println!("{} on {name}: off by {worst:e} after {evaluations} evaluations", answer.id);
        assert!(worst <= TOLERANCE, "{} on {name} is off by {worst:e}", answer.id);
        let expected = answer.plan.expected_evaluations(&KnotTable::default());
        if let Some(expected) = expected.filter(|_| answer.network.is_some()) {
            assert_eq!(evaluations, expected, "{} on {name}", answer.id);
        }
    }
}

#[test]
fn flex_gives_the_stored_answer() {
    agrees_on("Flex", &Device::flex());
}

/// What the CPU worker computes with in a browser.
#[test]
fn flex_with_the_loops_of_kernels_gives_the_stored_answer() {
    models::layers::use_kernels(true);
    agrees_on("Flex with kernels", &Device::flex());
    models::layers::use_kernels(false);
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
