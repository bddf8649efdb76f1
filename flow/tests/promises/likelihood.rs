//! Likelihoods against closed forms: a correlated Gaussian on every path, and a mixture that bends the flow.

use crate::common::{Mixture, deterministic, distance};
use flow::Error;
use flow::controller::Controller;
use flow::field::{Field, FnField};
use flow::guidance::At;
use flow::integrate::{End, Options, Stepping};
use flow::likelihood::{
    CentralDifferences, Divergence, Estimate, FnDivergence, Likelihood, MOST_EXACT, MOST_PROBES, Probes,
    bits_per_dimension, log_likelihood,
};
use flow::noise;
use flow::path::Path;
use flow::schedule::Schedule;
use flow::solver::Solver;
use flow::state::Elements;
use std::f64::consts::{LN_2, TAU};
use std::ops::ControlFlow;

type Batch = Vec<Vec<f64>>;
type Matrix = [[f64; 3]; 3];

const MEAN: [f64; 3] = [1.5, -0.4, 0.2];
/// The standard deviations along the principal axes.
const SPREAD: [f64; 3] = [0.3, 1.4, 0.7];

/// Principal axes: the reflection 1 - 2 w w^T / |w|^2 with w = (1, 2, -2), which is its own inverse.
fn axes() -> Matrix {
    let w = [1.0, 2.0, -2.0];
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j)) - 2.0 * w[i] * w[j] / 9.0))
}

fn times(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

/// The matrix with these values along the principal axes.
fn along_axes(values: [f64; 3]) -> Matrix {
    let q = axes();
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| q[i][k] * values[k] * q[j][k]).sum()))
}

/// x1 ~ N(m, C): x_t ~ N(a m, R^2) with R^2 = a^2 C + s^2, and v = a' m + R'/R (x - a m). This is R'/R.
fn jacobian(path: &Path, t: f64) -> Matrix {
    let (a, s, da, ds) = (path.a(t), path.s(t), path.da(t), path.ds(t));
    along_axes(SPREAD.map(|c| (a * da * c * c + s * ds) / (a * a * c * c + s * s)))
}

fn velocity(path: &Path, t: f64, x: &[f64]) -> Vec<f64> {
    let centred: Vec<f64> = x.iter().zip(MEAN).map(|(x, m)| x - path.a(t) * m).collect();
    let turned = times(&jacobian(path, t), &centred);
    turned.iter().zip(MEAN).map(|(v, m)| v + path.da(t) * m).collect()
}

/// The field with its derivative.
fn gaussian_flow(path: &Path) -> impl Divergence<Batch> + use<> {
    let (velocity_path, derivative_path) = (path.clone(), path.clone());
    FnDivergence::new(
        move |t, x: &Batch| Ok(x.iter().map(|x| velocity(&velocity_path, t, x)).collect()),
        move |t, _: &Batch, e: &Batch| {
            let jacobian = jacobian(&derivative_path, t);
            Ok(e.iter().map(|e| times(&jacobian, e)).collect())
        },
    )
}

/// The logarithm of the density that the flow makes of the standard normal distribution: it is affine, so a Gaussian, of
/// covariance (R(1)/R(0))^2 about a(1) m - R(1)/R(0) a(0) m.
fn closed_form(path: &Path, x: &[f64]) -> f64 {
    let r = |t: f64, c: f64| (path.a(t).powi(2) * c * c + path.s(t).powi(2)).sqrt();
    let grown = SPREAD.map(|c| r(1.0, c) / r(0.0, c));
    let start: Vec<f64> = times(&along_axes(grown), &MEAN);
    let centred: Vec<f64> = (0..3).map(|i| x[i] - path.a(1.0) * MEAN[i] + path.a(0.0) * start[i]).collect();
    let white = times(&along_axes(grown.map(|g| 1.0 / g)), &centred);
    let square: f64 = white.iter().map(|v| v * v).sum();
    -0.5 * (3.0 * TAU.ln() + square) - grown.iter().map(|g| g.ln()).sum::<f64>()
}

/// Samples of the data.
fn points(count: u64) -> Batch {
    let root = along_axes(SPREAD);
    let draw = |image| {
        let white: Vec<f64> = noise::gaussian(17, image, 3).into_iter().map(f64::from).collect();
        times(&root, &white).iter().zip(MEAN).map(|(v, m)| v + m).collect()
    };
    (0..count).map(draw).collect()
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

fn fixed(n: usize) -> Stepping {
    Stepping::Fixed { knots: Schedule::default().knots(n).unwrap() }
}

fn dopri5() -> Solver {
    Solver::parse("dopri5").unwrap()
}

// One type of field for all tests, so that the loop is compiled for it once.
fn tell<S: Elements>(
    mut field: &mut dyn Divergence<S>,
    solver: &Solver,
    stepping: &Stepping,
    x: S,
    probes: Probes,
    options: &Options,
) -> Result<Likelihood<S>, Error> {
    pollster::block_on(log_likelihood(&mut field, solver, stepping, x, probes, options, async |_| {
        ControlFlow::Continue(())
    }))
}

#[test]
fn the_exact_likelihood_of_a_gaussian_is_its_closed_form_on_every_path() {
    for path in Path::all() {
        let told = tell(
            &mut gaussian_flow(&path),
            &dopri5(),
            &adaptive(1e-10),
            points(5),
            Probes::Exact,
            &Options::default(),
        )
        .unwrap();
        assert_eq!((told.outcome.end, told.outcome.t), (End::Finished, 0.0));
        for (estimate, x) in told.samples.iter().zip(points(5)) {
            assert_eq!(estimate.standard_error, Some(0.0));
            let wanted = closed_form(&path, &x);
            assert!((estimate.nats - wanted).abs() < 1e-7, "{path}: {estimate:?}, {wanted}");
        }
    }
}

#[test]
fn every_solver_that_adds_no_noise_tells_the_likelihood_and_counts_what_it_costs() {
    let path = Path::default();
    let (n, x) = (400, points(3));
    for solver in deterministic() {
        let options = Options::default();
        let mut field = gaussian_flow(&path);
        let told = tell(&mut field, &solver, &fixed(n), x.clone(), Probes::Exact, &options).unwrap();
        // The velocity and three derivatives for each look.
        assert_eq!(told.outcome.evaluations, 4 * solver.evaluations(n), "{}", solver.id());
        let allowed = if solver.order() == 1 { 0.03 } else { 1e-3 };
        for (estimate, x) in told.samples.iter().zip(&x) {
            let error = (estimate.nats - closed_form(&path, x)).abs();
            assert!(error < allowed, "{}: off by {error}", solver.id());
        }
    }
}

#[test]
fn the_likelihood_of_a_mixture_is_its_density_and_sums_to_one() {
    let mixture = Mixture::default();
    let grid: Batch = (0..=120).map(|i| vec![-3.0 + 0.05 * f64::from(i)]).collect();
    let mut field = CentralDifferences::new(FnField::new(|t, x: &Batch| {
        Ok(x.iter().map(|x| mixture.velocity(t, x)).collect())
    }));
    let options = Options::default();
    let told = tell(&mut field, &dopri5(), &adaptive(1e-8), grid.clone(), Probes::Exact, &options).unwrap();
    let mut total = 0.0;
    for (estimate, x) in told.samples.iter().zip(&grid) {
        assert!((estimate.nats - mixture.log_density(x[0])).abs() < 1e-4, "at {x:?}: {estimate:?}");
        total += 0.05 * estimate.nats.exp();
    }
    assert!((total - 1.0).abs() < 1e-4, "{total}");
}

#[test]
fn an_estimate_is_within_its_error_bar() {
    let path = Path::default();
    let count = 200;
    for probes in [Probes::Rademacher(16), Probes::Gaussian(16)] {
        let options = Options { seed: 3, ..Options::default() };
        let told =
            tell(&mut gaussian_flow(&path), &dopri5(), &adaptive(1e-7), points(count), probes, &options)
                .unwrap();
        let scores: Vec<f64> = told
            .samples
            .iter()
            .zip(points(count))
            .map(|(estimate, x)| (estimate.nats - closed_form(&path, &x)) / estimate.standard_error.unwrap())
            .collect();
        // A mean of 16 over its own standard error is about Student's t with 15 degrees of freedom: its variance is
        // 15/13, and beyond 6 lies a part of 2e-5.
        let variance = scores.iter().map(|z| z * z).sum::<f64>() / count as f64;
        assert!((0.8..1.6).contains(&variance), "{probes:?}: {variance}");
        assert!(scores.iter().all(|z| z.abs() < 6.0), "{probes:?}: {scores:?}");
    }
}

#[test]
fn four_times_as_many_probes_halve_the_error_bar() {
    let path = Path::default();
    let bar = |probes| {
        let told = tell(
            &mut gaussian_flow(&path),
            &dopri5(),
            &adaptive(1e-5),
            points(40),
            probes,
            &Options::default(),
        )
        .unwrap();
        told.samples.iter().map(|estimate| estimate.standard_error.unwrap()).sum::<f64>() / 40.0
    };
    for kind in [Probes::Rademacher as fn(usize) -> Probes, Probes::Gaussian] {
        let bars = [16, 64, 256].map(|count| bar(kind(count)));
        for pair in bars.windows(2) {
            assert!((pair[0] / pair[1] - 2.0).abs() < 0.2, "{bars:?}");
        }
    }
    // Of both kinds the signs vary less.
    assert!(bar(Probes::Rademacher(64)) < bar(Probes::Gaussian(64)));
}

#[test]
fn the_exact_divergence_is_the_sum_over_unit_vectors_however_it_is_differentiated() {
    let path = Path::default();
    let x = points(2);
    let unit = |axis: usize| vec![(0..3).map(|i| f64::from(u8::from(i == axis))).collect::<Vec<_>>(); 2];
    let units: Vec<Batch> = (0..3).map(unit).collect();
    let mut differences = CentralDifferences::new(FnField::new(|t, x: &Batch| {
        Ok(x.iter().map(|x| velocity(&path, t, x)).collect())
    }));
    for t in [0.0, 0.3, 1.0] {
        let trace: f64 = (0..3).map(|i| jacobian(&path, t)[i][i]).sum();
        for at in [At::All(t), At::Rows { times: &[t, t], rows: &[0, 1] }] {
            let (v, exact) = gaussian_flow(&path).probed(at, &x, &units).unwrap();
            let (same, estimated) = differences.probed(at, &x, &units).unwrap();
            for i in 0..2 {
                assert!(distance(&v[i], &velocity(&path, t, &x[i])) < 1e-15 && v == same);
                assert_eq!(exact[i].len(), 3);
                assert!((exact[i].iter().sum::<f64>() - trace).abs() < 1e-12);
                assert!(distance(&exact[i], &estimated[i]) < 1e-8, "{exact:?}, {estimated:?}");
            }
        }
    }
    // Each look costs the velocity, and two more evaluations for each unit vector.
    assert_eq!(Field::<Batch>::evaluations(&differences), 3 * 2 * 7);
    assert_eq!(Divergence::<Batch>::evaluations_per_probed(&differences, 3), 7);
}

#[test]
fn probes_belong_to_the_seed_and_the_image_and_a_sample_takes_its_own_steps() {
    let mixture = Mixture::default();
    let run = |x: Batch, seed: u64, first_image: u64| {
        let mut field = CentralDifferences::new(FnField::new(|t, x: &Batch| {
            Ok(x.iter().map(|x| mixture.velocity(t, x)).collect())
        }));
        let options = Options { seed, first_image, ..Options::default() };
        tell(&mut field, &dopri5(), &adaptive(1e-5), x, Probes::Gaussian(3), &options).unwrap()
    };
    let starts = vec![vec![-1.2, 0.3], vec![0.1, 0.2], vec![2.5, -2.0]];
    let together = run(starts.clone(), 5, 10);
    for (i, start) in starts.iter().enumerate() {
        let alone = run(vec![start.clone()], 5, 10 + i as u64);
        assert_eq!(alone.samples[0], together.samples[i]);
        assert_eq!(alone.outcome.samples[0], together.outcome.samples[i]);
    }
    let costs: Vec<usize> = together.outcome.samples.iter().map(|sample| sample.evaluations).collect();
    assert!(costs.iter().any(|cost| *cost != costs[0]), "samples that all need the same prove nothing");
    assert!(costs.iter().all(|cost| cost % 7 == 0), "seven evaluations a look: {costs:?}");
    for other in [run(starts.clone(), 6, 10), run(starts, 5, 13)] {
        assert!(other.samples.iter().zip(&together.samples).all(|(a, b)| a.nats != b.nats));
    }
}

#[test]
fn one_sample_is_told_like_a_batch_of_one_and_no_step_tells_the_noise_s_density() {
    let flow = |t: f64, x: &Vec<f64>| Ok(velocity(&Path::default(), t, x));
    let x = points(1).remove(0);
    let options = Options::default();
    let solver = dopri5();
    let alone = tell(
        &mut CentralDifferences::new(FnField::new(flow)),
        &solver,
        &adaptive(1e-8),
        x.clone(),
        Probes::Exact,
        &options,
    )
    .unwrap();
    assert!((alone.samples[0].nats - closed_form(&Path::default(), &x)).abs() < 1e-5);
    for probes in [Probes::Exact, Probes::Rademacher(1), Probes::Rademacher(2)] {
        let still = Stepping::Fixed { knots: vec![1.0] };
        let field = &mut CentralDifferences::new(FnField::new(flow));
        let told = tell(field, &solver, &still, x.clone(), probes, &options).unwrap();
        let square: f64 = x.iter().map(|v| v * v).sum();
        assert!((told.samples[0].nats + 0.5 * (3.0 * TAU.ln() + square)).abs() < 1e-12);
        assert_eq!((told.outcome.evaluations, &told.outcome.x), (0, &x));
        // One probe alone has no spread.
        let bar = if probes == Probes::Rademacher(1) { None } else { Some(0.0) };
        assert_eq!(told.samples[0].standard_error, bar);
    }
}

#[test]
fn a_budget_counts_the_probes() {
    for solver in deterministic() {
        let mut steppings = vec![fixed(6)];
        if solver.adaptive() {
            steppings.push(adaptive(1e-6));
        }
        for stepping in steppings {
            for budget in [0, 1, 17, 40] {
                let options = Options::default().within(budget);
                let mut field = gaussian_flow(&Path::default());
                let told =
                    tell(&mut field, &solver, &stepping, points(2), Probes::Rademacher(3), &options).unwrap();
                assert!(told.outcome.evaluations <= budget, "{}", solver.id());
                assert_eq!(told.outcome.end == End::Finished, told.outcome.t == 0.0);
                assert_eq!(told.samples.len(), 2);
            }
        }
    }
}

#[test]
fn what_cannot_be_told_is_refused_by_name() {
    let x = points(1);
    let options = Options::default();
    let told = |solver: &Solver, stepping: &Stepping, x: Batch, probes: Probes| {
        tell(&mut gaussian_flow(&Path::default()), solver, stepping, x, probes, &options).map(|_| ())
    };
    for got in [0, MOST_PROBES + 1, usize::MAX] {
        for probes in [Probes::Rademacher(got), Probes::Gaussian(got)] {
            let refused = told(&dopri5(), &fixed(2), x.clone(), probes);
            assert_eq!(refused, Err(Error::Probes { got, most: MOST_PROBES }));
        }
    }
    let wide = vec![vec![0.0; MOST_EXACT + 1]];
    let refused = told(&dopri5(), &fixed(2), wide, Probes::Exact);
    assert_eq!(refused, Err(Error::Dimension { got: MOST_EXACT + 1, most: MOST_EXACT }));
    for solver in Solver::all().filter(Solver::stochastic) {
        match told(&solver, &fixed(2), x.clone(), Probes::Exact) {
            Err(Error::Stochastic { accepted, .. }) => assert!(accepted.contains(&"heun")),
            other => panic!("{other:?}"),
        }
    }
    let backwards = told(&dopri5(), &fixed(2).reversed(), x.clone(), Probes::Exact);
    assert!(matches!(backwards, Err(Error::Stepping { what: "direction", .. })), "{backwards:?}");
    let no_knot = told(&dopri5(), &Stepping::Fixed { knots: vec![] }, x, Probes::Exact);
    assert!(matches!(no_knot, Err(Error::Stepping { what: "knots", .. })), "{no_knot:?}");
    for reach in [0.0, -1.0, f64::NAN] {
        let field = FnField::new(|_: f64, x: &Batch| Ok::<Batch, Error>(x.clone()));
        let refused = CentralDifferences::new(field).reaching(reach).err();
        assert!(matches!(refused, Some(Error::Stepping { what: "reach", .. })));
    }
}

#[test]
fn a_field_of_nan_is_an_error_or_a_step_too_small_and_never_a_likelihood() {
    let nan = |_: f64, x: &Batch| -> Result<Batch, Error> { Ok(x.clone()) };
    let broken = |_: f64, _: &Batch, e: &Batch| -> Result<Batch, Error> {
        Ok(e.iter().map(|e| vec![f64::NAN; e.len()]).collect())
    };
    let options = Options::default();
    let probes = Probes::Rademacher(2);
    for solver in deterministic() {
        let mut field = FnDivergence::new(nan, broken);
        let told = tell(&mut field, &solver, &fixed(3), points(2), probes, &options);
        assert_eq!(told, Err(Error::NotFinite { t: 0.0 }), "{}", solver.id());
        if solver.adaptive() {
            let told = tell(&mut field, &solver, &adaptive(1e-3), points(2), probes, &options);
            assert_eq!(told, Err(Error::NotFinite { t: 1.0 }), "{}", solver.id());
        }
    }
}

#[test]
fn bits_a_dimension_are_nats_over_ln_2() {
    let Estimate { nats, .. } = Estimate { nats: -784.0 * LN_2, standard_error: None };
    assert!((bits_per_dimension(nats, 784) - 1.0).abs() < 1e-15);
}
