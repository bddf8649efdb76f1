//! Where a tensor lives on a graphics processor behind WGPU, without gradients: layers that Burn makes of up to twenty
//! operations, each as one shader. A backend extension for the worker in a browser, where every operation that is sent costs
//! more than its arithmetic.
//!
//! Every function returns None for whatever it is not made for (another device, gradients, 16 bits, other sizes), and
//! the layer goes its general way. Images are written in channels-last order seen as channels-first ones, so that one
//! layer's output is the next one's input without a copy.

#[cfg(feature = "shaders")]
mod held;

#[cfg(feature = "shaders")]
mod attend;
#[cfg(feature = "shaders")]
mod convolution;
#[cfg(feature = "shaders")]
mod group_norm;
#[cfg(feature = "shaders")]
mod join;
#[cfg(feature = "shaders")]
mod layer_norm;
#[cfg(feature = "shaders")]
mod layout;
#[cfg(feature = "shaders")]
mod product;
#[cfg(feature = "shaders")]
mod silu;
#[cfg(feature = "shaders")]
pub(crate) use {
    attend::attend,
    convolution::convolve,
    group_norm::normalize,
    join::join,
    layer_norm::layer_norm,
    layout::*,
    product::{multiply, project},
    silu::silu,
};

#[cfg(all(test, feature = "shaders"))]
mod tests;

#[cfg(not(feature = "shaders"))]
mod off;
#[cfg(not(feature = "shaders"))]
pub(crate) use off::*;
