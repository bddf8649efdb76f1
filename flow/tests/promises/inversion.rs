//! Inversion: the noise of a sample is the one that the flow makes it from, and the way there and back closes.

use crate::common::{Mixture, deterministic, normal_cdf};
use flow::Error;
use flow::controller::Controller;
use flow::field::FnField;
use flow::integrate::{End, Options, Stepping};
use flow::inversion::{RoundTrip, differences, invert, round_trip};
use flow::schedule::Schedule;
use flow::solver::Solver;
use std::ops::ControlFlow;

type Batch = Vec<Vec<f64>>;

fn fixed(n: usize) -> Stepping {
    Stepping::Fixed { knots: Schedule::default().knots(n).unwrap() }
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

fn starts() -> Batch {
    vec![vec![-1.3, 0.9], vec![0.0, 0.4], vec![1.1, -0.8]]
}

fn there_and_back(solver: &Solver, stepping: &Stepping) -> RoundTrip<Batch> {
    let mixture = Mixture::default();
    let mut field = FnField::new(|t, x: &Batch| Ok(x.iter().map(|x| mixture.velocity(t, x)).collect()));
    let options = Options::default();
    let run =
        round_trip(&mut field, solver, stepping, starts(), &options, async |_| ControlFlow::Continue(()));
    pollster::block_on(run).unwrap()
}

fn worst(trip: &RoundTrip<Batch>) -> f64 {
    trip.errors.iter().map(|error| error.max).fold(0.0, f64::max)
}

#[test]
fn with_every_solver_the_way_there_and_back_closes_and_closes_better_with_more_steps() {
    for solver in deterministic() {
        let [few, many] = [100, 400].map(|n| there_and_back(&solver, &fixed(n)));
        for (trip, n) in [(&few, 100), (&many, 400)] {
            assert_eq!((trip.noise.end, trip.noise.t), (End::Finished, 0.0));
            assert_eq!((trip.data.end, trip.data.t), (End::Finished, 1.0));
            assert_eq!(trip.noise.evaluations, solver.evaluations(n), "{}", solver.id());
            assert_eq!(trip.data.evaluations, solver.evaluations(n), "{}", solver.id());
        }
        let (few, many) = (worst(&few), worst(&many));
        println!("{}: {few:e} with 100 steps, {many:e} with 400", solver.id());
        let allowed = if solver.order() == 1 { 0.05 } else { 1e-3 };
        assert!(many < allowed, "{}: {many:e}", solver.id());
        // Of order p the error shrinks by 4^p, down to rounding; half of that is asked.
        let shrunk = few / 4f64.powi(solver.order() as i32) * 2.0;
        assert!(many < shrunk.max(1e-12), "{}: {few:e}, then {many:e}", solver.id());
    }
}

#[test]
fn under_a_tolerance_the_way_closes_as_closely_as_was_asked() {
    for solver in Solver::all().filter(Solver::adaptive) {
        for tolerance in [1e-3, 1e-6, 1e-9] {
            let trip = there_and_back(&solver, &adaptive(tolerance));
            assert!(worst(&trip) < 50.0 * tolerance, "{}, {tolerance}: {}", solver.id(), worst(&trip));
        }
    }
}

#[test]
fn the_noise_of_a_sample_is_the_one_it_is_made_from() {
    // In one dimension a flow keeps ranks: Phi(x0) = F1(x1).
    let mixture = Mixture::default();
    let trip = there_and_back(&Solver::parse("dopri5").unwrap(), &adaptive(1e-10));
    for (noise, start) in trip.noise.x.iter().zip(starts()) {
        for (noise, start) in noise.iter().zip(start) {
            assert!((normal_cdf(*noise) - mixture.cdf(start)).abs() < 1e-8);
        }
    }
}

#[test]
fn errors_are_those_of_each_sample_and_a_nan_is_seen() {
    let a = vec![vec![1.0, 2.0], vec![0.0, 0.0], vec![0.0, f64::NAN]];
    let b = vec![vec![1.3, 1.6], vec![0.0, 0.0], vec![0.0, 0.0]];
    let errors = pollster::block_on(differences(&a, &b)).unwrap();
    assert!((errors[0].rms - 0.125f64.sqrt()).abs() < 1e-12 && (errors[0].max - 0.4).abs() < 1e-12);
    assert_eq!((errors[1].rms, errors[1].max), (0.0, 0.0));
    assert!(errors[2].rms.is_nan() && errors[2].max.is_nan());
}

#[test]
fn a_solver_that_adds_noise_and_a_way_that_leads_back_already_are_refused() {
    let run = |solver: &Solver, stepping: &Stepping| {
        let mut field = FnField::new(|_, x: &Batch| Ok(x.clone()));
        let options = Options::default();
        let run =
            invert(&mut field, solver, stepping, starts(), &options, async |_| ControlFlow::Continue(()));
        pollster::block_on(run).map(|_| ())
    };
    for solver in Solver::all().filter(Solver::stochastic) {
        match run(&solver, &fixed(2)) {
            Err(Error::Stochastic { solver: named, accepted, .. }) => {
                assert_eq!(named, solver.to_string());
                assert_eq!(accepted.len(), Solver::all().filter(|s| !s.stochastic()).count());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(run(&solver.with("noise", 0.0).unwrap(), &fixed(2)), Ok(()));
    }
    let heun = Solver::parse("heun").unwrap();
    let backwards = run(&heun, &fixed(2).reversed());
    assert!(matches!(backwards, Err(Error::Stepping { what: "direction", .. })), "{backwards:?}");
}
