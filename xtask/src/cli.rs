//! The command line: what `cargo xtask` understands, and its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Build, serve, test and measure flow-digits.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
#[command(after_help = "Examples:
  cargo xtask demo --open      build the page, serve it, open the browser
  cargo xtask test             every test, native and in a browser
  cargo xtask build            the release folder dist/, for any static host")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the page with its CPU worker, serve it, then build the GPU worker behind it
    ///
    /// Installs what is missing at pinned versions, into ~/.cache/flow-digits/tools. A second run starts in seconds.
    #[command(after_help = "Examples:
  cargo xtask demo                 serve on http://127.0.0.1:8000/
  cargo xtask demo --port 9000     start looking for a free port at 9000
  cargo xtask demo --fast          no link-time optimization, no wasm-opt: a third of the build time")]
    Demo {
        /// Open the page in the default browser
        #[arg(long)]
        open: bool,
        /// Port to serve on; a taken one moves on to the next
        #[arg(long, default_value_t = 8000)]
        port: u16,
        /// Build quickly rather than small and fast
        #[arg(long)]
        fast: bool,
    },
    /// Build the release folder dist/
    #[command(after_help = "Example:
  cargo xtask build && cargo xtask size")]
    Build {
        /// Build quickly rather than small and fast
        #[arg(long)]
        fast: bool,
    },
    /// Run every test, native and in a real browser, and print one count
    ///
    /// The last line is always `N passed, N failed, N skipped`; every skipped test is named with its reason. With CI set, a test
    /// that is skipped for a reason that is not foreseen is a failure, what ships is built, tested in the browser and held against
    /// its limits, and formatting and clippy are checked too.
    #[command(after_help = "Examples:
  cargo xtask test                 everything
  cargo xtask test --native        no browser
  cargo xtask test --browser       only in the browser
  cargo xtask test --sizes         the site that ships instead of its quick flavor, and its sizes
  cargo xtask test --lint          formatting and clippy too, as in CI
  cargo xtask test --wgpu          also compare with this machine's GPU")]
    Test(crate::test::Asked),
    /// Time evaluations beside onnxruntime-web, TensorFlow.js and PyTorch, into docs/results/bench.md
    ///
    /// All evaluate the same trained network and must agree first. Needs Node.js with npm, Chromium, and a Python; the packages
    /// of others are installed at pinned versions into ~/.cache/flow-digits/tools/bench.
    #[command(after_help = "Examples:
  cargo xtask bench --python ~/torch/bin/python    everything, after the release builds
  cargo xtask bench --only browser --site dist     the workers of a finished site, in Chromium
  cargo xtask bench --only native --turns 5        the trainer beside PyTorch
  cargo xtask bench --only wait --turns 9          how long a visitor of the page waits for digits")]
    Bench(crate::bench::Asked),
    /// Run the fuzz targets under libFuzzer; needs a nightly compiler and cargo-fuzz, and says how to get them
    #[command(after_help = "Examples:
  cargo xtask fuzz                        every target, a million runs each
  cargo xtask fuzz model_file --runs 10000000")]
    Fuzz {
        /// The target [default: all of them]
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::fuzz::TARGETS.map(|target| target.name)))]
        target: Option<String>,
        /// Executions of each
        #[arg(long, default_value_t = 1_000_000)]
        runs: u64,
    },
    /// Kill a training at random moments, half of them in saves, and see that it always resumes to the same bytes
    #[command(after_help = "Example:
  cargo xtask torment --kills 300")]
    Torment {
        /// How often
        #[arg(long, default_value_t = 300)]
        kills: u64,
        /// Seed of the moments
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Find or install the tools of the web build, and say where they are
    Tools,
    /// Vouch for a built site's files as they are now, after models were added to it by hand
    ///
    /// The page refuses what is not as its document and lists say. This writes the hashes anew, and the service worker's list.
    #[command(after_help = "Example:
  cargo xtask seal dist")]
    Seal {
        /// The site's folder [default: dist]
        folder: Option<PathBuf>,
    },
    /// Raw, gzip and brotli bytes of every file of a built site
    #[command(after_help = "Examples:
  cargo xtask size                 what `cargo xtask build` made
  cargo xtask size some/folder     another built site")]
    Size {
        /// The site's folder [default: dist]
        folder: Option<PathBuf>,
    },
}
