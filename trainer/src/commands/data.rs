//! `flow-digits data`.

use anyhow::{Result, bail};
use std::path::PathBuf;
use trainer::data::{fetch, mnist};

const EXAMPLES: &str = "\
Examples:
  flow-digits data
  flow-digits data --dir /srv/mnist --mirror https://example.org/mnist/

The four files are checked by SHA-256. A broken download goes on where it stopped when the command runs again.
MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges (CC BY-SA 3.0).";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to put the files
    #[arg(long, default_value = super::DATA)]
    dir: PathBuf,
    /// A mirror that has the four .gz files, instead of the public ones
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(mirror) = &args.mirror
        && !["http://", "https://"]
            .iter()
            .any(|scheme| mirror.starts_with(scheme) && mirror.len() > scheme.len())
    {
        bail!("--mirror {mirror:?}: a mirror is an address that begins with http:// or https://");
    }
    fetch::fetch(args.mirror.as_deref(), &args.dir)?;
    let (train, test) = mnist::load(&args.dir)?;
    trainer::outln!("{}: {} training and {} test images", args.dir.display(), train.count, test.count);
    Ok(())
}
