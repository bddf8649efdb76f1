//! The native part: `flow-digits throughput` in turn with `bench/torch_bench.py`, which compares their answers itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{BATCHES, MODEL, RECIPE};
use crate::paths::Paths;
use crate::run;

/// The batch of a training step.
const TRAINING_BATCH: usize = 64;

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// How the trainer was built.
    pub(super) profile: String,
    /// PyTorch and its version, or why there is none.
    pub(super) torch: std::result::Result<String, String>,
    /// The times.
    pub(super) rows: Vec<Row>,
    /// The graphics processor, or why there are no figures of one.
    pub(super) gpu: std::result::Result<String, String>,
    /// Instructions and cycles, or why there are none.
    pub(super) counts: std::result::Result<Vec<Count>, String>,
}

/// The times of one question.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// What computed: `cpu`, `cuda` or `wgpu`.
    pub(super) device: String,
    /// Threads of both.
    pub(super) threads: usize,
    /// Images at a time.
    pub(super) batch: usize,
    /// Training steps, else evaluations.
    pub(super) training: bool,
    /// Our milliseconds, turn after turn.
    pub(super) ours: Vec<Vec<f64>>,
    /// PyTorch's.
    pub(super) theirs: Vec<Vec<f64>>,
    /// The greatest difference of the answers, where they were compared.
    pub(super) difference: Option<f64>,
}

/// What the processor counted for one evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Count {
    /// Who.
    pub(super) program: &'static str,
    /// Images at a time.
    pub(super) batch: usize,
    /// Instructions.
    pub(super) instructions: f64,
    /// Cycles.
    pub(super) cycles: f64,
}

/// The NVIDIA GPU of this machine.
pub(super) fn gpu() -> Option<String> {
    let listed = run::output(Command::new("nvidia-smi").arg("-L")).ok()?;
    let first = listed.lines().next()?.split_once(": ")?.1;
    Some(first.split(" (").next().unwrap_or(first).to_owned())
}

/// Times everything.
pub(super) fn measure(paths: &Paths, trainer: &Path, python: &Path, turns: u64) -> Result<Found> {
    // A turn is many steps, and starts PyTorch anew.
    let turns = turns.div_ceil(3);
    let torch = torch(python);
    let bench = Bench { paths, trainer, python, turns, torch: torch.is_ok() };
    let mut found = Found {
        profile: String::new(),
        torch,
        rows: Vec::new(),
        gpu: Ok(String::new()),
        counts: Ok(Vec::new()),
    };
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = if all > 1 { vec![1, all] } else { vec![1] };
    for threads in threads {
        for batch in BATCHES {
            found.rows.push(bench.ask("cpu", threads, batch, false)?.0);
        }
        let (row, profile) = bench.ask("cpu", threads, TRAINING_BATCH, true)?;
        found.rows.push(row);
        found.profile = profile;
    }
    found.gpu = bench.on_gpu(&mut found.rows);
    found.counts = bench.counts();
    Ok(found)
}

/// PyTorch's version, or why it can't be used.
fn torch(python: &Path) -> std::result::Result<String, String> {
    let asked = ["-c", "import numpy, torch; print(torch.__version__)"];
    match run::output(Command::new(python).args(asked)) {
        Ok(version) => Ok(format!("PyTorch {}", version.trim())),
        Err(why) => {
            eprintln!("    no PyTorch: {why:#}");
            Err("no PyTorch: make a virtual environment, `pip install -r bench/requirements-torch.txt` in it, and name its \
                 Python with `--python`"
                .to_owned())
        }
    }
}

struct Bench<'a> {
    paths: &'a Paths,
    trainer: &'a Path,
    python: &'a Path,
    turns: u64,
    torch: bool,
}

impl Bench<'_> {
    fn steps(batch: usize, training: bool) -> usize {
        match (training, batch) {
            (true, _) => 5,
            (false, 1) => 100,
            (false, 2..=16) => 20,
            (false, _) => 8,
        }
    }

    /// The other program, as the trainer's `--against`.
    fn against(&self, device: &str) -> String {
        let device = if device == "cpu" { "cpu" } else { "cuda" };
        let script = self.paths.root.join("bench").join("torch_bench.py");
        format!("{} {} --device {device}", self.python.display(), script.display())
    }

    fn ask(&self, device: &str, threads: usize, batch: usize, training: bool) -> Result<(Row, String)> {
        let mut command = Command::new(self.trainer);
        command.current_dir(&self.paths.root).args(["throughput", RECIPE, "--json", "--device", device]);
        let numbers = [
            ("--threads", threads),
            ("--batch", batch),
            ("--steps", Self::steps(batch, training)),
            ("--turns", self.turns as usize),
        ];
        for (name, value) in numbers {
            command.arg(name).arg(value.to_string());
        }
        command.args(["--weights", MODEL]);
        if !training {
            command.arg("--evaluations-only");
        }
        if self.torch {
            command.arg("--against").arg(self.against(device));
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let text = run::output(&mut command)?;
        let what = if training { "training" } else { "evaluation" };
        let (row, profile) = read(&text, device, threads, batch, training)?;
        eprintln!("    {device}, {threads} threads, batch {batch}, {what}: done");
        Ok((row, profile))
    }

    /// Adds the rows of the GPU's backends.
    fn on_gpu(&self, rows: &mut Vec<Row>) -> std::result::Result<String, String> {
        let name = gpu().ok_or(
            "this machine has no NVIDIA GPU, so CUDA and WGPU were not compared with PyTorch on one",
        )?;
        let mut refusals = Vec::new();
        for device in ["cuda", "wgpu"] {
            let mut ask = |batch, training| -> Result<()> {
                rows.push(self.ask(device, 1, batch, training)?.0);
                Ok(())
            };
            let result = BATCHES.into_iter().try_for_each(|batch| ask(batch, false));
            if let Err(why) = result.and_then(|()| ask(TRAINING_BATCH, true)) {
                refusals.push(format!(
                    "; {device} was not compared: {}",
                    why.to_string().lines().last().unwrap_or("")
                ));
            }
        }
        Ok(format!("{name}{}", refusals.concat()))
    }

    /// Instructions and cycles of an evaluation: a long run's less a short one's, over the evaluations that they differ by.
    fn counts(&self) -> std::result::Result<Vec<Count>, String> {
        let perf = run::which("perf")
            .ok_or("`perf` is not installed, so instructions and cycles were not counted")?;
        let mut probe = Command::new(&perf);
        let [instructions, cycles] =
            perf_counts(probe.args(PERF).arg("true")).map_err(|why| why.to_string())?;
        if instructions.is_none() || cycles.is_none() {
            return Err("this machine's processor lets nobody count its instructions and cycles (`perf stat` calls both not \
                        supported), so none were"
                .to_owned());
        }
        let mut found = Vec::new();
        for batch in &BATCHES[..2] {
            for program in ["flow-digits", "PyTorch"] {
                if program == "PyTorch" && !self.torch {
                    continue;
                }
                let count = |steps: usize| self.counted(&perf, program, *batch, steps);
                let both = count(SHORT).and_then(|short| Ok((short, count(LONG)?)));
                let (short, long) = both.map_err(|why| format!("counting failed: {why:#}"))?;
                let each = |i: usize| (long[i] - short[i]) / (LONG - SHORT) as f64;
                found.push(Count { program, batch: *batch, instructions: each(0), cycles: each(1) });
            }
        }
        Ok(found)
    }

    fn counted(&self, perf: &Path, program: &str, batch: usize, steps: usize) -> Result<[f64; 2]> {
        let mut command = Command::new(perf);
        command.current_dir(&self.paths.root).args(PERF);
        if program == "PyTorch" {
            command.args(self.against("cpu").split(' ')).arg(RECIPE).args(["--warm-up", "2"]);
        } else {
            command.arg(self.trainer).args(["throughput", RECIPE, "--turns", "1"]);
        }
        command.args(["--json", "--evaluations-only", "--threads", "1", "--weights", MODEL]);
        command.args(["--batch", &batch.to_string(), "--steps", &steps.to_string()]);
        match perf_counts(&mut command)? {
            [Some(instructions), Some(cycles)] => Ok([instructions, cycles]),
            _ => bail!("perf counted only sometimes"),
        }
    }
}

const PERF: [&str; 6] = ["stat", "-x", ";", "-e", "instructions:u,cycles:u", "--"];
const SHORT: usize = 10;
const LONG: usize = 60;

/// Runs `perf stat` and reads what it says on standard error.
fn perf_counts(command: &mut Command) -> Result<[Option<f64>; 2]> {
    let out = command.output().context("could not start perf")?;
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        bail!("`perf stat` failed: {}", said.lines().last().unwrap_or_default());
    }
    Ok(["instructions", "cycles"].map(|event| counted(&said, event)))
}

/// The number before the event's name in `perf stat -x ;`.
fn counted(said: &str, event: &str) -> Option<f64> {
    let mut lines = said.lines().map(|line| line.split(';').collect::<Vec<_>>());
    lines.find(|fields| fields.get(2).is_some_and(|name| name.starts_with(event)))?.first()?.parse().ok()
}

/// Reads what `flow-digits throughput --json` printed: the row, and how the program was built.
fn read(text: &str, device: &str, threads: usize, batch: usize, training: bool) -> Result<(Row, String)> {
    let value: Value = serde_json::from_str(text).context("`flow-digits throughput --json` prints JSON")?;
    let key = if training { "train_ms" } else { "evaluation_ms" };
    let turns = |whose: &str| -> Vec<Vec<f64>> {
        let turns = value["measured"][whose].as_array().into_iter().flatten();
        let times =
            |turn: &Value| turn[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        turns.map(times).collect()
    };
    let row = Row {
        device: device.to_owned(),
        threads,
        batch,
        training,
        ours: turns("ours"),
        theirs: turns("theirs"),
        difference: value["measured"]["difference"].as_f64(),
    };
    if row.ours.is_empty() || row.ours.iter().chain(&row.theirs).any(Vec::is_empty) {
        bail!("`flow-digits throughput --json` lists no {key}");
    }
    let profile = value["build"].as_str().unwrap_or("a build that does not say how it was made");
    Ok((row, profile.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_trainer_prints_is_read() {
        let text = r#"{"build": "release", "measured": {"difference": 2e-6,
            "ours": [{"train_ms": [], "evaluation_ms": [3.0, 2.0]}], "theirs": [{"train_ms": [], "evaluation_ms": [1.0]}]}}"#;
        let (row, profile) = read(text, "cpu", 1, 16, false).unwrap();
        assert_eq!((row.ours, row.theirs), (vec![vec![3.0, 2.0]], vec![vec![1.0]]));
        assert_eq!((row.difference, profile.as_str()), (Some(2e-6), "release"));
        let said = read(text, "cpu", 1, 16, true).unwrap_err().to_string();
        assert!(said.contains("no train_ms"), "{said}");
    }

    #[test]
    fn what_perf_counts_is_read_and_what_it_cannot_count_is_none() {
        let said = "1234567;;instructions:u;99;100.00;;\n<not supported>;;cycles:u;0;100.00;;\n";
        assert_eq!(counted(said, "instructions"), Some(1_234_567.0));
        assert_eq!(counted(said, "cycles"), None);
        assert_eq!(counted("", "cycles"), None);
    }

    #[test]
    fn a_python_that_is_not_there_is_told_how_to_get_pytorch() {
        let said = torch(Path::new("no-such-python-anywhere")).unwrap_err();
        assert!(said.contains("requirements-torch.txt") && said.contains("--python"), "{said}");
    }
}
