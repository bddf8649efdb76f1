//! The mathematics of flow matching: probability paths, couplings, time distributions, schedules, solvers,
//! guidance, noise, likelihood, inversion, inpainting, and [`integrate`](integrate::integrate), the only loop.
//!
//! Time runs from t = 0 (noise) to t = 1 (data) everywhere. The crate is generic over a small
//! [`State`](state::State): plain `Vec<f64>` always, Burn tensors behind the feature `burn`.
//! Every transcendental function comes from `libm`, so knots and noise have the same bits on every platform.

#[macro_use]
pub mod registry;

pub mod controller;
pub mod coupling;
pub mod error;
pub mod field;
pub mod flux;
pub mod guidance;
pub mod inpainting;
pub mod integrate;
pub mod interpolation;
pub mod inversion;
pub mod likelihood;
pub mod noise;
pub mod number;
pub mod path;
pub mod plan;
pub mod schedule;
pub mod solver;
pub mod state;
pub mod time;

mod real;
mod special;

pub use error::Error;
/// The traits of random generators that [`noise::rng`] implements, in the version that this crate uses.
pub use rand_chacha::rand_core;
