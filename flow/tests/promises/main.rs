//! What `flow` promises: orders of convergence, known answers, values of independent software, and the manners of
//! the loop. Everything iterates over the registries, so that nothing registered escapes.

// A helper that unwraps is a test that fails; and a closure that stands for a field over `Vec<f64>` takes a `&Vec`.
#![allow(clippy::unwrap_used, clippy::ptr_arg)]

mod batches;
mod common;
mod convergence;
mod inpainting;
mod integrate;
mod inversion;
mod known_answers;
mod likelihood;
mod oracle;
mod stochastic;
