//! The tools of the web build, at pinned versions.
//!
//! For each: what is on PATH at the right version; else what we installed earlier; else the project's prebuilt
//! release, if its checksum can be fetched and fits; else built from source. Nothing is installed outside
//! the tool folder, except the wasm target, which rustup keeps.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::download::{self, Npm};
use crate::paths::{Paths, shown};
use crate::run::{self, Output};
use crate::step::step;

/// The compilation target of everything that runs in the page.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A tool that is a Rust program.
pub struct CargoTool {
    /// The program, and how its version is printed: `NAME VERSION`.
    pub program: &'static str,
    /// The version that the project was tested with.
    pub version: &'static str,
    /// The package that holds it.
    package: &'static str,
    /// Flags of `cargo install`.
    flags: &'static [&'static str],
    /// The prebuilt release, where there is one for this machine.
    prebuilt: fn() -> Option<String>,
    /// How long building it takes, cold, on two cores.
    build_time: &'static str,
}

/// Must be the very version of the `wasm-bindgen` crate. Its lock file names a dependency that no longer
/// exists, so it is not installed with `--locked`; it downloads nothing, so it needs no TLS.
pub const WASM_BINDGEN: CargoTool = CargoTool {
    program: "wasm-bindgen",
    version: "0.2.130",
    package: "wasm-bindgen-cli",
    flags: &["--bin", "wasm-bindgen", "--no-default-features"],
    prebuilt: || {
        let target = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "x86_64-unknown-linux-musl",
            ("linux", "aarch64") => "aarch64-unknown-linux-musl",
            ("macos", "x86_64") => "x86_64-apple-darwin",
            ("macos", "aarch64") => "aarch64-apple-darwin",
            ("windows", "x86_64") => "x86_64-pc-windows-msvc",
            _ => return None,
        };
        let base = "https://github.com/wasm-bindgen/wasm-bindgen/releases/download/0.2.130";
        Some(format!("{base}/wasm-bindgen-0.2.130-{target}.tar.gz"))
    },
    build_time: "about 3 min",
};

/// Trunk 0.22 needs a newer Rust than ours.
pub const TRUNK: CargoTool = CargoTool {
    program: "trunk",
    version: "0.21.14",
    package: "trunk",
    flags: &["--locked"],
    prebuilt: || {
        let target = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "x86_64-unknown-linux-gnu.tar.gz",
            ("linux", "aarch64") => "aarch64-unknown-linux-gnu.tar.gz",
            ("macos", "x86_64") => "x86_64-apple-darwin.tar.gz",
            ("macos", "aarch64") => "aarch64-apple-darwin.tar.gz",
            ("windows", "x86_64") => "x86_64-pc-windows-msvc.zip",
            _ => return None,
        };
        Some(format!("https://github.com/trunk-rs/trunk/releases/download/v0.21.14/trunk-{target}"))
    },
    build_time: "about 6 min",
};

/// The package on npm whose `wasm-opt` we use. Debian's is too old for what rustc writes today.
const BINARYEN: (&str, &str) = ("binaryen", "132.0.0");

/// What a build without wasm-opt costs, said where it happens.
pub const WITHOUT_WASM_OPT: &str =
    "the page works the same; its wasm is about a fifth larger and somewhat slower";

/// Everything that a build of the web parts needs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// wasm-bindgen's command line.
    pub wasm_bindgen: PathBuf,
    /// Trunk.
    pub trunk: PathBuf,
    /// Absent when neither PATH nor npm has it.
    pub wasm_opt: Option<PathBuf>,
}

impl Tools {
    /// Finds or installs all of them. `optimize` says whether wasm-opt is wanted at all; `meanwhile` is work that fits
    /// beside the building of tools, which has long stretches that use one core only.
    pub fn ready(paths: &Paths, optimize: bool, meanwhile: impl FnOnce() + Send) -> Result<Self> {
        wasm_target()?;
        let missing = [&WASM_BINDGEN, &TRUNK].into_iter().filter(|tool| tool.find(paths).is_none());
        let to_build: Vec<&CargoTool> = missing.filter(|tool| !tool.fetched(paths)).collect();
        if !to_build.is_empty() {
            std::thread::scope(|scope| {
                scope.spawn(meanwhile);
                to_build.iter().try_for_each(|tool| tool.build(paths))
            })?;
        }
        let ready = |tool: &CargoTool| {
            let (name, version) = (tool.program, tool.version);
            tool.find(paths)
                .with_context(|| format!("{name} was installed, but does not say it is version {version}"))
        };
        let (wasm_bindgen, trunk) = (ready(&WASM_BINDGEN)?, ready(&TRUNK)?);
        let wasm_opt = if optimize { wasm_opt(paths)? } else { None };
        Ok(Self { wasm_bindgen, trunk, wasm_opt })
    }
}

/// Adds the wasm target of the running toolchain.
pub fn wasm_target() -> Result<()> {
    let mut rustc = Command::new("rustc");
    let folder = run::output(rustc.args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    if run::which("rustup").is_none() {
        bail!(
            "this Rust has no {WASM_TARGET} and was not installed by rustup: add that target the way you installed Rust"
        );
    }
    step(&format!("adding Rust's {WASM_TARGET}"), "about 20 s", || {
        run::run(Command::new("rustup").args(["target", "add", WASM_TARGET]), &Output::Terminal)
    })
}

/// Adds rustfmt and clippy, which a minimal installation of Rust lacks.
pub fn lint_components() -> Result<()> {
    let has = |part: &str| run::output(run::cargo().args([part, "--version"])).is_ok();
    if has("fmt") && has("clippy") {
        return Ok(());
    }
    step("adding rustfmt and clippy", "about 10 s", || {
        run::run(Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]), &Output::Terminal)
    })
}

impl CargoTool {
    /// Where our own copy lies, if it was installed.
    fn folder(&self, paths: &Paths) -> PathBuf {
        paths.tools.join(format!("{}-{}", self.program, self.version))
    }

    /// The tool, if it can be had without installing anything.
    pub fn find(&self, paths: &Paths) -> Option<PathBuf> {
        let ours =
            self.folder(paths).join("bin").join(format!("{}{}", self.program, std::env::consts::EXE_SUFFIX));
        run::which(self.program).into_iter().chain([ours]).find(|program| self.fits(program))
    }

    fn fits(&self, program: &Path) -> bool {
        let said = run::output(Command::new(program).arg("--version")).unwrap_or_default();
        said.split_whitespace().nth(1) == Some(self.version)
    }

    /// Takes the prebuilt release, if there is one, it can be reached and its checksum fits.
    fn fetched(&self, paths: &Paths) -> bool {
        let Some(url) = (self.prebuilt)() else { return false };
        let file = format!("{}{}", self.program, std::env::consts::EXE_SUFFIX);
        let what = format!("fetching {} {}, prebuilt", self.program, self.version);
        let fetched = step(&what, "a few seconds", || {
            let program = download::release(&url, &file, &self.folder(paths))?;
            if !self.fits(&program) {
                bail!("it does not run on this machine");
            }
            Ok(())
        });
        if let Err(why) = &fetched {
            eprintln!("    not taken: {why:#}; it will be built");
        }
        fetched.is_ok()
    }

    /// Builds it into our folder. What was interrupted goes on where it stopped.
    fn build(&self, paths: &Paths) -> Result<()> {
        let folder = self.folder(paths);
        let what = format!("building {} {} into {}", self.program, self.version, shown(&folder));
        let scratch = paths.tools.join("build").join(self.program);
        std::fs::create_dir_all(&scratch)?;
        let mut cargo = run::cargo();
        // Outside the repository: its configuration is not for tools.
        cargo.current_dir(&paths.tools).args(["install", self.package, "--version", self.version]);
        cargo.args(self.flags).arg("--root").arg(&folder).arg("--force");
        // Link-time optimization would double the wait for a tool that runs for a second.
        cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        cargo.env("CARGO_TARGET_DIR", &scratch);
        step(&what, self.build_time, || run::run(&mut cargo, &Output::Terminal))?;
        std::fs::remove_dir_all(&scratch)?;
        Ok(())
    }
}

/// wasm-opt: on PATH if recent, else npm's, else none, which is said and is no failure.
pub fn wasm_opt(paths: &Paths) -> Result<Option<PathBuf>> {
    let (package, version) = BINARYEN;
    let folder = paths.tools.join(format!("{package}-{version}"));
    let ours = folder.join("node_modules").join(".bin").join(if cfg!(windows) {
        "wasm-opt.cmd"
    } else {
        "wasm-opt"
    });
    let recent = |program: &PathBuf| wasm_opt_version(program).is_some_and(|number| number >= 120);
    if let Some(found) = run::which("wasm-opt").into_iter().chain([ours.clone()]).find(recent) {
        return Ok(Some(found));
    }
    let Some(npm) = run::which("npm") else {
        eprintln!(
            "    no wasm-opt, and no npm to get it with: {WITHOUT_WASM_OPT} (Debian: apt-get install npm)"
        );
        return Ok(None);
    };
    let installed = step(&format!("installing wasm-opt (npm's {package} {version})"), "about 20 s", || {
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new(npm);
        command.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
            "--prefix",
        ]);
        run::output(command.arg(&folder).arg(format!("{package}@{version}")))?;
        if !recent(&ours) {
            bail!("it was installed but does not run");
        }
        Ok(ours)
    });
    match installed {
        Ok(program) => Ok(Some(program)),
        Err(why) => {
            eprintln!("    no wasm-opt ({why:#}): {WITHOUT_WASM_OPT}");
            Ok(None)
        }
    }
}

fn wasm_opt_version(program: &Path) -> Option<u32> {
    // `wasm-opt version 132 (version_132)`
    run::output(Command::new(program).arg("--version")).ok()?.split_whitespace().nth(2)?.parse().ok()
}

/// A browser of the Chromium family: `CHROME`, else the usual names.
pub fn chromium() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("CHROME") {
        return Some(PathBuf::from(chosen)).filter(|path| path.is_file());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let on_mac = Path::new("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    names.iter().find_map(|name| run::which(name)).or_else(|| on_mac.is_file().then(|| on_mac.to_path_buf()))
}

/// Finds a browser; as root on Debian, where nobody need be asked, installs one.
pub fn chromium_or_install() -> Option<PathBuf> {
    chromium().or_else(|| {
        from_debian("Chromium", "chromium");
        chromium()
    })
}

/// A Firefox: `FIREFOX`, else the usual names.
pub fn firefox() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("FIREFOX") {
        return Some(PathBuf::from(chosen)).filter(|path| path.is_file());
    }
    let on_mac = Path::new("/Applications/Firefox.app/Contents/MacOS/firefox");
    let named = ["firefox-esr", "firefox"].iter().find_map(|name| run::which(name));
    named.or_else(|| on_mac.is_file().then(|| on_mac.to_path_buf()))
}

/// Finds a Firefox; as root on Debian, where nobody need be asked, installs one.
pub fn firefox_or_install() -> Option<PathBuf> {
    firefox().or_else(|| {
        from_debian("Firefox ESR", "firefox-esr");
        firefox()
    })
}

/// Installs a package of Debian's, as root and where it is known; what fails is said.
fn from_debian(name: &str, package: &str) {
    let root = run::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || run::which("apt-get").is_none() {
        return;
    }
    let installed = step(&format!("installing {name} from Debian, for the tests"), "about 1 min", || {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).args(arguments);
            run::run(&mut command, &Output::Terminal)
        };
        apt(&["update", "-q"])?;
        apt(&["install", "-q", "-y", "--no-install-recommends", package])
    });
    if let Err(why) = installed {
        eprintln!("    no {name}: {why:#}");
    }
}

/// axe-core, the checker of accessibility, as its authors publish it: MPL-2.0, used by the tests and shipped to nobody.
const AXE: Npm = Npm {
    package: "axe-core",
    version: "4.11.4",
    sha256: "97175f79b2bd57adf1d4a55837f574093883bd9eb8096ea66abfafe2f2bdbdb9",
    file: "package/axe.min.js",
};

/// The script of axe-core, if it was fetched before.
pub fn axe(paths: &Paths) -> Option<PathBuf> {
    Some(AXE.place(paths)).filter(|script| script.is_file())
}

/// The script of axe-core: what was fetched before, else npm's; else none, which is said and is no failure.
pub fn axe_or_fetch(paths: &Paths) -> Option<PathBuf> {
    if let Some(found) = axe(paths) {
        return Some(found);
    }
    let fetched =
        step(&format!("fetching {} {}, for the tests", AXE.package, AXE.version), "a few seconds", || {
            download::npm(&AXE, &AXE.place(paths))
        });
    if let Err(why) = fetched {
        eprintln!("    none: {why:#}");
    }
    axe(paths)
}

impl Npm {
    /// Where the file lies once it was fetched.
    fn place(&self, paths: &Paths) -> PathBuf {
        let name = Path::new(self.file).file_name().unwrap_or_default();
        paths.tools.join(format!("{}-{}", self.package, self.version)).join(name)
    }
}

/// How to get axe-core, for the message that says which tests did not run.
pub const HOW_TO_GET_AXE: &str = "axe-core was not fetched: `cargo xtask test` does it where npm is on PATH";

/// How to get Firefox, for the message that says which tests did not run.
pub const HOW_TO_GET_FIREFOX: &str =
    "install Firefox (Debian: apt-get install firefox-esr) or set FIREFOX to the program";

/// How to get a browser, for the message that says which tests did not run.
pub const HOW_TO_GET_CHROMIUM: &str =
    "install Chromium (Debian: apt-get install chromium) or set CHROME to a Chrome or Chromium program";

/// A table of what is there and what is not.
pub fn report(paths: &Paths) -> Result<()> {
    for tool in [&WASM_BINDGEN, &TRUNK] {
        let place =
            tool.find(paths).map_or_else(|| "not installed".to_owned(), |path| path.display().to_string());
        println!("{:<14} {:<10} {place}", tool.program, tool.version);
    }
    let optimizer = wasm_opt(paths)?;
    let place = optimizer.map_or_else(|| "not installed".to_owned(), |path| path.display().to_string());
    println!("{:<14} {:<10} {place}", "wasm-opt", BINARYEN.1);
    let browser =
        chromium().map_or_else(|| format!("none: {HOW_TO_GET_CHROMIUM}"), |path| path.display().to_string());
    println!("{:<14} {:<10} {browser}", "chromium", "any");
    let firefox =
        firefox().map_or_else(|| format!("none: {HOW_TO_GET_FIREFOX}"), |path| path.display().to_string());
    println!("{:<14} {:<10} {firefox}", "firefox", "any");
    let axe = axe(paths).map_or_else(|| "not fetched".to_owned(), |path| path.display().to_string());
    println!("{:<14} {:<10} {axe}", AXE.package, AXE.version);
    Ok(())
}
