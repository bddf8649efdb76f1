//! The project's commands, run as `cargo xtask COMMAND`. The same ones serve newcomers, contributors and CI.

pub mod bench;
pub mod build;
pub mod cli;
pub mod demo;
pub mod download;
pub mod fuzz;
pub mod offline;
pub mod paths;
pub mod precompress;
pub mod run;
pub mod seal;
pub mod serve;
pub mod site;
pub mod size;
pub mod step;
pub mod test;
pub mod tools;
pub mod torment;
mod unreached;
pub mod web;
