//! Every sentence that a visitor reads when something is not as it should be: what happened, what still works,
//! what to try. A developer finds the rest in the console.

mod arrivals;

use crate::probe::NoGpu;
pub(crate) use arrivals::{lists_missing, model_missing, program_missing, study_missing, study_unreadable};
use protocol::{Backend, Fault, RunEnd};

/// Why there is nothing to show.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Failure {
    /// What happened, in a few words.
    pub(crate) title: &'static str,
    /// What happened, what still works, what to try.
    pub(crate) text: String,
}

/// A newer version of the site is kept, and waits.
pub(crate) fn newer_version() -> String {
    "A newer version of this page is ready. It is shown when you load the page again; until then this one goes on.".to_owned()
}

/// The instrument is no longer there; nobody reads this.
pub(crate) fn gone() -> Failure {
    Failure { title: "Gone", text: String::new() }
}

/// The site's lists are not what this page expects.
pub(crate) fn lists_unreadable(which: &str) -> Failure {
    Failure {
        title: "The instrument could not be set up",
        text: format!(
            "The file {which} is not what this page expects; page and files may be of different versions. \
             Loading the page again, past the browser's cache, usually helps."
        ),
    }
}

/// A program is not the one that the list announced.
pub(crate) fn program_damaged(backend: Backend) -> Failure {
    Failure {
        title: "The program arrived damaged",
        text: format!(
            "What arrived as the program that computes on the {} does not have the size that was published, so it was not \
             started. Try again: it is then fetched past your browser's cache. If it stays so, the copy on the server is \
             damaged.",
            backend.label()
        ),
    }
}

/// This site was built without a program.
pub(crate) fn program_absent(backend: Backend) -> Failure {
    Failure {
        title: "Nothing here can compute",
        text: format!("This copy of the site was published without its {} program.", backend.label()),
    }
}

/// A worker refused a model, or broke.
pub(crate) fn machine_failed(label: &str, fault: &Fault) -> Failure {
    match fault {
        Fault::Corrupt { .. } => Failure {
            title: "The model arrived damaged",
            text: format!(
                "What arrived as “{label}” is not the file that was published: its fingerprint differs. \
                 Nothing is drawn from weights that can't be verified. Try again; if it stays so, the copy on the \
                 server is damaged."
            ),
        },
        Fault::Unusable { .. } => Failure {
            title: "The model can't be read",
            text: format!(
                "“{label}” arrived whole, but this page's program does not know how to build it; the two may be of \
                 different versions. Loading the page again, past the browser's cache, usually helps."
            ),
        },
        Fault::Program { .. } | Fault::Message { .. } => Failure {
            title: "The program did not start",
            text: "Your browser could not start the program that draws the digits. It needs WebAssembly with SIMD: \
                   any browser from 2023 on. Try again, in case it was damaged on its way, or open the page in another \
                   browser."
                .to_owned(),
        },
        Fault::NotFinite { .. } => Failure {
            title: "The numbers ran away",
            text: "With these settings the picture stopped being made of numbers. Fewer extremes help: a smaller \
                   guidance, more steps."
                .to_owned(),
        },
        Fault::Sampling { .. } | Fault::NotLoaded { .. } => Failure {
            title: "This run could not be finished",
            text: "Something in these settings does not work together. Change one of them, or try again.".to_owned(),
        },
        Fault::Panic { .. } | Fault::Device { .. } | Fault::SelfTest { .. } => Failure {
            title: "The program stopped",
            text: "The program that draws the digits stopped unexpectedly, perhaps for lack of memory. \
                   Try again with fewer digits."
                .to_owned(),
        },
    }
}

/// Why the processor computes although there is WebGPU in the world.
pub(crate) fn no_gpu(why: NoGpu) -> String {
    match why {
        NoGpu::NoWebGpu => "This browser does not offer WebGPU, so the processor computes.",
        NoGpu::NoAdapter => "WebGPU found no graphics processor to use here, so the processor computes.",
        NoGpu::NoTimestampQuery => {
            "This graphics processor does not offer WebGPU's “timestamp-query”, which the GPU program needs, \
             so the processor computes."
        }
        NoGpu::SavesData => {
            "Your browser asks to save data, so the large GPU program was left out and the processor computes."
        }
    }
    .to_owned()
}

/// Why the GPU program was given up before it drew anything.
pub(crate) fn gpu_refused(fault: &Fault) -> String {
    match fault {
        Fault::SelfTest { .. } => {
            "There is no stored answer to test the graphics processor with, so the processor computes."
        }
        Fault::Program { .. } | Fault::Message { .. } => {
            "The GPU program did not start in this browser, so the processor computes."
        }
        Fault::Corrupt { .. } | Fault::Unusable { .. } | Fault::NotLoaded { .. } => {
            "The GPU program could not use the model, so the processor computes."
        }
        _ => "The graphics processor did not work with the GPU program, so the processor computes.",
    }
    .to_owned()
}

/// The GPU program could not be fetched.
pub(crate) fn gpu_missing() -> String {
    "The GPU program could not be fetched, so the processor computes.".to_owned()
}

/// The GPU program is not the one that the list announced.
pub(crate) fn gpu_damaged() -> String {
    "The GPU program arrived damaged, so the processor computes.".to_owned()
}

/// The list does not say what the GPU program must be.
pub(crate) fn gpu_unlisted() -> String {
    "The site's list does not say what the GPU program must be, so the processor computes.".to_owned()
}

/// This site has no GPU program.
pub(crate) fn gpu_absent() -> String {
    "This copy of the site has no GPU program (yet), so the processor computes.".to_owned()
}

/// The graphics processor gave another answer than the stored one.
pub(crate) fn gpu_wrong(worst: f32) -> String {
    let off =
        if worst.is_finite() && worst < 1e6 { format!(" (it is off by {worst:.1e})") } else { String::new() };
    format!(
        "The graphics processor does not reproduce a stored picture{off}, so it is not trusted and the \
         processor computes."
    )
}

/// The graphics processor was lost, hung or broke while it was in use.
pub(crate) fn gpu_lost() -> String {
    "The graphics processor stopped answering; the processor has taken over with the same settings."
        .to_owned()
}

/// The reason beside a processor that took over.
pub(crate) fn after_gpu() -> String {
    "The graphics processor was lost on the way, so the processor computes.".to_owned()
}

/// The reason beside a graphics processor that is the only one.
pub(crate) fn cpu_program_failed() -> String {
    "The program for the processor did not start in this browser, so the graphics processor computes."
        .to_owned()
}

/// The processor's program broke once and was started again.
pub(crate) fn cpu_restarted() -> String {
    "The program that draws the digits stopped and was started again.".to_owned()
}

/// The reason beside a processor that has just begun.
pub(crate) fn cpu_first() -> String {
    "The processor begins, because its program is small; the graphics processor is tried behind it."
        .to_owned()
}

/// A machine that the address forces.
pub(crate) fn forced(backend: Backend) -> String {
    format!("The address asks for the {}.", backend.label())
}

/// The address asks for the graphics processor, and `why` says why the processor computes.
pub(crate) fn forced_in_vain(why: &str) -> String {
    format!("The address asks for the GPU, which can't be had. {why}")
}

/// The graphics processor was faster.
pub(crate) fn gpu_faster(gpu_ms: f64, cpu_ms: f64) -> String {
    format!(
        "The graphics processor passed its test and is {} times as fast: {} against {} ms for 16 digits.",
        figure(cpu_ms / gpu_ms),
        figure(gpu_ms),
        figure(cpu_ms)
    )
}

/// The graphics processor was slower.
pub(crate) fn gpu_slower(gpu_ms: f64, cpu_ms: f64) -> String {
    format!(
        "The graphics processor passed its test but is slower here: {} against {} ms for 16 digits. \
         The processor computes.",
        figure(gpu_ms),
        figure(cpu_ms)
    )
}

/// What an address said that could not be read.
pub(crate) fn address(fault: &flow::Error) -> String {
    unread(fault, "The address", "s")
}

/// What an element's attributes said that could not be read.
pub(crate) fn attributes(fault: &flow::Error) -> String {
    unread(fault, "The attributes", "")
}

/// What could not be read of what `who` says; `s` is the ending of the verbs.
fn unread(fault: &flow::Error, who: &str, s: &str) -> String {
    match fault {
        flow::Error::UnknownId { kind, got, nearest, .. } => {
            let got = shortened(got);
            match nearest {
                Some(nearest) => format!(
                    "{who} ask{s} for the {kind} “{got}”, which does not exist. Perhaps “{nearest}” was meant; \
                     the usual one is used."
                ),
                None => {
                    format!(
                        "{who} ask{s} for the {kind} “{got}”, which does not exist; the usual one is used."
                    )
                }
            }
        }
        flow::Error::Parameter { id, parameter, got, accepts } => format!(
            "{who} set{s} “{parameter}” of “{id}” to “{}”; it takes {accepts}. The usual one is used.",
            shortened(got)
        ),
        flow::Error::UnknownParameter { id, got, accepted, .. } => {
            let hint = meant(got, accepted);
            format!(
                "{who} set{s} “{}” of “{id}”, which has no such parameter. {hint}; the usual one is used.",
                shortened(got)
            )
        }
        flow::Error::Plan { field, got, .. } if !is_field(field) => {
            let known: Vec<&str> = flow::plan::FIELDS.into_iter().chain([crate::address::BACKEND]).collect();
            let (hint, said) = (meant(field, &known), shortened(&format!("{field}={got}")));
            format!("{who} say{s} “{said}”, which means nothing here. {hint}; it is left out.")
        }
        flow::Error::Plan { field, got, accepts } => {
            let got = shortened(got);
            format!("{who} say{s} “{field}={got}”; there, this page takes {accepts}. It is left out.")
        }
        other => {
            let what = who.to_ascii_lowercase();
            format!("A part of {what} could not be used: {}. It is left out.", tamed(&other.to_string()))
        }
    }
}

/// So many characters of what somebody wrote are quoted.
const QUOTED: usize = 40;

/// What somebody wrote, as much of it as a sentence can bear.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A sentence whose words may be somebody else's: each is shortened.
pub(crate) fn tamed(sentence: &str) -> String {
    sentence.split(' ').map(shortened).collect::<Vec<_>>().join(" ")
}

fn is_field(name: &str) -> bool {
    flow::plan::FIELDS.contains(&name) || name == crate::address::BACKEND
}

/// A model that the address names and the manifest, which has these, does not.
pub(crate) fn model_unknown(id: &str, label: &str, known: &[&str]) -> String {
    let (hint, id) = (meant(id, known), shortened(id));
    format!("The address asks for the model “{id}”, which is not here. {hint}; “{label}” is used.")
}

/// What was probably meant, or else what there is.
fn meant(got: &str, known: &[&str]) -> String {
    match (flow::error::nearest(got, known), known) {
        (Some(nearest), _) => format!("Perhaps “{nearest}” was meant"),
        (None, []) => "There is none".to_owned(),
        (None, [one]) => format!("There is only “{one}”"),
        (None, many) => format!("There are {}", listed(many)),
    }
}

/// A model without a weaker one, under a guidance that needs it.
pub(crate) fn no_weaker_model(wanted: &str, model: &str, instead: &str) -> String {
    format!("{wanted} steers away from a weaker model, and “{model}” comes with none; {instead} is used.")
}

/// A number of steps for which no knots were fitted.
pub(crate) fn not_fitted(
    wanted: &str,
    model: &str,
    steps: usize,
    fitted: &[usize],
    instead: usize,
) -> String {
    format!(
        "The schedule “{wanted}” was fitted to “{model}” for {} steps, not for {steps}; {instead} are taken.",
        ranges(fitted)
    )
}

/// A model without fitted knots, under a schedule that needs them.
pub(crate) fn nothing_fitted(wanted: &str, model: &str, instead: &str) -> String {
    format!("No knots were fitted to “{model}”, which the schedule “{wanted}” needs; “{instead}” is used.")
}

/// "4, 6 and 8".
pub(crate) fn listed(parts: &[impl ToString]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    match parts.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// Ascending numbers, the runs among them by their ends: "1 to 16, 20 and 40".
pub(crate) fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).flat_map(|run| match run {
        [first, _, .., last] => vec![format!("{first} to {last}")],
        few => few.iter().map(ToString::to_string).collect(),
    });
    listed(&runs.collect::<Vec<_>>())
}

/// "2nd".
pub(crate) fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// How a run ended, when that was not at the data.
pub(crate) fn ended_early(end: RunEnd, t: f64) -> Option<String> {
    match end {
        RunEnd::Finished => None,
        RunEnd::BudgetExhausted => Some(format!(
            "A run may take {} evaluations, and at t = {t:.2} this one has used them up; fewer steps or a larger \
             tolerance get further.",
            flow::plan::MOST_EVALUATIONS
        )),
        RunEnd::StepTooSmall => Some(format!(
            "At t = {t:.2} no step was small enough for this tolerance; a larger one gets further."
        )),
    }
}

/// A number and what it counts: "1 digit", "16 digits".
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {}", named(count, what))
}

/// What was typed is no seed.
pub(crate) fn seed_refused(typed: &str, still: u64) -> String {
    let typed: String = typed.chars().take(30).collect();
    format!("“{typed}” is no seed: that is a whole number from 0 to {}. It still is {still}.", u64::MAX)
}

/// Two numbers and what they count: "22 to 40 evaluations"; one when they are the same.
pub(crate) fn spread(fewest: usize, most: usize, what: &str) -> String {
    if fewest < most { format!("{fewest} to {}", counted(most, what)) } else { counted(most, what) }
}

/// What so many of a thing are called.
pub(crate) fn named(count: usize, what: &str) -> String {
    if count == 1 { what.to_owned() } else { format!("{what}s") }
}

/// A number with about three figures.
pub(crate) fn figure(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes >= 1e6 { format!("{:.1} MB", bytes / 1e6) } else { format!("{:.0} kB", bytes / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_about_three_digits() {
        assert_eq!([0.5, 4.567, 45.67, 456.7].map(figure), ["0.50", "4.57", "45.7", "457"]);
        assert_eq!(
            [1_000, 999_000, 1_000_000, 17_700_000].map(size),
            ["1 kB", "999 kB", "1.0 MB", "17.7 MB"]
        );
    }

    #[test]
    fn lists_and_ordinals_read_as_a_person_would_say_them() {
        assert_eq!([&[][..], &[4], &[4, 6], &[4, 6, 8]].map(listed), ["none", "4", "4 and 6", "4, 6 and 8"]);
        assert_eq!(ranges(&[1, 2, 3, 4, 7, 9, 10]), "1 to 4, 7, 9 and 10");
        assert_eq!(ranges(&[]), "none");
        assert_eq!([1, 2, 3, 4, 11, 22].map(ordinal), ["1st", "2nd", "3rd", "4th", "11th", "22nd"]);
    }

    #[test]
    fn a_slip_in_a_parameters_name_is_told_with_what_was_meant() {
        let fault = |text: &str| address(&flow::schedule::Schedule::parse(text).unwrap_err());
        assert!(fault("logit-normal-cdf:stdd=2").contains("Perhaps “std” was meant"));
        assert!(fault("shift:zzz=2").contains("only “k”"), "{}", fault("shift:zzz=2"));
        assert!(fault("linear:k=2").contains("There is none"));
    }

    #[test]
    fn a_slip_in_a_fields_or_a_models_name_is_told_with_what_was_meant() {
        let slip = "sede=5".parse::<flow::plan::SamplePlan>().unwrap_err();
        assert!(address(&slip).contains("Perhaps “seed” was meant"), "{}", address(&slip));
        let known = ["mnist-unet", "tiny"];
        assert!(model_unknown("mnist-umet", "U-Net", &known).contains("Perhaps “mnist-unet” was meant"));
        assert!(model_unknown("zzz", "U-Net", &known).contains("There are mnist-unet and tiny"));
    }

    #[test]
    fn what_is_quoted_is_short_and_says_whose_words_they_are() {
        let long = "9".repeat(3_000);
        for text in [
            format!("solver={long}"),
            format!("seed={long}"),
            format!("{long}=1"),
            format!("solver=euler:{long}=1"),
        ] {
            let (_, faults) = flow::plan::SamplePlan::parse_with_unknown(&text);
            let said = attributes(&faults[0]);
            assert!(said.chars().count() < 300 && said.contains("9…"), "{said}");
            assert!(said.starts_with("The attributes "), "{said}");
            assert!(address(&faults[0]).starts_with("The address "), "{text}");
        }
        assert!(model_unknown(&long, "M", &["a", "b"]).chars().count() < 200);
        assert_eq!([shortened("ÄÖ"), tamed("a b")], ["ÄÖ", "a b"]);
        let unknown = "zzz=1".parse::<flow::plan::SamplePlan>().unwrap_err();
        assert!(address(&unknown).contains("and backend"), "{}", address(&unknown));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "digit")), ["0 digits", "1 digit", "2 digits"]);
    }

    #[test]
    fn a_slip_in_the_address_is_told_with_what_was_meant() {
        let fault = flow::solver::Solver::parse("heum").unwrap_err();
        let sentence = address(&fault);
        assert!(sentence.contains("“heum”") && sentence.contains("“heun”"), "{sentence}");
    }

    #[test]
    fn a_damaged_model_is_told_apart_from_one_of_another_version() {
        let corrupt = machine_failed("M", &Fault::Corrupt { model: "m".into(), what: String::new() });
        let unusable = machine_failed("M", &Fault::Unusable { model: "m".into(), what: String::new() });
        assert_ne!(corrupt.title, unusable.title);
        assert!(corrupt.text.contains("fingerprint"), "{}", corrupt.text);
    }
}
