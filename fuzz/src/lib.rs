//! What every fuzz target promises, one module a target: `check` takes any bytes and panics when a promise is broken.
//!
//! The same functions run in two places: under libFuzzer (`cargo xtask fuzz`, nightly), and on stable over the committed
//! corpora and seeded mutations of them (`cargo test`, the test `fuzz` of the cross-tests).

#[cfg(feature = "trainer")]
pub mod idx;
pub mod manifest;
pub mod model_file;
pub mod mutate;
pub mod plan;
pub mod protocol;
#[cfg(feature = "trainer")]
pub mod recipe;
