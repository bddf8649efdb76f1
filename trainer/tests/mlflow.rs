//! A training is told to a real MLflow server, and read back from it.
//!
//! The server is installed by pip into a virtual environment beside the built tests, once. Where Python or its packages
//! cannot be had the test says so and is counted as skipped by `cargo xtask test`.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use models::{WeightError, Weights};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use trainer::recipe::Recipe;
use trainer::track::{Wish, send_run};
use trainer::train::{Run, Task, Watch, train};

/// The server without what only its machine-learning side needs: a quarter of the whole package.
const PACKAGES: [&str; 14] = [
    "mlflow-skinny==3.17.2",
    "aiohttp==3.14.5",
    "alembic==1.20.1",
    "cryptography==50.0.2",
    "docker==7.2.0",
    "fastapi==0.165.0",
    "Flask==3.1.3",
    "flask-cors==6.0.5",
    "graphene==3.4.3",
    "gunicorn==27.0.1",
    "huey==3.5.4",
    "pandas==3.1.1",
    "SQLAlchemy==2.1.9",
    "uvicorn==0.54.0",
];

const NAME: &str = "a_real_mlflow_server_has_the_runs_parameters_figures_and_files";

/// Says aloud that the test could not run, also to `cargo xtask test`.
fn skip(why: &str) {
    eprintln!("SKIPPED {NAME}: {why}");
    let Some(file) = std::env::var_os("FLOW_DIGITS_SKIPS") else { return };
    let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
    writeln!(file, "{NAME}\t{}", why.replace(['\n', '\t'], " ")).unwrap();
}

/// The environment's `mlflow`, installed if it is not there.
fn mlflow() -> Result<PathBuf, String> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mlflow-venv");
    let (program, complete) = (venv.join("bin/mlflow"), venv.join("complete.txt"));
    if std::fs::read_to_string(&complete).is_ok_and(|text| text == PACKAGES.join("\n")) {
        return Ok(program);
    }
    let step = |command: &mut Command| {
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => {
                let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(format!("{:?}: {}", command.get_program(), text.lines().last().unwrap_or_default()))
            }
        }
    };
    step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    step(Command::new(venv.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(complete, PACKAGES.join("\n")).map_err(|error| error.to_string())?;
    Ok(program)
}

/// A server that is ended with the test, workers included.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Its own workers end when they are asked to, not when their parent is killed.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let asked = Instant::now();
        while self.0.try_wait().is_ok_and(|ended| ended.is_none())
            && asked.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(url: &str) -> Option<String> {
    ureq::get(url).call().ok()?.body_mut().read_to_string().ok()
}

fn start(program: &Path, folder: &Path) -> Result<(Server, String), String> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = std::fs::File::create(folder.join("server.log")).unwrap();
    let child = Command::new(program)
        .args(["server", "--host", "127.0.0.1", "--workers", "1", "--port", &port.to_string()])
        .arg("--backend-store-uri")
        .arg(format!("sqlite:///{}/mlflow.db", folder.display()))
        .arg("--artifacts-destination")
        .arg(folder.join("artifacts"))
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("DO_NOT_TRACK", "true")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("mlflow does not start: {error}"))?;
    let (mut server, uri) = (Server(child), format!("http://127.0.0.1:{port}"));
    let begun = Instant::now();
    while get(&format!("{uri}/health")).is_none() {
        let ended = server.0.try_wait().unwrap().is_some();
        if ended || begun.elapsed() > Duration::from_secs(240) {
            let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            return Err(format!("the server did not come up: {}", log.lines().last().unwrap_or_default()));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok((server, uri))
}

struct Line;

impl Task for Line {
    type Model = Linear;
    type Batch = u64;

    fn init(&self, device: &Device) -> Linear {
        LinearConfig::new(3, 2).init(device)
    }

    fn with_weights(&self, weights: Weights, device: &Device) -> Result<Linear, WeightError> {
        models::weights::load(self.init(device), weights, "", device)
    }

    fn batch(&self, step: u64) -> Result<u64, String> {
        Ok(step)
    }

    fn loss(&self, model: &Linear, step: u64, device: &Device) -> Tensor<1> {
        let x = Tensor::<2>::from_floats([[1.0, -2.0, 3.0]], device) + step as f32 * 0.01;
        (model.forward(x) - 1.0).square().mean()
    }

    fn report(&self, _: &Linear, step: u64, dir: &Path, _: &Device) -> anyhow::Result<Map<String, Value>> {
        let grid = dir.join("grids").join(format!("step-{step}.png"));
        std::fs::create_dir_all(dir.join("grids"))?;
        std::fs::write(&grid, b"a picture")?;
        Ok([("grid".to_owned(), json!(grid.display().to_string()))].into_iter().collect())
    }
}

fn post(uri: &str, what: &str, body: &Value) -> Value {
    let url = format!("{uri}/api/2.0/mlflow/{what}");
    let answer = ureq::post(&url).header("Content-Type", "application/json").send(body.to_string());
    serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap()
}

/// The runs of an experiment, and for each the steps of its loss and the names of its artifacts.
fn runs(uri: &str, experiment: &str) -> Vec<(Value, Vec<u64>, Vec<String>)> {
    let api = format!("{uri}/api/2.0/mlflow");
    let ask =
        |what: &str| -> Value { serde_json::from_str(&get(&format!("{api}/{what}")).unwrap()).unwrap() };
    let found = ask(&format!("experiments/get-by-name?experiment_name={experiment}"));
    let id = found["experiment"]["experiment_id"].as_str().unwrap().to_owned();
    let answer = post(uri, "runs/search", &json!({ "experiment_ids": [id] }));
    let runs = answer["runs"].as_array().unwrap().clone();
    runs.into_iter()
        .map(|run| {
            let id = run["info"]["run_id"].as_str().unwrap().to_owned();
            let history = ask(&format!("metrics/get-history?run_id={id}&metric_key=loss"));
            let steps = history["metrics"].as_array().unwrap().iter();
            let steps = steps.map(|m| m["step"].as_u64().unwrap_or(0)).collect();
            let mut files = Vec::new();
            for folder in ["", "grids", "checkpoint"] {
                let listed = ask(&format!("artifacts/list?run_id={id}&path={folder}"));
                let listed = listed["files"].as_array().cloned().unwrap_or_default();
                files.extend(listed.iter().map(|file| file["path"].as_str().unwrap().to_owned()));
            }
            (run, steps, files)
        })
        .collect()
}

#[test]
fn a_real_mlflow_server_has_the_runs_parameters_figures_and_files() {
    let program = match mlflow() {
        Ok(program) => program,
        Err(why) => return skip(&why),
    };
    let scratch = tempfile::tempdir().unwrap();
    let (_server, uri) = match start(&program, scratch.path()) {
        Ok(started) => started,
        Err(why) => return skip(&why),
    };
    let sets =
        ["train.steps=30", "train.warmup_steps=0", "output.checkpoint_every=10", "output.report_every=15"];
    let text = include_str!("../../recipes/mnist-unet.toml");
    let recipe = Recipe::parse(text, "test", &sets.map(str::to_owned)).unwrap();
    let begin = |name: &str, resume: bool, stop_after: Option<u64>, mlflow: Option<Wish>| {
        let run = Run {
            recipe: &recipe,
            dir: scratch.path().join(name),
            device: Device::flex(),
            device_description: "cpu (Flex)".into(),
            data_description: "a line".into(),
            resume,
            start: None,
            stop_after,
            watch: Watch { mlflow, gpu: None },
        };
        train(&Line, &run).map(|_| run.dir).unwrap()
    };
    let patient = Duration::from_secs(120);
    let wish =
        |experiment: &str| Wish { linger: patient, answer: patient, ..Wish::new(&uri, experiment).unwrap() };

    // Stopped and resumed: one run at the server, each step once.
    begin("resumed", false, Some(12), Some(wish("resumed")));
    begin("resumed", true, None, Some(wish("resumed")));
    let found = runs(&uri, "resumed");
    assert_eq!(found.len(), 1);
    let (run, steps, files) = &found[0];
    assert_eq!(run["info"]["status"], "FINISHED");
    assert_eq!(run["info"]["run_name"], "mnist-unet");
    assert_eq!(steps, &(1..=30).collect::<Vec<_>>());
    let parameters = run["data"]["params"].as_array().unwrap();
    assert!(
        parameters.contains(&json!({ "key": "train.learning_rate", "value": "0.0015" })),
        "{parameters:?}"
    );
    for file in ["recipe.toml", "grids/step-15.png", "grids/step-30.png", "checkpoint/average.bpk"] {
        assert!(files.iter().any(|f| f == file), "{file} in {files:?}");
    }

    // Trained while nobody listened, and a run that was trained without any server: sent afterwards.
    let away = Wish { linger: Duration::from_secs(2), ..Wish::new("http://127.0.0.1:1", "later").unwrap() };
    for (name, mlflow) in [("later", Some(away)), ("after", None)] {
        let dir = begin(name, false, None, mlflow);
        let address = send_run(&dir, &wish(name), |_| {}).unwrap();
        assert!(address.starts_with(&uri), "{address}");
        let found = runs(&uri, name);
        assert_eq!((found.len(), found[0].1.len()), (1, 30));
        assert!(found[0].2.iter().any(|file| file == "checkpoint/state.json"), "{:?}", found[0].2);
    }
}
