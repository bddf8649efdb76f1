//! Comparisons that are worth telling, each as panes with their choices. A story whose models a site does not have is not
//! offered.

use crate::catalog::Catalog;
use crate::lineup::Lineup;
use flow::plan::{Budget, SamplePlan};
use flow::schedule::KnotTable;

/// What a pane begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PaneChoice {
    model: &'static str,
    solver: &'static str,
    schedule: &'static str,
    guidance: &'static str,
}

/// A comparison.
pub(crate) struct Story {
    /// The name in tests.
    pub(crate) id: &'static str,
    /// A few words.
    pub(crate) label: &'static str,
    /// What to look for.
    pub(crate) says: &'static str,
    /// Evaluations for each pane.
    pub(crate) evaluations: usize,
    /// The panes.
    pub(crate) panes: &'static [PaneChoice],
}

const fn pane(
    model: &'static str,
    solver: &'static str,
    schedule: &'static str,
    guidance: &'static str,
) -> PaneChoice {
    PaneChoice { model, solver, schedule, guidance }
}

/// All stories; the first one is told first.
pub(crate) const STORIES: &[Story] = &[
    Story {
        id: "cost",
        label: "Euler, Heun, RK4 at equal cost",
        says: "Twenty evaluations buy twenty steps of Euler, ten of Heun, five of the classical Runge-Kutta method. With the noise \
               that the page opens with, Euler ends 0.0194 from the reference, Runge-Kutta 0.0175, and Heun 0.0248, with more grain: \
               its ten steps are still long. It depends on the noise: with seed 7 Heun is ahead of Euler, and so it is from 16 \
               evaluations on in the mean over the study's 500 digits.",
        evaluations: 20,
        panes: &[
            pane("mnist-unet", "euler", "linear", "1"),
            pane("mnist-unet", "heun", "linear", "1"),
            pane("mnist-unet", "rk4", "linear", "1"),
        ],
    },
    Story {
        id: "schedule",
        label: "Even steps, or slow in the middle",
        says: "The same solver, the same number of steps. On the inverted S (logit-normal) the steps are short in the middle of the way \
               and long at both ends; the inverse cubic spends them towards the end. Even steps win: 0.050 from the reference against \
               0.126 and 0.151, with the noise that the page opens with.",
        evaluations: 8,
        panes: &[
            pane("mnist-unet", "euler", "linear", "1"),
            pane("mnist-unet", "euler", "logit-normal-cdf", "1"),
            pane("mnist-unet", "euler", "inverse-cubic", "1"),
        ],
    },
    Story {
        id: "residual",
        label: "Residual blocks, or plain ones",
        says: "Two U-Nets of one size and one training. One normalizes within each block and adds its answer to what came in; the base \
               one does neither. Same noise, same equation to learn: the residual one learned it better.",
        evaluations: 20,
        panes: &[pane("residual-unet", "euler", "linear", "2"), pane("base-unet", "euler", "linear", "2")],
    },
    Story {
        id: "latent",
        label: "A random draw, or a flow over latents",
        says: "An autoencoder decodes 24 numbers into a digit. Decode a random draw, and half of them are nothing; let a flow carry \
               the same draw first, and they are digits. Three sizes of flow, from 80 thousand to 3 million multiplications.",
        evaluations: 20,
        panes: &[
            pane("mnist-vae", "euler", "linear", "1"),
            pane("latent-small", "euler", "linear", "1"),
            pane("latent-base", "euler", "linear", "1"),
            pane("latent-large", "euler", "linear", "1"),
        ],
    },
    Story {
        id: "student",
        label: "One evaluation: a student beside its teacher",
        says: "A student that learned what the flagship (“U-Net”) makes of each noise. One evaluation each: the teacher's digits are \
               grey ghosts (FID 64), the student's are written (FID 2.0, 98% read as asked). After four evaluations the teacher has FID 2.5, \
               after twenty 1.7 (95%: 1.3 to 2.4).",
        evaluations: 1,
        panes: &[pane("mnist-unet", "euler", "linear", "1"), pane("mnist-few", "euler", "linear", "1")],
    },
    Story {
        id: "coupling",
        label: "Noise paired by chance, or by optimal transport",
        says: "In training each noise is paired with a digit: by chance, by optimal transport (all pairs as near as they can be), or by \
               transport within each class. Transport makes straighter paths (their bend is 0.031 instead of 0.047), but not better \
               digits. Noise that is paired by nearness tells its digit, and the noise here does not: 64% are read as asked instead \
               of 92%, FID 82 instead of 11. Within classes most of that comes back: 90%, FID 19.",
        evaluations: 4,
        panes: &[
            pane("pair-independent", "euler", "linear", "1"),
            pane("pair-exact", "euler", "linear", "1"),
            pane("pair-class-aware", "euler", "linear", "1"),
        ],
    },
];

impl Story {
    /// As a comparison.
    pub(crate) fn lineup(&self) -> Lineup {
        Lineup { evaluations: self.evaluations, panes: self.panes.iter().map(PaneChoice::plan).collect() }
    }
}

impl PaneChoice {
    /// Whether the site has its model.
    pub(crate) fn is_known(&self, catalog: &Catalog) -> bool {
        catalog.entry(self.model).is_some()
    }

    /// As a plan, whose digit, seed, count and steps are still to come.
    fn plan(&self) -> SamplePlan {
        let Self { model, solver, schedule, guidance } = self;
        // A test parses them all.
        format!("model={model}&solver={solver}&schedule={schedule}&guidance={guidance}")
            .parse()
            .unwrap_or_default()
    }
}

/// The most steps of a plan that so many evaluations buy; one, where they buy none.
pub(crate) fn most_steps(plan: &SamplePlan, evaluations: usize, knots: &KnotTable) -> usize {
    let fits = |steps: &usize| {
        let plan = SamplePlan { budget: Budget::Steps(*steps), ..plan.clone() };
        plan.expected_evaluations(knots).is_some_and(|needed| needed <= evaluations)
    };
    (1..=evaluations).rev().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_can_be_told_with_two_to_four_panes_of_what_exists() {
        for story in STORIES {
            assert!((2..=4).contains(&story.panes.len()), "{}", story.id);
            for choice in story.panes {
                let PaneChoice { model, solver, schedule, guidance } = choice;
                let plan = choice.plan();
                assert_eq!(
                    (plan.model.as_str(), plan.solver.choice().entry().id, plan.schedule.choice().entry().id),
                    (*model, *solver, *schedule)
                );
                assert_eq!(plan.guidance.to_string(), *guidance);
            }
        }
    }

    #[test]
    fn equal_evaluations_are_never_exceeded_and_used_as_far_as_whole_steps_go() {
        let none = KnotTable::default();
        for (text, evaluations, steps) in [
            ("solver=euler&guidance=1", 20, 20),
            ("solver=heun&guidance=1", 20, 10),
            ("solver=rk4&guidance=1", 20, 5),
            ("solver=heun&guidance=2", 20, 5),
            ("solver=rk4&guidance=2", 3, 1),
        ] {
            assert_eq!(most_steps(&text.parse().unwrap(), evaluations, &none), steps, "{text}");
        }
    }
}
