//! The panes of a comparison in the address, behind the `#`: a link opens the same comparison.
//!
//! `#compare/20/model=mnist-unet&solver=heun&schedule=linear&guidance=1/…`: the evaluations for each pane, and of each pane's
//! plan what is the pane's own. What is everybody's (digit, seed) is in the query.

use crate::part::Part;
use crate::words::{shortened, tamed};
use flow::plan::SamplePlan;

/// What it begins with.
const NAME: &str = "compare";
/// The parts of a plan that each pane has for itself.
const OWN: [&str; 4] = ["model", "solver", "schedule", "guidance"];
/// Panes in a comparison.
pub(crate) const PANES: std::ops::RangeInclusive<usize> = 2..=4;
/// Evaluations that can be given to each.
pub(crate) const BUDGETS: std::ops::RangeInclusive<usize> = 1..=60;

/// The panes of a comparison.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Lineup {
    /// Evaluations for each.
    pub(crate) evaluations: usize,
    /// Each pane's plan; what is not its own is left at its default.
    pub(crate) panes: Vec<SamplePlan>,
}

impl Lineup {
    /// Reads what stands behind the `#`, with it or without. `None` when it is about something else.
    ///
    /// # Errors
    /// In words for a reader, when it is a comparison that can't be made.
    pub(crate) fn parse(fragment: &str) -> Option<Result<Self, String>> {
        let mut parts = fragment.trim_start_matches('#').split('/');
        if parts.next() != Some(NAME) {
            return None;
        }
        let wrong = |what: String| format!("The comparison in the address is not shown: {what}.");
        Some(Self::of_parts(parts).map_err(wrong))
    }

    fn of_parts<'a>(mut parts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let evaluations = parts.next().unwrap_or_default();
        let evaluations =
            evaluations.parse().ok().filter(|count| BUDGETS.contains(count)).ok_or_else(|| {
                let (fewest, most) = BUDGETS.into_inner();
                format!("“{}” is no number of evaluations from {fewest} to {most}", shortened(evaluations))
            })?;
        let panes = parts.map(pane).collect::<Result<Vec<_>, _>>()?;
        if !PANES.contains(&panes.len()) {
            let (fewest, most) = PANES.into_inner();
            return Err(format!("it has {} panes, not {fewest} to {most}", panes.len()));
        }
        Ok(Self { evaluations, panes })
    }

    /// As it is written behind the `#`.
    pub(crate) fn fragment(&self) -> String {
        let panes = self.panes.iter().map(|plan| {
            let text = plan.to_string();
            let own = text.split('&').filter(|field| is_own(field));
            format!("/{}", own.collect::<Vec<_>>().join("&"))
        });
        format!("#{NAME}/{}{}", self.evaluations, panes.collect::<String>())
    }
}

fn is_own(field: &str) -> bool {
    OWN.contains(&field.split_once('=').map_or(field, |(name, _)| name))
}

fn pane(text: &str) -> Result<SamplePlan, String> {
    if let Some(field) = text.split('&').find(|field| !is_own(field)) {
        return Err(format!("a pane has {}, and no “{}”", OWN.join(", "), shortened(field)));
    }
    let plan: SamplePlan = text.parse().map_err(|error: flow::Error| tamed(&error.to_string()))?;
    for part in [Part::Solver, Part::Schedule, Part::Guidance] {
        let chosen = part.choice(&plan).entry();
        if !part.is_fair(chosen.id) {
            return Err(format!("{} can't be compared pane by pane", chosen.label));
        }
    }
    Ok(plan)
}

#[cfg(test)]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the fuzz targets' own, of which only the changes of bytes are used"
)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stories::STORIES;

    #[test]
    fn every_story_reads_back_from_its_address() {
        for story in STORIES {
            let lineup = story.lineup();
            assert_eq!(Lineup::parse(&lineup.fragment()), Some(Ok(lineup)), "{}", story.id);
        }
    }

    #[test]
    fn what_is_about_something_else_is_left_alone() {
        for fragment in ["", "#", "#compare-title", "#results/2"] {
            assert_eq!(Lineup::parse(fragment), None, "{fragment}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_by_name() {
        for (fragment, named) in [
            ("#compare", "from 1 to 60"),
            ("#compare/61/solver=heun/solver=euler", "“61”"),
            ("#compare/20/solver=heun", "1 panes"),
            ("#compare/20/solver=heun/seed=7", "no “seed=7”"),
            ("#compare/20/solver=heun/solver=zzz", "zzz"),
            ("#compare/20/solver=heun/solver=sde-euler", "pane by pane"),
            ("#compare/20/solver=heun//", "no “”"),
        ] {
            let refused = Lineup::parse(fragment).unwrap().unwrap_err();
            assert!(refused.contains(named), "{fragment}: {refused}");
        }
    }

    #[test]
    fn any_fragment_is_a_comparison_that_reads_back_or_is_refused_in_words() {
        let tokens = mutate::tokens(include_str!("../../../fuzz/dictionaries/plan.dict"));
        let fragments: Vec<String> = STORIES.iter().map(|story| story.lineup().fragment()).collect();
        let mut outcomes = [0; 3];
        for seed in 0..20_000 {
            let mut draw = mutate::Draw::new(seed);
            let mut bytes = fragments[draw.below(fragments.len())].clone().into_bytes();
            mutate::blunt(&mut bytes, &mut draw, &tokens);
            let text = String::from_utf8_lossy(&bytes);
            outcomes[match Lineup::parse(&text) {
                None => 0,
                Some(Ok(lineup)) => {
                    assert_eq!(Lineup::parse(&lineup.fragment()), Some(Ok(lineup)), "{text}");
                    1
                }
                Some(Err(words)) => {
                    assert!(words.starts_with("The comparison in the address is not shown: "), "{words}");
                    2
                }
            }] += 1;
        }
        assert!(outcomes.iter().all(|count| *count > 0), "the changes reach one side only: {outcomes:?}");
    }
}
