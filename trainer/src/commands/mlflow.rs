//! `flow-digits mlflow`.

use anyhow::{Result, bail};
use std::path::PathBuf;
use trainer::track::{Wish, send_run};

const EXAMPLES: &str = "\
Examples:
  flow-digits mlflow runs/mnist-unet http://localhost:5000
  flow-digits mlflow runs/mnist-unet http://localhost:5000 --experiment digits

A run that was trained with --mlflow is sent from where its server was last; any other one whole, from its metrics, grids
and newest checkpoint. MLFLOW_TRACKING_TOKEN is sent as a bearer token where it is set.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run's folder
    run: PathBuf,
    /// The tracking server's address
    uri: String,
    /// The experiment's name; made where it is not there
    #[arg(long, value_name = "NAME", default_value = Wish::EXPERIMENT)]
    experiment: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let wish = Wish::new(&args.uri, &args.experiment)?;
    if !args.run.is_dir() {
        bail!("{} is no run folder", args.run.display());
    }
    let address = send_run(&args.run, &wish, |text| trainer::errln!("{text}"))?;
    trainer::outln!("all of {} is there: {address}", args.run.display());
    Ok(())
}
