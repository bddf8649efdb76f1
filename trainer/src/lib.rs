//! The library behind the `flow-digits` command: data, training, sampling, evaluation, export.

pub mod catalogue;
pub mod compare;
pub mod data;
pub mod device;
pub mod evaluation;
pub mod export;
pub mod fid;
pub mod film;
pub mod image;
pub mod inversion;
pub mod judge;
pub mod knots;
pub mod likelihood;
pub mod monitor;
pub mod plot;
pub mod recipe;
pub mod reference;
pub mod reflow;
pub mod sampler;
pub mod say;
pub mod source;
pub mod study;
pub mod throughput;
pub mod track;
pub mod train;
pub mod zoo;
