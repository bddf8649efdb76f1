//! The command line `flow-digits`: data, train, sample, eval, export, inspect, list.

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Flow matching on handwritten digits: train, sample, evaluate and export.
#[derive(Parser)]
#[command(name = "flow-digits", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  flow-digits data
  flow-digits train recipes/mnist-unet.toml
  flow-digits sample runs/mnist-unet --out digits.png
  flow-digits export runs/mnist-unet";

#[derive(Subcommand)]
enum Command {
    /// Fetch MNIST from a public mirror, checked by SHA-256
    Data(commands::data::Args),
    /// Train a recipe
    Train(commands::train::Args),
    /// Sample digits into a PNG grid
    Sample(commands::sample::Args),
    /// Judge a model: accuracy under the classifier, and FID over its features
    Eval(commands::eval::Args),
    /// Write a compact model and its manifest entry
    Export(commands::export::Args),
    /// Print what a recipe, checkpoint or model file is: parameters, multiply-adds, facts
    Inspect(commands::inspect::Args),
    /// Print the registries: solvers, schedules, paths, couplings, times, guidance, models
    List(commands::list::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Data(args) => commands::data::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Sample(args) => commands::sample::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::List(args) => commands::list::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
