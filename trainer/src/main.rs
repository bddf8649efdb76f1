//! The command line `flow-digits`: see [`Command`] for its subcommands.

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
    /// Send a run to an MLflow tracking server, or what is left of it
    Mlflow(commands::mlflow::Args),
    /// Sample digits into a PNG grid
    Sample(commands::sample::Args),
    /// Models, solvers or guidances side by side from the same noises, as a picture or a film
    Compare(commands::compare::Args),
    /// Judge a model: accuracy under the classifier, and FID over its features
    Eval(commands::eval::Args),
    /// Write a compact model and its manifest entry
    Export(commands::export::Args),
    /// Fit the schedule `optimal` to a model, into its manifest
    Knots(commands::knots::Args),
    /// Compare models, solvers, schedules, budgets and guidance from the same noises
    Study(commands::study::Args),
    /// Draw schedules, trajectories or the velocity field, as SVG
    Plot(commands::plot::Args),
    /// Print what a recipe, checkpoint or model file is: parameters, multiply-adds, facts
    Inspect(commands::inspect::Args),
    /// How probable real images are under a model: nats, and bits a pixel
    Likelihood(commands::likelihood::Args),
    /// Turn an image into its noise, and draw it again from that, or another digit
    Invert(commands::invert::Args),
    /// Make pairs of noises and a model's images, for a student that needs fewer steps
    Reflow(commands::reflow::Args),
    /// Measure every shipped model side by side, into docs/results/zoo.md
    Zoo(commands::zoo::Args),
    /// Print what there is to train: every recipe with its size, its cost and its result
    Recipes(commands::recipes::Args),
    /// Time training steps and evaluations of a recipe's network, beside another program's if one is named
    Throughput(commands::throughput::Args),
    /// Print the registries: solvers, schedules, paths, couplings, times, guidance, models
    List(commands::list::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Data(args) => commands::data::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Mlflow(args) => commands::mlflow::run(&args),
        Command::Sample(args) => commands::sample::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Knots(args) => commands::knots::run(&args),
        Command::Study(args) => commands::study::run_study(&args),
        Command::Plot(args) => commands::plot::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Likelihood(args) => commands::likelihood::run(&args),
        Command::Invert(args) => commands::invert::run(&args),
        Command::Reflow(args) => commands::reflow::run(&args),
        Command::Zoo(args) => commands::zoo::run(&args),
        Command::Recipes(args) => commands::recipes::run(&args),
        Command::Throughput(args) => commands::throughput::run(&args),
        Command::List(args) => commands::list::run(&args),
    };
    match outcome {
        Ok(()) => match trainer::say::fault() {
            None => ExitCode::SUCCESS,
            Some(fault) => {
                trainer::errln!("error: {fault}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            trainer::errln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The words of a shell line: quotes hold words together.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (i, part) in line.split('"').enumerate() {
            match i % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_example_of_the_help_is_a_command_that_parses() {
        let mut cli = Cli::command();
        cli.build();
        let mut commands = vec![cli];
        let mut seen = 0;
        while let Some(command) = commands.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.starts_with("  flow-digits ")) {
                let parsed = Cli::try_parse_from(words(line));
                assert!(
                    parsed.is_ok(),
                    "{line}: {}",
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
                seen += 1;
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(seen > 15, "{seen}");
    }
}
