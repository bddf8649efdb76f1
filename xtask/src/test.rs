//! `cargo xtask test`: every test, native and in a real browser, and one count at the end.
//!
//! All native packages are built in one cargo call, and the browser tests with the same selection: a different one
//! would give the dependencies other features, and build Burn a second time.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::run::{self, Output};
use crate::site::{self, Leftovers};
use crate::step::step;
use crate::tools::{self, Tools, WASM_TARGET};
use crate::web::{Backend, Builder, Flavor, compile_ahead};

/// Everything that is built and tested natively: all but the worker, which is nothing without a browser.
///
/// The page is tested by itself: with Leptos in the selection, the crates that it shares with Burn get other features,
/// and Burn would be built again.
const NATIVE: [&str; 8] =
    ["flow", "kernels", "model-export", "models", "trainer", "protocol", "xtask", "cross-tests"];

/// What is built for the browser: package and further arguments.
const WEB: [&[&str]; 3] = [
    &["--package", "page"],
    &["--package", "worker", "--features", "cpu", "--bin", "worker-cpu"],
    &["--package", "worker", "--features", "gpu", "--bin", "worker-gpu"],
];

/// A test that cannot run here appends `name<tab>why` to the file of this name (see `cross_tests::skip`).
const SKIPS: &str = "FLOW_DIGITS_SKIPS";

/// What may be skipped under CI, whose machines have no graphics processor, may have other fonts, forbid namespaces and lack Python: the
/// test's name, and how its reason begins. Any other skip fails the run there, since nobody reads it.
const MAY_BE_SKIPPED: [(&str, &str); 7] = [
    ("wgpu_gives_the_stored_answer", "not built"),
    ("wgpu_gives_the_stored_answer", "no adapter"),
    ("the_page_looks_as_it_is_stored", "the stored pictures show Debian's"),
    ("in_firefox_the_page_looks_as_it_is_stored", "the stored pictures show Debian's"),
    ("a_checkpoint_that_finds_no_room", "no disk can be mounted here"),
    ("an_export_that_finds_no_room", "no disk can be mounted here"),
    ("a_real_mlflow_server_has_the_runs_parameters_figures_and_files", "\"python3\""),
];

/// Tells the browser tests where the built site is.
const SITE: &str = "FLOW_DIGITS_SITE";

/// Tells the browser tests where the script of axe-core is.
const AXE: &str = "FLOW_DIGITS_AXE";

/// What `test` was asked for. With neither `--native` nor `--browser`, both.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Asked {
    /// Only the native tests
    #[arg(long, conflicts_with = "browser")]
    native: bool,
    /// Only the tests in a browser
    #[arg(long)]
    browser: bool,
    /// Check formatting and clippy too (always under CI)
    #[arg(long)]
    lint: bool,
    /// Test in the browser what ships, instead of its quick flavor, and hold its sizes against their limits (always under CI)
    #[arg(long, conflicts_with = "native")]
    sizes: bool,
    /// Build what runs on this machine's GPU too: the comparison, and the shaders of whole layers
    #[arg(long)]
    wgpu: bool,
}

/// Runs them and prints the count as the last line.
pub fn test(paths: &Paths, asked: Asked) -> Result<ExitCode> {
    let ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0");
    std::fs::create_dir_all(&paths.target)?;
    let mut run = Run { paths, asked, tally: Tally::default() };
    if ci || asked.lint {
        run.lint();
    }
    if !asked.browser {
        run.native();
    }
    if !asked.native {
        run.web(ci);
    }
    if ci {
        run.tally.refuse_skips();
    }
    Ok(run.tally.close())
}

struct Run<'a> {
    paths: &'a Paths,
    asked: Asked,
    tally: Tally,
}

impl Run<'_> {
    fn lint(&mut self) {
        if let Err(why) = tools::lint_components() {
            return self.tally.fail("formatting and clippy", &format!("{why:#}"));
        }
        let mut fmt = run::cargo();
        fmt.current_dir(&self.paths.root).args(["fmt", "--all", "--check"]);
        self.check("formatting", "a second", &mut fmt);

        let mut native = self.cargo("clippy");
        self.select_native(&mut native);
        native.args(["--all-targets", "--", "-D", "warnings"]);
        self.check("clippy, native", "about 4 min cold", &mut native);

        if let Err(why) = tools::wasm_target() {
            return self.tally.fail("clippy, web", &format!("{why:#}"));
        }
        for part in WEB {
            let mut web = self.cargo("clippy");
            web.args(["--profile", Flavor::Fast.profile(), "--target", WASM_TARGET]).args(part);
            web.args(["--", "-D", "warnings"]);
            self.check(&format!("clippy, {}", part[part.len() - 1]), "about 2 min cold", &mut web);
        }
    }

    fn check(&mut self, name: &str, usually: &str, command: &mut Command) {
        if let Err(why) = step(name, usually, || run::run(command, &Output::Terminal)) {
            self.tally.fail(name, &format!("{why:#}"));
        }
    }

    fn native(&mut self) {
        let mut cargo = self.cargo("test");
        self.select_native(&mut cargo);
        cargo.arg("--no-fail-fast");
        self.tests("native tests", "about 12 min cold, 2 min warm", &mut cargo);
        let mut page = self.cargo("test");
        page.args(["--package", "page", "--bin", "page", "--no-fail-fast"]);
        self.tests("the page's own tests", "about 4 min cold", &mut page);
    }

    /// The tests in a browser. Where sizes are asked for, what ships is built and tested; else the quick flavor of it.
    fn web(&mut self, ci: bool) {
        let sizes = ci || self.asked.sizes;
        let chromium = tools::chromium_or_install();
        if chromium.is_none() && !sizes {
            return self.browser_missing(ci);
        }
        let flavor = if sizes { Flavor::Release } else { Flavor::Fast };
        if let Err(why) = self.site(flavor) {
            return self.tally.fail("building the web parts", &format!("{why:#}"));
        }
        match chromium {
            Some(chromium) => self.browser(ci, &chromium),
            None => self.browser_missing(ci),
        }
        if sizes {
            self.sizes();
        }
    }

    fn browser(&mut self, ci: bool, chromium: &Path) {
        let firefox = tools::firefox_or_install();
        let axe = tools::axe_or_fetch(self.paths);
        let site = self.paths.test_site();
        let mut cargo = self.cargo("test");
        self.select_native(&mut cargo);
        cargo.args(["--test", "browser", "--no-fail-fast", "--", "--test-threads=1"]);
        cargo.env(SITE, site).env("CHROME", chromium);
        for (name, file) in [("FIREFOX", &firefox), (AXE, &axe)] {
            if let Some(file) = file {
                cargo.env(name, file);
            }
        }
        self.tests("tests in a browser", "about 2 min", &mut cargo);
        // Its tests skip themselves, and say so. Under CI nobody reads that.
        if ci && firefox.is_none() {
            self.tally.fail("tests in Firefox", &format!("no Firefox: {}", tools::HOW_TO_GET_FIREFOX));
        }
    }

    /// Builds the web parts into the site that is tested.
    fn site(&self, flavor: Flavor) -> Result<()> {
        let tools =
            Tools::ready(self.paths, flavor == Flavor::Release, || compile_ahead(self.paths, flavor))?;
        let builder = Builder { paths: self.paths, tools: &tools, flavor };
        let out = Output::Terminal;
        let worker = |backend: Backend| {
            let what = format!("building the {} worker for tests", backend.name().to_uppercase());
            step(&what, backend.usual_time(flavor), || builder.worker(backend, &out))
        };
        let (cpu, gpu) = (worker(Backend::Cpu)?, worker(Backend::Gpu)?);
        let page = step("building the page for tests", "about 2 min cold", || builder.page(&out))?;
        site::assemble(self.paths, &self.paths.test_site(), &page, &cpu, Some(&gpu), Leftovers::Remove)
    }

    /// Fails when a part of what ships is larger than it may be.
    fn sizes(&mut self) {
        let site = self.paths.test_site();
        match step("sizes of what ships", "half a minute", || crate::size::within_limits(&site)) {
            Ok(()) => self.tally.passed += 1,
            Err(why) => self.tally.fail("sizes of what ships", &format!("{why:#}")),
        }
    }

    /// Names every test that did not run. Under CI that is a failure, not a skip to be overlooked.
    fn browser_missing(&mut self, ci: bool) {
        let why = format!("no browser: {}", tools::HOW_TO_GET_CHROMIUM);
        let mut cargo = self.cargo("test");
        self.select_native(&mut cargo);
        let listed =
            run::output(cargo.args(["--quiet", "--test", "browser", "--", "--list"])).unwrap_or_default();
        let names: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
        for name in &names {
            self.tally.skip(name, &why);
        }
        if ci || names.is_empty() {
            self.tally.fail("tests in a browser", &why);
        }
    }

    fn tests(&mut self, name: &str, usually: &str, cargo: &mut Command) {
        let skips = self.paths.target.join("skipped-tests.txt");
        let before = self.tally.failed;
        let ran = step(name, usually, || {
            std::fs::write(&skips, "")?;
            let success = self.tally.read(cargo.env(SKIPS, &skips))?;
            self.tally.read_skips(&skips)?;
            Ok(success)
        });
        match ran {
            Ok(true) => {}
            Ok(false) if self.tally.failed > before => {}
            Ok(false) => {
                self.tally.fail(name, "they did not build, or a test program ended without a result")
            }
            Err(why) => self.tally.fail(name, &format!("{why:#}")),
        }
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = run::cargo();
        cargo.current_dir(&self.paths.root).env("CARGO_TARGET_DIR", &self.paths.target).arg(command);
        cargo
    }

    fn select_native(&self, cargo: &mut Command) {
        select_native(cargo);
        if self.asked.wgpu {
            cargo.args(["--features", "cross-tests/wgpu,models/shaders"]);
        }
    }
}

/// Selects all that is built natively: always all of it, so that nothing is built twice.
pub(crate) fn select_native(cargo: &mut Command) {
    for package in NATIVE {
        cargo.args(["--package", package]);
    }
}

/// What was counted, and what has to be said at the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: BTreeMap<String, String>,
    failures: Vec<String>,
}

impl Tally {
    fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        self.failures.push(format!("{name}: {why}"));
    }

    fn skip(&mut self, name: &str, why: &str) {
        self.skipped.insert(name.to_owned(), why.to_owned());
    }

    /// Runs a test program, shows its output as it comes, and counts.
    fn read(&mut self, command: &mut Command) -> Result<bool> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting cargo")?;
        if let Some(stdout) = child.stdout.take() {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            // Bytes, not text: what a test prints need not be UTF-8.
            while reader.read_until(b'\n', &mut line)? > 0 {
                let text = String::from_utf8_lossy(&line);
                print!("{text}");
                self.count(text.trim_end());
                line.clear();
            }
        }
        Ok(child.wait()?.success())
    }

    fn count(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let number = |word: &str| {
                let before = rest.split(word).next().filter(|before| before.len() < rest.len());
                before
                    .and_then(|text| text.rsplit([' ', ';', '.']).find(|part| !part.is_empty()))
                    .and_then(|number| number.parse::<usize>().ok())
                    .unwrap_or(0)
            };
            self.passed += number(" passed");
            self.failed += number(" failed");
        } else if let Some((name, end)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            if end == "FAILED" {
                self.failures.push(name.to_owned());
            } else if let Some(why) = end.strip_prefix("ignored") {
                let why = why.trim_start_matches([',', ' ']);
                self.skip(name, if why.is_empty() { "marked as ignored, without a reason" } else { why });
            }
        }
    }

    /// A test that found at run time that it could not run counts as skipped, not as passed.
    fn read_skips(&mut self, file: &Path) -> Result<()> {
        for line in std::fs::read_to_string(file)?.lines() {
            if let Some((name, why)) = line.split_once('\t') {
                self.skip(name, why);
                self.passed = self.passed.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Makes a failure of every skip that is not among [`MAY_BE_SKIPPED`].
    fn refuse_skips(&mut self) {
        let may_be = |name: &str, why: &str| {
            MAY_BE_SKIPPED.iter().any(|(allowed, reason)| name == *allowed && why.starts_with(reason))
        };
        let all = std::mem::take(&mut self.skipped).into_iter();
        let (allowed, refused): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|(name, why)| may_be(name, why));
        self.skipped = allowed;
        for (name, why) in refused {
            self.fail(&name, &format!("skipped, which under CI it may not be: {why}"));
        }
    }

    fn close(&self) -> ExitCode {
        println!();
        for (name, why) in &self.skipped {
            println!("SKIPPED  {name}: {why}");
        }
        for failure in &self.failures {
            println!("FAILED   {failure}");
        }
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len());
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_are_summed_and_every_skip_is_named() {
        let mut tally = Tally::default();
        for line in [
            "test euler ... ok",
            "test slow ... ignored, takes an hour",
            "test bare ... ignored",
            "test broken ... FAILED",
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s",
        ] {
            tally.count(line);
        }
        assert_eq!((tally.passed, tally.failed), (15, 1));
        assert_eq!(tally.failures, ["broken"]);
        assert_eq!(tally.skipped["slow"], "takes an hour");
        assert_eq!(tally.skipped.len(), 2);
    }

    #[test]
    fn a_test_that_skips_itself_is_not_counted_as_passed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skips");
        std::fs::write(&file, "parity_on_wgpu\tno adapter\n").unwrap();
        let mut tally = Tally { passed: 5, ..Tally::default() };
        tally.read_skips(&file).unwrap();
        assert_eq!((tally.passed, tally.skipped.len()), (4, 1));
    }

    #[test]
    fn under_ci_a_skip_that_is_not_foreseen_fails_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skips");
        let skips = [
            ("wgpu_gives_the_stored_answer", "not built (it compiles Burn's WGPU natively)"),
            ("an_export_that_finds_no_room", "no disk can be mounted here (unshare -rm, mount)"),
            (
                "a_real_mlflow_server_has_the_runs_parameters_figures_and_files",
                "\"python3\" \"-m\" \"venv\": No such file or directory (os error 2)",
            ),
            ("every_part_has_its_type", "no nginx: install it"),
            ("a_checkpoint_that_finds_no_room", "not in the mood"),
        ];
        let lines: String = skips.iter().map(|(name, why)| format!("{name}\t{why}\n")).collect();
        std::fs::write(&file, lines).unwrap();
        let mut tally = Tally { passed: 9, ..Tally::default() };
        tally.count("test slow ... ignored, takes an hour");
        tally.read_skips(&file).unwrap();
        assert_eq!(tally.skipped.len(), 6);
        tally.refuse_skips();
        assert_eq!((tally.passed, tally.failed, tally.skipped.len()), (4, 3, 3));
        let refused: Vec<&str> = tally.failures.iter().filter_map(|text| text.split(':').next()).collect();
        assert_eq!(refused, ["a_checkpoint_that_finds_no_room", "every_part_has_its_type", "slow"]);
        assert!(tally.failures[1].ends_with("no nginx: install it"), "{}", tally.failures[1]);
    }

    #[test]
    fn what_may_be_skipped_under_ci_is_what_tests_say_of_themselves() {
        let texts = [
            include_str!("../../tests/parity.rs"),
            include_str!("../../tests/browser/screens.rs"),
            include_str!("../../trainer/tests/full_disk.rs"),
            include_str!("../../trainer/tests/mlflow.rs"),
        ];
        for (name, why) in MAY_BE_SKIPPED {
            let says =
                |text: &&str| text.contains(&format!("\"{name}\"")) && text.contains(why.trim_matches('"'));
            assert!(texts.iter().any(says), "no test skips {name} because of {why}");
        }
    }
}
