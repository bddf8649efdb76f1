//! The text of a plan, as an address, an attribute or a command line brings it.
//!
//! Promises: any text gives a plan and the errors beside it; the strict reader refuses with the first of these; what a plan
//! prints reads back to the same plan and prints the same; the knots of its steps rise strictly from 0 to 1.

use flow::integrate::Stepping;
use flow::plan::{Budget, SamplePlan};
use flow::schedule::KnotTable;

/// Most steps whose knots are looked at: an execution has to be quick.
const FEW: usize = 6;

/// See the module. Whether it is a plan without an error.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (plan, errors) = SamplePlan::parse_with_unknown(text);
    match text.parse::<SamplePlan>() {
        Ok(strict) => {
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(strict, plan);
        }
        Err(error) => assert_eq!(Some(&error), errors.first()),
    }
    assert!(errors.iter().all(|error| !error.to_string().is_empty()));

    let printed = plan.to_string();
    match printed.parse::<SamplePlan>() {
        Ok(again) => assert_eq!(again, plan, "{printed}"),
        Err(error) => panic!("{printed} does not read back: {error}"),
    }
    for image in [0, plan.count - 1] {
        assert!(plan.label(image) < flow::plan::CLASSES);
    }
    // What is no plan has the default's steps, which are looked at when the text says them.
    if !errors.is_empty() || matches!(plan.budget, Budget::Steps(steps) if steps > FEW) {
        return errors.is_empty();
    }
    // A fitted schedule has no knots without a table.
    if let Ok(Stepping::Fixed { knots }) = plan.stepping(&KnotTable::default()) {
        assert!(knots.windows(2).all(|pair| pair[0] < pair[1]), "{printed}: {knots:?}");
        assert_eq!((knots[0], knots[knots.len() - 1]), (0.0, 1.0), "{printed}");
        assert!(plan.expected_evaluations(&KnotTable::default()).is_some(), "{printed}");
    }
    true
}
