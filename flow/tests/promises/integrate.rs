//! Promises of the loop: what it asks, counts, reports and refuses.

use crate::common::{deterministic, distance, solve, unseen};
use flow::Error;
use flow::controller::Controller;
use flow::field::{Field, FnField};
use flow::guidance::{At, Conditional, Guidance, Guided};
use flow::integrate::{End, Options, Stepping, integrate};
use flow::schedule::Schedule;
use flow::solver::Solver;
use std::ops::ControlFlow;

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

fn decay(_: f64, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
    Ok(x.iter().map(|x| -x).collect())
}

fn fixed(n: usize) -> Stepping {
    Stepping::Fixed { knots: Schedule::default().knots(n).unwrap() }
}

fn adaptive(t0: f64, t1: f64, tolerance: f64) -> Stepping {
    Stepping::Adaptive {
        t0,
        t1,
        rtol: tolerance,
        atol: tolerance,
        first_step: None,
        controller: Controller::default(),
    }
}

/// Every solver that chooses its own steps, with every controller.
fn choosing(t0: f64, t1: f64, tolerance: f64) -> impl Iterator<Item = (Solver, Stepping)> {
    Solver::all().filter(Solver::adaptive).flat_map(move |solver| {
        Controller::all().map(move |chosen| {
            let mut stepping = adaptive(t0, t1, tolerance);
            if let Stepping::Adaptive { controller, .. } = &mut stepping {
                *controller = chosen;
            }
            (solver.clone(), stepping)
        })
    })
}

fn dopri5() -> Solver {
    Solver::parse("dopri5").unwrap()
}

#[test]
fn every_solver_spends_exactly_the_evaluations_that_it_declares() {
    for solver in Solver::all() {
        for n in [1, 2, 7, 10_000] {
            let mut calls = 0;
            let mut field = FnField::new(|t, x: &Vec<f64>| {
                calls += 1;
                decay(t, x)
            });
            let outcome = solve(&mut field, &solver, &fixed(n), vec![1.0]).unwrap();
            assert_eq!(outcome.evaluations, solver.evaluations(n), "{} with {n} steps", solver.id());
            // A multistep method's first step may cost more.
            assert!(outcome.evaluations - solver.evaluations_per_step() * n <= 1, "{}", solver.id());
            assert_eq!((outcome.accepted, outcome.rejected, outcome.t), (n, 0, 1.0));
            assert_eq!(outcome.end, End::Finished);
            assert_eq!(calls, outcome.evaluations);
            if n == 10_000 && !solver.stochastic() {
                let error = (outcome.x[0] - (-1.0f64).exp()).abs();
                assert!(error < 1e-4, "{} after 10,000 steps: {error:e}", solver.id());
            }
        }
    }
}

#[test]
fn no_step_at_all_costs_nothing_and_changes_nothing() {
    for solver in Solver::all() {
        let stepping = Stepping::Fixed { knots: vec![0.25] };
        let mut seen = 0;
        let outcome = pollster::block_on(integrate(
            &mut FnField::new(decay),
            &solver,
            &stepping,
            vec![3.0],
            &Options::default().within(0),
            async |report| {
                assert_eq!(
                    (report.t, report.h, report.accepted, report.total_steps),
                    (0.25, 0.0, 0, Some(0))
                );
                seen += 1;
                GO_ON
            },
        ))
        .unwrap();
        assert_eq!((outcome.x, outcome.t, outcome.evaluations), (vec![3.0], 0.25, 0));
        assert_eq!((outcome.end, seen), (End::Finished, 1));
    }
    for (solver, stepping) in choosing(0.5, 0.5, 1e-3) {
        let outcome = solve(&mut FnField::new(decay), &solver, &stepping, vec![3.0]).unwrap();
        assert_eq!((outcome.x, outcome.t, outcome.evaluations), (vec![3.0], 0.5, 0));
        assert_eq!(outcome.end, End::Finished);
    }
}

#[test]
fn every_accepted_state_is_reported_with_its_time_and_the_true_count() {
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    let outcome = pollster::block_on(integrate(
        &mut FnField::new(decay),
        &Solver::parse("heun").unwrap(),
        &fixed(4),
        vec![1.0],
        &Options::default(),
        async |report| {
            assert_eq!(report.accepted, times.len());
            times.push(report.t);
            counts.push(report.evaluations);
            GO_ON
        },
    ))
    .unwrap();
    assert_eq!(times, [0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(counts, [0, 2, 4, 6, 8]);
    assert_eq!(outcome.evaluations, 8);
}

#[test]
fn an_observer_that_breaks_stops_the_loop_between_steps() {
    for (stepping, solver) in
        [(fixed(10), Solver::parse("euler").unwrap()), (adaptive(0.0, 1.0, 1e-9), dopri5())]
    {
        let outcome = pollster::block_on(integrate(
            &mut FnField::new(decay),
            &solver,
            &stepping,
            vec![1.0],
            &Options::default(),
            async |report| if report.accepted == 3 { ControlFlow::Break(()) } else { GO_ON },
        ))
        .unwrap();
        assert_eq!((outcome.end, outcome.accepted), (End::Cancelled, 3));
        assert!(outcome.t > 0.0 && outcome.t < 1.0);
        assert!((outcome.x[0] - (-outcome.t).exp()).abs() < 0.1, "the state belongs to its time");

        let before = pollster::block_on(integrate(
            &mut FnField::new(decay),
            &solver,
            &stepping,
            vec![1.0],
            &Options::default(),
            async |_| ControlFlow::Break(()),
        ))
        .unwrap();
        assert_eq!((before.end, before.evaluations, before.t), (End::Cancelled, 0, 0.0));
    }
    // A run that is complete is not cancelled by an observer that has seen enough.
    let complete = pollster::block_on(integrate(
        &mut FnField::new(decay),
        &dopri5(),
        &fixed(2),
        vec![1.0],
        &Options::default(),
        async |report| if report.t == 1.0 { ControlFlow::Break(()) } else { GO_ON },
    ));
    assert_eq!(complete.unwrap().end, End::Finished);
}

#[test]
fn a_budget_is_never_exceeded_and_the_best_state_so_far_comes_back_marked() {
    for solver in deterministic() {
        let mut steppings = vec![fixed(10)];
        if solver.adaptive() {
            steppings.push(adaptive(0.0, 1.0, 1e-9));
        }
        for stepping in steppings {
            let whole = solve(&mut FnField::new(decay), &solver, &stepping, vec![1.0]).unwrap();
            for budget in 0..=whole.evaluations + 1 {
                let outcome = unseen(
                    &mut FnField::new(decay),
                    &solver,
                    &stepping,
                    vec![1.0],
                    &Options::default().within(budget),
                )
                .unwrap();
                assert!(outcome.evaluations <= budget, "{} with {budget}", solver.id());
                let enough = budget >= whole.evaluations;
                let end = if enough { End::Finished } else { End::BudgetExhausted };
                assert_eq!(outcome.end, end, "{} with {budget}", solver.id());
                assert!((outcome.x[0] - (-outcome.t).exp()).abs() < 0.05, "the state belongs to its time");
            }
        }
    }
}

/// Two branches that are the same field.
struct Twins;

impl Conditional<Vec<f64>> for Twins {
    fn conditional(&mut self, _: At<'_>, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
        decay(0.0, x)
    }
    fn unconditional(&mut self, _: At<'_>, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
        decay(0.0, x)
    }
    fn both(&mut self, _: At<'_>, x: &Vec<f64>) -> Result<(Vec<f64>, Vec<f64>), Error> {
        Ok((decay(0.0, x)?, decay(0.0, x)?))
    }
}

#[test]
fn guidance_counts_both_branches_and_a_budget_knows_it() {
    for solver in Solver::all() {
        let mut field = Guided::new(Guidance::cfg(2.0).unwrap(), Twins);
        let outcome = solve(&mut field, &solver, &fixed(5), vec![1.0]).unwrap();
        assert_eq!(outcome.evaluations, 2 * solver.evaluations(5));
        // The same field again: the count starts anew, and an odd budget is not overrun by the second branch.
        let budget = outcome.evaluations - 1;
        let again =
            unseen(&mut field, &solver, &fixed(5), vec![1.0], &Options::default().within(budget)).unwrap();
        assert_eq!((again.end, again.accepted), (End::BudgetExhausted, 4), "{}", solver.id());
        assert_eq!(again.evaluations, 2 * solver.evaluations(4), "{}", solver.id());
    }
}

#[test]
fn the_field_is_never_asked_outside_the_interval() {
    for solver in Solver::all() {
        for (t0, t1) in [(0.0, 1.0), (1.0, 0.0), (0.1, 0.7), (0.7, 0.1)] {
            let mut steppings = Vec::new();
            for n in [3, 7, 49, 997] {
                let knots = (0..=n).map(|i| t0 + (t1 - t0) * f64::from(i) / f64::from(n)).collect();
                steppings.push(Stepping::Fixed { knots });
            }
            if solver.adaptive() {
                steppings.extend([0.5, 1e-3, 1e-8].map(|tolerance| adaptive(t0, t1, tolerance)));
            }
            for stepping in steppings {
                let end = match &stepping {
                    Stepping::Fixed { knots } => *knots.last().unwrap(),
                    Stepping::Adaptive { t1, .. } => *t1,
                };
                let (low, high) = (t0.min(end), t0.max(end));
                let mut field = FnField::new(|t: f64, x: &Vec<f64>| {
                    assert!(t >= low && t <= high, "asked at {t}, outside [{low}, {high}]");
                    Ok(x.iter().map(|x| (5.0 * t).sin() - x).collect())
                });
                let outcome = solve(&mut field, &solver, &stepping, vec![1.0]).unwrap();
                assert_eq!((outcome.t, outcome.end), (end, End::Finished));
            }
        }
    }
}

#[test]
fn a_field_of_nan_is_an_error_with_fixed_steps() {
    for solver in Solver::all() {
        let mut field = FnField::new(|_, x: &Vec<f64>| Ok(vec![f64::NAN; x.len()]));
        let result = solve(&mut field, &solver, &fixed(3), vec![1.0, 2.0]);
        assert_eq!(result, Err(Error::NotFinite { t: 1.0 }), "{}", solver.id());
    }
}

#[test]
fn a_field_of_nan_never_counts_as_a_good_step() {
    let nan = |_: f64, x: &Vec<f64>| Ok(vec![f64::NAN; x.len()]);
    for (solver, stepping) in choosing(0.0, 1.0, 1e-3) {
        // Hairer's rule sees it at once; without it, every step is rejected until none is left.
        let seen = solve(&mut FnField::new(nan), &solver, &stepping, vec![1.0]);
        assert_eq!(seen, Err(Error::NotFinite { t: 0.0 }), "{}", solver.id());
        let mut stepping = stepping;
        if let Stepping::Adaptive { first_step, .. } = &mut stepping {
            *first_step = Some(0.1);
        }
        let outcome = solve(&mut FnField::new(nan), &solver, &stepping, vec![1.0]).unwrap();
        assert_eq!((outcome.end, outcome.accepted, outcome.t), (End::StepTooSmall, 0, 0.0));
        assert_eq!(outcome.x, vec![1.0], "{}", solver.id());
        assert!(outcome.rejected > 0 && outcome.evaluations < 150, "{} evaluations", outcome.evaluations);
    }
}

#[test]
fn a_field_that_turns_to_nan_gives_back_the_last_good_state() {
    for (solver, stepping) in choosing(0.0, 1.0, 1e-6) {
        let mut field = FnField::new(|t: f64, x: &Vec<f64>| {
            Ok(x.iter().map(|x| if t > 0.5 { f64::NAN } else { -x }).collect())
        });
        let outcome = solve(&mut field, &solver, &stepping, vec![1.0]).unwrap();
        assert_eq!(outcome.end, End::StepTooSmall, "{}", solver.id());
        assert!(outcome.t > 0.49 && outcome.t <= 0.5, "{}: {}", solver.id(), outcome.t);
        assert!((outcome.x[0] - (-outcome.t).exp()).abs() < 1e-5, "{}", solver.id());
    }
}

#[test]
fn a_field_that_fails_ends_the_run_with_its_own_error() {
    let broken = Error::Field { reason: "the device is lost".to_owned() };
    let mut field =
        FnField::new(|t: f64, x: &Vec<f64>| if t > 0.3 { Err(broken.clone()) } else { decay(t, x) });
    for solver in Solver::all() {
        assert_eq!(solve(&mut field, &solver, &fixed(10), vec![1.0]), Err(broken.clone()));
    }
}

#[test]
fn the_step_never_grows_right_after_a_rejection() {
    // A kink that the controller runs into at full stride.
    let mut field = FnField::new(|t: f64, _: &Vec<f64>| {
        Ok(vec![if t < 0.4 { 0.1 * t } else { (60.0 * t).sin() * 40.0 }])
    });
    let mut steps = Vec::new();
    let outcome = pollster::block_on(integrate(
        &mut field,
        &dopri5(),
        &adaptive(0.0, 1.0, 1e-5),
        vec![0.0],
        &Options::default(),
        async |report| {
            steps.push((report.h, report.rejected));
            GO_ON
        },
    ))
    .unwrap();
    assert!(outcome.rejected > 0 && outcome.end == End::Finished);
    let mut checked = 0;
    for three in steps.windows(3) {
        let [(_, before), (h, after), (next, _)] = [three[0], three[1], three[2]];
        if after > before {
            assert!(next <= h * (1.0 + 1e-12), "grew from {h} to {next} right after a rejection");
            checked += 1;
        }
        assert!(next <= 10.0 * h * (1.0 + 1e-9), "grew more than tenfold");
    }
    assert!(checked > 0);
    // Every attempt costs six, the start two: the first velocity and Hairer's look ahead.
    assert_eq!(outcome.evaluations, 2 + 6 * (outcome.accepted + outcome.rejected));
}

#[test]
fn a_tighter_tolerance_comes_closer_and_costs_more() {
    let tolerances = [1e-2, 1e-4, 1e-6, 1e-8];
    let ways = tolerances.map(|tolerance| choosing(0.0, 1.0, tolerance).collect::<Vec<_>>());
    for way in 0..ways[0].len() {
        let mut last = (f64::INFINITY, 0);
        for (tolerance, ways) in tolerances.iter().zip(&ways) {
            let (solver, stepping) = &ways[way];
            let mut field = FnField::new(|t: f64, x: &Vec<f64>| Ok(vec![x[0] * (6.0 * t).cos() * 6.0]));
            let outcome = solve(&mut field, solver, stepping, vec![1.0]).unwrap();
            let error = distance(&outcome.x, &[6.0f64.sin().exp()]);
            assert!(error < last.0 && error < 50.0 * tolerance, "{}, {tolerance}: {error}", solver.id());
            assert!(outcome.evaluations > last.1);
            last = (error, outcome.evaluations);
        }
    }
}

#[test]
fn adaptive_steps_run_in_reverse_as_well() {
    let start = (-1.0f64).exp();
    for (solver, stepping) in choosing(1.0, 0.0, 1e-9) {
        let outcome = solve(&mut FnField::new(decay), &solver, &stepping, vec![start]).unwrap();
        assert_eq!((outcome.end, outcome.t), (End::Finished, 0.0));
        assert!(distance(&outcome.x, &[1.0]) < 1e-7, "{}", solver.id());
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    let refused = |solver: &Solver, stepping: Stepping, expected: &str| match solve(
        &mut FnField::new(decay),
        solver,
        &stepping,
        vec![1.0],
    ) {
        Err(Error::Stepping { what, .. }) => assert_eq!(what, expected, "{stepping:?}"),
        other => panic!("{stepping:?}: {other:?}"),
    };
    for knots in [vec![], vec![0.0, 0.0], vec![0.0, 0.5, 0.5, 1.0], vec![0.0, 1.0, 0.5], vec![1.0, 0.5, 0.7]]
    {
        refused(&dopri5(), Stepping::Fixed { knots }, "knots");
    }
    for bad in [f64::NAN, f64::INFINITY] {
        refused(&dopri5(), Stepping::Fixed { knots: vec![0.0, bad] }, "knots");
        refused(&dopri5(), adaptive(bad, 1.0, 1e-3), "t0");
        refused(&dopri5(), adaptive(0.0, bad, 1e-3), "t1");
        refused(&dopri5(), adaptive(0.0, 1.0, bad), "rtol");
        let first_step = Some(bad);
        let stepping = Stepping::Adaptive {
            t0: 0.0,
            t1: 1.0,
            rtol: 0.1,
            atol: 0.1,
            first_step,
            controller: Controller::default(),
        };
        refused(&dopri5(), stepping, "first_step");
    }
    refused(&dopri5(), adaptive(0.0, 1.0, -1e-3), "rtol");
    refused(&dopri5(), adaptive(0.0, 1.0, 0.0), "rtol and atol");
    for solver in Solver::all().filter(|solver| !solver.adaptive()) {
        let result = solve(&mut FnField::new(decay), &solver, &adaptive(0.0, 1.0, 1e-3), vec![1.0]);
        assert_eq!(result, Err(Error::NotAdaptive { solver: solver.id(), accepted: Solver::adaptive_ids() }));
    }
}

#[test]
fn a_borrowed_field_keeps_the_count() {
    let mut field = FnField::new(decay);
    solve(&mut &mut field, &dopri5(), &fixed(2), vec![1.0]).unwrap();
    assert_eq!(Field::<Vec<f64>>::evaluations(&field), 12);
}
