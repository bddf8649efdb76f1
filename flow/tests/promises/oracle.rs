//! Values of independent software (scipy, torchdiffeq), stored in `fixtures/oracle.json`. No row is left out.

use crate::common::{distance, finite_data_velocity, solve};
use flow::Error;
use flow::controller::Controller;
use flow::field::FnField;
use flow::integrate::{End, Stepping};
use flow::schedule::Schedule;
use flow::solver::Solver;
use serde_json::Value;

fn oracle() -> Value {
    serde_json::from_str(include_str!("../fixtures/oracle.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// y0' = -2 t y0 + cos(3 t); y1' = y0 - t y1.
fn velocity(t: f64, y: &Vec<f64>) -> Result<Vec<f64>, Error> {
    Ok(vec![-2.0 * t * y[0] + (3.0 * t).cos(), y[0] - t * y[1]])
}

#[test]
fn every_schedule_has_the_oracle_s_knots() {
    let oracle = oracle();
    let mut tested = Vec::new();
    for (text, knots) in oracle["schedules_N10"].as_object().unwrap() {
        // The oracle's names for what the registry calls otherwise, and its remark after the parameters.
        let text = text.split(' ').next().unwrap();
        let text = text.replace("logit-normal-quantile:mu=", "logit-normal-quantile:mean=");
        let schedule = Schedule::parse(&text).unwrap();
        let ours = schedule.knots(10).unwrap();
        let mut knots = numbers(knots);
        // The oracle leaves Karras's first knot where sigma_max puts it; a sampler starts from pure noise.
        knots[0] = 0.0;
        assert!(distance(&ours, &knots) < 1e-13, "{text}: {ours:?}");
        tested.push(schedule.id());
    }
    // Nothing registered escapes.
    for schedule in Schedule::all().filter(|schedule| !schedule.fitted()) {
        // One line of algebra, checked by the shape that it has at p = 1 and p = 2.
        if schedule.id() == "polynomial" {
            let even = schedule.with("p", 1.0).unwrap().knots(10).unwrap();
            assert!(distance(&even, &Schedule::default().knots(10).unwrap()) < 1e-15);
            assert!((schedule.at(0.25) - 0.1).abs() < 1e-15);
            continue;
        }
        assert!(tested.contains(&schedule.id()), "the oracle has no row for {}", schedule.id());
    }
}

#[test]
fn fixed_steps_agree_with_torchdiffeq() {
    let ode = &oracle()["ode"];
    let rows = [
        ("euler", "torchdiffeq euler, 10 uniform steps"),
        ("midpoint", "torchdiffeq midpoint, 10 uniform steps"),
        ("heun", "torchdiffeq heun2, 10 uniform steps"),
        ("rk4", "classic rk4, 10 uniform steps"),
        ("rk4-38", "torchdiffeq rk4 (3/8 rule), 10 uniform steps"),
        ("heun3", "torchdiffeq heun3, 10 uniform steps"),
    ];
    let stored = ode.as_object().unwrap().keys().filter(|row| row.ends_with("10 uniform steps"));
    assert_eq!(stored.count(), rows.len(), "the oracle has a row that no solver is tested against");
    for (id, row) in rows {
        let solver = Solver::parse(id).unwrap();
        let knots = Schedule::default().knots(10).unwrap();
        let stepping = Stepping::Fixed { knots };
        let outcome =
            solve(&mut FnField::new(velocity), &solver, &stepping, numbers(&ode["y_at_0"])).unwrap();
        assert!(distance(&outcome.x, &numbers(&ode[row])) < 1e-14, "{id}: {:?}", outcome.x);
    }
}

#[test]
fn dopri5_takes_the_very_steps_of_scipy_s_rk45() {
    let ode = &oracle()["ode"];
    let truth = numbers(&ode["y_at_1"]);
    for tolerance in [1e-3f64, 1e-5, 1e-8] {
        // The oracle's keys write the tolerance as Python does: 0.001, 1e-05, 1e-08.
        let name = if tolerance == 1e-3 {
            "0.001".to_owned()
        } else {
            format!("1e-0{}", -tolerance.log10().round())
        };
        let row = &ode[format!("dopri5 tol={name}")];
        let solver = Solver::parse("dopri5").unwrap();
        let stepping = Stepping::Adaptive {
            t0: 0.0,
            t1: 1.0,
            rtol: tolerance,
            atol: tolerance,
            first_step: None,
            controller: Controller::default(),
        };
        let outcome =
            solve(&mut FnField::new(velocity), &solver, &stepping, numbers(&ode["y_at_0"])).unwrap();
        assert_eq!(outcome.end, End::Finished);
        assert_eq!(outcome.t, 1.0);
        assert_eq!(
            outcome.evaluations as u64,
            row["scipy_RK45_nfev"].as_u64().unwrap(),
            "tolerance {tolerance}"
        );
        assert!(distance(&outcome.x, &numbers(&row["scipy_RK45_y"])) < 1e-13, "tolerance {tolerance}");
        // torchdiffeq has another controller: it agrees as far as the tolerance goes.
        assert!(distance(&outcome.x, &numbers(&row["torchdiffeq_y"])) < 2.0 * tolerance);
        assert!(distance(&outcome.x, &truth) < 2.0 * tolerance);
    }
}

#[test]
fn the_closed_form_velocity_of_finite_data_is_the_oracle_s() {
    let part = &oracle()["closed_form_velocity"];
    let (data, t) = (rows(&part["data"]), part["t"].as_f64().unwrap());
    for (x, v) in rows(&part["x"]).iter().zip(rows(&part["v"])) {
        assert!(distance(&finite_data_velocity(&data, t, x), &v) < 1e-13);
    }
}
