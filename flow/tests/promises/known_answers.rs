//! Flows whose solutions are closed forms.

use crate::common::{deterministic, distance, finite_data_velocity, normal_cdf, solve, unseen};
use flow::controller::Controller;
use flow::field::FnField;
use flow::integrate::{End, Options, Stepping, integrate};
use flow::path::Path;
use flow::schedule::Schedule;
use flow::solver::Solver;
use std::ops::ControlFlow;

fn tight() -> (Solver, Stepping) {
    let stepping = Stepping::Adaptive {
        t0: 0.0,
        t1: 1.0,
        rtol: 1e-10,
        atol: 1e-10,
        first_step: None,
        controller: Controller::default(),
    };
    (Solver::parse("dopri5").unwrap(), stepping)
}

#[test]
fn one_gaussian_flows_to_another_by_an_affine_map_on_every_path() {
    // x1 ~ N(m, sigma^2): x_t ~ N(a m, r^2) with r^2 = a^2 sigma^2 + s^2, v = a' m + (r'/r) (x - a m), and so
    // x_t = a m + r x0 / r(0).
    let (m, sigma) = (1.5, 0.4);
    for path in Path::all() {
        let r = |t: f64| (path.a(t).powi(2) * sigma * sigma + path.s(t).powi(2)).sqrt();
        let mut field = FnField::new(|t: f64, x: &Vec<f64>| {
            let dr = (path.a(t) * path.da(t) * sigma * sigma + path.s(t) * path.ds(t)) / r(t);
            Ok(x.iter().map(|x| path.da(t) * m + dr / r(t) * (x - path.a(t) * m)).collect())
        });
        let x0 = vec![-2.0, -0.3, 0.0, 1.0, 3.0];
        let (solver, stepping) = tight();
        let outcome = solve(&mut field, &solver, &stepping, x0.clone()).unwrap();
        let expected: Vec<f64> =
            x0.iter().map(|x| path.a(1.0) * m + r(1.0) * (x - path.a(0.0) * m) / r(0.0)).collect();
        assert_eq!(outcome.end, End::Finished);
        assert!(distance(&outcome.x, &expected) < 1e-8, "{path}: {:?}", outcome.x);
    }
}

#[test]
fn every_solver_carries_one_gaussian_to_another_on_every_path() {
    // The same affine map, by 400 fixed steps of each solver.
    let (m, sigma) = (1.5, 0.4);
    let x0 = vec![-2.0, -0.3, 0.0, 1.0, 3.0];
    let mut worst = [0.0; 2];
    for path in Path::all() {
        let r = |t: f64| (path.a(t).powi(2) * sigma * sigma + path.s(t).powi(2)).sqrt();
        let velocity = |t: f64, x: &Vec<f64>| {
            let dr = (path.a(t) * path.da(t) * sigma * sigma + path.s(t) * path.ds(t)) / r(t);
            Ok(x.iter().map(|x| path.da(t) * m + dr / r(t) * (x - path.a(t) * m)).collect())
        };
        let expected: Vec<f64> =
            x0.iter().map(|x| path.a(1.0) * m + r(1.0) * (x - path.a(0.0) * m) / r(0.0)).collect();
        for solver in deterministic() {
            let options = Options { path: path.clone(), ..Options::default() };
            let stepping = Stepping::Fixed { knots: Schedule::recommended().knots(400).unwrap() };
            let mut field = FnField::new(velocity);
            let run = unseen(&mut field, &solver, &stepping, x0.clone(), &options);
            let error = distance(&run.unwrap().x, &expected);
            let (kind, allowed) = if solver.order() == 1 { (0, 0.05) } else { (1, 1e-3) };
            worst[kind] = f64::max(worst[kind], error);
            assert!(error < allowed, "{} on {path}: {error:e}", solver.id());
        }
    }
    println!("first order {:e}, higher {:e}", worst[0], worst[1]);
}

#[test]
fn every_solver_keeps_the_ranks_of_finite_data() {
    // In one dimension F_t(x_t) = F_0(x_0), with F_t(x) = mean_i Phi((x - t d_i) / (1 - t)).
    let data = vec![vec![-1.0], vec![0.2], vec![1.7]];
    let end = 0.9;
    let rank = |x: f64| {
        data.iter().map(|d| normal_cdf((x - end * d[0]) / (1.0 - end))).sum::<f64>() / data.len() as f64
    };
    for solver in deterministic() {
        for x0 in [-2.0, -0.5, 0.1, 1.3] {
            let mut field = FnField::new(|t, x: &Vec<f64>| Ok(finite_data_velocity(&data, t, x)));
            let knots = Schedule::recommended().knots(400).unwrap().into_iter().map(|t| t * end).collect();
            let outcome = solve(&mut field, &solver, &Stepping::Fixed { knots }, vec![x0]).unwrap();
            let error = (rank(outcome.x[0]) - normal_cdf(x0)).abs();
            let allowed = if solver.order() == 1 { 0.02 } else { 1e-4 };
            assert!(error < allowed, "{} from {x0}: {error:e}", solver.id());
        }
    }
}

#[test]
fn a_single_data_point_draws_every_noise_along_a_straight_line_with_every_solver() {
    // v = (d - x) / (1 - t) has the solution x_t = (1 - t) x0 + t d. Euler steps along it exactly.
    let data = vec![vec![0.7, -1.1]];
    let x0 = vec![-0.4, 2.0];
    let end = 0.9;
    let expected: Vec<f64> = x0.iter().zip(&data[0]).map(|(x, d)| (1.0 - end) * x + end * d).collect();
    for solver in deterministic() {
        let mut field = FnField::new(|t, x: &Vec<f64>| Ok(finite_data_velocity(&data, t, x)));
        let knots = Schedule::default().knots(20).unwrap().into_iter().map(|t| t * end).collect();
        let outcome = solve(&mut field, &solver, &Stepping::Fixed { knots }, x0.clone()).unwrap();
        // Along the line the velocity is constant, so no solver makes any error but rounding.
        assert!(distance(&outcome.x, &expected) < 1e-12, "{}", solver.id());
    }
}

#[test]
fn the_last_euler_step_lands_on_the_data() {
    // From t_n the last step leads to x + (1 - t_n) v = the weighted mean of the data, which is one of them.
    let data = vec![vec![2.0, 0.0], vec![-2.0, 0.5], vec![0.0, -2.0]];
    let knots = Schedule::default().knots(50).unwrap();
    for x0 in [[1.0, 0.3], [-0.7, 0.9], [0.2, -1.5]] {
        let mut field = FnField::new(|t, x: &Vec<f64>| Ok(finite_data_velocity(&data, t, x)));
        let stepping = Stepping::Fixed { knots: knots.clone() };
        let outcome = solve(&mut field, &Solver::parse("euler").unwrap(), &stepping, x0.to_vec()).unwrap();
        assert!(data.iter().any(|d| distance(d, &outcome.x) < 1e-9), "{:?}", outcome.x);
    }
}

#[test]
fn in_one_dimension_every_sample_keeps_its_rank_in_the_mixture() {
    // A flow in one dimension cannot cross itself: F_t(x_t) = F_0(x_0) at all times, with
    // F_t(x) = mean_i Phi((x - t d_i) / (1 - t)).
    let data = vec![vec![-1.0], vec![0.2], vec![1.7]];
    let rank = |t: f64, x: f64| {
        data.iter().map(|d| normal_cdf((x - t * d[0]) / (1.0 - t))).sum::<f64>() / data.len() as f64
    };
    for x0 in [-2.0, -0.5, 0.1, 1.3] {
        let mut field = FnField::new(|t, x: &Vec<f64>| Ok(finite_data_velocity(&data, t, x)));
        let stepping = Stepping::Adaptive {
            t0: 0.0,
            t1: 0.9,
            rtol: 1e-10,
            atol: 1e-10,
            first_step: None,
            controller: Controller::default(),
        };
        let mut seen = 0;
        let outcome = pollster::block_on(integrate(
            &mut field,
            &Solver::parse("dopri5").unwrap(),
            &stepping,
            vec![x0],
            &Options::default(),
            async |report| {
                assert!((rank(report.t, report.x[0]) - normal_cdf(x0)).abs() < 1e-8, "at {}", report.t);
                seen += 1;
                ControlFlow::Continue(())
            },
        ))
        .unwrap();
        assert_eq!(outcome.end, End::Finished);
        assert_eq!(seen, outcome.accepted + 1);
    }
}
