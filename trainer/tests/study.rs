//! A study as a person runs it: killed, resumed, reported; with a cell that cannot be.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use trainer::data::Dataset;
use trainer::recipe::Recipe;
use trainer::train::{FlowTask, Run, train};

/// A tiny network, trained for one step on noise: what its figures are does not matter here.
fn tiny_model(dir: &Path, name: &str) {
    let overrides = [
        "architecture.channels=[4, 8]".to_owned(),
        "architecture.blocks=1".to_owned(),
        "architecture.embedding=8".to_owned(),
        "architecture.groups=2".to_owned(),
        "architecture.attention_heads=1".to_owned(),
        "train.batch=10".to_owned(),
        "train.steps=1".to_owned(),
        "train.warmup_steps=0".to_owned(),
        "output.checkpoint_every=1".to_owned(),
        "output.report_every=1000".to_owned(),
        "output.plan=solver=euler&steps=1&count=1".to_owned(),
        format!("name={name}"),
    ];
    let recipe = Recipe::parse(include_str!("../../recipes/mnist-unet.toml"), "test", &overrides).unwrap();
    let data = Dataset {
        images: (0..40 * 784).map(|i| (i * 31 % 251) as u8).collect(),
        labels: (0..40).map(|i| i % 10).collect(),
        count: 40,
        channels: 1,
        height: 28,
        width: 28,
    };
    let task = FlowTask::new(&recipe, &data).unwrap();
    let run = Run {
        recipe: &recipe,
        dir: dir.join(name),
        device: Device::flex(),
        device_description: "cpu (Flex)".into(),
        data_description: "noise".into(),
        resume: false,
        start: None,
        stop_after: None,
        watch: trainer::train::Watch::default(),
    };
    train(&task, &run).unwrap();
}

fn recipe(dir: &Path) -> std::path::PathBuf {
    for name in ["tiny-a", "tiny-b"] {
        tiny_model(dir, name);
    }
    let text = format!(
        r#"
        name = "tiny"
        title = "Tiny"
        about = "Two tiny models."
        images = 100
        [[part]]
        id = "grid"
        title = "Grid"
        about = "A grid."
        models = ["{0}/tiny-a", "{0}/tiny-b"]
        solvers = ["euler", "dopri5", "sde-euler"]
        schedules = ["linear", "optimal"]
        evaluations = [2, 6]
        tolerances = [0.5]
        [[part]]
        id = "scales"
        title = "Scales"
        about = "Guidance."
        models = ["{0}/tiny-a"]
        weak = "{0}/tiny-b"
        solvers = ["euler"]
        guidances = ["1", "2", "3", "autoguidance:scale=2"]
        evaluations = [2]
        plot = {{ guidance-parameter = "scale" }}
        [[claim]]
        id = "b"
        says = "Model b is better."
        source = "A test"
        part = "grid"
        better = {{ model = "tiny-b" }}
        than = {{ model = "tiny-a" }}
        "#,
        dir.display()
    );
    let path = dir.join("study.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn command(dir: &Path, more: &[&str]) -> Command {
    let at = |name: &str| dir.join(name).display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow-digits"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.args(["study", &at("study.toml"), "--device", "cpu", "--work", &at("work"), "--out", &at("out")]);
    command.args(["--public", &at("public.json")]).args(more);
    command
}

fn run(dir: &Path, more: &[&str]) -> Output {
    let output = command(dir, more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn lines(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("work/cells.jsonl")).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect()
}

#[test]
fn a_study_that_was_killed_goes_on_without_repeating_a_cell_and_tells_of_those_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    recipe(dir);

    let mut child =
        command(dir, &["--jobs", "2"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while lines(dir).len() < 2 && start.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = lines(dir);
    assert!(before.len() >= 2, "the study came to nothing before it was killed");

    let output = run(dir, &["--jobs", "2"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let after = lines(dir);
    assert_eq!(after[..before.len()], before[..], "finished cells stay as they were");
    let keys: BTreeSet<String> = after
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(keys.len(), after.len(), "no cell twice");
    // Two models: Euler and sde-euler at 2 and 6, dopri5 at 6 and under the tolerance; guidance 1 is a cell of the grid.
    assert_eq!(after.len(), 2 * 6 + 3);
    assert!(
        said.contains(&format!("{} cells to compute, {} in the ledger", 15 - before.len(), before.len())),
        "{said}"
    );

    let results: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("public.json")).unwrap()).unwrap();
    let cells = results["parts"][0]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2 * (3 * 2 * 2 + 3));
    let impossible = cells.iter().filter(|cell| cell["impossible"].is_string()).count();
    // dopri5 at 2, optimal without knots, and a tolerance for solvers that do not choose their steps.
    assert_eq!(impossible, cells.len() - 12);
    for cell in cells.iter().filter(|cell| cell["plan"].is_string()) {
        let plan: flow::plan::SamplePlan = cell["plan"].as_str().unwrap().parse().unwrap();
        let expected = plan.expected_evaluations(&flow::schedule::KnotTable::default());
        match expected {
            Some(n) => assert_eq!(cell["evaluations"].as_f64(), Some(n as f64), "{plan}"),
            None => assert!(cell["tolerance"].is_number()),
        }
        assert_eq!(cell["error"].is_null(), plan.solver.stochastic(), "{plan}");
    }
    let page = std::fs::read_to_string(dir.join("out/tiny.md")).unwrap();
    assert!(
        page.contains("| Model b is better. |") && page.contains("takes 6 evaluations for one step"),
        "{page}"
    );
    let table = std::fs::read_to_string(dir.join("out/tiny/cells.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + cells.len() + 4);
    for plot in ["grid", "scales"] {
        let svg = std::fs::read_to_string(dir.join(format!("out/tiny/{plot}.svg"))).unwrap();
        assert!(roxmltree::Document::parse(&svg).is_ok(), "{plot}");
    }

    // Nothing is left to do, and the report alone is the same.
    let again = run(dir, &["--report-only"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("Model b is better."));
    assert_eq!(lines(dir), after);
    assert_eq!(std::fs::read_to_string(dir.join("out/tiny.md")).unwrap(), page);
}
