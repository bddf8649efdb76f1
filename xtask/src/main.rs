//! `cargo xtask`: starts what the command line asks for.

use std::process::ExitCode;

use clap::Parser;
use xtask::cli::{Cli, Command};
use xtask::paths::Paths;
use xtask::web::Flavor;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let paths = Paths::find()?;
    let flavor = |fast: bool| if fast { Flavor::Fast } else { Flavor::Release };
    match command {
        Command::Demo { open, port, fast } => {
            xtask::demo::demo(&paths, xtask::demo::Demo { open, port, fast })?
        }
        Command::Build { fast } => xtask::build::build(&paths, flavor(fast))?,
        Command::Test(asked) => return xtask::test::test(&paths, asked),
        Command::Bench(asked) => xtask::bench::bench(&paths, &asked)?,
        Command::Tools => {
            xtask::tools::Tools::ready(&paths, true, || ())?;
            xtask::tools::report(&paths)?;
        }
        Command::Seal { folder } => xtask::seal::seal(&folder.unwrap_or_else(|| paths.dist()))?,
        Command::Fuzz { target, runs } => xtask::fuzz::fuzz(&paths, target.as_deref(), runs)?,
        Command::Torment { kills, seed } => xtask::torment::torment(&paths, kills, seed)?,
        Command::Size { folder } => xtask::size::size(&paths, folder.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}
