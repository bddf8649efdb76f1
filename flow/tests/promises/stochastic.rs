//! Stochastic solvers: the marginals of the flow, and noise that belongs to the seed and the image alone.

use crate::common::{distance, solve, unseen};
use flow::field::FnField;
use flow::integrate::{Options, Stepping};
use flow::noise;
use flow::path::Path;
use flow::schedule::Schedule;
use flow::solver::Solver;

fn stochastic() -> impl Iterator<Item = Solver> {
    Solver::all().filter(Solver::stochastic)
}

#[test]
fn without_noise_it_is_euler_s_method() {
    let velocity = |t: f64, x: &Vec<f64>| Ok(x.iter().map(|x| (5.0 * t).sin() - x).collect());
    let stepping = Stepping::Fixed { knots: Schedule::default().knots(9).unwrap() };
    for solver in stochastic() {
        let quiet = solver.with("noise", 0.0).unwrap();
        let ours = solve(&mut FnField::new(velocity), &quiet, &stepping, vec![0.3, -1.0]).unwrap();
        let euler = Solver::parse("euler").unwrap();
        assert_eq!(ours, solve(&mut FnField::new(velocity), &euler, &stepping, vec![0.3, -1.0]).unwrap());
    }
}

#[test]
fn the_marginals_are_those_of_the_flow_whatever_the_noise() {
    // x1 ~ N(m, sigma^2): x_t ~ N(a m, r^2), v = a' m + (r'/r) (x - a m), as in the known answers.
    let (m, sigma, n) = (1.5, 0.5, 4000);
    let path = Path::default();
    let r = |t: f64| (path.a(t).powi(2) * sigma * sigma + path.s(t).powi(2)).sqrt();
    let velocity = |t: f64, x: &Vec<Vec<f64>>| {
        let dr = (path.a(t) * path.da(t) * sigma * sigma + path.s(t) * path.ds(t)) / r(t);
        let v = |x: &f64| path.da(t) * m + dr / r(t) * (x - path.a(t) * m);
        Ok(x.iter().map(|x| x.iter().map(v).collect()).collect())
    };
    for solver in stochastic() {
        for level in [0.5, 1.0, 2.0] {
            let solver = solver.with("noise", level).unwrap();
            let x0: Vec<Vec<f64>> =
                noise::gaussian(5, 0, n).into_iter().map(|x| vec![f64::from(x)]).collect();
            let stepping = Stepping::Fixed { knots: Schedule::default().knots(200).unwrap() };
            let mut field = FnField::new(velocity);
            let options = Options { seed: 9, ..Options::default() };
            let run = unseen(&mut field, &solver, &stepping, x0, &options);
            let x = run.unwrap().x.concat();
            let mean = x.iter().sum::<f64>() / n as f64;
            let std = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
            // Four standard errors, and what 200 steps of first order are off.
            let error = 4.0 * sigma / (n as f64).sqrt();
            assert!((mean - m).abs() < error + 0.01, "{solver}: {mean}");
            assert!((std - sigma).abs() < error / 2f64.sqrt() + 0.01, "{solver}: {std}");
        }
    }
}

#[test]
fn an_image_s_way_depends_on_its_seed_and_number_and_not_on_its_neighbours() {
    let velocity = |_: f64, x: &Vec<Vec<f64>>| Ok(x.iter().map(|x| x.iter().map(|x| -x).collect()).collect());
    let stepping = Stepping::Fixed { knots: Schedule::default().knots(6).unwrap() };
    let run = |solver: &Solver, x0: Vec<Vec<f64>>, seed: u64, first_image: u64| {
        let options = Options { seed, first_image, ..Options::default() };
        let mut field = FnField::new(velocity);
        let run = unseen(&mut field, solver, &stepping, x0, &options);
        run.unwrap().x
    };
    for solver in stochastic() {
        let starts = vec![vec![0.1, 0.2], vec![1.0, 2.0], vec![-1.0, 0.0]];
        let together = run(&solver, starts.clone(), 3, 10);
        assert_eq!(run(&solver, vec![starts[1].clone()], 3, 11)[0], together[1]);
        assert_eq!(run(&solver, starts.clone(), 3, 10), together, "the same seed, the same digits");
        assert!(distance(&run(&solver, starts, 4, 10)[0], &together[0]) > 1e-3, "another seed, other digits");
    }
}
