//! What a model can't do is put right before it is asked for: a plan may come from an address, or from another model.
//!
//! Two things depend on the model: a schedule whose knots were fitted to it, for some numbers of steps only, and a
//! guidance that needs a weaker model beside it.

use crate::catalog::Catalog;
use crate::part::Part;
use crate::words;
use flow::guidance::Guidance;
use flow::plan::{Budget, SamplePlan};
use flow::schedule::{KnotTable, Schedule};

/// The number of steps nearest to `steps` that was fitted; the larger of two as near. `None` when none was.
pub(crate) fn nearest_fitted(knots: &KnotTable, steps: usize) -> Option<usize> {
    knots.counts().into_iter().rev().min_by_key(|count| count.abs_diff(steps))
}

/// The plan nearest to this one that its model can follow, and what has to be told of it. A plan of an unknown model
/// stays as it is.
pub(crate) fn settled(plan: &SamplePlan, catalog: &Catalog) -> (SamplePlan, Vec<String>) {
    let (mut plan, mut told) = (plan.clone(), Vec::new());
    let Some(entry) = catalog.entry(&plan.model) else { return (plan, told) };
    if plan.guidance.needs_weak_model() && catalog.weaker(entry).is_none() {
        let wanted = plan.guidance.choice().entry().label;
        Part::Guidance.choose(&mut plan, Guidance::default().id());
        told.push(words::no_weaker_model(wanted, &entry.label, plan.guidance.choice().entry().label));
    }
    if let (Budget::Steps(steps), true) = (plan.budget, plan.schedule.fitted()) {
        let wanted = plan.schedule.choice().entry().label;
        match nearest_fitted(&entry.knots, steps) {
            Some(fitted) if fitted == steps => {}
            Some(fitted) => {
                plan.budget = Budget::Steps(fitted);
                told.push(words::not_fitted(wanted, &entry.label, steps, &entry.knots.counts(), fitted));
            }
            None => {
                plan.schedule = Schedule::recommended();
                let instead = plan.schedule.choice().entry().label;
                told.push(words::nothing_fitted(wanted, &entry.label, instead));
            }
        }
    }
    (plan, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two models: `a` with a weaker one and knots for 4 and 8 steps, `b` with neither.
    fn catalog() -> Catalog {
        let entry = |id: &str, more: &str| {
            format!(
                r#"{{"id":"{id}","label":"Model {id}","about":"","kind":"velocity","file":"{id}.safetensors","bytes":1,
                "sha256":"f14d4bc77a90","parameters":1,"multiply_adds":1{more}}}"#
            )
        };
        let row = |n: u32| (0..=n).map(|i| f64::from(i) / f64::from(n)).collect::<Vec<_>>();
        let more =
            format!(r#","weak":"b","knots":{{"plan":"","rows":{{"4":{:?},"8":{:?}}}}}"#, row(4), row(8));
        let text =
            format!(r#"{{"format":1,"default":"a","models":[{},{}]}}"#, entry("a", &more), entry("b", ""));
        serde_json::from_str(&text).unwrap()
    }

    fn settle(text: &str) -> (String, Vec<String>) {
        let plan: SamplePlan = text.parse().unwrap();
        let (settled, told) = settled(&plan, &catalog());
        assert_eq!(settled == plan, told.is_empty(), "a change is told, and nothing else");
        (settled.to_string(), told)
    }

    #[test]
    fn what_the_model_can_do_stays() {
        for text in ["schedule=optimal&steps=8&model=a", "guidance=autoguidance&model=a", "steps=5&model=b"] {
            assert_eq!(settle(text).1, Vec::<String>::new(), "{text}");
        }
        assert_eq!(settle("schedule=optimal&steps=5&model=elsewhere").1.len(), 0);
        // Under a tolerance the schedule rests.
        assert_eq!(settle("solver=dopri5&schedule=optimal&tol=0.01&model=b").1.len(), 0);
    }

    #[test]
    fn a_number_of_steps_that_was_not_fitted_becomes_the_nearest_that_was() {
        for (asked, given) in [(1, 4), (5, 4), (6, 8), (1000, 8)] {
            let (plan, told) = settle(&format!("schedule=optimal&steps={asked}&model=a"));
            assert!(plan.contains(&format!("schedule=optimal&steps={given}&")), "{plan}");
            assert!(told[0].contains("4 and 8"), "{told:?}");
        }
    }

    #[test]
    fn a_model_without_knots_or_a_weaker_one_gets_the_usual_schedule_and_guidance() {
        let (plan, told) = settle("schedule=optimal&guidance=autoguidance:scale=3&model=b");
        assert!(plan.contains("schedule=inverse-cubic&") && plan.contains("guidance=3&"), "{plan}");
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|sentence| sentence.contains("Model b")), "{told:?}");
    }
}
