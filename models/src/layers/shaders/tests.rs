//! Shaders beside the general operations on the CPU, built by `cargo xtask test --wgpu`. They run where WGPU finds an adapter, a
//! software one too, and count as skipped where it finds none. The worker's own tests, in a browser, run the same shaders.

use crate::Architecture;
use crate::layers::{
    AttentionConfig, GroupNormConfig, ResidualConfig, conv1x1, conv3x3, convolve, convolve_onto,
    depth_to_space, join, layer_norm, linear, multiply, project, silu, space_to_depth,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::cell::Cell;
use std::panic::catch_unwind;
use std::sync::OnceLock;

/// An adapter's device, if there is one.
fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let found = DEVICE.get_or_init(|| catch_unwind(|| Device::wgpu_options().init().ok()).ok().flatten());
    if found.is_none() {
        skipped();
    }
    found.as_ref()
}

/// Says that the test that runs found nothing to run on, to who reads and to who counts (`xtask/src/test.rs`).
fn skipped() {
    thread_local!(static TOLD: Cell<bool> = const { Cell::new(false) });
    if TOLD.replace(true) {
        return;
    }
    let name = std::thread::current().name().unwrap_or("shaders").to_owned();
    println!("SKIPPED: {name}: WGPU finds no adapter");
    let Some(file) = std::env::var_os("FLOW_DIGITS_SKIPS") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    std::io::Write::write_all(&mut file, format!("{name}\tWGPU finds no adapter\n").as_bytes()).unwrap();
}

/// The same numbers each time.
fn numbers<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 37 + seed * 11) % 101) as f32 * 0.02 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Other numbers in every parameter, so that none is zero or one.
struct Filled(usize);

impl ModuleMapper for Filled {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let shape = param.val().dims();
        param.map(|_| numbers(shape, self.0) * 0.2)
    }
}

/// No module: for functions without weights.
fn nothing() -> Vec<Linear> {
    Vec::new()
}

/// Asserts that both devices give the same, and that the module of the second was asked there.
fn agree<M: Module, const A: usize, const B: usize>(
    module: M,
    x: Tensor<A>,
    f: impl Fn(&M, Tensor<A>) -> Tensor<B>,
) {
    let Some(device) = device() else { return };
    let module = module.map(&mut Filled(0));
    let want = f(&module, x.clone());
    let there = module.to_device(device);
    let got = f(&there, x.to_device(device));
    assert!(super::held::primitive(&got).is_some(), "answered by another device");
    assert_eq!(got.dims(), want.dims());
    let worst = (got.to_device(&Device::flex()) - want).abs().max().into_scalar::<f32>();
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn group_norms_agree_in_either_order_of_the_numbers() {
    let flex = Device::flex();
    for affine in [true, false] {
        let norm = GroupNormConfig { groups: 4, channels: 12, affine }.init(&flex);
        agree(norm.clone(), numbers([3, 12, 5, 7], 1), |norm, x| norm.forward(x));
        agree(norm, numbers([3, 5, 7, 12], 2), |norm, x| norm.silu(x.permute([0, 3, 1, 2])));
    }
    let norm = GroupNormConfig { groups: 3, channels: 6, affine: false }.init(&flex);
    agree(norm, numbers([2, 6, 4, 4], 3), |norm, x| {
        let own = numbers([2, 90], 4).to_device(&x.device()).narrow(1, 64, 12);
        norm.modulated_silu(x, own)
    });
}

#[test]
fn linear_layers_silu_and_layer_norms_agree() {
    let flex = Device::flex();
    agree(linear(13, 70, &flex), numbers([5, 13], 1), project);
    agree(linear(64, 3, &flex), numbers([2, 9, 64], 2), project);
    agree(linear(4, 4, &flex), numbers([5000, 4], 3), project);
    agree(linear(6, 4, &flex), numbers([6, 5], 3), |linear, x| project(linear, x.transpose()));
    agree(nothing(), numbers([300, 7], 8), |_, x| multiply(x.clone(), x.transpose()));
    agree(nothing(), numbers([7, 33], 4), |_, x| silu(x * 200.0));
    agree(nothing(), numbers([7, 33], 5), |_, x| silu(x.narrow(1, 3, 9)));
    agree(nothing(), numbers([3, 5, 130], 6), |_, x| layer_norm(x));
}

#[test]
fn blocks_and_attention_agree() {
    let flex = Device::flex();
    for (from, to) in [(8, 8), (16, 8)] {
        let block = ResidualConfig { from, to, groups: 4, kind: Default::default() }.init(&flex);
        agree(block, numbers([3, from, 7, 7], 1), |block, x| {
            let all = numbers([3, 200], 2).to_device(&x.device());
            block.forward(x, all.narrow(1, 64, 2 * to))
        });
    }
    let attention = AttentionConfig { channels: 24, heads: 3, groups: 4 }.init(&flex);
    agree(attention, numbers([2, 24, 6, 5], 3), |attention, x| attention.forward(x));
}

#[test]
fn rearrangements_agree() {
    agree(nothing(), numbers([2, 3, 8, 6], 1), |_, x| space_to_depth(x, 2));
    agree(nothing(), numbers([2, 12, 4, 3], 2), |_, x| depth_to_space(x, 2));
    agree(nothing(), numbers([2, 3, 4, 5], 3), |_, x| join(x.clone() * 2.0, x));
    agree(nothing(), numbers([2, 4, 5, 3], 3), |_, x| {
        join(x.clone().narrow(3, 1, 2).permute([0, 3, 1, 2]), x.permute([0, 3, 1, 2]))
    });
}

#[test]
fn convolutions_agree() {
    let flex = Device::flex();
    let arranged = |conv: &Conv2d| {
        let mut conv = conv.clone();
        conv.weight = conv.weight.map(super::arranged);
        conv
    };
    // On the device: the shader's answer, or none.
    let by_shader = |conv: &Conv2d, x: Tensor<4>, add: Option<Tensor<4>>| {
        if super::held::primitive(&x).is_some() {
            return super::convolve(conv, &x, add.as_ref()).unwrap();
        }
        add.map_or_else(|| convolve(conv, x.clone()), |add| convolve_onto(add, conv, x.clone()))
    };
    // Few and many pixels, an odd number of channels, rows that do not divide, every kernel, both strides, with a bias and without.
    for (from, to, batch, rows, columns) in
        // So many pixels at once: 1, 1, 7, 7, 1, 7 (one channel at a time), 4, 2.
        [
            (4, 8, 2, 7, 7),
            (3, 6, 1, 5, 4),
            (8, 32, 16, 14, 14),
            (8, 8, 40, 7, 9),
            (1, 4, 3, 1, 1),
            (3, 6, 40, 7, 9),
            (4, 8, 12, 14, 16),
            (4, 8, 6, 14, 14),
        ]
    {
        let x = || numbers([batch, from, rows, columns], from);
        for stride in [1, 2] {
            agree(conv3x3(from, to, stride, &flex), x(), |conv, x| by_shader(&arranged(conv), x, None));
            agree(conv3x3(from, to, stride, &flex), x(), |conv, x| by_shader(conv, x, None));
        }
        agree(conv1x1(from, to, &flex), x(), |conv, x| by_shader(&arranged(conv), x, None));
        let mut unbiased = conv3x3(from, to, 1, &flex);
        unbiased.bias = None;
        agree(unbiased, x(), |conv, x| by_shader(conv, x, None));
        agree(conv3x3(from, to, 1, &flex), x(), |conv, x| {
            let add = numbers([batch, to, rows, columns], 9).to_device(&x.device());
            by_shader(conv, x, Some(add))
        });
    }
    // Channels last, as other layers write them.
    agree(conv3x3(4, 8, 1, &flex), numbers([2, 9, 6, 4], 4), |conv, x| {
        by_shader(conv, x.permute([0, 3, 1, 2]), None)
    });
}

#[test]
fn every_kind_of_network_agrees() {
    let Some(device) = device() else { return };
    let flex = Device::flex();
    for text in [
        r#"{"kind":"unet","patch":2,"channels":[8,16],"blocks":2,"up_blocks":1,"middle_blocks":1,"embedding":16,"groups":4,"attention_heads":2}"#,
        r#"{"kind":"unet","block":"plain","patch":2,"channels":[8,16],"blocks":1,"up_blocks":1,"middle_blocks":1,"embedding":16,"groups":4,"attention_heads":0}"#,
        r#"{"kind":"dit","patch":4,"width":32,"depth":2,"heads":2,"embedding":16}"#,
        r#"{"kind":"latent-mlp","image":[24,1,1],"width":32,"depth":2,"embedding":16}"#,
    ] {
        let architecture: Architecture = serde_json::from_str(text).unwrap();
        let weights = architecture.init(&flex).map(&mut Filled(0)).weights();
        let [channels, height, width] = architecture.image();
        let answer = |device: &Device| {
            let network = architecture.with_weights(weights.clone(), device).unwrap();
            let x = numbers([3, channels, height, width], 5).to_device(device);
            let class = Tensor::<1, Int>::from_data(TensorData::from([1_i32, 2, 10]), device);
            network.forward_at(x, &[0.1, 0.5, 0.9], class).to_device(&flex)
        };
        let (got, want) = (answer(device), answer(&flex));
        let size = want.clone().abs().max().into_scalar::<f32>();
        let worst = (got - want).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-4 * size.max(1.0), "{text}: {worst} of {size}");
    }
}
