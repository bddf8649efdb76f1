//! A batch under a tolerance: every sample gets what it would get alone, and one that fails harms no other.

use crate::common::unseen;
use flow::Error;
use flow::controller::Controller;
use flow::field::FnField;
use flow::guidance::{At, Conditional, Guidance, Guided};
use flow::integrate::{End, Options, Outcome, Stepping, integrate};
use flow::solver::Solver;
use std::ops::ControlFlow;

type Batch = Vec<Vec<f64>>;

/// x' = 6 sin(9 t x) - x: hard for large x, easy near 0.
fn bent(t: f64, x: &Batch) -> Result<Batch, Error> {
    Ok(x.iter().map(|x| x.iter().map(|x| 6.0 * (9.0 * t * x).sin() - x).collect()).collect())
}

fn stepping(t0: f64, t1: f64, tolerance: f64, controller: &Controller) -> Stepping {
    Stepping::Adaptive {
        t0,
        t1,
        rtol: tolerance,
        atol: tolerance,
        first_step: None,
        controller: controller.clone(),
    }
}

fn solve(solver: &Solver, stepping: &Stepping, x0: Batch, options: &Options) -> Outcome<Batch> {
    let mut field = FnField::new(bent);
    unseen(&mut field, solver, stepping, x0, options).unwrap()
}

fn adaptive() -> impl Iterator<Item = Solver> {
    Solver::all().filter(Solver::adaptive)
}

fn starts() -> Batch {
    vec![vec![0.01, 0.02], vec![1.0, -1.0], vec![4.0, 2.0], vec![0.3, 0.0]]
}

#[test]
fn every_sample_takes_the_steps_that_it_would_take_alone() {
    for solver in adaptive() {
        for controller in Controller::all() {
            for (t0, t1) in [(0.0, 1.0), (1.0, 0.0)] {
                let stepping = stepping(t0, t1, 1e-5, &controller);
                let together = solve(&solver, &stepping, starts(), &Options::default());
                assert_eq!((together.end, together.t), (End::Finished, t1));
                let mut costs = Vec::new();
                for (i, start) in starts().into_iter().enumerate() {
                    let alone = solve(&solver, &stepping, vec![start], &Options::default());
                    assert_eq!(alone.samples[0], together.samples[i], "{} {controller}", solver.id());
                    assert_eq!(alone.x[0], together.x[i], "to the last bit");
                    costs.push(alone.evaluations);
                }
                assert_eq!(together.evaluations, costs.iter().copied().max().unwrap());
                assert!(
                    costs.iter().any(|cost| *cost != costs[0]),
                    "samples that all need the same prove nothing"
                );
            }
        }
    }
}

#[test]
fn a_budget_is_each_sample_s_own() {
    let controller = Controller::default();
    for solver in adaptive() {
        let stepping = stepping(0.0, 1.0, 1e-6, &controller);
        let whole = solve(&solver, &stepping, starts(), &Options::default());
        let least = whole.samples.iter().map(|sample| sample.evaluations).min().unwrap();
        let some = solve(&solver, &stepping, starts(), &Options::default().within(least));
        assert_eq!(some.end, End::BudgetExhausted);
        for (sample, unbound) in some.samples.iter().zip(&whole.samples) {
            assert!(sample.evaluations <= least);
            assert_eq!(sample.end == End::Finished, unbound.evaluations <= least);
        }
        let none = solve(&solver, &stepping, starts(), &Options::default().within(0));
        assert_eq!((none.end, none.evaluations, none.x), (End::BudgetExhausted, 0, starts()));
    }
}

#[test]
fn a_sample_that_turns_to_nan_ends_alone() {
    let broken = |t: f64, x: &Batch| -> Result<Batch, Error> {
        Ok(x.iter()
            .map(|x| x.iter().map(|x| if *x > 3.0 && t > 0.4 { f64::NAN } else { -x * 0.1 }).collect())
            .collect())
    };
    for solver in adaptive() {
        let options = Options::default();
        let mut field = FnField::new(broken);
        let stepping = stepping(0.0, 1.0, 1e-6, &Controller::default());
        let run = unseen(&mut field, &solver, &stepping, vec![vec![1.0], vec![5.0], vec![-2.0]], &options);
        let outcome = run.unwrap();
        let ends: Vec<End> = outcome.samples.iter().map(|sample| sample.end).collect();
        assert_eq!(ends, [End::Finished, End::StepTooSmall, End::Finished], "{}", solver.id());
        assert_eq!(outcome.end, End::StepTooSmall);
        assert!(outcome.t <= 0.4 && outcome.x.iter().all(|x| x[0].is_finite()));
        assert!((outcome.x[0][0] - (-0.1f64).exp()).abs() < 1e-5);
    }
}

#[test]
fn reports_follow_every_round_in_which_a_sample_moved() {
    let solver = Solver::parse("dopri5").unwrap();
    let stepping = stepping(0.0, 1.0, 1e-4, &Controller::default());
    let options = Options::default();
    let mut field = FnField::new(bent);
    let (mut before, mut reports) = (vec![0.0; 4], 0);
    let run = integrate(&mut field, &solver, &stepping, starts(), &options, async |report| {
        assert_eq!((report.accepted, report.times.len(), report.total_steps), (reports, 4, None));
        assert_eq!(report.t, report.times.iter().copied().fold(1.0, f64::min));
        let moved = report.times.iter().zip(&before).any(|(now, before)| now > before);
        assert!(reports == 0 || moved);
        before = report.times.to_vec();
        reports += 1;
        ControlFlow::Continue(())
    });
    let outcome = pollster::block_on(run).unwrap();
    assert_eq!(before, vec![1.0; 4]);
    assert!(reports > outcome.samples.iter().map(|sample| sample.accepted).max().unwrap());
}

#[test]
fn pi_control_meets_the_tolerance_and_rejects_fewer_steps_where_the_field_is_rough() {
    let rough = |t: f64, x: &Vec<f64>| Ok(x.iter().map(|x| 12.0 * (40.0 * t * t).sin() * x.cos()).collect());
    let solver = Solver::parse("dopri5").unwrap();
    let run = |controller: &Controller, tolerance: f64| {
        let stepping = stepping(0.0, 1.0, tolerance, controller);
        let options = Options::default();
        let mut field = FnField::new(rough);
        let run = unseen(&mut field, &solver, &stepping, vec![0.3], &options);
        run.unwrap()
    };
    let exact = run(&Controller::default(), 1e-12).x[0];
    let [integral, pi] = ["integral", "pi"].map(|id| run(&Controller::parse(id).unwrap(), 1e-6));
    for outcome in [&integral, &pi] {
        assert!((outcome.x[0] - exact).abs() < 1e-4, "{outcome:?}");
    }
    assert!(pi.rejected < integral.rejected, "{} and {}", pi.rejected, integral.rejected);
}

/// Two branches that differ, over a batch.
struct Branches;

impl Conditional<Batch> for Branches {
    fn conditional(&mut self, _: At<'_>, x: &Batch) -> Result<Batch, Error> {
        Ok(x.iter().map(|x| x.iter().map(|x| -3.0 * x).collect()).collect())
    }
    fn unconditional(&mut self, _: At<'_>, x: &Batch) -> Result<Batch, Error> {
        Ok(x.iter().map(|x| x.iter().map(|x| 2.0 * x.cos()).collect()).collect())
    }
    fn both(&mut self, at: At<'_>, x: &Batch) -> Result<(Batch, Batch), Error> {
        Ok((self.conditional(at, x)?, self.unconditional(at, x)?))
    }
    fn weak(&mut self, at: At<'_>, x: &Batch) -> Result<Batch, Error> {
        self.unconditional(at, x)
    }
}

#[test]
fn under_every_guidance_a_sample_of_a_batch_costs_what_it_costs_alone() {
    let solver = Solver::parse("bosh3").unwrap();
    let stepping = stepping(0.0, 1.0, 1e-4, &Controller::default());
    let run = |guidance: &Guidance, x0: Batch| {
        let options = Options::default();
        let mut field = Guided::new(guidance.clone(), Branches);
        let run = unseen(&mut field, &solver, &stepping, x0, &options);
        run.unwrap()
    };
    for guidance in Guidance::all() {
        let together = run(&guidance, starts());
        for (i, start) in starts().into_iter().enumerate() {
            let alone = run(&guidance, vec![start]);
            assert_eq!((alone.samples[0], &alone.x[0]), (together.samples[i], &together.x[i]), "{guidance}");
        }
    }
}
