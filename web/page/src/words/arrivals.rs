//! What a visitor reads of files that did not arrive, or not as they were published. Each sentence names the file.

use super::{Failure, QUOTED};
use crate::fetch::FetchError;
use protocol::Backend;

/// The site's lists could not be read.
pub(crate) fn lists_missing(error: &FetchError) -> Failure {
    let advice = match error {
        FetchError::Altered { .. } => {
            "Page and files may be of different versions: loading the page again, past the browser's cache, usually helps."
        }
        _ => again(error),
    };
    Failure {
        title: "The instrument could not be set up",
        text: format!(
            "{} {advice} The text below works without it.",
            fetched(error, "The list of models and programs")
        ),
    }
}

/// A model could not be fetched.
pub(crate) fn model_missing(label: &str, error: &FetchError) -> Failure {
    Failure {
        title: if is_altered(error) { "The model arrived damaged" } else { "The model did not arrive" },
        text: format!(
            "{} Without it nothing can be drawn. Try again, or choose another model if there is one.",
            fetched(error, &format!("The model “{label}”"))
        ),
    }
}

/// A program could not be fetched.
pub(crate) fn program_missing(backend: Backend, error: &FetchError) -> Failure {
    Failure {
        title: if is_altered(error) { "The program arrived damaged" } else { "The program did not arrive" },
        text: format!(
            "{} {}",
            fetched(error, &format!("The program that computes on the {}", backend.label())),
            again(error)
        ),
    }
}

/// The study's figures did not come.
pub(crate) fn study_missing(error: &FetchError) -> String {
    format!("{} All else works without them.", fetched(error, "The list of the study's figures"))
}

/// The study's figures can't be read.
pub(crate) fn study_unreadable(file: &str) -> String {
    format!("The study's figures ({file}) are not what this page expects. All else works without them.")
}

/// What a reader can do.
fn again(error: &FetchError) -> &'static str {
    match error {
        FetchError::Unlisted { .. } => "Only who keeps this site can mend that.",
        _ => "Try again in a moment.",
    }
}

fn is_altered(error: &FetchError) -> bool {
    matches!(error, FetchError::Altered { .. } | FetchError::Page { .. })
}

/// What came of an attempt to fetch `what`, with the file's place for whoever keeps the site.
fn fetched(error: &FetchError, what: &str) -> String {
    let what = format!("{what} ({})", shortened_path(error.file()));
    match error {
        FetchError::Status { status, .. } => {
            format!("{what} could not be fetched: the server answered {status}.")
        }
        FetchError::Network { .. } => {
            format!("{what} could not be fetched: the connection broke off, or you are offline.")
        }
        FetchError::Silence { .. } => {
            format!("{what} did not arrive: the server has said nothing for half a minute.")
        }
        FetchError::Page { .. } => {
            format!(
                "{what} did not arrive: the server sent a web page in its place, as some do for what they don't have."
            )
        }
        FetchError::Altered { .. } => {
            format!(
                "{what} was refused: what arrived is not what was published, its fingerprint differs. It was asked for past \
                 your browser's cache as well; if it stays so, the copy on the server is damaged."
            )
        }
        FetchError::Unlisted { .. } => {
            format!("{what} is not used: the site's list does not say what it must be.")
        }
    }
}

/// A place of at most so many characters as a sentence can bear; a manifest's names have no end.
fn shortened_path(path: &str) -> String {
    match path.char_indices().nth(2 * QUOTED) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_arrive_is_named_and_told_apart() {
        let url = || "models/a.safetensors?v=01234567".to_owned();
        let errors = [
            FetchError::Status { url: url(), status: 404 },
            FetchError::Network { url: url(), what: String::new() },
            FetchError::Silence { url: url() },
            FetchError::Page { url: url() },
            FetchError::Altered { url: url() },
            FetchError::Unlisted { url: url() },
        ];
        let mut told: Vec<String> = errors.iter().map(|error| model_missing("A", error).text).collect();
        assert!(told.iter().all(|text| text.contains("“A” (models/a.safetensors)")), "{told:?}");
        told.dedup();
        assert_eq!(told.len(), errors.len());
        assert_ne!(model_missing("A", &errors[4]).title, model_missing("A", &errors[0]).title);
        // To try again is no advice where it can't help.
        for error in &errors {
            let told = [lists_missing(error).text, program_missing(Backend::Cpu, error).text];
            let is_unlisted = matches!(error, FetchError::Unlisted { .. });
            let is_final = |text: &String| !text.contains("Try again") && text.contains("who keeps this");
            assert!(told.iter().all(|text| is_final(text) == is_unlisted), "{told:?}");
        }
    }
}
