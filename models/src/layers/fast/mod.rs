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
