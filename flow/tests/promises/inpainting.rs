//! Inpainting: what is known arrives as it is, the rest costs what a run without a mask costs.

use crate::common::{Mixture, deterministic, distance, unseen};
use flow::Error;
use flow::controller::Controller;
use flow::field::{Field, FnField};
use flow::inpainting::{Inpainted, Known, inpaint};
use flow::integrate::{End, Options, Outcome, Stepping};
use flow::path::Path;
use flow::schedule::Schedule;
use flow::solver::Solver;
use flow::state::Rows;
use std::ops::ControlFlow;

type Batch = Vec<Vec<f64>>;

fn noises() -> Batch {
    vec![vec![-1.3, 0.9, 0.2, 0.7], vec![0.0, 0.4, -0.6, -1.9], vec![1.1, -0.8, 2.0, 0.1]]
}

fn known(mask: [f64; 4]) -> Known<Batch> {
    Known { picture: vec![vec![1.0, -1.0, 0.3, 0.75]; 3], mask: vec![mask.to_vec(); 3] }
}

/// The mixture's flow, each value drawn towards the mean of its sample, so that the free part sees the known one.
fn field() -> FnField<impl FnMut(f64, &Batch) -> Result<Batch, Error>> {
    let mixture = Mixture::default();
    FnField::new(move |t, x: &Batch| {
        let one = |x: &Vec<f64>| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let free = mixture.velocity(t, x);
            free.iter().zip(x).map(|(v, x)| v + 0.3 * (mean - x)).collect()
        };
        Ok(x.iter().map(one).collect())
    })
}

fn fixed(schedule: &Schedule, n: usize) -> Stepping {
    Stepping::Fixed { knots: schedule.knots(n).unwrap() }
}

fn adaptive(tolerance: f64) -> Stepping {
    Stepping::Adaptive {
        t0: 0.0,
        t1: 1.0,
        rtol: tolerance,
        atol: tolerance,
        first_step: None,
        controller: Controller::default(),
    }
}

fn plain(solver: &Solver, stepping: &Stepping) -> Outcome<Batch> {
    unseen(&mut field(), solver, stepping, noises(), &Options::default()).unwrap()
}

fn filled(solver: &Solver, stepping: &Stepping, known: &Known<Batch>) -> Outcome<Batch> {
    // One type of field for all tests: the loop is compiled for it once.
    let mut whole = field();
    let mut field: &mut dyn Field<Batch> = &mut whole;
    let options = Options::default();
    let run = inpaint(&mut field, solver, stepping, noises(), known.clone(), &options, async |_| {
        ControlFlow::Continue(())
    });
    pollster::block_on(run).unwrap()
}

const HALF: [f64; 4] = [1.0, 0.0, 0.0, 255.0];

#[test]
fn with_every_solver_and_schedule_the_known_part_arrives_by_its_own_velocity() {
    let known = known(HALF);
    let options = Options::default();
    for schedule in Schedule::all() {
        // The schedule without a formula has knots of a model, and there is none here.
        let Ok(knots) = schedule.knots(7) else { continue };
        let stepping = Stepping::Fixed { knots };
        for solver in deterministic() {
            let mut inpainted = Inpainted::new(field(), Path::default(), noises(), known.clone());
            let run = unseen(&mut inpainted, &solver, &stepping, noises(), &options).unwrap();
            for (x, picture) in run.x.iter().zip(&known.picture) {
                let (got, wanted) = ([x[0], x[3]], [picture[0], picture[3]]);
                assert!(distance(&got, &wanted) < 1e-12, "{solver}, {schedule}: {got:?}");
            }
        }
    }
}

#[test]
fn a_finished_run_has_exactly_the_known_values_and_costs_what_any_run_costs() {
    let (known, stepping) = (known(HALF), fixed(&Schedule::default(), 6));
    for solver in deterministic() {
        let run = filled(&solver, &stepping, &known);
        assert_eq!(
            (run.end, run.t, run.evaluations),
            (End::Finished, 1.0, solver.evaluations(6)),
            "{solver}"
        );
        let free = plain(&solver, &stepping);
        for (x, free) in run.x.iter().zip(&free.x) {
            assert_eq!((x[0], x[3]), (1.0, 0.75), "{solver}");
            // The free part has seen the known one.
            assert!((x[1] - free[1]).abs() > 1e-3, "{solver}");
        }
    }
}

#[test]
fn under_a_tolerance_each_sample_keeps_what_is_known_and_does_not_depend_on_its_neighbours() {
    let known = known(HALF);
    let stepping = adaptive(1e-6);
    for solver in Solver::all().filter(Solver::adaptive) {
        let run = filled(&solver, &stepping, &known);
        assert!(run.x.iter().all(|x| (x[0], x[3]) == (1.0, 0.75)));
        for i in 0..3 {
            let alone = Known { picture: known.picture.select(&[i]), mask: known.mask.select(&[i]) };
            let mut field = field();
            let options = Options::default();
            let noise = noises().select(&[i]);
            let one = inpaint(&mut field, &solver, &stepping, noise, alone, &options, async |_| {
                ControlFlow::Continue(())
            });
            let one = pollster::block_on(one).unwrap();
            assert_eq!((&one.x[0], one.samples[0]), (&run.x[i], run.samples[i]), "{solver}");
        }
    }
}

#[test]
fn where_nothing_is_known_the_run_is_the_plain_one_bit_for_bit() {
    let nothing = known([0.0; 4]);
    for solver in deterministic() {
        let stepping = fixed(&Schedule::default(), 5);
        assert_eq!(filled(&solver, &stepping, &nothing), plain(&solver, &stepping), "{solver}");
        if solver.adaptive() {
            let stepping = adaptive(1e-4);
            assert_eq!(filled(&solver, &stepping, &nothing), plain(&solver, &stepping), "{solver}");
        }
    }
}

#[test]
fn where_everything_is_known_the_run_ends_at_the_picture() {
    let everything = known([1.0; 4]);
    for solver in deterministic() {
        assert_eq!(filled(&solver, &fixed(&Schedule::default(), 3), &everything).x, everything.picture);
    }
}

#[test]
fn on_every_path_the_known_part_is_followed_better_with_more_steps_and_ends_at_the_picture() {
    let (known, solver) = (known(HALF), Solver::parse("midpoint").unwrap());
    for path in Path::all() {
        let options = Options { path, ..Options::default() };
        let off = |n: usize| {
            let mut inpainted = Inpainted::new(field(), options.path.clone(), noises(), known.clone());
            let stepping = fixed(&Schedule::default(), n);
            let run = unseen(&mut inpainted, &solver, &stepping, noises(), &options).unwrap();
            run.x.iter().map(|x| distance(&[x[0], x[3]], &[1.0, 0.75])).fold(0.0, f64::max)
        };
        let (few, many) = (off(10), off(250));
        println!("{}: {few:e} with 10 steps, {many:e} with 250", options.path);
        // What a path has left of its noise at t = 1, or begins with of data, stays: at most 1e-2 of any.
        assert!(many < (0.5 * few).max(0.03), "{}: {few:e}, then {many:e}", options.path);

        let mut whole = field();
        let stepping = fixed(&Schedule::default(), 10);
        let run = inpaint(&mut whole, &solver, &stepping, noises(), known.clone(), &options, async |_| {
            ControlFlow::Continue(())
        });
        let run = pollster::block_on(run).unwrap();
        assert!(run.x.iter().all(|x| (x[0], x[3]) == (1.0, 0.75)), "{}", options.path);
    }
}

#[test]
fn a_solver_that_adds_noise_and_a_late_start_are_refused() {
    let run = |solver: &Solver, stepping: &Stepping| {
        let mut field = FnField::new(|_, x: &Batch| Ok(x.clone()));
        let options = Options::default();
        let run = inpaint(&mut field, solver, stepping, noises(), known(HALF), &options, async |_| {
            ControlFlow::Continue(())
        });
        pollster::block_on(run).map(|_| ())
    };
    let stepping = fixed(&Schedule::default(), 2);
    for solver in Solver::all().filter(Solver::stochastic) {
        assert!(matches!(run(&solver, &stepping), Err(Error::Stochastic { .. })), "{solver}");
    }
    let late = run(&Solver::parse("heun").unwrap(), &stepping.starting_at(0.5).unwrap());
    assert!(matches!(late, Err(Error::Stepping { what: "start", .. })), "{late:?}");
}

#[test]
fn a_later_start_keeps_the_number_of_steps_and_both_its_ends() {
    for schedule in Schedule::all() {
        let Ok(knots) = schedule.knots(9) else { continue };
        let whole = Stepping::Fixed { knots };
        assert_eq!(whole.starting_at(0.0), Ok(whole.clone()));
        let Ok(Stepping::Fixed { knots }) = whole.starting_at(0.3) else { panic!("{schedule}") };
        assert_eq!((knots.len(), knots[0], knots[9]), (10, 0.3, 1.0), "{schedule}");
        assert!(knots.windows(2).all(|pair| pair[0] < pair[1]), "{schedule}: {knots:?}");
    }
    assert_eq!(adaptive(0.1).starting_at(0.25).unwrap().ends(), Some((0.25, 1.0)));
    for bad in [-0.1, 1.0, 2.0, f64::NAN] {
        let refused = adaptive(0.1).starting_at(bad);
        assert!(matches!(refused, Err(Error::Stepping { what: "start", .. })), "{bad}: {refused:?}");
    }
    // Backwards, the last time is the noise's.
    let back = fixed(&Schedule::default(), 4).starting_at(0.4).unwrap().reversed();
    assert_eq!(back.ends(), Some((1.0, 0.4)));
}
