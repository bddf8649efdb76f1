//! What many evaluations lead to: the digits that a pane's are compared with. Panes that solve the same equation from the same
//! noise share one.

use crate::conductor::{Engine, Rank};
use crate::instrument::{self, Setting};
use crate::session::Session;
use flow::plan::SamplePlan;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use std::rc::Rc;

/// The midpoint rule asks twice a step and never at t = 1, where the network was not trained to answer.
const STEPS: &str = "solver=midpoint&schedule=inverse-cubic&steps=100";

/// At most so many are kept; the oldest is forgotten.
const KEPT: usize = 8;

/// One reference: the plan's text, what samples it, and what ends it.
type Kept = (String, Session, Owner);

/// All references so far.
#[derive(Clone, Copy)]
pub(crate) struct References {
    engine: StoredValue<SendWrapper<Rc<Engine>>>,
    kept: StoredValue<Vec<Kept>>,
}

/// One that is there, or will be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    filmed: RwSignal<u64>,
    states: StoredValue<Vec<f32>>,
}

impl Reference {
    /// Its states, once they are there.
    pub(crate) fn get(self) -> Option<Vec<f32>> {
        self.filmed.track();
        self.states.try_get_value().filter(|states| !states.is_empty())
    }
}

impl References {
    /// None yet.
    pub(crate) fn new(engine: SendWrapper<Rc<Engine>>) -> Self {
        Self { engine: StoredValue::new(engine), kept: StoredValue::new(Vec::new()) }
    }

    /// That of a plan. A new one waits until nothing else is asked for.
    pub(crate) fn of(self, plan: &SamplePlan) -> Reference {
        let plan = exact(plan);
        let text = plan.to_string();
        // One that failed is asked for anew.
        self.kept.update_value(|kept| {
            kept.retain(|(_, session, owner)| {
                let failed = session.failure.with_untracked(Option::is_some);
                if failed {
                    owner.cleanup();
                }
                !failed
            });
        });
        let known = self.kept.with_value(|kept| {
            kept.iter().find(|(other, ..)| *other == text).map(|(_, session, _)| *session)
        });
        let session = known.unwrap_or_else(|| {
            // Not below the pane that asks first: others may ask after it is gone.
            let owner = Owner::new_root(None);
            let session = owner.with(|| {
                self.engine.with_value(|engine| {
                    let session = Session::new(engine.shared(), plan.clone());
                    let setting = Setting { names_model: true, views: false, rank: Rank::Background };
                    instrument::begin(engine, session, &setting, |_, _| {});
                    // Its states are wanted, and nobody sees the way there.
                    Effect::new(move |_| {
                        session.filmed.track();
                        session.film.update_value(|film| {
                            if film.complete {
                                film.frames = Vec::new();
                            }
                        });
                    });
                    session
                })
            });
            self.kept.update_value(|kept| {
                if kept.len() >= KEPT {
                    let (_, _, owner) = kept.remove(0);
                    owner.cleanup();
                }
                kept.push((text, session, owner));
            });
            session
        });
        Reference { filmed: session.filmed, states: session.states }
    }
}

/// The plan of the reference.
fn exact(plan: &SamplePlan) -> SamplePlan {
    let many = STEPS.parse::<SamplePlan>().unwrap_or_default();
    SamplePlan { solver: many.solver, schedule: many.schedule, budget: many.budget, ..plan.clone() }
}

/// The root of the mean squared difference, in the states' units; `None` of what can't be compared.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    Some((squares.sum::<f64>() / a.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_spends_200_evaluations_on_each_branch_of_guidance() {
        for (guidance, evaluations) in [("1", 200), ("2", 400)] {
            let plan: SamplePlan =
                format!("solver=euler&steps=3&guidance={guidance}&seed=9").parse().unwrap();
            let exact = exact(&plan);
            assert_eq!(exact.expected_evaluations(&flow::schedule::KnotTable::default()), Some(evaluations));
            assert_eq!((exact.seed, &exact.guidance), (9, &plan.guidance));
        }
    }

    #[test]
    fn the_distance_is_a_root_mean_square() {
        assert_eq!(distance(&[1.0, 3.0], &[1.0, 1.0]), Some(2.0_f64.sqrt()));
        assert_eq!(distance(&[0.5], &[0.5]), Some(0.0));
        assert_eq!((distance(&[], &[]), distance(&[1.0], &[1.0, 2.0])), (None, None));
    }
}
