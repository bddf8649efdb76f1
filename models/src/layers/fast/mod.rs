//! Where a tensor lives on Burn's CPU backend without gradients, its layers by the loops of `kernels`: a backend
//! extension, for the worker in a browser, where they are several times faster than the general operations.
//!
//! Every function returns None for whatever it is not made for (another device, gradients, 16 bits, other sizes), and
//! the layer goes its general way. Results are images in channels-last order seen as channels-first ones, so that one
//! layer's output is the next one's input without a copy.
//!
//! Prepared weights are kept as long as the tensor that they were made from, and made anew when it changes.

#[cfg(feature = "kernels")]
mod held;
#[cfg(feature = "kernels")]
mod prepared;

#[cfg(feature = "kernels")]
mod on;
#[cfg(feature = "kernels")]
pub(crate) use on::*;

#[cfg(not(feature = "kernels"))]
mod off;
#[cfg(not(feature = "kernels"))]
pub(crate) use off::*;

#[cfg(feature = "kernels")]
thread_local! {
    static USED: std::cell::Cell<bool> = const { std::cell::Cell::new(cfg!(target_family = "wasm")) };
}

/// Whether this thread's layers may take the loops of `kernels`: at first in a browser alone, since natively the
/// general operations use wider vectors than those do.
#[cfg(feature = "kernels")]
pub fn use_kernels(used: bool) {
    USED.set(used);
}

#[cfg(feature = "kernels")]
pub(crate) fn used() -> bool {
    USED.get()
}

#[cfg(all(test, feature = "kernels"))]
mod tests {
    use super::use_kernels;
    use crate::layers::{GroupNormConfig, ResidualConfig, conv1x1, conv3x3, convolve};
    use burn::module::{Module, ModuleMapper, Param};
    use burn::tensor::{Device, Distribution, Tensor};

    /// What `f` gives with and without the loops.
    fn both<const D: usize>(f: impl Fn() -> Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        use_kernels(true);
        let with = f();
        use_kernels(false);
        (with, f())
    }

    fn agree<const D: usize>(f: impl Fn() -> Tensor<D>) {
        let (with, without) = both(f);
        assert_eq!(with.dims(), without.dims());
        let worst = (with - without).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-4, "{worst}");
    }

    fn random(shape: [usize; 4]) -> Tensor<4> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    struct Doubled;

    impl ModuleMapper for Doubled {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weights| weights * 2.0)
        }
    }

    #[test]
    fn a_convolution_follows_its_weights() {
        let conv = conv3x3(8, 12, 1, &Device::flex());
        let x = random([2, 8, 9, 6]);
        agree(|| convolve(&conv, x.clone()));
        let (before, _) = both(|| convolve(&conv, x.clone()));
        let conv = conv.map(&mut Doubled);
        agree(|| convolve(&conv, x.clone()));
        let (after, _) = both(|| convolve(&conv, x.clone()));
        let worst = (before * 2.0 - after).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn what_the_loops_are_not_made_for_goes_the_general_way() {
        let device = Device::flex();
        let (odd, few) = (conv3x3(8, 6, 1, &device), conv1x1(3, 8, &device));
        agree(|| convolve(&odd, random_of([1, 8, 5, 5], 1)));
        agree(|| convolve(&few, random_of([1, 3, 5, 5], 2)));
        let norm = GroupNormConfig { groups: 3, channels: 6, affine: true }.init(&device);
        agree(|| norm.silu(random_of([2, 6, 4, 4], 3)));
        let gradients = Device::flex().autodiff();
        let conv = conv3x3(4, 4, 1, &gradients);
        let x = random([1, 4, 3, 3]);
        agree(|| convolve(&conv, Tensor::from_inner(x.clone())).inner());
    }

    /// The same numbers each time.
    fn random_of(shape: [usize; 4], seed: usize) -> Tensor<4> {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| ((i * 37 + seed * 11) % 23) as f32 * 0.1 - 1.1).collect();
        Tensor::from_data(burn::tensor::TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn blocks_with_their_own_scales_and_shifts_agree() {
        let device = Device::flex();
        for (from, to) in [(8, 8), (16, 8)] {
            let config = ResidualConfig { from, to, groups: 4, kind: Default::default() };
            let block = config.init(&device).map(&mut Doubled);
            let x = random([3, from, 7, 7]);
            let all = Tensor::<2>::random([3, 50], Distribution::Normal(0.0, 1.0), &device);
            agree(|| block.forward(x.clone(), all.clone().narrow(1, 10, 2 * to)));
        }
    }
}
