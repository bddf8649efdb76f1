//! Promises of the text form.

use super::*;
use proptest::prelude::*;

const EXAMPLE: &str = "solver=heun&schedule=logit-normal-cdf:mu=-1,std=3&steps=10&guidance=2&seed=42&digit=7&count=16&model=mnist-unet";

fn parse(text: &str) -> Result<SamplePlan, Error> {
    text.parse()
}

fn plan_error(field: &str, got: &str) -> impl Fn(&Error) -> bool {
    move |error| matches!(error, Error::Plan { field: f, got: g, .. } if f == field && g == got)
}

#[test]
fn the_example_of_the_design_parses_and_prints_back_to_itself() {
    let plan = parse(EXAMPLE).unwrap();
    assert_eq!(plan.digit, Digit::Class(7));
    assert_eq!(plan.schedule.choice().get("mu"), Some(-1.0));
    assert_eq!(plan.to_string(), EXAMPLE);
}

#[test]
fn nothing_at_all_is_the_default_plan() {
    for text in ["", "?", "&&", " "] {
        assert_eq!(parse(text), Ok(SamplePlan::default()));
    }
    assert_eq!(
        SamplePlan::default().to_string(),
        "solver=heun&schedule=inverse-cubic&steps=10&guidance=2&seed=42&digit=any&count=16&model=mnist-unet"
    );
}

#[test]
fn a_browser_s_encoding_of_the_query_is_understood() {
    let plan = parse("?schedule=logit-normal-cdf%3Amu%3D-1%2Cstd%3D3&digit=%207&model=mnist%2dunet").unwrap();
    assert_eq!(plan, parse("schedule=logit-normal-cdf:mu=-1,std=3&digit=7").unwrap());
}

#[test]
fn a_tolerance_goes_with_a_solver_that_chooses_its_steps_wherever_it_stands() {
    for text in ["solver=dopri5&tol=0.001", "tol=1e-3&solver=dopri5"] {
        let plan = parse(text).unwrap();
        assert_eq!(plan.budget, Budget::Tolerance(1e-3));
        assert!(plan.to_string().starts_with("solver=dopri5&schedule=inverse-cubic&tol=0.001&guidance=2"));
        assert_eq!(plan.expected_evaluations(&KnotTable::default()), None);
        let stepping = plan.stepping(&KnotTable::default()).unwrap();
        assert_eq!(
            stepping,
            Stepping::Adaptive {
                t0: 0.0,
                t1: 1.0,
                rtol: 1e-3,
                atol: 1e-3,
                first_step: None,
                controller: Controller::default()
            }
        );
    }
    assert!(plan_error("tol", "0.001")(&parse("solver=heun&tol=0.001").unwrap_err()));
    assert!(plan_error("tol", "0.001")(&parse("solver=dopri5&tol=0.001&steps=5").unwrap_err()));
    // The smallest tolerance, which `Display` prints without an exponent.
    let smallest = parse("solver=dopri5&tol=1e-8").unwrap();
    assert_eq!(parse(&smallest.to_string()), Ok(smallest));
}

#[test]
fn what_is_out_of_range_is_refused_by_field_and_value() {
    for (text, field, got) in [
        ("steps=0", "steps", "0"),
        ("steps=1001", "steps", "1001"),
        ("steps=-1", "steps", "-1"),
        ("steps=", "steps", ""),
        ("steps", "steps", ""),
        ("count=0", "count", "0"),
        ("count=257", "count", "257"),
        ("digit=10", "digit", "10"),
        ("digit=-1", "digit", "-1"),
        ("seed=18446744073709551616", "seed", "18446744073709551616"),
        ("seed=1.5", "seed", "1.5"),
        ("model=", "model", ""),
        ("model=../etc", "model", "../etc"),
        ("model=a%26b", "model", "a&b"),
        ("solver=dopri5&tol=0", "tol", "0"),
        ("solver=dopri5&tol=0.6", "tol", "0.6"),
        ("solver=dopri5&tol=nan", "tol", "nan"),
        ("steps=4&steps=5", "steps", "5"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(plan_error(field, got)(&error), "{text}: {error}");
    }
}

#[test]
fn a_mistyped_id_names_the_one_that_was_meant() {
    let error = parse("solver=eular").unwrap_err();
    assert!(matches!(error, Error::UnknownId { kind: "solver", nearest: Some("euler"), .. }));
    let error = parse("schedule=logit-normal-cfd").unwrap_err();
    assert!(matches!(error, Error::UnknownId { kind: "schedule", nearest: Some("logit-normal-cdf"), .. }));
    let error = parse("setps=5").unwrap_err();
    assert!(
        matches!(&error, Error::Plan { field, accepts, .. } if field == "setps" && accepts.contains("`steps`"))
    );
}

#[test]
fn a_visitor_s_mistakes_leave_defaults_and_are_all_told() {
    let (plan, errors) =
        SamplePlan::parse_with_unknown("solver=nope&steps=7&guidance=99&digit=3&colour=red&tol=0.1");
    let expected = SamplePlan { digit: Digit::Class(3), budget: Budget::Steps(7), ..SamplePlan::default() };
    assert_eq!(plan, expected);
    assert_eq!(errors.len(), 4);
    assert!(matches!(errors[0], Error::UnknownId { kind: "solver", .. }));
    assert!(matches!(&errors[1], Error::Parameter { parameter, .. } if parameter == "scale"));
    assert!(plan_error("colour", "red")(&errors[2]));
    assert!(plan_error("tol", "0.1")(&errors[3]));
}

#[test]
fn any_digit_goes_round_and_one_digit_stays() {
    let any = SamplePlan::default();
    assert_eq!([0, 9, 10, 255].map(|image| any.label(image)), [0, 9, 0, 5]);
    let seven = SamplePlan { digit: Digit::Class(7), ..SamplePlan::default() };
    assert_eq!([0, 1, 10].map(|image| seven.label(image)), [7, 7, 7]);
}

#[test]
fn the_expected_evaluations_count_both_branches() {
    for solver in Solver::all() {
        for (scale, branches) in [(0.0, 1), (1.0, 1), (2.0, 2)] {
            let guidance = Guidance::cfg(scale).unwrap();
            let plan = SamplePlan { solver: solver.clone(), guidance, ..SamplePlan::default() };
            assert_eq!(
                plan.expected_evaluations(&KnotTable::default()),
                Some(solver.evaluations(10) * branches)
            );
        }
    }
}

#[test]
fn a_plan_put_together_by_hand_is_checked_before_it_runs() {
    let zero = SamplePlan { budget: Budget::Steps(0), ..SamplePlan::default() };
    assert!(plan_error("steps", "0")(&zero.stepping(&KnotTable::default()).unwrap_err()));
    let heun = SamplePlan { budget: Budget::Tolerance(0.1), ..SamplePlan::default() };
    assert!(plan_error("tol", "0.1")(&heun.stepping(&KnotTable::default()).unwrap_err()));
}

/// Any member of a family, with any values of its parameters.
fn choice(entries: Vec<&'static crate::registry::Entry>) -> impl Strategy<Value = String> {
    proptest::sample::select(entries).prop_flat_map(|entry| {
        let values: Vec<_> = entry.params.iter().map(|p| p.min..=p.max).collect();
        (Just(entry), values).prop_map(|(entry, values)| {
            let parts: Vec<_> =
                entry.params.iter().zip(values).map(|(p, v)| format!("{}={v}", p.name)).collect();
            if parts.is_empty() { entry.id.to_owned() } else { format!("{}:{}", entry.id, parts.join(",")) }
        })
    })
}

fn any_plan() -> impl Strategy<Value = SamplePlan> {
    let names = (choice(Solver::family().entries), choice(Schedule::family().entries));
    let guidance = choice(Guidance::family().entries);
    let digit = prop_oneof![Just(Digit::Any), (0..CLASSES).prop_map(Digit::Class)];
    let budget = (STEPS, TOLERANCES, any::<bool>());
    (names, guidance, digit, budget, any::<u64>(), COUNTS, "[A-Za-z0-9._-]{1,64}").prop_map(
        |((solver, schedule), guidance, digit, (steps, tolerance, adaptive), seed, count, model)| {
            let solver = Solver::parse(&solver).unwrap();
            let budget = if adaptive && solver.adaptive() {
                Budget::Tolerance(tolerance)
            } else {
                Budget::Steps(steps)
            };
            SamplePlan {
                model,
                digit,
                solver,
                schedule: Schedule::parse(&schedule).unwrap(),
                budget,
                controller: if adaptive {
                    Controller::default()
                } else {
                    Controller::parse("pi:alpha=0.6,beta=0.3").unwrap()
                },
                // An interval that ends before it begins is refused; the default stands in.
                guidance: guidance.parse().unwrap_or_default(),
                seed,
                count,
            }
        },
    )
}

proptest! {
    #[test]
    fn every_plan_parses_back_from_what_it_prints(plan in any_plan()) {
        prop_assert_eq!(parse(&plan.to_string()), Ok(plan));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let (plan, _) = SamplePlan::parse_with_unknown(&text);
        prop_assert_eq!(parse(&plan.to_string()), Ok(plan));
    }

    #[test]
    fn text_that_is_almost_a_plan_gives_a_plan_that_prints_back(
        text in "((solver|schedule|steps|tol|guidance|seed|digit|count|model|x)(=|%|:|&){0,2}(heun|dopri5|shift|shift:k|logit-normal-cdf:mu|cfg:scale|any)?[=,+%&]?[-0-9eE.%+naif]{0,6}&){0,9}"
    ) {
        let (plan, errors) = SamplePlan::parse_with_unknown(&text);
        prop_assert_eq!(parse(&plan.to_string()), Ok(plan.clone()));
        prop_assert_eq!(parse(&text).is_ok(), errors.is_empty());
    }
}

#[test]
fn the_evaluations_expected_are_those_of_a_real_run_for_every_solver_and_guidance() {
    use crate::guidance::Guidance;
    for solver in Solver::all() {
        for guidance in Guidance::all() {
            let mut plan = SamplePlan { solver: solver.clone(), guidance, ..SamplePlan::default() };
            plan.set("steps", "7").unwrap();
            let table = KnotTable::default();
            let mut field = Guided::new(plan.guidance.clone(), Nothing);
            let (stepping, options) = (plan.stepping(&table).unwrap(), plan.options(0));
            let run = crate::integrate::integrate(
                &mut field,
                &plan.solver,
                &stepping,
                Vec::new(),
                &options,
                async |_| std::ops::ControlFlow::Continue(()),
            );
            let outcome = pollster::block_on(run).unwrap();
            assert_eq!(plan.expected_evaluations(&table), Some(outcome.evaluations), "{plan}");
        }
    }
}

#[test]
fn a_controller_stands_in_the_text_only_where_it_is_not_the_default() {
    let plan = parse("solver=dopri5&tol=0.01&controller=pi").unwrap();
    assert_eq!(plan.controller.id(), "pi");
    assert!(plan.to_string().contains("&tol=0.01&controller=pi&guidance=2"), "{plan}");
    assert_eq!(parse(&plan.to_string()), Ok(plan.clone()));
    assert!(!parse("solver=dopri5&tol=0.01&controller=integral").unwrap().to_string().contains("controller"));
    assert!(matches!(
        parse("controller=p"),
        Err(Error::UnknownId { kind: "controller", nearest: Some("pi"), .. })
    ));
}

#[test]
fn every_guidance_survives_its_text_form_with_its_parameters() {
    for text in
        ["interval:scale=3,lo=0.1,hi=0.6", "cfg-zero*:scale=2.5,zero=0.1", "autoguidance:scale=3", "1.5"]
    {
        let plan = parse(&format!("guidance={text}")).unwrap();
        assert!(plan.to_string().contains(&format!("guidance={text}&")), "{plan}");
        assert_eq!(parse(&plan.to_string()), Ok(plan));
    }
}
