//! A hundred thousand plans that nobody wrote: each is read without a panic, and what is read is a plan that reads back to itself.

use cross_tests::plans::Die;
use flow::plan::SamplePlan;

/// How many texts are read.
const PLANS: usize = 100_000;

#[test]
fn a_hundred_thousand_texts_are_read_or_refused_and_none_breaks_the_reader() {
    let mut die = Die::seeded(20_261_126);
    let (mut whole, mut refused) = (0, 0);
    for number in 0..PLANS {
        let text = die.query();
        let (plan, faults) = SamplePlan::parse_with_unknown(&text);
        assert_eq!(plan.to_string().parse(), Ok(plan.clone()), "{number}: {text:?}");
        assert!(plan.count > 0 && plan.to_string().len() < 400, "{number}: {text:?} became {plan}");
        assert_eq!(text.parse::<SamplePlan>().is_ok(), faults.is_empty(), "{number}: {text:?}: {faults:?}");
        for fault in &faults {
            assert!(!fault.to_string().is_empty(), "{number}: {text:?}");
        }
        whole += usize::from(faults.is_empty());
        refused += usize::from(!faults.is_empty());
    }
    println!("{whole} read whole, {refused} with something refused");
    assert_eq!(whole + refused, PLANS);
    assert!(whole > PLANS / 10 && refused > PLANS / 10, "{whole} whole, {refused} refused");
}
