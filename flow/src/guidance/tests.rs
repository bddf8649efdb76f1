//! Promises of every guidance, over the whole registry.

use super::*;

/// v_c = (10, 1), v_u = (4, 2), a weak model's v = (6, 0), and which branches were called how often.
#[derive(Default)]
pub(super) struct Branches {
    pub(super) conditional: usize,
    pub(super) unconditional: usize,
    pub(super) both: usize,
    pub(super) weak: usize,
}

impl Conditional<Vec<f64>> for &mut Branches {
    fn conditional(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.conditional += 1;
        Ok(vec![10.0, 1.0])
    }
    fn unconditional(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.unconditional += 1;
        Ok(vec![4.0, 2.0])
    }
    fn both(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<(Vec<f64>, Vec<f64>), Error> {
        self.both += 1;
        Ok((vec![10.0, 1.0], vec![4.0, 2.0]))
    }
    fn weak(&mut self, _: At<'_>, _: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.weak += 1;
        Ok(vec![6.0, 0.0])
    }
}

/// The velocity at t, and what it cost.
pub(super) fn asked(guidance: &str, t: f64) -> (Vec<f64>, usize) {
    let mut branches = Branches::default();
    let mut field = Guided::new(guidance.parse().unwrap(), &mut branches);
    let velocity = field.velocity(t, &vec![0.0, 0.0]).unwrap();
    let counted = field.evaluations();
    assert_eq!(counted, branches.conditional + branches.unconditional + 2 * branches.both + branches.weak);
    (velocity, counted)
}

#[test]
fn every_guidance_of_scale_1_is_the_conditional_field_in_the_middle_of_the_path() {
    for entry in entries() {
        let text = format!("{}:scale=1", entry.id);
        let (velocity, _) = asked(&text, 0.5);
        for (v, c) in velocity.iter().zip([10.0, 1.0]) {
            assert!((v - c).abs() < 1e-12, "{text}: {velocity:?}");
        }
    }
}

#[test]
fn no_velocity_costs_more_than_the_guidance_says() {
    for entry in entries() {
        for scale in [0.0, 1.0, 2.5] {
            let text = format!("{}:scale={scale}", entry.id);
            let most = text.parse::<Guidance>().unwrap().evaluations();
            let spent: Vec<usize> = [0.0, 0.01, 0.3, 0.5, 0.9, 1.0].map(|t| asked(&text, t).1).to_vec();
            assert!(spent.iter().all(|spent| *spent <= most), "{text}: {spent:?}");
            assert!(spent.contains(&most), "{text}: {spent:?}, declared {most}");
        }
    }
}

/// As [`Branches`], for a batch: v_c = 10, v_u = 4 + row, each of one element.
struct Batch;

impl Conditional<Vec<Vec<f64>>> for Batch {
    fn conditional(&mut self, _: At<'_>, x: &Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, Error> {
        Ok(vec![vec![10.0]; x.len()])
    }
    fn unconditional(&mut self, at: At<'_>, x: &Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, Error> {
        let row = |i: usize| match at {
            At::All(_) => i,
            At::Rows { rows, .. } => rows[i],
        };
        Ok((0..x.len()).map(|i| vec![4.0 + row(i) as f64]).collect())
    }
    fn both(&mut self, at: At<'_>, x: &Vec<Vec<f64>>) -> Result<(Vec<Vec<f64>>, Vec<Vec<f64>>), Error> {
        Ok((self.conditional(at, x)?, self.unconditional(at, x)?))
    }
    fn weak(&mut self, _: At<'_>, x: &Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, Error> {
        Ok(vec![vec![6.0]; x.len()])
    }
}

#[test]
fn samples_at_times_of_their_own_are_guided_and_charged_as_if_alone() {
    let x = vec![vec![1.0], vec![2.0], vec![3.0], vec![4.0]];
    let times = [0.01, 0.3, 0.5, 0.95];
    let rows = [3, 0, 2, 1];
    for guidance in Guidance::all() {
        let mut together = Guided::new(guidance.clone(), Batch);
        let velocity = together.velocity_rows(&times, &rows, &x).unwrap();
        for i in 0..4 {
            let mut alone = Guided::new(guidance.clone(), Batch);
            let one = alone.velocity_rows(&times[i..=i], &rows[i..=i], &vec![x[i].clone()]).unwrap();
            assert_eq!(velocity[i], one[0], "{guidance}");
            let spent = |field: &Guided<Batch>| Field::<Vec<Vec<f64>>>::spent(field, rows[i]);
            assert_eq!(spent(&together), spent(&alone), "{guidance}");
        }
    }
}
