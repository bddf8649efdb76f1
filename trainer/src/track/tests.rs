//! The tracker against a server that behaves, and against servers that do not.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tiny_http::{Method, Response, Server};

/// What a server was asked, as `METHOD path body`.
type Asked = Arc<Mutex<Vec<String>>>;

/// An MLflow of a few lines; `answer` may take a request over, with a status and a body.
fn server(answer: impl Fn(usize, &str) -> Option<(u16, String)> + Send + 'static) -> (String, Asked) {
    let server = Server::http("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", server.server_addr().to_ip().unwrap());
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for (number, mut request) in server.incoming_requests().enumerate() {
            let mut body = Vec::new();
            request.as_reader().read_to_end(&mut body).unwrap();
            let path = request.url().to_owned();
            let (status, text) = answer(number, &path).unwrap_or_else(|| usual(request.method(), &path));
            if status < 300 {
                let body = String::from_utf8_lossy(&body);
                log.lock().unwrap().push(format!("{} {path} {body}", request.method()));
            }
            let _ = request.respond(Response::from_string(text).with_status_code(status));
        }
    });
    (uri, asked)
}

fn usual(method: &Method, path: &str) -> (u16, String) {
    let ok = |text: &str| (200, text.to_owned());
    match path.split('?').next().unwrap().trim_start_matches("/api/2.0/") {
        "mlflow/experiments/get-by-name" => {
            (404, r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}"#.to_owned())
        }
        "mlflow/experiments/create" => ok(r#"{"experiment_id":"7"}"#),
        "mlflow/runs/create" => {
            ok(r#"{"run":{"info":{"run_id":"abc","artifact_uri":"mlflow-artifacts:/7/abc/artifacts"}}}"#)
        }
        "mlflow/runs/log-batch" | "mlflow/runs/update" => ok("{}"),
        other if *method == Method::Put && other.starts_with("mlflow-artifacts/artifacts/7/abc/") => ok("{}"),
        _ => (404, "not here".to_owned()),
    }
}

fn recipe() -> Recipe {
    Recipe::parse(include_str!("../../../recipes/mnist-unet.toml"), "test", &[]).unwrap()
}

fn wish(uri: &str) -> Wish {
    Wish { answer: Duration::from_millis(300), ..Wish::new(uri, "digits").unwrap() }
}

fn line(step: u64) -> Map<String, Value> {
    let line = serde_json::json!({ "step": step, "loss": 1.0 / step as f64, "grid": "a.png", "bad": null });
    line.as_object().unwrap().clone()
}

/// A training of so many steps.
fn told(wish: &Wish, dir: &Path, steps: std::ops::RangeInclusive<u64>) {
    std::fs::write(dir.join("recipe.toml"), "name = 1").unwrap();
    let mut tracker = Tracker::start(wish, dir, &recipe(), "cpu", "bars").unwrap();
    for step in steps {
        tracker.metrics(&line(step));
    }
    tracker.finish(Outcome::Finished);
}

/// The steps whose loss arrived, in order of arrival.
fn steps(asked: &Asked) -> Vec<u64> {
    let asked = asked.lock().unwrap();
    let batches = asked.iter().filter_map(|line| line.split_once("/runs/log-batch "));
    batches
        .flat_map(|(_, body)| {
            let body: Value = serde_json::from_str(body).unwrap();
            let metrics = body["metrics"].as_array().unwrap().clone();
            assert!(metrics.len() <= 1000);
            metrics.into_iter().map(|metric| metric["step"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn parameters_figures_files_and_the_end_arrive_in_few_requests() {
    let dir = tempfile::tempdir().unwrap();
    let (uri, asked) = server(|_, _| None);
    told(&wish(&uri), dir.path(), 1..=2500);
    assert_eq!(steps(&asked), (1..=2500).collect::<Vec<_>>());
    let asked = asked.lock().unwrap();
    let has = |text: &str| asked.iter().any(|line| line.contains(text));
    assert!(has(r#"{"key":"train.batch","value":"64"}"#), "{:?}", asked.first());
    assert!(has("PUT /api/2.0/mlflow-artifacts/artifacts/7/abc/artifacts/recipe.toml name = 1"));
    assert!(has(r#""status":"FINISHED""#) && has(r#""key":"device","value":"cpu""#));
    assert!(!has("bad") && !has("grid"));
    assert!(asked.len() < 40, "{}", asked.len());
}

#[test]
fn what_a_server_that_was_away_missed_is_sent_later_and_once() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens at port 1.
    let away = Wish { linger: Duration::from_secs(5), ..wish("http://127.0.0.1:1") };
    told(&away, dir.path(), 1..=20);
    // The resumed run sees steps 15 to 20 again, and tells another server all of it.
    let (uri, asked) = server(|_, _| None);
    told(&wish(&uri), dir.path(), 15..=30);
    assert_eq!(steps(&asked), (1..=30).collect::<Vec<_>>());
    let again = send_run(dir.path(), &wish(&uri), |_| {}).unwrap();
    assert!(again.ends_with("/#/experiments/7/runs/abc"), "{again}");
    assert_eq!(steps(&asked).len(), 30);
}

#[test]
fn a_server_in_trouble_is_asked_again_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let asks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asks);
    // Errors before the run is made, before the parameters and in the middle; one is no JSON at all.
    let (uri, asked) = server(move |number, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        match number {
            0 | 2 | 9 => Some((500, "oh".to_owned())),
            6 => Some((200, "<html>".to_owned())),
            _ => None,
        }
    });
    told(&Wish { linger: Duration::ZERO, ..wish("http://127.0.0.1:1") }, dir.path(), 1..=5);
    // The one thread that asks port 1 holds the lock for a moment longer.
    let sent = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        send_run(dir.path(), &wish(&uri), |_| {}).ok()
    });
    assert!(sent.is_some() && asks.load(Ordering::Relaxed) > 9);
    let mut arrived = steps(&asked);
    arrived.dedup();
    assert_eq!(arrived, (1..=5).collect::<Vec<_>>());
}

#[test]
fn what_is_refused_does_not_hold_up_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"too long"}"#;
    let first = AtomicUsize::new(0);
    let (uri, asked) = server(move |_, path| {
        let refuse = path.ends_with("log-batch") && first.fetch_add(1, Ordering::Relaxed) == 0;
        refuse.then(|| (400, refusal.to_owned()))
    });
    told(&wish(&uri), dir.path(), 1..=5);
    assert_eq!(steps(&asked), (1..=5).collect::<Vec<_>>());
}

#[test]
fn a_silent_server_does_not_keep_a_training_that_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    // Takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", silent.local_addr().unwrap());
    let patient = Duration::from_secs(600);
    let wish = Wish { answer: patient, linger: Duration::from_millis(10), ..wish(&uri) };
    told(&wish, dir.path(), 1..=3);
    let queue = std::fs::read_to_string(dir.path().join("mlflow/queue.jsonl")).unwrap();
    assert!(queue.lines().count() > 5 && queue.contains("FINISHED"), "{queue}");
}

#[test]
fn half_a_line_that_a_kill_left_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    told(&Wish { linger: Duration::ZERO, ..wish("http://127.0.0.1:1") }, dir.path(), 1..=3);
    let path = dir.path().join("mlflow/queue.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{{\"metr")).unwrap();
    let queue = Queue::open(dir.path()).unwrap();
    assert_eq!(queue.last_step(), 3);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
}

#[test]
fn what_is_no_address_is_refused_with_an_example() {
    let error = Wish::new("localhost:5000", "digits").unwrap_err().to_string();
    assert!(error.contains("http://localhost:5000"), "{error}");
}
