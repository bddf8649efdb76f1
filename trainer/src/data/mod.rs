//! Data sets: reading them from disk, and fetching MNIST.

pub mod idx;
pub mod mnist;
