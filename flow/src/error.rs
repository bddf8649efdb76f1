//! What can go wrong, in terms of what was asked: each variant names the thing, what it got and what is accepted.

use thiserror::Error;

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// No entry of the registry has this id.
    #[error("there is no {kind} `{got}`{}; accepted: {}", suggestion(*nearest), accepted.join(", "))]
    UnknownId {
        /// The registry that was asked: `solver`, `schedule`, ...
        kind: &'static str,
        /// The id that was given.
        got: String,
        /// The accepted id that is spelled most like it, when one is close.
        nearest: Option<&'static str>,
        /// Every accepted id.
        accepted: Vec<&'static str>,
    },
    /// The entry has no parameter of this name.
    #[error(
        "`{id}` has no parameter `{got}`{}; accepted: {}",
        suggestion(*nearest),
        if accepted.is_empty() { "none".to_owned() } else { accepted.join(", ") }
    )]
    UnknownParameter {
        /// The entry's id.
        id: String,
        /// The name that was given.
        got: String,
        /// The accepted name that is spelled most like it, when one is close.
        nearest: Option<&'static str>,
        /// Every accepted name.
        accepted: Vec<&'static str>,
    },
    /// A parameter's value is not a number, is out of its range, or is given twice.
    #[error("`{parameter}` of `{id}` is `{got}`; it accepts {accepts}")]
    Parameter {
        /// The entry's id.
        id: String,
        /// The parameter's name.
        parameter: String,
        /// The text or the value that was given.
        got: String,
        /// What is accepted, in words.
        accepts: String,
    },
    /// A field of a sample plan is unknown, malformed or does not go with the other fields.
    #[error("`{field}` is `{got}`; it accepts {accepts}")]
    Plan {
        /// The field's name in the plan's text form.
        field: String,
        /// The text that was given.
        got: String,
        /// What is accepted, in words.
        accepts: String,
    },
    /// A schedule was asked for a number of steps that it cannot give.
    #[error("a schedule was asked for {got} steps; it accepts 1 to {most}")]
    Steps {
        /// The number asked for.
        got: usize,
        /// The largest number accepted.
        most: usize,
    },
    /// The times or tolerances handed to `integrate` make no sense.
    #[error("`{what}` of the stepping is {got}; it accepts {accepts}")]
    Stepping {
        /// The part at fault.
        what: &'static str,
        /// What was given.
        got: String,
        /// What is accepted, in words.
        accepts: &'static str,
    },
    /// Adaptive steps were asked of a solver without an error estimate.
    #[error("`{solver}` has no error estimate, so it cannot choose its own steps; these can: {}", accepted.join(", "))]
    NotAdaptive {
        /// The solver's id.
        solver: &'static str,
        /// The solvers that can.
        accepted: Vec<&'static str>,
    },
    /// A solver that adds noise, where the flow itself must be followed: densities and inversions have no other path.
    #[error("`{solver}` adds noise on the way, so it cannot tell {what}; these can: {}", accepted.join(", "))]
    Stochastic {
        /// The solver's text form.
        solver: String,
        /// What was asked for.
        what: &'static str,
        /// The solvers that can.
        accepted: Vec<&'static str>,
    },
    /// A number of probes from which no divergence can be estimated.
    #[error("a divergence was to be estimated from {got} probes; accepted: 1 to {most}")]
    Probes {
        /// The number asked for.
        got: usize,
        /// The largest number accepted.
        most: usize,
    },
    /// Too many dimensions for an exact divergence, which takes one derivative for each.
    #[error(
        "an exact divergence in {got} dimensions would take as many derivatives; accepted: at most {most}, estimate it from probes beyond"
    )]
    Dimension {
        /// The dimension of a sample.
        got: usize,
        /// The largest dimension accepted.
        most: usize,
    },
    /// The state stopped being finite numbers: the field returned NaN or infinity, or the solution exploded.
    #[error("the state is no longer finite at t = {t}")]
    NotFinite {
        /// The time at which it was noticed.
        t: f64,
    },
    /// A schedule whose knots were not fitted for this number of steps.
    #[error(
        "the schedule `{schedule}` has no knots for {got} steps on this model; fitted: {}",
        fitted_counts(fitted)
    )]
    NotFitted {
        /// The schedule's id.
        schedule: &'static str,
        /// The number of steps asked for.
        got: usize,
        /// The numbers of steps that were fitted.
        fitted: Vec<usize>,
    },
    /// Knots that are not a schedule's.
    #[error("the knots of {steps} steps: {got}; accepted: {accepts}")]
    Knots {
        /// The number of steps.
        steps: usize,
        /// What was found.
        got: String,
        /// What is accepted.
        accepts: &'static str,
    },
    /// Noises and data that cannot be paired.
    #[error("`{what}` of the coupling is {got}; it accepts {accepts}")]
    Pairing {
        /// Which argument.
        what: &'static str,
        /// What it was.
        got: String,
        /// What it may be.
        accepts: &'static str,
    },
    /// The velocity could not be computed, or the state could not be read: a network or a device failed.
    #[error("the velocity field failed: {reason}")]
    Field {
        /// What the field or the device said.
        reason: String,
    },
}

fn fitted_counts(counts: &[usize]) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn suggestion(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |id| format!(" (did you mean `{id}`?)"))
}

/// The candidate that is spelled most like `got`, when it is close enough to be a likely slip.
pub fn nearest<'a>(got: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // Jaro-Winkler costs the product of the lengths: nobody mistypes an id into a novel.
    if got.len() > 64 {
        return None;
    }
    candidates
        .iter()
        .map(|id| (strsim::jaro_winkler(got, id), *id))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_gets_the_id_that_was_meant() {
        let ids = ["euler", "midpoint", "heun", "rk4", "dopri5"];
        assert_eq!(nearest("eular", &ids), Some("euler"));
        assert_eq!(nearest("huen", &ids), Some("heun"));
        assert_eq!(nearest("dopri", &ids), Some("dopri5"));
        assert_eq!(nearest("zzzz", &ids), None);
        assert_eq!(nearest(&"x".repeat(1000), &ids), None);
    }

    #[test]
    fn messages_name_what_was_wrong_what_it_got_and_what_is_accepted() {
        let error = Error::UnknownId {
            kind: "solver",
            got: "eular".into(),
            nearest: Some("euler"),
            accepted: vec!["euler", "heun"],
        };
        assert_eq!(
            error.to_string(),
            "there is no solver `eular` (did you mean `euler`?); accepted: euler, heun"
        );
    }
}
