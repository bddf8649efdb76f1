//! The reference of all solvers, schedules and the rest as Markdown, made from `flow`'s registries:
//! `docs/solvers-and-schedules.md`. Only the paragraph above each family is written here.

use flow::registry::{Entry, Family, ParamSpec, families};
use flow::schedule::Schedule;
use flow::solver::Solver;
use std::fmt::Write;

/// Where the page is, seen from the project's root.
pub const PAGE: &str = "docs/solvers-and-schedules.md";
/// The command that makes it anew.
pub const COMMAND: &str = "flow-digits list --markdown > docs/solvers-and-schedules.md";
/// The number of steps at which schedules are shown.
const KNOTS: usize = 8;

/// The whole page.
pub fn markdown() -> String {
    let mut page = format!(
        "# Solvers, schedules and the rest\n\n\
         <!-- Made by `{COMMAND}` from the registries in flow/; a test compares. -->\n\n\
         Every choice that a plan, a recipe or the page offers, by the id that it has in all of them. Time runs from\n\
         t = 0 (noise) to t = 1 (data); x0 is noise, x1 is data, v the velocity, h the length of a step. A choice is\n\
         written `id`, or `id:name=value,name=value` where a parameter differs from its default. `flow-digits list` prints\n\
         the same registries in the terminal, and with `--json` for programs.\n\n"
    );
    for family in families() {
        let _ =
            writeln!(page, "- [{}](#{})", title(&family), title(&family).to_lowercase().replace(' ', "-"));
    }
    for family in families() {
        let _ = write!(page, "\n## {}\n\n{}\n", title(&family), intro(&family));
        match family.plural {
            "solvers" => solver_table(&mut page),
            "schedules" => knot_table(&mut page),
            _ => {}
        }
        for entry in &family.entries {
            describe(&mut page, &family, entry);
        }
    }
    page
}

fn title(family: &Family) -> String {
    match family.plural {
        "times" => "Training times".to_owned(),
        plural => plural[..1].to_uppercase() + &plural[1..],
    }
}

fn intro(family: &Family) -> &'static str {
    match family.plural {
        "solvers" => {
            "A solver takes one step of x' = v(x, t). Its order p says how fast its error falls: with twice as many steps it\n\
             is about 2^p times smaller, once steps are short enough for that to show. What a picture costs is not steps but\n\
             evaluations of the network, so compare solvers at equal evaluations. A solver with an error estimate can also be\n\
             given a tolerance (`tol=1e-3`) and then chooses its own steps, for each image by itself. With guidance each\n\
             evaluation below is two.\n\n\
             In the formulas k1, k2, ... are the velocities that a step looks at, in their order, and r is this step's length\n\
             over that of the one before. The exponential solvers (DPM-Solver++, UniPC) know the path: a and s are its weights\n\
             at the step's beginning and a', s' at its end, D_n is the picture that step n predicts, and their r is the length\n\
             of the step before over that of this one, both measured in lambda = log(a/s)."
        }
        "controllers" => {
            "Under a tolerance a controller makes the next step as long as the last step's error suggests. A step is accepted\n\
             when its error, relative to `atol + rtol |x|`, is at most 1; the factor is kept between 0.2 and 10 and never\n\
             above 1 right after a rejection. Here e is that relative error of this step, e_before that of the accepted one before, and\n\
             q the order of the solver's embedded solution."
        }
        "schedules" => {
            "A schedule says where the steps fall: knots t_i = t(i/N) from 0 to 1, strictly rising. Where the path from noise to\n\
             data bends, steps should be short; where it is straight, they may be long. Which part that is depends on the\n\
             model, so the best schedule is a matter of measuring. Schedules do not cost anything: N steps stay N steps. Under\n\
             a tolerance a schedule has no effect."
        }
        "paths" => {
            "A path mixes noise and data while a model is trained: x_t = a(t) x1 + s(t) x0, and the model learns the velocity\n\
             a'(t) x1 + s'(t) x0 averaged over all pairs that pass through x_t. A model is sampled on the path that it was\n\
             trained on; its file says which."
        }
        "couplings" => {
            "A coupling says which noise of a training batch goes with which digit. Independent pairs make paths cross, and where\n\
             they cross the learned velocity is their average, so that the flow bends. Pairs that lie near each other cross\n\
             less and make straighter flows, which few steps can follow. The classes must keep their noise standard normal,\n\
             or the model is asked at sampling for what it has not learned."
        }
        "times" => {
            "While training, each digit of a batch is looked at one time t on its path. The distribution of t says which times are\n\
             learned most thoroughly; u is uniform and z standard normal. It changes what the network spends itself on, not\n\
             what it converges to."
        }
        "guidance" => {
            "Guidance follows the wish for a class more strongly than was learned, by exaggerating the difference between the\n\
             velocity v_c with the class and v_u without it. It makes digits clearer and less varied. Both velocities go\n\
             through the network as one batch and count as two evaluations. A number alone is the scale of `cfg`: `guidance=2`."
        }
        _ => "",
    }
}

fn describe(page: &mut String, family: &Family, entry: &Entry) {
    let _ = write!(page, "\n### {} (`{}`)\n\n{}\n\n", entry.label, entry.id, entry.about);
    let _ = writeln!(page, "- Formula: `{}`", entry.formula);
    if family.plural == "solvers"
        && let Ok(solver) = entry.id.parse::<Solver>()
    {
        let _ = writeln!(page, "- Order {}; {}", solver.order(), cost(&solver));
    }
    let _ = writeln!(page, "- When: {}", entry.when);
    let _ = writeln!(page, "- Source: {}", entry.source);
    if !entry.params.is_empty() {
        page.push_str("\n| parameter | from | to | default | what it does |\n|---|---|---|---|---|\n");
        for ParamSpec { name, min, max, default, about, .. } in entry.params {
            let _ = writeln!(page, "| `{name}` | {min} | {max} | {default} | {about} |");
        }
    }
}

fn cost(solver: &Solver) -> String {
    let each = solver.evaluations_per_step();
    let plural = if each == 1 { "" } else { "s" };
    let mut text = format!("{each} evaluation{plural} a step");
    let first = solver.evaluations(1);
    if first != each {
        let _ = write!(text, ", {first} in the first");
    }
    if solver.adaptive() {
        text.push_str("; takes a tolerance");
    }
    if solver.stochastic() {
        text.push_str("; adds noise, so it tells no likelihood and inverts nothing");
    }
    text
}

fn solver_table(page: &mut String) {
    page.push_str(
        "\n| solver | order | evaluations a step | steps for 24 evaluations | tolerance |\n|---|---|---|---|---|\n",
    );
    for solver in Solver::all() {
        let steps = (1..=24).rev().find(|n| solver.evaluations(*n) <= 24).unwrap_or(0);
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {steps} | {} |",
            solver.id(),
            solver.order(),
            solver.evaluations_per_step(),
            if solver.adaptive() { "yes" } else { "no" }
        );
    }
}

fn knot_table(page: &mut String) {
    let _ = write!(page, "\nThe knots of {KNOTS} steps, parameters at their defaults:\n\n| schedule |");
    (0..=KNOTS).for_each(|i| {
        let _ = write!(page, " t{i} |");
    });
    let _ = writeln!(page, "\n|---|{}", "---|".repeat(KNOTS + 1));
    for schedule in Schedule::all() {
        let _ = write!(page, "| `{}` |", schedule.id());
        match schedule.knots(KNOTS) {
            Ok(knots) => knots.iter().for_each(|t| {
                let _ = write!(page, " {t:.3} |");
            }),
            // Fitted to a model: no formula.
            Err(_) => {
                let _ = write!(page, " 0 |{} 1 |", " fitted |".repeat(KNOTS - 1));
            }
        }
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_the_one_that_the_registries_make() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/solvers-and-schedules.md");
        let committed = std::fs::read_to_string(committed).unwrap_or_default();
        assert!(committed == markdown(), "{PAGE} is stale; refresh it with `{COMMAND}`");
    }

    #[test]
    fn every_entry_has_its_formula_its_source_its_use_and_its_parameters() {
        let page = markdown();
        for family in families() {
            assert!(!intro(&family).is_empty(), "{} have no introduction", family.plural);
            for entry in family.entries {
                for part in [entry.label, entry.formula, entry.source, entry.when, entry.about] {
                    assert!(page.contains(part), "{}: {part}", entry.id);
                }
                for param in entry.params {
                    let row =
                        format!("| `{}` | {} | {} | {} |", param.name, param.min, param.max, param.default);
                    assert!(page.contains(&row), "{}: {row}", entry.id);
                }
            }
        }
        // A bar inside a cell would break its row.
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let cells = row.matches('|').count() - 1;
            assert!([5, KNOTS + 2].contains(&cells), "{row}");
        }
    }
}
