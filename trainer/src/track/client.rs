//! MLflow's REST interface, version 2.0: experiments, runs, batches of metrics, and artifacts through the server's proxy.

use serde_json::{Value, json};
use std::time::Duration;
use ureq::Agent;

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer, a server in trouble, or one that is no MLflow: later perhaps.
    Later(String),
    /// MLflow itself says no to this; it would say so again.
    Refused(String),
}

/// A run at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteRun {
    pub(super) experiment_id: String,
    pub(super) run_id: String,
    pub(super) artifact_uri: String,
}

/// A connection to a server.
pub(super) struct Client {
    agent: Agent,
    uri: String,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(uri: &str, answer: Duration) -> Self {
        let agent: Agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(answer)).build().into();
        let token = std::env::var("MLFLOW_TRACKING_TOKEN").ok().filter(|token| !token.is_empty());
        Self { agent, uri: uri.to_owned(), token }
    }

    /// The experiment of this name, made if it is not there.
    pub(super) fn experiment(&self, name: &str) -> Result<String, Fault> {
        let id = |answer: &Value| answer.as_str().map(str::to_owned);
        let ask = format!("experiments/get-by-name?experiment_name={}", encoded(name));
        let found = match self.call("GET", &ask, None) {
            Err(Fault::Refused(why)) if why.contains("RESOURCE_DOES_NOT_EXIST") => {
                let made = self.call("POST", "experiments/create", Some(&json!({ "name": name })))?;
                id(&made["experiment_id"])
            }
            other => id(&other?["experiment"]["experiment_id"]),
        };
        found.ok_or_else(|| Fault::Later("its answer names no experiment; is this MLflow?".to_owned()))
    }

    /// A new run.
    pub(super) fn create_run(
        &self,
        experiment: &str,
        name: &str,
        start_ms: u64,
        tags: &Value,
    ) -> Result<RemoteRun, Fault> {
        let body =
            json!({ "experiment_id": experiment, "run_name": name, "start_time": start_ms, "tags": tags });
        let answer = self.call("POST", "runs/create", Some(&body))?;
        let info = &answer["run"]["info"];
        let field = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
        let run = RemoteRun {
            experiment_id: experiment.to_owned(),
            run_id: field("run_id"),
            artifact_uri: field("artifact_uri"),
        };
        match run.run_id.is_empty() {
            true => Err(Fault::Later("its answer names no run; is this MLflow?".to_owned())),
            false => Ok(run),
        }
    }

    pub(super) fn log_batch(&self, run: &str, metrics: &[Value], params: &[Value]) -> Result<(), Fault> {
        let body = json!({ "run_id": run, "metrics": metrics, "params": params });
        self.call("POST", "runs/log-batch", Some(&body)).map(|_| ())
    }

    pub(super) fn update_run(&self, run: &str, status: &str, end_ms: Option<u64>) -> Result<(), Fault> {
        let mut body = json!({ "run_id": run, "status": status });
        if let Some(end) = end_ms {
            body["end_time"] = json!(end);
        }
        self.call("POST", "runs/update", Some(&body)).map(|_| ())
    }

    /// Uploads a file; `artifact_uri` is the run's.
    pub(super) fn put_artifact(&self, artifact_uri: &str, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let Some(root) = artifact_uri.strip_prefix("mlflow-artifacts:") else {
            return Err(Fault::Refused(format!(
                "the server keeps artifacts at {artifact_uri}, not behind itself (--serve-artifacts)"
            )));
        };
        // mlflow-artifacts:/1/RUN/artifacts, or with the server's own address before it.
        let root = match root.strip_prefix("//") {
            Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
            None => root.trim_start_matches('/'),
        };
        let path: Vec<String> = path.split('/').map(encoded).collect();
        let url = format!(
            "{}/api/2.0/mlflow-artifacts/artifacts/{}/{}",
            self.uri,
            root.trim_end_matches('/'),
            path.join("/")
        );
        let mut request = self.agent.put(&url).header("Content-Type", "application/octet-stream");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        judge(request.send(bytes)).map(|_| ())
    }

    fn call(&self, method: &str, what: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let url = format!("{}/api/2.0/mlflow/{what}", self.uri);
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let text = match (method, body) {
            ("GET", _) | (_, None) => {
                let mut request = self.agent.get(&url);
                if let Some(bearer) = bearer {
                    request = request.header("Authorization", bearer);
                }
                judge(request.call())?
            }
            (_, Some(body)) => {
                let mut request = self.agent.post(&url).header("Content-Type", "application/json");
                if let Some(bearer) = bearer {
                    request = request.header("Authorization", bearer);
                }
                judge(request.send(body.to_string()))?
            }
        };
        serde_json::from_str(&text)
            .map_err(|_| Fault::Later("its answer is no JSON; is this MLflow?".to_owned()))
    }
}

/// An answer's text, or what it means that there is none.
fn judge(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, Fault> {
    let mut answer = answer.map_err(|error| Fault::Later(error.to_string()))?;
    let status = answer.status().as_u16();
    let text = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER_BYTES)
        .read_to_string()
        .map_err(|error| Fault::Later(error.to_string()))?;
    if (200..300).contains(&status) {
        return Ok(text);
    }
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    match (status, said["error_code"].as_str()) {
        (400..=499, Some(code)) if status != 429 => {
            Err(Fault::Refused(format!("{code}: {}", said["message"].as_str().unwrap_or_default())))
        }
        _ => Err(Fault::Later(format!("the server answered {status}"))),
    }
}

/// Percent-encodes all but what a part of an address may hold.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_spaces_or_slashes_of_a_name() {
        assert_eq!(encoded("digits 2/é"), "digits%202%2F%C3%A9");
    }

    #[test]
    fn artifacts_that_lie_beside_the_server_are_refused_and_not_tried_for_ever() {
        let client = Client::new("http://127.0.0.1:1", Duration::from_secs(1));
        let fault = client.put_artifact("/srv/mlruns/1/abc/artifacts", "a.png", b"").unwrap_err();
        assert!(matches!(fault, Fault::Refused(_)), "{fault:?}");
        let fault = client.put_artifact("mlflow-artifacts:/1/abc/artifacts", "a.png", b"").unwrap_err();
        assert!(matches!(fault, Fault::Later(_)), "{fault:?}");
    }
}
